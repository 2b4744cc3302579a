//! What brokers know of topics and groups: identities, bounds, positions. Every call blocks; call
//! them off the runtime's threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::native::{self, Position};
use super::producer::log_line;
use super::{config, errors};
use crate::model::{GroupId, Offset, Partition, Topic, TopicId, TopicPartition};
use crate::ports::{Error, Kind, PartitionInfo, Result};
use crate::settings::Kafka;

/// Events of the client that are served before a call, so that they do not pile up.
const SERVED: usize = 64;

/// A context that logs as we do, and remembers why brokers were not reached: a call says only that
/// its time is over.
#[derive(Default)]
pub(super) struct Quiet {
    why: Mutex<Option<String>>,
}

impl Quiet {
    fn heard(&self, why: Option<String>) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka, asking");
        // That all are down follows from what was said before, and says less.
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            self.heard(Some(reason.to_owned()));
        }
    }
}

impl ConsumerContext for Quiet {}

/// A topic's identity and how many partitions it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: TopicId,
    pub(super) partitions: i32,
}

/// Asks brokers.
pub(super) struct Meta {
    client: BaseConsumer<Quiet>,
    timeout: Duration,
    /// Identities as last heard, for when nobody answers.
    heard: Mutex<HashMap<Topic, Identity>>,
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta").finish_non_exhaustive()
    }
}

impl Meta {
    /// A client of its own; connects at its first call.
    pub(super) fn new(settings: &Kafka) -> Result<Self> {
        let mut config = config::asking(settings);
        // Never joined. Where a coordinator says that it is none (it has just been chosen, or moved),
        // librdkafka asks its own group's state for another one, and a client without a group has
        // none: the process would end by SIGSEGV.
        config.set("group.id", format!("{}-asking", settings.client_id));
        let client = BaseConsumer::from_config_and_context(&config, Quiet::default())
            .map_err(|error| errors::wrapped("cannot start a client", error))?;
        let timeout = settings.request_timeout.0;
        Ok(Self { client, timeout, heard: Mutex::default() })
    }

    fn serve(&self) {
        for _ in 0..SERVED {
            if self.client.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    /// A failure with what was heard of its cause.
    fn failed(&self, what: &str, code: Code) -> Error {
        // A poll that served a log line says nothing, like one that served nothing: all are made.
        for _ in 0..SERVED {
            drop(self.client.poll(Duration::ZERO));
        }
        match self.client.context().why() {
            Some(why) if errors::kind(code) == Kind::Unavailable => {
                errors::error(format!("{what}: {why}"), code)
            }
            _ => errors::error(what, code),
        }
    }

    /// The identities of these topics, in order.
    pub(super) fn identities(&self, topics: &[Topic], limit: Duration) -> Result<Vec<Identity>> {
        self.serve();
        let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
        let described = native::describe(self.client.client(), &names, limit.min(self.timeout))
            .map_err(|code| self.failed("cannot ask about topics", code))?;
        self.client.context().heard(None);
        let mut identities = Vec::with_capacity(topics.len());
        for topic in topics {
            let found = described.iter().find(|described| described.name == topic.as_str());
            let code = found.map_or(Some(Code::UnknownTopic), |found| found.error);
            match (found, code) {
                (Some(found), None) => {
                    identities.push(Identity { id: found.id, partitions: found.partitions });
                }
                (_, code) => {
                    let code = code.unwrap_or(Code::UnknownTopic);
                    return Err(errors::error(format!("no topic {topic}"), code));
                }
            }
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend(topics.iter().cloned().zip(identities.iter().copied()));
        Ok(identities)
    }

    /// One topic's identity.
    pub(super) fn identity(&self, topic: &Topic) -> Result<Identity> {
        let found = self.identities(std::slice::from_ref(topic), self.timeout)?;
        let missing = || Error::new(Kind::NotFound, format!("no topic {topic}"));
        found.first().copied().ok_or_else(missing)
    }

    /// A topic's identity as last heard.
    pub(super) fn heard(&self, topic: &Topic) -> Option<Identity> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// Low and high watermark.
    pub(super) fn bounds(&self, at: &TopicPartition, limit: Duration) -> Result<(i64, i64)> {
        self.client
            .fetch_watermarks(at.topic.as_str(), at.partition.0, limit.min(self.timeout))
            .map_err(|error| errors::wrapped(format!("cannot read the bounds of {at}"), error))
    }

    /// The bounds of all partitions of a topic.
    pub(super) fn all_bounds(&self, topic: &Topic, partitions: i32) -> Result<Vec<PartitionInfo>> {
        let mut all = Vec::new();
        for partition in (0..partitions).map(Partition) {
            let at = TopicPartition::new(topic.clone(), partition);
            let (low, high) = self.bounds(&at, self.timeout)?;
            all.push(PartitionInfo { partition, low: Offset(low), high: Offset(high) });
        }
        Ok(all)
    }

    /// How many brokers there are.
    pub(super) fn brokers(&self) -> Result<usize> {
        let found = self.client.fetch_metadata(None, self.timeout);
        let found = found.map_err(|error| match error.rdkafka_error_code() {
            Some(code) => self.failed("cannot count the brokers", code),
            None => errors::wrapped("cannot count the brokers", error),
        })?;
        Ok(found.brokers().len())
    }

    /// Replicas of the partition that has the fewest.
    pub(super) fn replicas(&self, topic: &Topic) -> Result<Option<i32>> {
        let metadata =
            self.client.fetch_metadata(Some(topic.as_str()), self.timeout).map_err(|error| {
                errors::wrapped(format!("cannot read the layout of {topic}"), error)
            })?;
        let partitions =
            metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let fewest = partitions.map(|partition| partition.replicas().len()).min();
        Ok(fewest.and_then(|count| i32::try_from(count).ok()))
    }

    /// A group's committed offsets on these topics. An offset that was committed for an earlier
    /// topic of the same name is none.
    pub(super) fn positions(
        &self,
        group: &GroupId,
        topics: &[(Topic, TopicId)],
        limit: Duration,
    ) -> Result<HashMap<TopicPartition, Offset>> {
        self.serve();
        let found =
            native::positions(self.client.client(), group.as_str(), limit.min(self.timeout));
        let positions = match found {
            Ok(positions) => positions,
            Err(Code::GroupIdNotFound) => Vec::new(),
            Err(code) => {
                return Err(self.failed(&format!("cannot read positions of group {group}"), code));
            }
        };
        let of_topics = positions.into_iter().filter_map(|position| {
            let (topic, id) = topics.iter().find(|(topic, _)| topic.as_str() == position.topic)?;
            let offset = is_of(&position, *id).then_some(Offset(position.offset))?;
            Some((TopicPartition::new(topic.clone(), Partition(position.partition)), offset))
        });
        Ok(of_topics.collect())
    }

    /// `Ok` when a broker answers within that time.
    pub(super) fn ping(&self, limit: Duration) -> Result<()> {
        self.serve();
        native::answering(self.client.client(), limit)
            .map(|_| ())
            .map_err(|code| self.failed("no broker answers", code))
    }
}

/// Whether a position was committed for that incarnation of its topic. What others commit names
/// none and is believed.
fn is_of(position: &Position, id: TopicId) -> bool {
    if position.offset < 0 {
        return false;
    }
    let named = std::str::from_utf8(&position.metadata).ok().and_then(|text| text.parse().ok());
    named.is_none_or(|named: TopicId| named == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_of_an_earlier_topic_of_that_name_is_none() {
        let (old, new) = (TopicId::mint(), TopicId::mint());
        let position = |offset, metadata: &str| Position {
            topic: "t".to_owned(),
            partition: 0,
            offset,
            metadata: metadata.as_bytes().to_vec(),
        };
        assert!(is_of(&position(7, &new.to_string()), new));
        assert!(!is_of(&position(7, &old.to_string()), new));
        assert!(is_of(&position(7, ""), new), "what another tool committed");
        assert!(is_of(&position(7, "by hand"), new));
        assert!(!is_of(&position(-1, ""), new));
    }
}
