//! Reading records without joining a group. Every call blocks.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::meta::{Meta, Quiet};
use super::record::{self, Copier};
use super::{config, errors};
use crate::model::{ConsumedRecord, Offset, TopicPartition};
use crate::ports::{Error, Kind, Result};
use crate::settings::Kafka;

/// Bytes after which a read ends.
const READ_BYTES: usize = 1 << 20;
/// Time for one read.
const PATIENCE: Duration = Duration::from_secs(15);
/// Idle clients that are kept.
const KEPT: usize = 2;

/// Clients for reading, used by one read at a time each.
pub(super) struct Readers {
    settings: Kafka,
    idle: Mutex<Vec<Reader>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

struct Reader {
    client: BaseConsumer<Quiet>,
    copier: Copier,
    /// Where the client stands: a read that goes on from here need not seek.
    stands_at: Option<(TopicPartition, i64)>,
}

impl Readers {
    pub(super) fn new(settings: &Kafka) -> Self {
        Self { settings: settings.clone(), idle: Mutex::default() }
    }

    /// Ends the idle clients.
    pub(super) fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }

    /// Reads durable records from `from` on, up to `max` and about 1 MiB; empty at the end.
    pub(super) fn read(
        &self,
        meta: &Meta,
        at: &TopicPartition,
        from: Offset,
        max: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        let identity = meta.identity(&at.topic)?;
        if !(0..identity.partitions).contains(&at.partition.0) {
            return Err(Error::new(Kind::NotFound, format!("no partition {at}")));
        }
        let (low, high) = meta.bounds(at, PATIENCE)?;
        let from = from.0.max(low);
        if from >= high || max == 0 {
            return Ok(Vec::new());
        }
        let mut reader = self.take(at, from)?;
        let mut records = Vec::new();
        let mut bytes = 0;
        let deadline = Instant::now() + PATIENCE;
        while records.len() < max && bytes < READ_BYTES {
            let message = match reader.client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                None if Instant::now() < deadline => continue,
                None => return Err(Error::new(Kind::Unavailable, format!("no record of {at}"))),
                Some(Err(error)) if Instant::now() < deadline => {
                    // Whatever mends itself is mended within the time; the rest is told after it.
                    tracing::debug!(%at, %error, "reading");
                    continue;
                }
                Some(Err(error)) => {
                    return Err(errors::wrapped(format!("cannot read {at}"), error));
                }
            };
            if message.topic() != at.topic.as_str() || message.partition() != at.partition.0 {
                continue;
            }
            let record = reader.copier.record(&message, &at.topic, identity.id);
            bytes += record::size(&record);
            let next = record.offset.0 + 1;
            reader.stands_at = Some((at.clone(), next));
            records.push(record);
            if next >= high {
                break;
            }
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(reader);
        }
        Ok(records)
    }

    /// A client that stands there.
    fn take(&self, at: &TopicPartition, from: i64) -> Result<Reader> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let stands =
                |r: &Reader| r.stands_at.as_ref().is_some_and(|s| s.0 == *at && s.1 == from);
            if let Some(place) = idle.iter().position(stands) {
                return Ok(idle.swap_remove(place));
            }
            idle.pop()
        };
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader {
                client: BaseConsumer::from_config_and_context(
                    &config::reader(&self.settings),
                    Quiet::default(),
                )
                .map_err(|error| errors::wrapped("cannot start a reader", error))?,
                copier: Copier::default(),
                stands_at: None,
            },
        };
        let wrong = |error| errors::wrapped(format!("cannot begin to read {at}"), error);
        let mut place = TopicPartitionList::new();
        let offset = rdkafka::Offset::Offset(from);
        place.add_partition_offset(at.topic.as_str(), at.partition.0, offset).map_err(wrong)?;
        reader.client.assign(&place).map_err(wrong)?;
        reader.stands_at = Some((at.clone(), from));
        Ok(reader)
    }
}
