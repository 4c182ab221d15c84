/** The analysis of one or several inputs as one page that needs nothing else. */
import { mediaTime, seconds } from '../../consumers/tail/record-line.ts';
import { escaped, htmlPage } from '../html-page.ts';
import { counted } from '../terminal.ts';
import type { AnalysedDefect, Analysis } from './analysis.ts';
import { type LoudnessPoint, loudnessOf } from './loudness-summary.ts';
import { blocksOf, PLOT_WIDTH_PX, picturesOf, plotOf, type Sample, type Series } from './plots.ts';

export type ReportPart = {
  readonly analysis: Analysis;
  /** By start of the defect. */
  readonly thumbnails: ReadonlyMap<number, string>;
};

export function reportHtml(parts: readonly ReportPart[]): string {
  const title = parts.map(({ analysis }) => analysis.streamId).join(', ');
  return htmlPage({ title, style: STYLE, body: parts.map(section).join('\n') });
}

const STYLE = `
:root{color-scheme:light dark;--a:light-dark(#1d5fd1,#6ea8ff);--b:light-dark(#a86400,#e0a93b);--c:light-dark(#18794e,#3fc98a);--line:#8884;--dim:#8a93a0}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:74rem;padding:0 1rem;font-variant-numeric:tabular-nums}
h1{margin:2rem 0 .25rem}h2{margin:1.5rem 0 .5rem;font-size:1.1rem}p{margin:.25rem 0}.dim{color:var(--dim)}
figure{margin:0 0 .75rem}figcaption{font-size:.85rem;color:var(--dim)}figcaption span{margin-left:1rem}figcaption i{display:inline-block;width:.8rem;height:.2rem;margin-right:.3rem;vertical-align:middle}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:currentColor}
.grid{stroke:var(--line)}.line{fill:none;stroke-width:1.2;vector-effect:non-scaling-stroke}
.band{fill:#d99a2b55}.band.low{fill:#8883}.band.high,.band.critical{fill:#d6453d66}
.lane rect{rx:2}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr));gap:.9rem}
.card{border:1px solid var(--line);border-left:5px solid #d99a2b;border-radius:8px;overflow:hidden}.card.low{border-left-color:#8a93a0}.card.high,.card.critical{border-left-color:#d6453d}
.card img{display:block;width:100%;background:#0004}.card div{padding:.5rem .7rem;font-size:.9rem}.card b{display:block}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid var(--line)}`;

function section({ analysis, thumbnails }: ReportPart): string {
  const { streamId, input, durationMs, defects, notWatched, chunks, decoder } = analysis;
  const pictures = chunks.reduce((sum, { framePtsMs }) => sum + framePtsMs.length, 0);
  return `<h1>${escaped(streamId)}</h1>
<p class="dim">${escaped(input)}: ${mediaTime(durationMs)}, ${pictures} pictures, decoded by ffmpeg ${escaped(decoder)}</p>
<h2>Timeline</h2>
${lanes(analysis)}
${plots(analysis)}
<h2>${defects.length === 0 ? 'No defect' : counted(defects.length, 'defect')}</h2>
<div class="cards">${defects.map((defect) => card(defect, thumbnails)).join('')}</div>
${soundTable(analysis)}
<h2>Not judged</h2>
<p class="dim">${notWatched.join(', ')}. Nothing is said about these: it does not mean that they are good.</p>`;
}

const LANE_PX = 20;

function lanes({ defects, durationMs }: Analysis): string {
  const types = [...new Set(defects.map(({ type }) => type))].sort();
  if (types.length === 0) return '';
  const left = 170;
  const x = (ms: number): number => left + (ms / Math.max(1, durationMs)) * (PLOT_WIDTH_PX - left - 4);
  const rows = types.map((type, row) => {
    const y = row * LANE_PX + 4;
    const bars = defects
      .filter((one) => one.type === type)
      .map(
        ({ startMs, endMs, severity, reason }) =>
          `<rect class="band ${severity}" style="fill-opacity:1" x="${x(startMs).toFixed(1)}" y="${y}" width="${Math.max(2, x(endMs) - x(startMs)).toFixed(1)}" height="${LANE_PX - 6}"><title>${escaped(`${mediaTime(startMs)} to ${mediaTime(endMs)}: ${reason}`)}</title></rect>`,
      );
    return `<text x="0" y="${y + 11}">${type}</text><line class="grid" x1="${left}" x2="${PLOT_WIDTH_PX}" y1="${y + LANE_PX - 5}" y2="${y + LANE_PX - 5}"/>${bars.join('')}`;
  });
  const height = types.length * LANE_PX + 22;
  const times = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(durationMs * share).toFixed(1)}" y="${height - 4}" text-anchor="${share === 1 ? 'end' : share === 0 ? 'start' : 'middle'}">${mediaTime(Math.round(durationMs * share)).slice(0, -4)}</text>`,
  );
  return `<figure><svg class="lane" viewBox="0 0 ${PLOT_WIDTH_PX} ${height}" role="img" aria-label="defects over time">${rows.join('')}${times.join('')}</svg></figure>`;
}

type PictureColumn = 'lumaMeanCenti' | 'lumaSpreadCenti' | 'darkPermille' | 'diffMeanCenti';

function picture(label: string, colour: string, column: PictureColumn, per: number): Series {
  return { label, colour, figureOf: ({ chunk, index }) => chunk[column][index]! / per };
}

function plots(analysis: Analysis): string {
  const { chunks, durationMs } = analysis;
  const of = (prefix: string) => analysis.defects.filter(({ type }) => type.startsWith(prefix));
  const common = {
    durationMs,
    samples: [...picturesOf(chunks)],
    sampleMs: pictureMs(chunks),
    defects: of('video-'),
  };
  const channels = Math.max(...chunks.map(({ audioChannels }) => audioChannels));
  const blocks = [...blocksOf(chunks)];
  return [
    ...(common.samples.length === 0
      ? []
      : [
          plotOf({
            ...common,
            ...{ title: 'luma', unit: 'code values', min: 0, max: 255 },
            series: [
              picture('mean', 'a', 'lumaMeanCenti', 100),
              picture('spread', 'b', 'lumaSpreadCenti', 100),
            ],
          }),
          plotOf({
            ...common,
            ...{ title: 'dark pixels', unit: 'percent', min: 0, max: 100 },
            series: [picture('dark and neutral', 'a', 'darkPermille', 10)],
          }),
          plotOf({
            ...common,
            ...{ title: 'change from picture to picture', unit: 'code values', min: 0, max: 20 },
            series: [picture('mean difference', 'c', 'diffMeanCenti', 100)],
          }),
        ]),
    ...(blocks.length === 0
      ? []
      : [
          plotOf({
            durationMs,
            samples: blocks,
            sampleMs: 2 * chunks[0]!.audioBlockMs,
            defects: of('audio-'),
            ...{ title: 'sound, RMS per 100 ms', unit: 'dBFS', min: -90, max: 0 },
            series: Array.from({ length: Math.min(2, channels) }, (_, channel) => ({
              label: `channel ${channel + 1}`,
              colour: channel === 0 ? 'a' : 'b',
              figureOf: ({ chunk, index }: Sample) =>
                channel < chunk.audioChannels
                  ? chunk.audioRmsCentiDbfs[index * chunk.audioChannels + channel]! / 100
                  : null,
            })),
          }),
          ...loudnessPlot(analysis, blocks, of('audio-')),
        ]),
  ].join('\n');
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
  const series = [
    line('momentary (400 ms)', 'c', 'momentaryLufs'),
    line('short-term (3 s)', 'a', 'shortTermLufs'),
  ];
  const sampleMs = 2 * chunks[0]!.audioBlockMs;
  const axes = { title: 'loudness', unit: 'LUFS', min: -60, max: 0 };
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
