//! The tables of `state.db` and how an older file becomes a current one.

use rusqlite::{Connection, TransactionBehavior};

use crate::ports::{Error, Kind, Result};

use super::super::sqlite::port_error;

/// Step `n` leads from version `n` to `n + 1`; steps are only ever added.
const STEPS: &[&str] = &["
    -- In the order of arrival, so that writing appends and expiry cuts off the front. Found by an
    -- index in memory: a second tree by event_id would cost a page of log for every event.
    CREATE TABLE marks (
        seq         INTEGER PRIMARY KEY,
        event_id    TEXT    NOT NULL,
        origin      BLOB    NOT NULL,
        received_at INTEGER NOT NULL -- milliseconds
    ) STRICT;

    CREATE TABLE rates (
        minute INTEGER NOT NULL, -- of receipt, since the epoch
        ip     TEXT    NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (minute, ip)
    ) STRICT, WITHOUT ROWID;

    -- Operators type into this one by hand: INSERT INTO rules (target) VALUES ('203.0.113.7').
    CREATE TABLE rules (
        target     TEXT PRIMARY KEY NOT NULL,
        reason     TEXT,
        source     TEXT NOT NULL DEFAULT 'operator',
        created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        expires_at TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE offsets (
        consumer_group TEXT    NOT NULL,
        topic          TEXT    NOT NULL,
        partition      INTEGER NOT NULL,
        next_offset    INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, topic, partition)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE job_state (key TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    -- Written to when everything before must be durable.
    CREATE TABLE syncs (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
    INSERT INTO syncs VALUES (1, 0);
", "
    -- Nobody counts here any more: what was reprocessed is counted from the log.
    DROP TABLE counters;
"];

/// Brings the file to the current version; does nothing where it is.
///
/// # Errors
/// `Conflict` for a file of a newer version; `Unavailable`, `Full`, `Corrupt`.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let failed = |e| port_error("migrate state.db", e);
    let tx =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let version: usize =
        tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let Some(steps) = STEPS.get(version..) else {
        let what = format!(
            "state.db has version {version}, this evp knows {} at most: it was written by a newer one",
            STEPS.len()
        );
        return Err(Error::new(Kind::Conflict, what));
    };
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        tx.execute_batch(step).map_err(failed)?;
    }
    tx.pragma_update(None, "user_version", STEPS.len()).map_err(failed)?;
    tx.commit().map_err(failed)
}
