//! The tables of `store.db` and the steps that lead to them.
//!
//! Names and columns are those of the Postgres store (contract, "Topics, keys, files, tables"), so
//! that the same SQL answers on both. Instants are RFC 3339 text in UTC with milliseconds, which
//! sorts as it reads; an origin is its 36 characters, which sort as they were minted. Steps are
//! applied forward only and are safe to run twice: the file's `user_version` says how many are done.

use rusqlite::{Connection, TransactionBehavior};

use crate::ports::{Error, Kind, Result};

use super::super::sqlite;

/// `evps`: tells `store.db` from any other SQLite file.
const APPLICATION_ID: i32 = 0x6576_7073;

/// The steps; position + 1 is the version after it.
const STEPS: &[&str] = &[TABLES];

/// Version 1. The row's index by campaign carries the columns that statistics read, so that they
/// need not visit the rows; `raw_events` keeps its hidden rowid, so that rows are appended and only
/// the index of client-chosen ids is written at random places. `syncs` is written when everything
/// before it is to be durable: SQLite writes, and so syncs, nothing for a change that changes
/// nothing.
const TABLES: &str = "
CREATE TABLE raw_events (
    event_id    TEXT NOT NULL PRIMARY KEY,
    origin      TEXT NOT NULL UNIQUE,
    shape       TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    user_id     TEXT,
    campaign_id TEXT,
    geo_country TEXT,
    device_type TEXT,
    channel     TEXT,
    tags        TEXT,
    created_at  TEXT NOT NULL,
    received_at TEXT NOT NULL,
    ip_address  TEXT,
    meta_data   TEXT,
    replay_id   TEXT,
    restored    INTEGER NOT NULL DEFAULT 0,
    stored_at   TEXT NOT NULL
);
CREATE INDEX raw_events_by_campaign ON raw_events (campaign_id, created_at, event_type, user_id);

CREATE TABLE campaign_stats (
    campaign_id       TEXT NOT NULL,
    hour_bucket       TEXT NOT NULL,
    total_impressions INTEGER NOT NULL DEFAULT 0,
    total_clicks      INTEGER NOT NULL DEFAULT 0,
    total_conversions INTEGER NOT NULL DEFAULT 0,
    total_events      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign_id, hour_bucket)
) WITHOUT ROWID;
CREATE INDEX campaign_stats_by_hour ON campaign_stats (hour_bucket DESC, campaign_id);

CREATE TABLE event_decisions (
    origin      TEXT NOT NULL PRIMARY KEY,
    event_id    TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    client_ip   TEXT,
    received_at TEXT NOT NULL,
    decided_at  TEXT NOT NULL,
    replay_id   TEXT,
    restored    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX event_decisions_by_event ON event_decisions (event_id);

CREATE TABLE dead_letters (
    origin             TEXT NOT NULL PRIMARY KEY,
    event_id           TEXT,
    shape              TEXT,
    stage              TEXT NOT NULL,
    reason             TEXT NOT NULL,
    error_type         TEXT NOT NULL,
    attempts           INTEGER NOT NULL,
    first_failed_at    TEXT NOT NULL,
    last_failed_at     TEXT NOT NULL,
    original_topic     TEXT NOT NULL,
    original_partition INTEGER NOT NULL,
    original_offset    INTEGER NOT NULL,
    received_at        TEXT NOT NULL,
    client_ip          TEXT,
    redrives           INTEGER NOT NULL DEFAULT 0,
    replay_id          TEXT,
    restored           INTEGER NOT NULL DEFAULT 0,
    key                BLOB NOT NULL,
    value              BLOB NOT NULL,
    resolved_at        TEXT
);
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);

CREATE TABLE outcome_counts (
    outcome TEXT NOT NULL PRIMARY KEY,
    events  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE consumer_offsets (
    group_id    TEXT NOT NULL,
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) WITHOUT ROWID;

CREATE TABLE syncs (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
    times INTEGER NOT NULL
);
INSERT INTO syncs (id, times) VALUES (0, 0);

CREATE VIEW event_outcomes AS
SELECT origin, event_id, 'stored' AS outcome, NULL AS reason, stored_at AS at, replay_id
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
";

/// Brings the file to the newest version.
///
/// # Errors
/// `Conflict` when the file is of a newer evp or of something else; else as any write.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let failed = |error| sqlite::port_error("migrate store.db", error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get(0));
    let id: i32 = number("application_id").map_err(failed)?;
    let version: i32 = number("user_version").map_err(failed)?;
    if id != APPLICATION_ID && (id, version) != (0, 0) {
        return Err(Error::new(Kind::Conflict, "open store.db: the file is not a store"));
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(done..) else {
        let text = format!("open store.db: its version {version} is newer than this evp");
        return Err(Error::new(Kind::Conflict, text));
    };
    for step in steps {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    let newest = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    transaction.pragma_update(None, "user_version", newest).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn migrating_twice_changes_nothing_and_a_newer_file_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(version(&connection), 1);
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert_eq!(version(&connection), 99);
    }

    #[test]
    fn another_programs_file_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "application_id", 7).unwrap();
        assert_eq!(migrate(&mut connection).unwrap_err().kind(), Kind::Conflict);
    }
}
