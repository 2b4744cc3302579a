//! Positions of the consumer groups that read without a store of their own.

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::model::{GroupId, Offset, TopicPartition};

/// A group's position.
pub(super) fn find(
    connection: &Connection,
    group: &GroupId,
    at: &TopicPartition,
) -> rusqlite::Result<Option<Offset>> {
    connection
        .prepare_cached(
            "SELECT next_offset FROM offsets
             WHERE consumer_group = ? AND topic = ? AND partition = ?",
        )?
        .query_row((group.as_str(), at.topic.as_str(), at.partition.0), |row| row.get(0))
        .optional()
        .map(|offset| offset.map(Offset))
}

/// Writes a group's positions.
pub(super) fn put(
    tx: &Transaction<'_>,
    group: &GroupId,
    positions: &[(TopicPartition, Offset)],
) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(
        "INSERT OR REPLACE INTO offsets (consumer_group, topic, partition, next_offset)
         VALUES (?, ?, ?, ?)",
    )?;
    for (at, next) in positions {
        upsert.execute((group.as_str(), at.topic.as_str(), at.partition.0, next.0))?;
    }
    Ok(())
}
