-- What dashboards read. Each view has the time that it is filtered by as a column of its table, untouched, so that only
-- the partitions of the chosen range are read.

-- Streams per window; `stream` names one for people, `status_code` orders what a wall colours.
CREATE VIEW everyview.v_stream_health AS
SELECT window_start AS time,
       concat_ws(' ', programme_id, nullif(rendition_id, ''), nullif(vantage, 'origin')) AS stream,
       CASE status WHEN 'good' THEN 0 WHEN 'off-air' THEN 1 WHEN 'not-watched' THEN 2 WHEN 'no-data' THEN 3 ELSE 4 END
         AS status_code,
       *
  FROM everyview.stream_health;

-- Defects as intervals on the stream's presentation timeline, with the log time of their first and latest step.
CREATE VIEW everyview.v_stream_defects AS
SELECT defect.detected_at AS time,
       coalesce(opening.detected_at, defect.detected_at) AS opened_at,
       defect.event IN ('open', 'update') AS is_open,
       concat_ws(' ', defect.programme_id, nullif(defect.rendition_id, ''), nullif(defect.vantage, 'origin')) AS stream,
       defect.*
  FROM everyview.stream_defects AS defect
  LEFT JOIN LATERAL (
    SELECT min(step.detected_at) AS detected_at
      FROM everyview.stream_defect_steps AS step
     WHERE step.programme_id = defect.programme_id AND step.defect_id = defect.defect_id
  ) AS opening ON true;

-- Every change of every alert.
CREATE VIEW everyview.v_alert_changes AS
SELECT updated_at AS time, * FROM everyview.qos_alerts;

-- Each alert as it is now.
CREATE VIEW everyview.v_alerts AS
SELECT starts_at AS time,
       coalesce(ends_at, now()) - starts_at AS lasted,
       CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END AS severity_code,
       *
  FROM everyview.qos_alerts_current;

-- Scores of sessions per window.
CREATE VIEW everyview.v_scores AS
SELECT window_start AS time, * FROM everyview.qos_scores;

-- Points per session, window and cause: one row for each cause.
CREATE VIEW everyview.v_score_causes AS
SELECT score.window_start AS time, score.session_key, score.session_id, score.programme_id, cause.cause, cause.points
  FROM everyview.qos_scores AS score
 CROSS JOIN LATERAL unnest(score.causes, score.cause_points) AS cause (cause, points);

-- Sessions: their final record, or what the latest window says where they go on. A session whose heartbeat was lost has
-- a final record soon, so those without one are looked for in the last hour only.
CREATE VIEW everyview.v_sessions AS
SELECT window_start AS time, window_start AS started_at, window_end AS last_at, true AS is_final,
       score AS points, mos_centi AS mos, *
  FROM everyview.qos_sessions
UNION ALL
SELECT live.started_at, live.started_at, live.window_end, false, live.session_score, live.session_mos_centi,
       (live.score_row).*
  FROM (
    SELECT DISTINCT ON (latest.session_key)
           latest AS score_row, latest.session_key, latest.window_end, latest.session_score, latest.session_mos_centi,
           min(latest.window_start) OVER (PARTITION BY latest.session_key) AS started_at
      FROM everyview.qos_scores AS latest
     WHERE latest.window_start > now() - interval '1 hour'
     ORDER BY latest.session_key, latest.window_start DESC
  ) AS live
 WHERE NOT EXISTS (
   SELECT FROM everyview.qos_sessions AS final
    WHERE final.session_key = live.session_key AND final.window_end >= live.window_end - interval '1 minute'
 );

-- Cohorts per window: sums to be divided by sums.
CREATE VIEW everyview.v_cohorts AS
SELECT window_start AS time, * FROM everyview.cohort_windows;

-- Points and sessions per cohort, window and cause.
CREATE VIEW everyview.v_cohort_causes AS
SELECT cohort.window_start AS time, cohort.programme_id, cohort.cdn, cohort.asn, cohort.country, cohort.device_class,
       cohort.player_version, cause.cause, cause.points, cause.sessions
  FROM everyview.cohort_windows AS cohort
 CROSS JOIN LATERAL unnest(cohort.causes, cohort.cause_points, cohort.cause_sessions) AS cause (cause, points, sessions);

CREATE VIEW everyview.v_catalogue AS
SELECT * FROM everyview.catalogue;

-- How the pipeline is: what was given up, what the sink could not store, and how far it is.
CREATE VIEW everyview.v_dead_letters AS
SELECT minute AS time, * FROM everyview.dead_letter_counts;

CREATE VIEW everyview.v_sink_rejects AS
SELECT log_time AS time, topic, partition, log_offset, code, reason, value_bytes FROM everyview.sink_rejects;

CREATE VIEW everyview.v_sink_positions AS
SELECT position.*, coalesce(gap.lost, 0) AS lost_records
  FROM everyview.sink_positions AS position
  LEFT JOIN (
    SELECT topic, partition, sum(to_offset - from_offset) AS lost FROM everyview.sink_gaps GROUP BY topic, partition
  ) AS gap USING (topic, partition);
