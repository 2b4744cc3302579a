//! What became of one event, or of many acceptances.

use super::failure::Failure;
use super::pool::Connection;
use super::values::{Id, count, event_id, event_id_option, ids, instant, origin, parsed};
use crate::model::{EventId, Origin};
use crate::ports::{EventStatus, OutcomeRow};

/// An event by precedence: its row, its newest open dead letter, its latest decision.
pub(super) async fn event_status(
    connection: &mut Connection,
    id: &EventId,
) -> Result<Option<EventStatus>, Failure> {
    let strongest = [
        "SELECT origin, 'stored', NULL::text, stored_at FROM raw_events WHERE event_id = $1",
        "SELECT origin, 'dead_lettered', reason, last_failed_at FROM dead_letters
          WHERE event_id = $1 AND resolved_at IS NULL
          ORDER BY last_failed_at DESC, origin DESC LIMIT 1",
        "SELECT origin, outcome, reason, decided_at FROM event_decisions
          WHERE event_id = $1 ORDER BY decided_at DESC, origin DESC LIMIT 1",
    ];
    for sql in strongest {
        let statement = connection.statement(sql).await?;
        if let Some(row) = connection.client.query_opt(&statement, &[&id.as_str()]).await? {
            let origin = origin(&row, 0)?;
            return Ok(Some(EventStatus {
                event_id: id.clone(),
                outcome: parsed(&row, 1, "an outcome")?,
                reason: row.try_get(2)?,
                at: instant(&row, 3)?,
                origin,
                duplicates: duplicates(connection, id, origin).await?,
            }));
        }
    }
    Ok(None)
}

/// Acceptances of the event other than `shown` that ended as `duplicate`.
async fn duplicates(
    connection: &mut Connection,
    id: &EventId,
    shown: Origin,
) -> Result<u64, Failure> {
    let duplicates = connection
        .statement(
            "SELECT count(*) FROM event_decisions
              WHERE event_id = $1 AND outcome = 'duplicate' AND origin <> $2",
        )
        .await?;
    count(&connection.client.query_one(&duplicates, &[&id.as_str(), &Id(shown)]).await?, 0)
}

/// The lines of the view for these origins; one without an outcome is absent.
pub(super) async fn outcomes(
    connection: &mut Connection,
    origins: &[Origin],
) -> Result<Vec<OutcomeRow>, Failure> {
    let outcomes = connection
        .statement(
            "SELECT origin, event_id, outcome, replay_id FROM event_outcomes
              WHERE origin = ANY($1)",
        )
        .await?;
    let rows = connection.client.query(&outcomes, &[&ids(origins)]).await?;
    rows.iter()
        .map(|row| {
            Ok(OutcomeRow {
                origin: origin(row, 0)?,
                event_id: event_id_option(row, 1)?,
                outcome: parsed(row, 2, "an outcome")?,
                replay_id: row.try_get(3)?,
            })
        })
        .collect()
}

/// Which of the ids are rows.
pub(super) async fn stored_ids(
    connection: &mut Connection,
    ids: &[EventId],
) -> Result<Vec<EventId>, Failure> {
    let stored =
        connection.statement("SELECT event_id FROM raw_events WHERE event_id = ANY($1)").await?;
    let ids: Vec<&str> = ids.iter().map(EventId::as_str).collect();
    let rows = connection.client.query(&stored, &[&ids]).await?;
    rows.iter().map(|row| event_id(row, 0)).collect()
}

/// Reads a line of a table that every answer needs.
pub(super) async fn check(connection: &mut Connection) -> Result<(), Failure> {
    let one = connection.statement("SELECT 1 FROM outcome_counts LIMIT 1").await?;
    connection.client.query(&one, &[]).await?;
    Ok(())
}
