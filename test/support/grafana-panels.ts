/**
 * Runs the queries of committed dashboards as Grafana would: variables first, then every panel and annotation. The macros
 * are those of Grafana's documentation for the PostgreSQL data source, "Macros" and "Advanced variable format options".
 */
import type { Client } from 'pg';

export type PanelRun = {
  readonly panel: string;
  readonly sql: string;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly columns: readonly string[];
};

export type Range = { readonly fromMs: number; readonly toMs: number; readonly intervalMs: number };

/** The part of a dashboard's JSON that queries are in. */
export type DashboardJson = {
  readonly title: string;
  readonly panels: readonly PanelJson[];
  readonly templating: { readonly list: readonly VariableJson[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly target?: TargetJson }[] };
};

/** Every query of a dashboard, in order; variables have the values that Grafana would choose when it is opened. */
export async function runDashboard(
  client: Client,
  dashboard: DashboardJson,
  range: Range,
): Promise<readonly PanelRun[]> {
  const variables = new Map<string, readonly string[]>();
  const runs: PanelRun[] = [];
  const run = async (panel: string, sql: string): Promise<PanelRun> => {
    const expanded = expandSql(sql, range, variables);
    try {
      const { rows, fields } = await client.query(expanded);
      const done = { panel, sql: expanded, rows, columns: fields.map(({ name }) => name) };
      runs.push(done);
      return done;
    } catch (cause) {
      throw new Error(`${dashboard.title}, ${panel}: ${String(cause)}\n${expanded}`, { cause });
    }
  };
  for (const variable of dashboard.templating.list) {
    if (variable.type === 'custom') variables.set(variable.name, [variable.query.split(',')[0]!]);
    else {
      const { rows, columns } = await run(`variable ${variable.name}`, variable.query);
      const column = columns.includes('__value') ? '__value' : columns[0]!;
      const values = rows.map((row) => String(row[column]));
      variables.set(variable.name, variable.multi === true ? values : values.slice(0, 1));
    }
  }
  for (const { name, target } of dashboard.annotations.list)
    if (target?.rawSql !== undefined) await run(`annotation ${name}`, target.rawSql);
  for (const { title, targets } of panelsOf(dashboard))
    for (const { rawSql } of targets ?? []) await run(title, rawSql!);
  return runs;
}

/** Panels of all rows, without the rows themselves. */
export function panelsOf({ panels }: DashboardJson): readonly PanelJson[] {
  return panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]));
}

/** Throws for a macro or a variable that it does not know. */
export function expandSql(
  sql: string,
  { fromMs, toMs, intervalMs }: Range,
  variables: ReadonlyMap<string, readonly string[]>,
): string {
  const instant = (ms: number): string => `'${new Date(ms).toISOString()}'`;
  const expanded = sql
    .replaceAll('$__interval', `${intervalMs / 1_000}s`)
    .replace(
      /\$__timeFilter\(([^()]+)\)/g,
      (_, column) => `${column} BETWEEN ${instant(fromMs)} AND ${instant(toMs)}`,
    )
    .replace(/\$__timeGroup(Alias)?\(([^(),]+),\s*'?(\d+)s'?\)/g, (_, alias, column, seconds) => {
      const group = `floor(extract(epoch from ${column})/${seconds})*${seconds}`;
      return alias === undefined ? group : `${group} AS "time"`;
    })
    .replace(/\$\{(\w+):sqlstring\}/g, (_, name) =>
      valuesOf(variables, name)
        .map((value) => `'${value.replaceAll("'", "''")}'`)
        .join(','),
    );
  const unknown = /\$__\w+|\$\{?[a-z]\w*/.exec(expanded);
  if (unknown !== null) throw new Error(`${unknown[0]} is not expanded in: ${expanded}`);
  return expanded;
}

type TargetJson = { readonly rawSql?: string };
type PanelJson = {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly TargetJson[];
  readonly panels?: readonly PanelJson[];
};
type VariableJson = {
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly multi?: boolean;
};

function valuesOf(variables: ReadonlyMap<string, readonly string[]>, name: string): readonly string[] {
  const values = variables.get(name);
  if (values === undefined) throw new Error(`no variable ${name}`);
  if (values.length === 0) throw new Error(`the variable ${name} has no values`);
  return values;
}
