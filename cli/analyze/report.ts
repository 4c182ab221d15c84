/** The analysis of one or several inputs as one page that needs nothing else. */
import { mediaTime, seconds } from '../../consumers/tail/record-line.ts';
import { escaped, htmlPage } from '../html-page.ts';
import { counted } from '../terminal.ts';
import type { AnalysedDefect, Analysis } from './analysis.ts';
import { type LoudnessPoint, loudnessOf } from './loudness-summary.ts';
import {
  blocksOf,
  LEFT_PX,
  looksOf,
  PLOT_WIDTH_PX,
  picturesOf,
  plotOf,
  type Sample,
  type Series,
  timeAxis,
  timeMarks,
} from './plots.ts';

export type ReportPart = {
  readonly analysis: Analysis;
  /** By presentation time, ms: at the start of each defect, and at {@link stripPlaces}. */
  readonly thumbnails: ReadonlyMap<number, string>;
};

const STRIP_PICTURES = 10;

/** Where the pictures of the strip above the timeline are from: the middles of ten equal parts, ms. */
export function stripPlaces({ chunks, durationMs }: Analysis): readonly number[] {
  if (!chunks.some(({ framePtsMs }) => framePtsMs.length > 0)) return [];
  return Array.from({ length: STRIP_PICTURES }, (_, at) =>
    Math.floor(((at + 0.5) * durationMs) / STRIP_PICTURES),
  );
}

export function reportHtml(parts: readonly ReportPart[]): string {
  const title = parts.map(({ analysis }) => analysis.streamId).join(', ');
  return htmlPage({
    title,
    style: STYLE,
    body: `${parts.map(section).join('\n')}<script>${CURSOR}</script>`,
  });
}

const STYLE = `
:root{color-scheme:light dark;--a:light-dark(#1d5fd1,#6ea8ff);--b:light-dark(#a86400,#e0a93b);--c:light-dark(#18794e,#3fc98a);--line:#8884;--dim:#8a93a0}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:74rem;padding:0 1rem;font-variant-numeric:tabular-nums}
h1{margin:2rem 0 .25rem}h2{margin:1.5rem 0 .5rem;font-size:1.1rem}p{margin:.25rem 0}.dim{color:var(--dim)}
figure{margin:0 0 .4rem}.head{font-weight:600}.unit,.clock{fill:var(--dim)}.mark{stroke:var(--line);stroke-dasharray:2 4}.overall{stroke:var(--b);stroke-dasharray:6 4}
.cursor{stroke:currentColor;stroke-opacity:.55}.strip{display:flex;gap:2px;margin:0 calc(6/1100*100%) .3rem calc(132/1100*100%)}.strip img{flex:1;min-width:0;border-radius:2px}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:currentColor}svg .head{font-size:12px}
.grid{stroke:var(--line)}.line{fill:none;stroke-width:1.2;vector-effect:non-scaling-stroke}
.band{fill:#d99a2b55}.band.low{fill:#8883}.band.high,.band.critical{fill:#d6453d66}
.lane rect{rx:2}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr));gap:.9rem}
.card{border:1px solid var(--line);border-left:5px solid #d99a2b;border-radius:8px;overflow:hidden}.card.low{border-left-color:#8a93a0}.card.high,.card.critical{border-left-color:#d6453d}
.card img{display:block;width:100%;background:#0004}.card div{padding:.5rem .7rem;font-size:.9rem}.card b{display:block}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid var(--line)}`;

function section({ analysis, thumbnails }: ReportPart): string {
  const { streamId, input, durationMs, defects, notWatched, chunks, decoder } = analysis;
  const pictures = chunks.reduce((sum, { framePtsMs }) => sum + framePtsMs.length, 0);
  return `<section><h1>${escaped(streamId)}</h1>
<p class="dim">${escaped(input)}: ${mediaTime(durationMs)}, ${pictures} pictures, decoded by ffmpeg ${escaped(decoder)}</p>
<h2>Timeline</h2>
${strip(analysis, thumbnails)}
${lanes(analysis)}
${plots(analysis)}
<h2>${defects.length === 0 ? 'No defect' : counted(defects.length, 'defect')}</h2>
<div class="cards">${defects.map((defect) => card(defect, thumbnails)).join('')}</div>
${soundTable(analysis)}
<h2>Not judged</h2>
<p class="dim">${notWatched.join(', ')}. Nothing is said about these: it does not mean that they are good.</p></section>`;
}

/** A line at the same time in all plots of an input, where the pointer is. */
const CURSOR = `
for (const plots of Map.groupBy(document.querySelectorAll('svg.plot'), (svg) => svg.closest('section')).values()) {
  const draw = (x) => {
    for (const svg of plots) {
      let line = svg.querySelector('.cursor');
      if (line === null) {
        line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
        line.setAttribute('class', 'cursor');
        svg.append(line);
      }
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: 0, y2: svg.viewBox.baseVal.height })) line.setAttribute(name, value);
    }
  };
  for (const svg of plots) svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    draw(Math.max(${LEFT_PX}, ((event.clientX - box.left) / box.width) * ${PLOT_WIDTH_PX}));
  });
}`;

const LANE_PX = 20;

/** Ten pictures over the time that they stand for. */
function strip(analysis: Analysis, thumbnails: ReadonlyMap<number, string>): string {
  const images = stripPlaces(analysis).map((ms) => {
    const image = thumbnails.get(ms);
    return image === undefined
      ? ''
      : `<img src="${image}" alt="the picture at ${mediaTime(ms)}" title="${mediaTime(ms)}">`;
  });
  return images.every((one) => one === '') ? '' : `<div class="strip">${images.join('')}</div>`;
}

function lanes({ defects, durationMs }: Analysis): string {
  const types = [...new Set(defects.map(({ type }) => type))].sort();
  const x = timeAxis(durationMs);
  const rows = types.map((type, row) => {
    const y = row * LANE_PX + 4;
    const bars = defects
      .filter((one) => one.type === type)
      .map(
        ({ startMs, endMs, severity, reason }) =>
          `<rect class="band ${severity}" style="fill-opacity:1" x="${x(startMs).toFixed(1)}" y="${y}" width="${Math.max(2, x(endMs) - x(startMs)).toFixed(1)}" height="${LANE_PX - 6}"><title>${escaped(`${mediaTime(startMs)} to ${mediaTime(endMs)}: ${reason}`)}</title></rect>`,
      );
    return `<text x="0" y="${y + 11}">${type}</text><line class="grid" x1="${LEFT_PX}" x2="${PLOT_WIDTH_PX}" y1="${y + LANE_PX - 5}" y2="${y + LANE_PX - 5}"/>${bars.join('')}`;
  });
  const height = types.length * LANE_PX + 22;
  const marks = timeMarks(durationMs).map((ms) => {
    const line = `<line class="mark" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="2" y2="${height - 16}"/>`;
    const anchor = x(ms) > PLOT_WIDTH_PX - 30 ? 'end' : 'middle';
    return `${line}<text class="clock" x="${x(ms).toFixed(1)}" y="${height - 4}" text-anchor="${anchor}">${mediaTime(ms).slice(0, -4)}</text>`;
  });
  return `<figure><svg class="lane plot" viewBox="0 0 ${PLOT_WIDTH_PX} ${height}" role="img" aria-label="defects over time">${marks.join('')}${rows.join('')}</svg></figure>`;
}

type PictureColumn = 'lumaMeanCenti' | 'lumaSpreadCenti' | 'darkPermille' | 'diffMeanCenti';

function picture(label: string, colour: string, column: PictureColumn, per: number): Series {
  return { label, colour, figureOf: ({ chunk, index }) => chunk[column][index]! / per };
}

function plots(analysis: Analysis): string {
  return [...picturePlots(analysis), ...soundPlots(analysis)].join('\n');
}

function picturePlots({ chunks, durationMs, defects }: Analysis): string[] {
  const samples = [...picturesOf(chunks)];
  if (samples.length === 0) return [];
  const ofVideo = defects.filter(({ type }) => type.startsWith('video-') || type === 'pts-discontinuity');
  const sampleMs = pictureMs(chunks);
  const common = { durationMs, samples, sampleMs, defects: ofVideo };
  const looks = [...looksOf(chunks)];
  const gapMsMax = Math.min(500, Math.max(4 * sampleMs, 100));
  return [
    plotOf({
      ...{ ...common, title: 'luma', unit: 'code values', min: 0, max: 255 },
      series: [picture('mean', 'a', 'lumaMeanCenti', 100), picture('spread', 'b', 'lumaSpreadCenti', 100)],
    }),
    plotOf({
      ...{ ...common, title: 'dark pixels', unit: 'percent', min: 0, max: 100 },
      series: [picture('dark, neutral', 'a', 'darkPermille', 10)],
    }),
    plotOf({
      ...{ ...common, title: 'change', unit: 'code values per picture', min: 0, max: 20 },
      series: [picture('mean difference', 'c', 'diffMeanCenti', 100)],
    }),
    plotOf({
      ...{ ...common, title: 'interval', unit: 'ms between pictures', min: 0, max: gapMsMax },
      series: [{ label: 'each picture', colour: 'b', figureOf: intervalOf }],
    }),
    ...(looks.length === 0
      ? []
      : [
          plotOf({
            ...{ ...common, samples: looks, sampleMs: Math.max(400, sampleMs) },
            ...{ title: 'sharpness', unit: 'percent', min: 0, max: 300 },
            series: [
              {
                label: 'whole picture',
                colour: 'a',
                figureOf: ({ chunk, index }) => chunk.lookSharpPermille[index]! / 10,
              },
            ],
          }),
        ]),
  ];
}

/** From the picture before in the same chunk; of its first one nothing is said. */
function intervalOf({ chunk, index }: Sample): number | null {
  return index === 0 ? null : chunk.framePtsMs[index]! - chunk.framePtsMs[index - 1]!;
}

function soundPlots(analysis: Analysis): string[] {
  const { chunks, durationMs } = analysis;
  const samples = [...blocksOf(chunks)];
  if (samples.length === 0) return [];
  const defects = analysis.defects.filter(({ type }) => /^(audio|av)-/.test(type));
  const channels = Math.max(...chunks.map(({ audioChannels }) => audioChannels));
  const common = { durationMs, samples, sampleMs: 2 * chunks[0]!.audioBlockMs, defects };
  const level =
    (channel: number) =>
    ({ chunk, index }: Sample): number | null =>
      channel < chunk.audioChannels
        ? chunk.audioRmsCentiDbfs[index * chunk.audioChannels + channel]! / 100
        : null;
  const correlation = ({ chunk, index }: Sample): number | null => {
    const permille = chunk.audioCorrelationPermille[index];
    return permille === undefined ? null : permille / 1_000;
  };
  return [
    plotOf({
      ...{ ...common, title: 'sound level', unit: 'dBFS, RMS per 100 ms', min: -90, max: 0 },
      series: Array.from({ length: Math.min(2, channels) }, (_, channel) => ({
        label: `channel ${channel + 1}`,
        colour: channel === 0 ? 'a' : 'b',
        figureOf: level(channel),
      })),
    }),
    ...(channels < 2
      ? []
      : [
          plotOf({
            ...{ ...common, title: 'stereo', unit: 'correlation', min: -1, max: 1 },
            series: [{ label: 'left with right', colour: 'c', figureOf: correlation }],
          }),
        ]),
    ...loudnessPlot(analysis, samples, defects),
  ];
}

function loudnessPlot(
  { chunks, durationMs }: Analysis,
  samples: readonly Sample[],
  defects: readonly AnalysedDefect[],
): string[] {
  const loudness = loudnessOf(chunks);
  if (loudness === null) return [];
  const line = (label: string, colour: string, figure: keyof LoudnessPoint): Series => ({
    label,
    colour,
    figureOf: ({ atMs }) => loudness.points.get(atMs)?.[figure] ?? null,
  });
  const series = [line('momentary', 'c', 'momentaryLufs'), line('short-term', 'a', 'shortTermLufs')];
  const sampleMs = 2 * chunks[0]!.audioBlockMs;
  const { integratedLufs } = loudness;
  const overall =
    integratedLufs === null
      ? null
      : { label: `integrated ${integratedLufs.toFixed(1)}`, value: integratedLufs };
  const axes = { title: 'loudness', unit: 'LUFS', min: -60, max: 0, overall };
  return [plotOf({ durationMs, samples, sampleMs, defects, ...axes, series })];
}

/** Twice the nominal time between pictures: the slowest of all chunks. */
function pictureMs(chunks: Analysis['chunks']): number {
  return 2 * Math.max(20, ...chunks.map(({ frameIntervalUs }) => Math.ceil(frameIntervalUs / 1_000)));
}

function card(defect: AnalysedDefect, thumbnails: ReadonlyMap<number, string>): string {
  const { type, startMs, endMs, open, severity, reason, confidencePermille } = defect;
  const image = thumbnails.get(startMs);
  return `<article class="card ${severity}">${image === undefined ? '' : `<img src="${image}" alt="the picture at ${mediaTime(startMs)}">`}<div><b>${type}</b>${mediaTime(startMs)} to ${open ? 'the end' : mediaTime(endMs)}, ${seconds(endMs - startMs)}<br><span class="dim">${severity}, ${Math.round(confidencePermille / 10)} % sure. ${escaped(reason)}</span></div></article>`;
}

/** Levels over the whole input, per channel. */
function soundTable({ chunks }: Analysis): string {
  const channels = Math.max(0, ...chunks.map(({ audioChannels }) => audioChannels));
  if (channels === 0) return '';
  const rows = Array.from({ length: channels }, (_, channel) => {
    let [peak, loudest, count, under] = [-12_000, -12_000, 0, 0];
    for (const { chunk, index } of blocksOf(chunks)) {
      if (channel >= chunk.audioChannels) continue;
      const at = index * chunk.audioChannels + channel;
      peak = Math.max(peak, chunk.audioPeakCentiDbfs[at]!);
      loudest = Math.max(loudest, chunk.audioRmsCentiDbfs[at]!);
      if (chunk.audioRmsCentiDbfs[at]! < -6_000) under += 1;
      count += 1;
    }
    const percent = count === 0 ? 0 : Math.round((under * 100) / count);
    return `<tr><td>${channel + 1}</td><td>${(peak / 100).toFixed(1)} dBFS</td><td>${(loudest / 100).toFixed(1)} dBFS</td><td>${percent} %</td></tr>`;
  });
  return `<h2>Sound</h2>${loudnessLine(chunks)}<table><tr><th>channel</th><th>highest sample</th><th>loudest 100 ms</th><th>under -60 dBFS</th></tr>${rows.join('')}</table>`;
}

function loudnessLine(chunks: Analysis['chunks']): string {
  const loudness = loudnessOf(chunks);
  if (loudness === null) return '';
  const { integratedLufs, rangeLu, momentaryLufsMax, shortTermLufsMax, samplePeakDbfs } = loudness;
  const figure = (value: number | null, unit: string): string =>
    value === null ? 'none above the gate' : `${value.toFixed(1)} ${unit}`;
  const figures = [
    `integrated loudness ${figure(integratedLufs, 'LUFS')}`,
    `loudness range ${figure(rangeLu, 'LU')}`,
    `highest momentary ${figure(momentaryLufsMax, 'LUFS')}`,
    `highest short-term ${figure(shortTermLufsMax, 'LUFS')}`,
    `sample peak ${figure(samplePeakDbfs, 'dBFS')}`,
  ];
  return `<p>${figures.join(', ')}</p>`;
}
