-- The tables of the store: the columns of the embedded one by the same names. Ids and campaigns
-- compare byte by byte whatever the database's locale, which is quicker and the same everywhere.

CREATE TABLE raw_events (
    event_id    text COLLATE "C" NOT NULL PRIMARY KEY,
    origin      uuid NOT NULL UNIQUE,
    shape       text NOT NULL,
    event_type  text NOT NULL,
    user_id     text,
    campaign_id text COLLATE "C",
    geo_country text,
    device_type text,
    channel     text,
    -- json, not jsonb: the client's own bytes, with its own numbers.
    tags        json,
    created_at  timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    ip_address  text,
    meta_data   json,
    replay_id   text,
    restored    boolean NOT NULL DEFAULT false,
    stored_at   timestamptz NOT NULL
);
CREATE INDEX raw_events_by_campaign ON raw_events (campaign_id, created_at);
CREATE INDEX raw_events_by_time ON raw_events USING brin (created_at);

CREATE TABLE campaign_stats (
    campaign_id       text COLLATE "C" NOT NULL,
    hour_bucket       timestamptz NOT NULL,
    total_impressions bigint NOT NULL DEFAULT 0,
    total_clicks      bigint NOT NULL DEFAULT 0,
    total_conversions bigint NOT NULL DEFAULT 0,
    total_events      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign_id, hour_bucket)
);
CREATE INDEX campaign_stats_by_hour ON campaign_stats (hour_bucket DESC, campaign_id);

CREATE TABLE event_decisions (
    origin      uuid NOT NULL PRIMARY KEY,
    event_id    text COLLATE "C" NOT NULL,
    outcome     text NOT NULL,
    reason      text NOT NULL,
    client_ip   text,
    received_at timestamptz NOT NULL,
    decided_at  timestamptz NOT NULL,
    replay_id   text,
    restored    boolean NOT NULL DEFAULT false
);
CREATE INDEX event_decisions_by_event ON event_decisions (event_id);

CREATE TABLE dead_letters (
    origin             uuid NOT NULL PRIMARY KEY,
    event_id           text COLLATE "C",
    shape              text,
    stage              text NOT NULL,
    reason             text NOT NULL,
    error_type         text NOT NULL,
    attempts           bigint NOT NULL,
    first_failed_at    timestamptz NOT NULL,
    last_failed_at     timestamptz NOT NULL,
    original_topic     text NOT NULL,
    original_partition integer NOT NULL,
    original_offset    bigint NOT NULL,
    received_at        timestamptz NOT NULL,
    client_ip          text,
    redrives           bigint NOT NULL DEFAULT 0,
    replay_id          text,
    restored           boolean NOT NULL DEFAULT false,
    key                bytea NOT NULL,
    value              bytea NOT NULL,
    resolved_at        timestamptz
);
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);

CREATE TABLE outcome_counts (
    outcome text NOT NULL PRIMARY KEY,
    events  bigint NOT NULL
);

CREATE VIEW event_outcomes AS
SELECT origin, event_id, 'stored' AS outcome, NULL::text AS reason, stored_at AS at, replay_id
  FROM raw_events
UNION ALL
SELECT l.origin, l.event_id, 'dead_lettered', l.reason, l.last_failed_at, l.replay_id
  FROM dead_letters l
 WHERE l.resolved_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM raw_events r WHERE r.origin = l.origin)
UNION ALL
SELECT d.origin, d.event_id, d.outcome, d.reason, d.decided_at, d.replay_id
  FROM event_decisions d
 WHERE NOT EXISTS (SELECT 1 FROM raw_events r WHERE r.origin = d.origin)
   AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.origin = d.origin AND l.resolved_at IS NULL);
