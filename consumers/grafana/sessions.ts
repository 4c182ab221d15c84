/** Dashboard: what viewers get, cohort by cohort, and one session in detail. */
import {
  CustomVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboardFrame } from './frame.ts';
import { barChart, bars, COLOURED_TEXT, cellLink, lines, stat, steps, table, variable } from './panels.ts';
import { alertAnnotation } from './streams.ts';

export function sessionsDashboard(): Dashboard {
  const dashboard = dashboardFrame(
    new DashboardBuilder('EveryView: sessions and scores'),
    UID,
    'What every viewer gets: scores with their causes, cohorts, and one session in detail.',
  )
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(
      variable(
        'programme',
        'Programme',
        'SELECT DISTINCT programme_id FROM v_cohorts WHERE $__timeFilter(time) ORDER BY 1',
        { isMulti: true },
      ),
    )
    .withVariable(
      new CustomVariableBuilder('dimension')
        .label('Cohorts by')
        .values(DIMENSIONS.join(','))
        .current({ selected: true, text: DIMENSIONS[0]!, value: DIMENSIONS[0]! }),
    )
    .withVariable(
      variable(
        'session',
        'Session',
        `
        SELECT session_id AS __value, session_id || ' (' || coalesce(points::text, 'no score') || ')' AS __text
          FROM v_sessions
         WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring}) AND outcome = 'play'
         ORDER BY points NULLS LAST, time DESC, session_id
         LIMIT 500`,
        { isMulti: false },
      ),
    )
    .annotation(alertAnnotation());
  addAudience(dashboard);
  addAudienceOverTime(dashboard);
  addCohorts(dashboard);
  addSessions(dashboard);
  addSession(dashboard);
  return dashboard.build();
}

const UID = 'everyview-sessions';
const DIMENSIONS = ['cdn', 'asn', 'country', 'device', 'player', 'programme'] as const;

const COHORTS = `
  FROM v_cohorts
 WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})`;

const SCORE_COLOURS = steps('red', [50, 'orange'], [70, 'yellow'], [85, 'green']);

const DIMENSION_SQL = `
  CASE \${dimension:sqlstring}
    WHEN 'cdn' THEN cdn WHEN 'asn' THEN coalesce('AS' || asn, 'unknown') WHEN 'country' THEN country
    WHEN 'device' THEN device_class WHEN 'player' THEN player_version ELSE programme_id END`.trim();

function addAudience(dashboard: DashboardBuilder): void {
  dashboard
    .withRow(new RowBuilder('Audience'))
    .withPanel(
      stat({
        title: 'In the range',
        description:
          'Attempts, and how they ended; a viewer who never saw a picture is a failure or an exit.',
        width: 14,
        sql: `
          SELECT sum(attempts) AS "attempts", sum(plays) AS "plays", sum(vsf_technical + vsf_business) AS "start failures",
                 sum(ebvs) AS "exits before start", sum(vpf_technical + vpf_business) AS "playback failures",
                 sum(unknown_outcomes) AS "unknown"
          ${COHORTS.trim()}`,
      }),
    )
    .withPanel(
      stat({
        title: 'Score',
        description: 'Mean of all session windows, 0 to 100.',
        width: 5,
        decimals: 1,
        thresholds: SCORE_COLOURS,
        sql: `SELECT sum(score_sum)::float8 / nullif(sum(scored_sessions), 0) AS "score" ${COHORTS.trim()}`,
      }),
    )
    .withPanel(
      stat({
        title: 'Rebuffering',
        description: 'Stall time over playing and stall time.',
        width: 5,
        unit: 'percentunit',
        decimals: 2,
        thresholds: steps('green', [0.005, 'yellow'], [0.02, 'red']),
        sql: `SELECT sum(stall_ms)::float8 / nullif(sum(playing_ms + stall_ms), 0) AS "ratio" ${COHORTS.trim()}`,
      }),
    );
}

function addAudienceOverTime(dashboard: DashboardBuilder): void {
  dashboard
    .withPanel(
      lines({
        title: 'Viewers',
        description: 'Concurrent sessions at the end of each window, the greatest of an interval.',
        width: 12,
        min: 0,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), programme_id AS metric, max(viewers) AS value
            FROM (SELECT time, programme_id, sum(concurrent) AS viewers ${COHORTS.trim()} GROUP BY 1, 2) AS per_window
           GROUP BY 1, programme_id
           ORDER BY 1`,
      }),
    )
    .withPanel(
      lines({
        title: 'Score',
        description: 'Mean over sessions.',
        width: 12,
        min: 0,
        max: 100,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), programme_id AS metric,
                 sum(score_sum)::float8 / nullif(sum(scored_sessions), 0) AS value
          ${COHORTS.trim()}
           GROUP BY 1, programme_id
           ORDER BY 1`,
      }),
    )
    .withPanel(
      bars({
        title: 'Points lost, by cause',
        description: 'In all sessions together.',
        width: 12,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), cause AS metric, sum(points) AS value
            FROM v_cohort_causes
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
           GROUP BY 1, cause
           ORDER BY 1`,
      }),
    )
    .withPanel(
      barChart({
        title: 'How scores are spread',
        description: 'Session windows by score, in steps of 5.',
        width: 12,
        sql: `
          SELECT (bucket * 5)::text AS "score", sum(windows) AS "session windows"
            FROM v_cohorts CROSS JOIN LATERAL unnest(score_buckets, score_bucket_counts) AS spread (bucket, windows)
           WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
           GROUP BY bucket
           ORDER BY bucket`,
      }),
    );
}

function addCohorts(dashboard: DashboardBuilder): void {
  dashboard
    .withRow(new RowBuilder('Cohorts by $dimension'))
    .withPanel(
      table({
        title: 'Cohorts by $dimension',
        description: 'Sums over sums; the worst score first.',
        width: 24,
        sql: `
          SELECT ${DIMENSION_SQL} AS "cohort",
                 sum(scored_sessions) AS "session windows",
                 round(sum(score_sum) / nullif(sum(scored_sessions), 0), 1) AS "score",
                 round(100.0 * sum(stall_ms) / nullif(sum(playing_ms + stall_ms), 0), 2) AS "rebuffering %",
                 round(100.0 * sum(vsf_technical) / nullif(sum(attempts), 0), 2) AS "start failures %",
                 round(100.0 * sum(vpf_technical) / nullif(sum(ended_plays), 0), 2) AS "playback failures %",
                 round(sum(startup_ms_sum) / nullif(sum(startup_count), 0)) AS "startup ms",
                 round(sum(bitrate_kilobits) / nullif(sum(bitrate_ms), 0), 2) AS "Mbit/s",
                 sum(defect_possible_sessions) AS "possibly under a defect"
          ${COHORTS.trim()}
           GROUP BY 1
           ORDER BY 3 NULLS LAST
           LIMIT 100`,
        thresholds: SCORE_COLOURS,
      }).overrideByName('score', [COLOURED_TEXT]),
    )
    .withPanel(
      lines({
        title: 'Score by $dimension',
        description: 'Mean over sessions.',
        width: 12,
        min: 0,
        max: 100,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), ${DIMENSION_SQL} AS metric,
                 sum(score_sum)::float8 / nullif(sum(scored_sessions), 0) AS value
          ${COHORTS.trim()}
           GROUP BY 1, 2
           ORDER BY 1`,
      }),
    )
    .withPanel(
      lines({
        title: 'Rebuffering by $dimension',
        description: 'Stall time over playing and stall time.',
        width: 12,
        unit: 'percentunit',
        min: 0,
        sql: `
          SELECT $__timeGroupAlias(time, $__interval), ${DIMENSION_SQL} AS metric,
                 sum(stall_ms)::float8 / nullif(sum(playing_ms + stall_ms), 0) AS value
          ${COHORTS.trim()}
           GROUP BY 1, 2
           ORDER BY 1`,
      }),
    );
}

function addSessions(dashboard: DashboardBuilder): void {
  dashboard.withRow(new RowBuilder('Sessions')).withPanel(
    table({
      title: 'Sessions',
      description: 'The worst first. A click on a session shows it below.',
      width: 24,
      height: 10,
      thresholds: SCORE_COLOURS,
      sql: `
        SELECT session_id AS "session", points AS "score", outcome, CASE WHEN is_final THEN '' ELSE 'live' END AS "live",
               started_at AS "since", programme_id AS "programme", content_startup_ms AS "startup ms",
               stall_count AS "stalls", stall_ms / 1000.0 AS "stalled s", bitrate_bps / 1e6 AS "Mbit/s", cdn,
               device_class AS "device", country, array_to_string(causes, ', ') AS "causes",
               confidence_permille / 10.0 AS "confidence %"
          FROM v_sessions
         WHERE $__timeFilter(time) AND programme_id IN (\${programme:sqlstring})
         ORDER BY points NULLS LAST, started_at DESC
         LIMIT 500`,
    })
      .overrideByName('score', [COLOURED_TEXT])
      .overrideByName('session', [
        cellLink(
          'Show this session',
          `/d/${UID}?var-session=\${__value.raw:percentencode}&\${__url_time_range}&\${programme:queryparam}&\${dimension:queryparam}`,
        ),
      ]),
  );
}

function addSession(dashboard: DashboardBuilder): void {
  const ofSession = `WHERE $__timeFilter(time) AND session_id = \${session:sqlstring}`;
  dashboard
    .withRow(new RowBuilder('Session $session'))
    .withPanel(
      lines({
        title: 'Score of $session',
        description: 'Of each window, and of the session so far.',
        width: 12,
        min: 0,
        max: 100,
        sql: `
          SELECT time, score AS "window", session_score AS "session"
            FROM v_scores
           ${ofSession}
           ORDER BY time`,
      }),
    )
    .withPanel(
      bars({
        title: 'Points that $session lost, by cause',
        description: 'In each window; they add up to 100 less its score.',
        width: 12,
        sql: `
          SELECT time, cause AS metric, points AS value
            FROM v_score_causes
           ${ofSession}
           ORDER BY time`,
      }),
    )
    .withPanel(
      table({
        title: 'Windows of $session',
        description: 'What its player told, and the stream defects that it was charged for.',
        width: 24,
        sql: `
          SELECT time AS "window", score, player_state AS "state", rendition_id AS "rendition",
                 bitrate_bps / 1e6 AS "Mbit/s", playing_ms / 1000.0 AS "played s", stall_count AS "stalls",
                 stall_ms / 1000.0 AS "stalled s", array_to_string(causes, ', ') AS "causes",
                 array_to_string(defect_types, ', ') AS "stream defects", array_to_string(defect_ids, ', ') AS "defects",
                 defect_possible_ms / 1000.0 AS "possibly s", coverage_permille / 10.0 AS "coverage %",
                 live_latency_ms / 1000.0 AS "latency s", dropped_frames AS "dropped", events_lost AS "lost beacons"
            FROM v_scores
           ${ofSession}
           ORDER BY time DESC`,
      }),
    );
}
