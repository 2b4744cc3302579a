//! What brokers know of topics and groups: identities, bounds, positions. Every call blocks; call
//! them off the runtime's threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, ClientContext};

use super::native::{self, NativeHandle, Position};
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

type Client = BaseConsumer<Quiet>;

/// Asks brokers.
pub(super) struct Meta {
    config: ClientConfig,
    /// Of no group: it asks nothing that only a coordinator could tell.
    client: Client,
    /// By group, one that looks up its coordinator and never joins.
    groups: Mutex<HashMap<GroupId, Arc<Client>>>,
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
        let config = config::asking(settings);
        Ok(Self {
            client: started(&config)?,
            config,
            groups: Mutex::default(),
            timeout: settings.request_timeout.0,
            heard: Mutex::default(),
        })
    }

    /// The client that asks for a group.
    fn of_group(&self, group: &GroupId) -> Result<Arc<Client>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = groups.get(group) {
            return Ok(Arc::clone(client));
        }
        let mut config = self.config.clone();
        config.set("group.id", group.as_str());
        let client = Arc::new(started(&config)?);
        groups.insert(group.clone(), Arc::clone(&client));
        Ok(client)
    }

    /// The identities of these topics, in order.
    pub(super) fn identities(&self, topics: &[Topic], limit: Duration) -> Result<Vec<Identity>> {
        serve(&self.client);
        let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
        let described = native::describe(self.client.client(), &names, limit.min(self.timeout))
            .map_err(|code| failed(&self.client, "cannot ask about topics", code))?;
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
            Some(code) => failed(&self.client, "cannot count the brokers", code),
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

    /// A group's committed offsets on a topic.
    pub(super) fn positions(
        &self,
        group: &GroupId,
        topic: &Topic,
        identity: Identity,
    ) -> Result<HashMap<TopicPartition, Offset>> {
        let client = self.of_group(group)?;
        serve(&client);
        let of_topic = |partition| TopicPartition::new(topic.clone(), Partition(partition));
        let places: Vec<_> = (0..identity.partitions).map(of_topic).collect();
        committed(client.client(), &places, &[(topic.clone(), identity.id)], self.timeout).map_err(
            |code| {
                // A new one looks for the coordinator from the start: librdkafka goes on calling one
                // at its old address that has moved under its number.
                self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
                failed(&client, &cannot_read(group), code)
            },
        )
    }

    /// `Ok` when a broker answers within that time.
    pub(super) fn ping(&self, limit: Duration) -> Result<()> {
        serve(&self.client);
        native::answering(self.client.client(), limit)
            .map(|_| ())
            .map_err(|code| failed(&self.client, "no broker answers", code))
    }
}

fn started(config: &ClientConfig) -> Result<Client> {
    BaseConsumer::from_config_and_context(config, Quiet::default())
        .map_err(|error| errors::wrapped("cannot start a client", error))
}

fn serve(client: &Client) {
    for _ in 0..SERVED {
        if client.poll(Duration::ZERO).is_none() {
            return;
        }
    }
}

/// A failure with what was heard of its cause.
fn failed(client: &Client, what: &str, code: Code) -> Error {
    // A poll that served a log line says nothing, like one that served nothing: all are made.
    for _ in 0..SERVED {
        drop(client.poll(Duration::ZERO));
    }
    match client.context().why() {
        Some(why) if errors::kind(code) == Kind::Unavailable => {
            errors::error(format!("{what}: {why}"), code)
        }
        _ => errors::error(what, code),
    }
}

/// What failed where positions are not told.
pub(super) fn cannot_read(group: &GroupId) -> String {
    format!("cannot read positions of group {group}")
}

/// What the client's group has committed on these partitions of these topics. An offset that was
/// committed for an earlier topic of the same name is none.
///
/// The client's own group, and not any group by its name: for those librdkafka 2.12 keeps a second
/// memory of coordinators and waits for one that brokers did not name for a while, as after a
/// restart, for good (its issue 5511); a question whose time was over before its coordinator is
/// there again ends the process by an assertion.
///
/// # Errors
/// The coordinator's or the client's code.
pub(super) fn committed(
    client: &impl NativeHandle,
    places: &[TopicPartition],
    topics: &[(Topic, TopicId)],
    limit: Duration,
) -> std::result::Result<HashMap<TopicPartition, Offset>, Code> {
    let positions = native::positions(client, places, limit)?;
    let of_topics = places.iter().zip(positions).filter_map(|(at, position)| {
        let (_, id) = topics.iter().find(|(topic, _)| *topic == at.topic)?;
        is_of(&position, *id).then(|| (at.clone(), Offset(position.offset)))
    });
    Ok(of_topics.collect())
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
        let position =
            |offset, metadata: &str| Position { offset, metadata: metadata.as_bytes().to_vec() };
        assert!(is_of(&position(7, &new.to_string()), new));
        assert!(!is_of(&position(7, &old.to_string()), new));
        assert!(is_of(&position(7, ""), new), "what another tool committed");
        assert!(is_of(&position(7, "by hand"), new));
        assert!(!is_of(&position(-1, ""), new));
    }
}
