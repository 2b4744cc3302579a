//! What became of one event, or of many acceptances.

use rusqlite::{Connection, OptionalExtension};

use super::text::{OriginText, count, event_id_option, instant, origin, parsed};
use crate::model::{EventId, Origin};
use crate::ports::{EventStatus, OutcomeRow};

/// An event by precedence: its row, its newest open dead letter, its latest decision.
pub(super) fn event_status(
    connection: &Connection,
    id: &EventId,
) -> rusqlite::Result<Option<EventStatus>> {
    let strongest = [
        "SELECT origin, 'stored', NULL, stored_at FROM raw_events WHERE event_id = ?1",
        "SELECT origin, 'dead_lettered', reason, last_failed_at FROM dead_letters
          WHERE event_id = ?1 AND resolved_at IS NULL
          ORDER BY last_failed_at DESC, origin DESC LIMIT 1",
        "SELECT origin, outcome, reason, decided_at FROM event_decisions
          WHERE event_id = ?1 ORDER BY decided_at DESC, origin DESC LIMIT 1",
    ];
    for sql in strongest {
        let found = connection
            .prepare_cached(sql)?
            .query_row([id.as_str()], |row| {
                Ok(EventStatus {
                    event_id: id.clone(),
                    outcome: parsed(row, 1, "an outcome")?,
                    reason: row.get(2)?,
                    at: instant(row, 3)?,
                    origin: origin(row, 0)?,
                    duplicates: 0,
                })
            })
            .optional()?;
        if let Some(mut status) = found {
            status.duplicates = duplicates(connection, id, &status.origin)?;
            return Ok(Some(status));
        }
    }
    Ok(None)
}

/// Acceptances of the event other than `shown` that ended as `duplicate`.
fn duplicates(connection: &Connection, id: &EventId, shown: &Origin) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM event_decisions
              WHERE event_id = ?1 AND outcome = 'duplicate' AND origin <> ?2",
        )?
        .query_row((id.as_str(), OriginText::of(shown)), |row| count(row, 0))
}

/// The lines of the view for these origins, in the order asked; one without an outcome is absent.
pub(super) fn outcomes(
    connection: &Connection,
    origins: &[Origin],
) -> rusqlite::Result<Vec<OutcomeRow>> {
    let mut one = connection.prepare_cached(
        "SELECT origin, event_id, outcome, replay_id FROM event_outcomes WHERE origin = ?1",
    )?;
    let mut found = Vec::with_capacity(origins.len());
    for wanted in origins {
        let row = one
            .query_row([OriginText::of(wanted)], |row| {
                Ok(OutcomeRow {
                    origin: origin(row, 0)?,
                    event_id: event_id_option(row, 1)?,
                    outcome: parsed(row, 2, "an outcome")?,
                    replay_id: row.get(3)?,
                })
            })
            .optional()?;
        found.extend(row);
    }
    Ok(found)
}

/// Which of the ids are rows, in the order asked.
pub(super) fn stored_ids(
    connection: &Connection,
    ids: Vec<EventId>,
) -> rusqlite::Result<Vec<EventId>> {
    let mut one = connection.prepare_cached("SELECT 1 FROM raw_events WHERE event_id = ?1")?;
    let mut stored = Vec::new();
    for id in ids {
        if one.exists([id.as_str()])? {
            stored.push(id);
        }
    }
    Ok(stored)
}
