/** The few kinds of panel that the dashboards are made of, over SQL. */

import { PanelBuilder as BarChart } from '@grafana/grafana-foundation-sdk/barchart';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarAlignment,
  BigValueColorMode,
  BigValueGraphMode,
  type DataSourceRef,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  StackingConfigBuilder,
  StackingMode,
  TableCellHeight,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type DynamicConfigValue,
  MappingType,
  QueryVariableBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimeline } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';

/** The provisioned data source: `provisioning/datasources/everyview.yaml` gives it this uid. */
export const DATASOURCE: DataSourceRef = { type: 'grafana-postgresql-datasource', uid: 'everyview-postgres' };

export type PanelOptions = {
  readonly title: string;
  readonly description: string;
  readonly sql: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly height?: number;
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  readonly thresholds?: readonly Threshold[];
  readonly mappings?: readonly ValueMapping[];
};

type SqlQuery = Dataquery & {
  readonly refId: string;
  readonly datasource: DataSourceRef;
  readonly format: 'table' | 'time_series';
  readonly rawQuery: true;
  readonly rawSql: string;
  readonly editorMode: 'code';
};

/** A query of the PostgreSQL data source, which the SDK has no builder for. */
export function sqlQuery(rawSql: string, format: SqlQuery['format']): Builder<Dataquery> {
  const query = {
    refId: 'A',
    datasource: DATASOURCE,
    format,
    rawQuery: true,
    rawSql: trimmed(rawSql),
    editorMode: 'code',
  } as const;
  return { build: () => query as unknown as Dataquery };
}

/** One figure for each column of the only row. */
export function stat(options: PanelOptions): Stat {
  return common(new Stat(), options, 'table', 4)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None);
}

/** Lines over time: columns `time`, then one for each line, or `metric` and a value. */
export function lines(options: PanelOptions): TimeSeries {
  return common(new TimeSeries(), options, 'time_series', 8)
    .lineWidth(1)
    .fillOpacity(5)
    .showPoints(VisibilityMode.Never)
    .spanNulls(30_000)
    .legend(legend())
    .tooltip(tooltip());
}

/** The same as stacked bars. */
export function bars(options: PanelOptions): TimeSeries {
  return common(new TimeSeries(), options, 'time_series', 8)
    .drawStyle(GraphDrawStyle.Bars)
    .barAlignment(BarAlignment.After)
    .fillOpacity(70)
    .lineWidth(0)
    .stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
    .legend(legend())
    .tooltip(tooltip());
}

/** A bar for each row. */
export function barChart(options: PanelOptions): BarChart {
  return common(new BarChart(), options, 'table', 8).legend(legend(false)).tooltip(tooltip()).fillOpacity(70);
}

/** A band for each `metric`, coloured by its value. */
export function timeline(options: PanelOptions): StateTimeline {
  return common(new StateTimeline(), options, 'time_series', 8)
    .mergeValues(true)
    .showValue(VisibilityMode.Never)
    .rowHeight(0.8)
    .fillOpacity(80)
    .lineWidth(0)
    .legend(legend())
    .tooltip(tooltip());
}

export function table(options: PanelOptions): Table {
  return common(new Table(), options, 'table', 9).cellHeight(TableCellHeight.Sm).filterable(true);
}

/** A variable with the rows of a query; columns `__value` and `__text`, or one column for both. */
export function variable(
  name: string,
  label: string,
  sql: string,
  options: { readonly isMulti: boolean },
): QueryVariableBuilder {
  const query = new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query(trimmed(sql))
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.Disabled);
  if (!options.isMulti) return query;
  return query
    .multi(true)
    .includeAll(true)
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

export type Colour = 'green' | 'yellow' | 'orange' | 'red' | 'blue' | 'purple' | 'text';

/** Values with a text and a colour of their own. */
export function valueMapping(
  values: Readonly<Record<string, readonly [text: string, color: Colour]>>,
): ValueMapping {
  return {
    type: MappingType.ValueToText,
    options: Object.fromEntries(
      Object.entries(values).map(([value, [text, color]], index) => [value, { text, color, index }]),
    ),
  };
}

/** Colours from a first one up: each next one begins at its value. */
export function steps(
  first: Colour,
  ...next: readonly (readonly [from: number, color: Colour])[]
): readonly Threshold[] {
  // JSON has no minus infinity: null stands for it.
  const lowest = { value: null as unknown as number, color: first };
  return [lowest, ...next.map(([value, color]) => ({ value, color }))];
}

/** Columns of a table that are coloured by thresholds or mappings, as text. */
export const COLOURED_TEXT: DynamicConfigValue = { id: 'custom.cellOptions', value: { type: 'color-text' } };

/** A dashboard's link of a column, with the value of the cell in it. */
export function cellLink(title: string, url: string): DynamicConfigValue {
  return { id: 'links', value: [{ title, url, targetBlank: false }] };
}

type Configurable<T> = {
  title(title: string): T;
  description(description: string): T;
  datasource(datasource: DataSourceRef): T;
  span(width: number): T;
  height(height: number): T;
  withTarget(target: Builder<Dataquery>): T;
  unit(unit: string): T;
  min(min: number): T;
  max(max: number): T;
  decimals(decimals: number): T;
  thresholds(thresholds: ThresholdsConfigBuilder): T;
  mappings(mappings: ValueMapping[]): T;
};

function common<T extends Configurable<T>>(
  panel: T,
  options: PanelOptions,
  format: SqlQuery['format'],
  height: number,
): T {
  panel
    .title(options.title)
    .description(options.description)
    .datasource(DATASOURCE)
    .span(options.width)
    .height(options.height ?? height)
    .withTarget(sqlQuery(options.sql, format));
  if (options.unit !== undefined) panel.unit(options.unit);
  if (options.min !== undefined) panel.min(options.min);
  if (options.max !== undefined) panel.max(options.max);
  if (options.decimals !== undefined) panel.decimals(options.decimals);
  if (options.mappings !== undefined) panel.mappings([...options.mappings]);
  const thresholds = options.thresholds ?? steps('text');
  return panel.thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([...thresholds]));
}

function legend(isShown = true): VizLegendOptionsBuilder {
  return new VizLegendOptionsBuilder()
    .showLegend(isShown)
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .calcs([]);
}

function tooltip(): VizTooltipOptionsBuilder {
  return new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi);
}

/** Without the indentation that it has in the source. */
function trimmed(sql: string): string {
  const rows = sql.replace(/^\n+|\s+$/g, '').split('\n');
  const indents = rows.filter((row) => row.trim() !== '').map((row) => row.length - row.trimStart().length);
  return rows.map((row) => row.slice(Math.min(...indents))).join('\n');
}
