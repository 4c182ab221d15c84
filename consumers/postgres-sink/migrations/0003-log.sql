-- The Kafka that the tables were filled from: offsets of another one mean nothing here.
CREATE TABLE everyview.sink_log (
  cluster_id text NOT NULL,
  adopted_at timestamptz NOT NULL DEFAULT now()
);
