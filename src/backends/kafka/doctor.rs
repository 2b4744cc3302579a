//! What can be said of brokers and of how topics are laid out there.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::meta::Meta;
use super::topics::{admin, entries, layout};
use crate::model::{Timestamp, Topic};
use crate::ports::{Diagnosis, Doctor, Kind, Result, Symptom};
use crate::settings::{Kafka, Settings};

/// What the processor and the roles behind it may add to an event, beside its own bytes.
const ADDED_BYTES: u64 = 64 << 10;

/// Looks at the brokers.
#[derive(Debug)]
pub struct KafkaDoctor {
    settings: Kafka,
    topics: Vec<Topic>,
    largest_event: u64,
    meta: Arc<Meta>,
}

impl KafkaDoctor {
    /// Looks at the brokers of these settings.
    ///
    /// # Errors
    /// As the client's own.
    pub fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            settings: settings.kafka.clone(),
            topics: settings.topics.all().into_iter().cloned().collect(),
            largest_event: settings.collector.max_event_bytes.0,
            meta: Arc::new(Meta::new(&settings.kafka)?),
        })
    }

    /// Symptoms of one topic.
    async fn topic(&self, topic: &Topic) -> Result<Vec<Symptom>> {
        let Some(layout) = layout(&self.settings, &self.meta, topic).await? else {
            let advice = "evp topics ensure";
            let what = format!("there is no topic {topic}");
            return Ok(vec![if self.settings.create_topics {
                Symptom::note("topic_missing", format!("{what}; it is made on first use"), advice)
            } else {
                Symptom::error("topic_missing", what, advice)
            }]);
        };
        let entries = entries(&admin(&self.settings)?, &self.settings, topic).await?;
        let mut seen = Vec::new();
        copies(topic, layout.replication, layout.min_in_sync, &mut seen);
        broker_settings(topic, &entries, self.largest_event, &mut seen);
        Ok(seen)
    }
}

#[async_trait]
impl Doctor for KafkaDoctor {
    async fn examine(&self, _now: Timestamp) -> Diagnosis {
        let address = self.settings.brokers.join(",");
        let mut diagnosis = Diagnosis::reachable("kafka", &address);
        for topic in &self.topics {
            match self.topic(topic).await {
                Ok(seen) => seen.into_iter().for_each(|symptom| diagnosis.add(symptom)),
                Err(error) if error.kind() == Kind::Unavailable => {
                    let advice = "start the brokers, or set kafka.brokers (KAFKA_BROKERS)";
                    return Diagnosis::unreachable("kafka", address, error.chain(), advice);
                }
                Err(error) => diagnosis.add(Symptom::error(
                    "cannot_look",
                    error.chain(),
                    "give this user the rights to describe topics and their settings",
                )),
            }
        }
        if !self.settings.security.is_encrypted() && !is_local(&self.settings.brokers) {
            diagnosis.add(Symptom::warning(
                "no_tls",
                "events travel in clear text",
                "set kafka.security to ssl or sasl_ssl",
            ));
        }
        diagnosis
    }
}

fn is_local(brokers: &[String]) -> bool {
    brokers
        .iter()
        .all(|broker| ["127.", "localhost", "[::1]"].iter().any(|own| broker.starts_with(own)))
}

/// How many copies there are, and how many an acknowledgement stands for.
fn copies(topic: &Topic, replicas: Option<i32>, min: Option<i32>, seen: &mut Vec<Symptom>) {
    let replicas = replicas.unwrap_or(1);
    let min = min.unwrap_or(1);
    if replicas < 2 {
        seen.push(Symptom::warning(
            "one_replica",
            format!("{topic} has one copy: an acknowledged event is gone with its broker's disk"),
            "run three brokers, set kafka.replication = 3, and reassign the topic's partitions",
        ));
    } else if min < 2 {
        seen.push(Symptom::warning(
            "acknowledged_by_one",
            format!(
                "{topic} has min.insync.replicas = {min}: an event is acknowledged with one copy"
            ),
            format!("kafka-configs --alter --topic {topic} --add-config min.insync.replicas=2"),
        ));
    } else if min >= replicas {
        seen.push(Symptom::warning(
            "no_broker_may_fail",
            format!("{topic} has {replicas} copies and needs {min}: one broker down stops it"),
            "set min.insync.replicas to one less than the replicas",
        ));
    }
}

/// What the topic's settings on the broker do to the promise.
fn broker_settings(
    topic: &Topic,
    entries: &HashMap<String, String>,
    largest_event: u64,
    seen: &mut Vec<Symptom>,
) {
    let entry = |name: &str| entries.get(name).map(String::as_str);
    let alter = |what: &str| format!("kafka-configs --alter --topic {topic} --add-config {what}");
    if entry("unclean.leader.election.enable") == Some("true") {
        seen.push(Symptom::error(
            "unclean_election",
            format!("{topic} elects a leader that lacks acknowledged events: they are gone then"),
            alter("unclean.leader.election.enable=false"),
        ));
    }
    if entry("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        seen.push(Symptom::error(
            "compacted",
            format!("{topic} is compacted: of events with one key only the last is kept"),
            alter("cleanup.policy=delete"),
        ));
    }
    let most = entry("max.message.bytes").and_then(|text| text.parse::<u64>().ok());
    let needed = largest_event + ADDED_BYTES;
    if let Some(most) = most.filter(|most| *most < needed) {
        seen.push(Symptom::error(
            "message_too_small",
            format!("{topic} takes records of {most} bytes, and an event may need {needed}"),
            alter(&format!("max.message.bytes={}", needed.next_power_of_two())),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(seen: &[Symptom]) -> Vec<&str> {
        seen.iter().map(|symptom| symptom.code.as_str()).collect()
    }

    #[test]
    fn copies_are_judged_by_what_one_broker_may_take_along() {
        let topic = Topic::from("raw-events");
        let of = |replicas, min| {
            let mut seen = Vec::new();
            copies(&topic, Some(replicas), Some(min), &mut seen);
            codes(&seen).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(of(3, 2).is_empty());
        assert_eq!(of(1, 1), ["one_replica"]);
        assert_eq!(of(3, 1), ["acknowledged_by_one"]);
        assert_eq!(of(2, 2), ["no_broker_may_fail"]);
    }

    #[test]
    fn a_topics_settings_are_judged_by_the_promise() {
        let topic = Topic::from("raw-events");
        let mut seen = Vec::new();
        let entries = [
            ("unclean.leader.election.enable", "true"),
            ("cleanup.policy", "compact,delete"),
            ("max.message.bytes", "1000"),
        ];
        let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned()));
        broker_settings(&topic, &HashMap::from(entries), 768 << 10, &mut seen);
        assert_eq!(codes(&seen), ["unclean_election", "compacted", "message_too_small"]);
        assert!(seen[2].advice.ends_with("max.message.bytes=1048576"), "{}", seen[2].advice);
    }
}
