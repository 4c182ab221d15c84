/** Lines over time with uPlot, and small ones in plain SVG. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from './html.ts';

export type Line = {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly colour: string;
  readonly unit: string;
};

export type PlotProps = {
  readonly timesMs: readonly number[];
  readonly lines: readonly Line[];
  readonly height: number;
  readonly min?: number;
  readonly max?: number;
};

const SYNC = 'everyview';

export function Plot({ timesMs, lines, height, min, max }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = [timesMs.map((ms) => ms / 1000), ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    plot.current = new uPlot(optionsOf(element, lines, height, min, max), data, element);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
    };
  }, [lines.map(({ label }) => label).join()]);
  useEffect(() => plot.current?.setData(data));
  return html`<div class="plot" ref=${place} role="img" aria-label=${lines.map(({ label }) => label).join(', ')}></div>`;
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  height: number,
  min?: number,
  max?: number,
): uPlot.Options {
  const text = getComputedStyle(element).color;
  const grid = { stroke: 'rgba(128,128,128,.2)', width: 1 };
  return {
    width: element.clientWidth,
    height,
    cursor: { sync: { key: SYNC } },
    legend: { show: lines.length > 1 },
    scales: min === undefined || max === undefined ? {} : { y: { range: [min, max] } },
    axes: [
      { stroke: text, grid },
      { stroke: text, grid, size: 56 },
    ],
    series: [
      {},
      ...lines.map(({ label, colour, unit }) => ({
        label,
        stroke: colourOf(element, colour),
        width: 2,
        spanGaps: false,
        points: { show: false },
        value: (_: uPlot, value: number | null) => (value === null ? '–' : `${value} ${unit}`),
      })),
    ],
  };
}

/** The colour that a variable of the style sheet stands for in the theme that is shown. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A line in a few pixels; a gap where nothing is known. */
export function Spark({
  values,
  max,
  label,
}: {
  readonly values: readonly (number | null)[];
  readonly max: number;
  readonly label: string;
}) {
  if (values.length < 2) return html`<span class="spark none">no past yet</span>`;
  const step = 100 / (values.length - 1);
  let path = '';
  let isOpen = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isOpen = false;
      continue;
    }
    path += `${isOpen ? 'L' : 'M'}${(index * step).toFixed(1)} ${(24 - (Math.min(value, max) / max) * 22).toFixed(1)}`;
    isOpen = true;
  }
  return html`<svg class="spark" viewBox="0 0 100 26" preserveAspectRatio="none" role="img" aria-label=${label}><path d=${path} /></svg>`;
}
