//! The index of the dead-letter topics, read.

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::pool::Connection;
use super::values::{
    event_id_option, ids, instant, instant_option, number, origin, small, start, unreadable,
};
use crate::model::{
    DeadLetter, EventId, Failure as Failed, Offset, Partition, Stage, Topic, TopicPartition,
};
use crate::ports::{DeadLetterFilter, DeadLetterRow};

/// Those that pass the filter, oldest origin first.
pub(super) async fn list(
    connection: &mut Connection,
    filter: &DeadLetterFilter,
) -> Result<Vec<DeadLetterRow>, Failure> {
    let mut sql = "SELECT origin, event_id, shape, stage, reason, error_type, attempts,
                          first_failed_at, last_failed_at, original_topic, original_partition,
                          original_offset, received_at, client_ip, redrives, replay_id, restored,
                          key, value, resolved_at
                     FROM dead_letters WHERE origin > $1"
        .to_owned();
    let after = start(filter.after);
    let limit = number(filter.limit);
    let named = ids(&filter.origins);
    let event = filter.event_id.as_ref().map(EventId::as_str);
    let stage = filter.stage.map(Stage::as_str);
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&after, &limit];
    let mut narrow = |column: &str, value: &'_ str| {
        sql.push_str(" AND ");
        sql.push_str(column);
        sql.push_str(value);
    };
    if !filter.include_resolved {
        narrow("resolved_at", " IS NULL");
    }
    if event.is_some() {
        parameters.push(&event);
        narrow("event_id = $", &parameters.len().to_string());
    }
    if stage.is_some() {
        parameters.push(&stage);
        narrow("stage = $", &parameters.len().to_string());
    }
    if !named.is_empty() {
        parameters.push(&named);
        narrow("origin = ANY($", &format!("{})", parameters.len()));
    }
    sql.push_str(" ORDER BY origin LIMIT $2");
    let rows = connection.client.query(&sql[..], &parameters).await?;
    rows.iter().map(dead_letter).collect()
}

fn dead_letter(row: &Row) -> Result<DeadLetterRow, Failure> {
    let stage: &str = row.try_get(3)?;
    let topic: &str = row.try_get(9)?;
    let shape: Option<&str> = row.try_get(2)?;
    let shape =
        shape.map(|text| text.parse().map_err(|_| unreadable(text, "a shape"))).transpose()?;
    let letter = DeadLetter {
        origin: origin(row, 0)?,
        event_id: event_id_option(row, 1)?,
        shape,
        failure: Failed {
            stage: [Stage::Processor, Stage::Worker]
                .into_iter()
                .find(|known| known.as_str() == stage)
                .ok_or_else(|| unreadable(stage, "a stage"))?,
            reason: row.try_get(4)?,
            error_type: row.try_get(5)?,
            attempts: small(row, 6)?,
            first_failed_at: instant(row, 7)?,
            last_failed_at: instant(row, 8)?,
        },
        original: TopicPartition::new(Topic::new(topic), Partition(row.try_get(10)?)),
        original_offset: Offset(row.try_get(11)?),
        received_at: instant(row, 12)?,
        client_ip: row.try_get(13)?,
        redrives: small(row, 14)?,
        replay_id: row.try_get(15)?,
        restored: row.try_get(16)?,
        key: Bytes::from(row.try_get::<_, Vec<u8>>(17)?),
        value: Bytes::from(row.try_get::<_, Vec<u8>>(18)?),
    };
    Ok(DeadLetterRow { letter, resolved_at: instant_option(row, 19)? })
}
