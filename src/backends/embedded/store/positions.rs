//! Where groups stand, kept in the transaction of their effects.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{GroupId, Offset, TopicPartition};

/// Notes where the group stands.
pub(super) fn write<'p>(
    connection: &Connection,
    group: &GroupId,
    positions: impl Iterator<Item = (&'p TopicPartition, Offset)>,
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO consumer_offsets (group_id, topic, partition, next_offset)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (group_id, topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for (at, next) in positions {
        put.execute(params![group.as_str(), at.topic.as_str(), at.partition.0, next.0])?;
    }
    Ok(())
}

/// Where the group stands.
pub(super) fn read(
    connection: &Connection,
    group: &GroupId,
    at: &TopicPartition,
) -> rusqlite::Result<Option<Offset>> {
    connection
        .prepare_cached(
            "SELECT next_offset FROM consumer_offsets
              WHERE group_id = ?1 AND topic = ?2 AND partition = ?3",
        )?
        .query_row(params![group.as_str(), at.topic.as_str(), at.partition.0], |row| {
            row.get(0).map(Offset)
        })
        .optional()
}
