//! A message as a record.

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedMessage, Message};

use super::native;
use crate::model::{ConsumedRecord, Offset, Partition, Record, Timestamp, Topic, TopicId};

/// Bytes of the buffer that records share. A record that is kept keeps its buffer.
const BUFFER: usize = 64 << 10;

/// Copies messages into shared buffers: one allocation for many records.
#[derive(Debug, Default)]
pub(super) struct Copier {
    buffer: BytesMut,
}

impl Copier {
    /// The record of a message.
    pub(super) fn record(
        &mut self,
        message: &BorrowedMessage<'_>,
        topic: &Topic,
        topic_id: TopicId,
    ) -> ConsumedRecord {
        let (key, value) = (message.key().unwrap_or(b""), message.payload().unwrap_or(b""));
        let needed = key.len() + value.len() + 512;
        if self.buffer.capacity() < needed {
            self.buffer = BytesMut::with_capacity(BUFFER.max(needed));
        }
        let timestamp = message.timestamp().to_millis().unwrap_or(0);
        ConsumedRecord {
            topic: topic.clone(),
            topic_id,
            partition: Partition(message.partition()),
            offset: Offset(message.offset()),
            record: Record {
                key: self.copy(key),
                value: self.copy(value),
                timestamp: Timestamp::from_millis_clamped(timestamp),
                headers: native::headers(message, &mut self.buffer),
            },
        }
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() { Bytes::new() } else { native::copy(&mut self.buffer, bytes) }
    }
}

/// Bytes of a record, for bounds.
pub(super) fn size(record: &ConsumedRecord) -> usize {
    record.record.key.len() + record.record.value.len() + 256
}
