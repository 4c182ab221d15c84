/** Dashboard: the wall of streams, what is wrong with them, the alerts, and how the pipeline itself is. */
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboardFrame } from './frame.ts';
import {
  bars,
  COLOURED_TEXT,
  DATASOURCE,
  lines,
  sqlQuery,
  stat,
  steps,
  table,
  timeline,
  valueMapping,
  variable,
} from './panels.ts';

export function streamsDashboard(): Dashboard {
  const dashboard = dashboardFrame(
    new DashboardBuilder('EveryView: streams and alerts'),
    'everyview-streams',
    'Every watched stream, its defects, and the alerts that came of them.',
  )
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(
      variable(
        'programme',
        'Programme',
        'SELECT DISTINCT programme_id FROM v_stream_health WHERE $__timeFilter(time) ORDER BY 1',
        { isMulti: true },
      ),
    )
    .annotation(alertAnnotation());
  addWall(dashboard);
  addWallOverTime(dashboard);
  addAlerts(dashboard);
  addFigures(dashboard);
  addPipeline(dashboard);
  return dashboard.build();
}

/** Alerts as marks over every graph: from when they fired until they were resolved. */
export function alertAnnotation(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Alerts')
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor('red')
    .target(
      sqlQuery(
        `
        SELECT fired_at AS time, coalesce(ends_at, now()) AS timeend, summary AS text,
               concat_ws(',', severity, scope, programme_id) AS tags
          FROM v_alerts
         WHERE fired_at IS NOT NULL AND $__timeFilter(fired_at)
         ORDER BY fired_at`,
        'table',
      ),
    );
}

const STATUS = valueMapping({
  '0': ['good', 'green'],
  '1': ['off air', 'blue'],
  '2': ['not watched', 'text'],
  '3': ['no data', 'purple'],
  '4': ['defective', 'red'],
});

const SEVERITY = valueMapping({
  critical: ['critical', 'red'],
  high: ['high', 'red'],
  warning: ['warning', 'orange'],
  medium: ['medium', 'orange'],
  low: ['low', 'yellow'],
  info: ['info', 'blue'],
});

const LATEST = `
  latest AS (
    SELECT DISTINCT ON (stream) *
      FROM v_stream_health
     WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
     ORDER BY stream, time DESC
  )`;

function addWall(dashboard: DashboardBuilder): void {
  dashboard
    .withRow(new RowBuilder('Wall'))
    .withPanel(
      stat({
        title: 'Streams',
        description: 'By their latest window in the range.',
        width: 10,
        sql: `
          WITH ${LATEST.trim()}
          SELECT count(*) FILTER (WHERE status = 'good') AS "good",
                 count(*) FILTER (WHERE status = 'defective') AS "defective",
                 count(*) FILTER (WHERE status = 'no-data') AS "no data",
                 count(*) FILTER (WHERE status IN ('not-watched', 'off-air')) AS "not watched"
            FROM latest`,
      })
        .overrideByName('good', colour('green'))
        .overrideByName('defective', colour('red'))
        .overrideByName('no data', colour('purple')),
    )
    .withPanel(
      stat({
        title: 'Alerts now',
        description: 'That fire, whenever they began.',
        width: 8,
        sql: `
          SELECT count(*) FILTER (WHERE severity = 'critical') AS "critical",
                 count(*) FILTER (WHERE severity = 'warning') AS "warning",
                 count(*) FILTER (WHERE severity = 'info') AS "info"
            FROM v_alerts
           WHERE status = 'firing'`,
      })
        .overrideByName('critical', colour('red'))
        .overrideByName('warning', colour('orange'))
        .overrideByName('info', colour('blue')),
    )
    .withPanel(
      stat({
        title: 'Under a defect',
        description: 'Share of the watched time in the range in which a stream had a defect.',
        width: 6,
        unit: 'percentunit',
        decimals: 2,
        thresholds: steps('green', [0.001, 'yellow'], [0.01, 'red']),
        sql: `
          SELECT coalesce(sum(defect_ms)::float8 / nullif(sum(media_ms), 0), 0) AS "share"
            FROM v_stream_health
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})`,
      }),
    );
}

function addWallOverTime(dashboard: DashboardBuilder): void {
  dashboard
    .withPanel(
      timeline({
        title: 'Streams over time',
        description: 'One band for each stream; windows of 10 s.',
        width: 24,
        mappings: [STATUS],
        thresholds: steps('green', [3, 'purple'], [4, 'red']),
        sql: `
          SELECT time, stream AS metric, max(status_code) AS value
            FROM v_stream_health
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
           GROUP BY time, stream
           ORDER BY time, stream`,
      }),
    )
    .withPanel(
      table({
        title: 'Streams now',
        description: 'The latest window of each.',
        width: 24,
        mappings: [STATUS, SEVERITY],
        sql: `
          WITH ${LATEST.trim()}
          SELECT stream, status_code AS "status", array_to_string(defect_types, ', ') AS "defects",
                 worst_severity AS "severity", coverage_permille / 10.0 AS "coverage %", frames,
                 frames_expected AS "expected", luma_mean_centi / 100.0 AS "luma",
                 still_ms_max / 1000.0 AS "still s", audio_rms_centi_dbfs_max / 100.0 AS "audio dBFS",
                 loudness_centi_lufs / 100.0 AS "LUFS", bitrate_bps / 1e6 AS "Mbit/s",
                 decode_to_log_ms_max AS "decode to log ms", time AS "window"
            FROM latest
           ORDER BY status_code DESC, stream`,
      })
        .overrideByName('status', [COLOURED_TEXT])
        .overrideByName('severity', [COLOURED_TEXT]),
    );
}

function addAlerts(dashboard: DashboardBuilder): void {
  dashboard
    .withRow(new RowBuilder('Alerts and defects'))
    .withPanel(
      table({
        title: 'Alerts',
        description: 'As each is now; those that began in the range, and all that fire.',
        width: 24,
        mappings: [SEVERITY, valueMapping({ firing: ['firing', 'red'], resolved: ['resolved', 'green'] })],
        sql: `
          SELECT starts_at AS "since", status, severity, scope, summary, verdict, affected_sessions AS "sessions",
                 affected_share_permille / 10.0 AS "share %", extract(epoch FROM lasted) AS "lasted s",
                 occurrences, reason, description, array_to_string(defect_ids, ', ') AS "defects"
            FROM v_alerts
           WHERE status = 'firing' OR $__timeFilter(time)
           ORDER BY status = 'firing' DESC, severity_code DESC, starts_at DESC
           LIMIT 200`,
      })
        .overrideByName('status', [COLOURED_TEXT])
        .overrideByName('severity', [COLOURED_TEXT]),
    )
    .withPanel(
      bars({
        title: 'Alerts by what happened to them',
        description: 'Changes per interval.',
        width: 12,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), status AS metric, count(*) AS value
            FROM v_alert_changes
           WHERE $__timeFilter(time)
           GROUP BY 1, status
           ORDER BY 1`,
      }),
    )
    .withPanel(
      bars({
        title: 'Seconds under a defect',
        description: 'Presentation time with at least one defect, by stream.',
        width: 12,
        unit: 's',
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), stream AS metric, sum(defect_ms) / 1000.0 AS value
            FROM v_stream_health
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
           GROUP BY 1, stream
           ORDER BY 1`,
      }),
    )
    .withPanel(
      table({
        title: 'Defects',
        description: 'Places are on the presentation timeline of the stream.',
        width: 24,
        mappings: [SEVERITY],
        sql: `
          SELECT opened_at AS "opened", stream, type, severity, CASE WHEN is_open THEN 'open' ELSE '' END AS "open",
                 start_ms / 1000.0 AS "from s", duration_ms / 1000.0 AS "for s", confidence_permille / 10.0 AS "sure %",
                 reason, defect_id AS "defect", probe_id AS "probe"
            FROM v_stream_defects
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
           ORDER BY opened_at DESC
           LIMIT 500`,
      }).overrideByName('severity', [COLOURED_TEXT]),
    );
}

function addFigures(dashboard: DashboardBuilder): void {
  const figure = (title: string, description: string, unit: string, sql: string) =>
    lines({
      title,
      description,
      unit,
      width: 12,
      sql: `
        SELECT $__timeGroupAlias(time, $__interval), stream AS metric, ${sql} AS value
          FROM v_stream_health
         WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
         GROUP BY 1, stream
         ORDER BY 1`,
    });
  dashboard
    .withRow(new RowBuilder('Figures'))
    .withPanel(figure('Pictures', 'Per second.', 'fps', 'sum(frames) * 1000.0 / nullif(sum(media_ms), 0)'))
    .withPanel(figure('Bitrate', 'Of the container.', 'bps', 'avg(bitrate_bps)'))
    .withPanel(
      figure('Luma', 'Mean over pictures, 8-bit code values.', 'none', 'avg(luma_mean_centi) / 100.0'),
    )
    .withPanel(
      figure('Audio level', 'RMS of the loudest channel.', 'dB', 'avg(audio_rms_centi_dbfs_max) / 100.0'),
    )
    .withPanel(
      figure('Longest still picture', 'Without change from its anchor.', 's', 'max(still_ms_max) / 1000.0'),
    )
    .withPanel(
      figure(
        'From decoding to the log',
        'The slowest record of a window.',
        'ms',
        'max(decode_to_log_ms_max)',
      ),
    );
}

function addPipeline(dashboard: DashboardBuilder): void {
  dashboard
    .withRow(new RowBuilder('Pipeline'))
    .withPanel(
      stat({
        title: 'Tables',
        description: 'How old the newest window of a stream is, and what was not stored in the range.',
        width: 8,
        sql: `
          SELECT extract(epoch FROM now() - (SELECT max(window_end) FROM v_stream_health WHERE time > now() - interval '1 day'))
                   AS "seconds behind",
                 (SELECT coalesce(sum(records), 0) FROM v_dead_letters WHERE $__timeFilter(time)) AS "dead letters",
                 (SELECT count(*) FROM v_sink_rejects WHERE $__timeFilter(time)) AS "rejects",
                 (SELECT sum(lost_records) FROM v_sink_positions) AS "lost"`,
      }),
    )
    .withPanel(
      table({
        title: 'Positions',
        description: 'What of each topic is in the tables.',
        width: 16,
        sql: `
          SELECT topic, count(*) AS "partitions", sum(next_offset) AS "offsets", max(log_time) AS "newest record",
                 max(written_at) AS "written", sum(lost_records) AS "lost"
            FROM v_sink_positions
           GROUP BY topic
           ORDER BY topic`,
      }),
    );
}

function colour(name: string): { id: string; value: unknown }[] {
  return [{ id: 'color', value: { mode: 'fixed', fixedColor: name } }];
}
