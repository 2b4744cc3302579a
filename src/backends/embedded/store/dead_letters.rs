//! The index of the dead-letter topics, read.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::text::{
    OriginText, event_id_option, instant, number, origin, parsed_option, unreadable,
};
use crate::model::{DeadLetter, Failure, Offset, Partition, Stage, Topic, TopicPartition};
use crate::ports::{DeadLetterFilter, DeadLetterRow};

const COLUMNS: &str = "
    SELECT origin, event_id, shape, stage, reason, error_type, attempts, first_failed_at,
           last_failed_at, original_topic, original_partition, original_offset, received_at,
           client_ip, redrives, replay_id, restored, key, value, resolved_at
      FROM dead_letters";

/// Those that pass the filter, oldest origin first.
pub(super) fn list(
    connection: &Connection,
    filter: &DeadLetterFilter,
) -> rusqlite::Result<Vec<DeadLetterRow>> {
    if !filter.origins.is_empty() {
        return of_origins(connection, filter);
    }
    // Without an id the key's order serves `after` and the page; with one, the id's index does.
    let which = if filter.event_id.is_some() { "event_id = :event" } else { ":event IS NULL" };
    let sql = format!(
        "{COLUMNS}
          WHERE {which} AND origin > :after AND (:stage IS NULL OR stage = :stage)
            AND (:all OR resolved_at IS NULL)
          ORDER BY origin LIMIT :limit"
    );
    let after = filter.after.map(|after| after.to_string()).unwrap_or_default();
    connection
        .prepare_cached(&sql)?
        .query_map(
            named_params! {
                ":event": filter.event_id.as_ref().map(crate::model::EventId::as_str),
                ":after": after,
                ":stage": filter.stage.map(Stage::as_str),
                ":all": filter.include_resolved,
                ":limit": number(filter.limit),
            },
            dead_letter,
        )?
        .collect()
}

/// As [`list`], for named origins: one search each, however many there are.
fn of_origins(
    connection: &Connection,
    filter: &DeadLetterFilter,
) -> rusqlite::Result<Vec<DeadLetterRow>> {
    let mut origins = filter.origins.clone();
    origins.sort_unstable();
    origins.dedup();
    let mut one = connection.prepare_cached(&format!("{COLUMNS} WHERE origin = ?1"))?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for wanted in origins {
        if found.len() >= limit {
            break;
        }
        if filter.after.is_some_and(|after| wanted <= after) {
            continue;
        }
        let row = one.query_row([OriginText::of(&wanted)], dead_letter).optional()?;
        found.extend(row.filter(|row| passes(row, filter)));
    }
    Ok(found)
}

fn passes(row: &DeadLetterRow, filter: &DeadLetterFilter) -> bool {
    (filter.event_id.is_none() || row.letter.event_id == filter.event_id)
        && filter.stage.is_none_or(|stage| row.letter.failure.stage == stage)
        && (filter.include_resolved || row.resolved_at.is_none())
}

fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetterRow> {
    let stage: String = row.get(3)?;
    let topic: String = row.get(9)?;
    let letter = DeadLetter {
        origin: origin(row, 0)?,
        event_id: event_id_option(row, 1)?,
        shape: parsed_option(row, 2, "a shape")?,
        failure: Failure {
            stage: [Stage::Processor, Stage::Worker]
                .into_iter()
                .find(|known| known.as_str() == stage)
                .ok_or_else(|| unreadable(3, &stage, "a stage"))?,
            reason: row.get(4)?,
            error_type: row.get(5)?,
            attempts: row.get(6)?,
            first_failed_at: instant(row, 7)?,
            last_failed_at: instant(row, 8)?,
        },
        original: TopicPartition::new(Topic::new(&topic), Partition(row.get(10)?)),
        original_offset: Offset(row.get(11)?),
        received_at: instant(row, 12)?,
        client_ip: row.get(13)?,
        redrives: row.get(14)?,
        replay_id: row.get(15)?,
        restored: row.get(16)?,
        key: Bytes::from(row.get::<_, Vec<u8>>(17)?),
        value: Bytes::from(row.get::<_, Vec<u8>>(18)?),
    };
    Ok(DeadLetterRow { letter, resolved_at: parsed_option(row, 19, "an instant")? })
}
