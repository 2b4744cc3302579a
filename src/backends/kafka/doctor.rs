//! What can be said of brokers and of how topics are laid out there.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::log::blocking;
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

    /// Symptoms of one topic; what they say is about a topic that is named elsewhere.
    async fn topic(&self, topic: &Topic) -> Result<Vec<Symptom>> {
        let Some(layout) = layout(&self.settings, &self.meta, topic).await? else {
            return Ok(vec![missing(self.settings.create_topics)]);
        };
        let entries = entries(&admin(&self.settings)?, &self.settings, topic).await?;
        let mut seen = Vec::new();
        copies(layout.replication, layout.min_in_sync, &mut seen);
        broker_settings(&entries, self.largest_event, &mut seen);
        Ok(seen)
    }

    /// Symptoms of the brokers together.
    async fn cluster(&self) -> Result<Vec<Symptom>> {
        let meta = Arc::clone(&self.meta);
        let brokers = blocking(move || meta.brokers()).await?;
        Ok(too_few(brokers, self.settings.replication).into_iter().collect())
    }

    /// Everything, or why there is no answer.
    async fn look(&self) -> Result<Vec<Symptom>> {
        let mut seen = self.cluster().await?;
        let mut of_topics = Vec::new();
        for topic in &self.topics {
            match self.topic(topic).await {
                Ok(found) => of_topics.extend(found.into_iter().map(|one| (topic, one))),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => of_topics.push((
                    topic,
                    Symptom::error(
                        "cannot_look",
                        error.chain(),
                        "give this user the rights to describe topics and their settings",
                    ),
                )),
            }
        }
        seen.extend(together(of_topics, self.topics.len()));
        Ok(seen)
    }
}

#[async_trait]
impl Doctor for KafkaDoctor {
    /// Its version stays empty: Kafka's protocol tells features and no version, and no clock.
    async fn examine(&self, _now: Timestamp) -> Diagnosis {
        let address = self.settings.brokers.join(",");
        let seen = match self.look().await {
            Ok(seen) => seen,
            Err(error) => {
                let why = error.chain();
                let advice = unreachable_advice(&why);
                return Diagnosis::unreachable("kafka", address, why, advice);
            }
        };
        let mut diagnosis = Diagnosis::reachable("kafka", &address);
        seen.into_iter().for_each(|symptom| diagnosis.add(symptom));
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

fn unreachable_advice(why: &str) -> &'static str {
    let why = why.to_ascii_lowercase();
    if why.contains("certificate") || why.contains("ssl handshake") {
        "set kafka.tls.ca_file to who signs the brokers' certificates, and kafka.brokers to the names \
         in them"
    } else if why.contains("sasl") || why.contains("authentication") {
        "set kafka.sasl.username, kafka.sasl.password and kafka.sasl.mechanism to a user of the brokers"
    } else {
        "start the brokers, or set kafka.brokers (KAFKA_BROKERS)"
    }
}

/// The same said of several topics is said once, with their names.
fn together(found: Vec<(&Topic, Symptom)>, all: usize) -> Vec<Symptom> {
    let mut groups: Vec<(Symptom, Vec<&str>)> = Vec::new();
    for (topic, symptom) in found {
        match groups.iter_mut().find(|(known, _)| *known == symptom) {
            Some((_, topics)) => topics.push(topic.as_str()),
            None => groups.push((symptom, vec![topic.as_str()])),
        }
    }
    let named = groups.into_iter().map(|(symptom, topics)| {
        let which = if topics.len() == all && all > 1 {
            format!("all {all} topics")
        } else {
            topics.join(", ")
        };
        Symptom {
            what: format!("{which}: {}", symptom.what),
            advice: symptom.advice.replace("TOPIC", topics.first().unwrap_or(&"TOPIC")),
            ..symptom
        }
    });
    named.collect()
}

/// A topic that is not there.
fn missing(is_made: bool) -> Symptom {
    let advice = "evp topics ensure";
    if is_made {
        Symptom::note("topic_missing", "not there yet; made on first use", advice)
    } else {
        let what = "not there, and kafka.create_topics is false: nothing can be sent";
        Symptom::error("topic_missing", what, advice)
    }
}

/// Fewer brokers than a topic made now shall have copies.
fn too_few(brokers: usize, replication: i32) -> Option<Symptom> {
    let wanted = usize::try_from(replication).unwrap_or(0);
    (brokers < wanted).then(|| {
        let be = if brokers == 1 { "is 1 broker" } else { "are fewer brokers" };
        Symptom::error(
            "too_few_brokers",
            format!("kafka.replication is {wanted} and there {be}: no topic can be made"),
            "run more brokers, or set kafka.replication and kafka.min_in_sync to what there is",
        )
    })
}

fn is_local(brokers: &[String]) -> bool {
    brokers
        .iter()
        .all(|broker| ["127.", "localhost", "[::1]"].iter().any(|own| broker.starts_with(own)))
}

/// How a topic's setting is changed; `together` writes its name.
fn alter(what: &str) -> String {
    format!("kafka-configs --alter --entity-type topics --entity-name TOPIC --add-config {what}")
}

/// How many copies there are, and how many an acknowledgement stands for.
fn copies(replicas: Option<i32>, min: Option<i32>, seen: &mut Vec<Symptom>) {
    let replicas = replicas.unwrap_or(1);
    let min = min.unwrap_or(1);
    if replicas < 2 {
        seen.push(Symptom::warning(
            "one_replica",
            "one copy: an acknowledged event is gone with its broker's disk",
            "run three brokers, set kafka.replication = 3, and reassign the topic's partitions",
        ));
    } else if min < 2 {
        seen.push(Symptom::warning(
            "acknowledged_by_one",
            format!("min.insync.replicas is {min}: an event is acknowledged with one copy"),
            alter("min.insync.replicas=2"),
        ));
    } else if min >= replicas {
        seen.push(Symptom::warning(
            "no_broker_may_fail",
            format!("{replicas} copies, and {min} are needed: one broker down stops it"),
            "set min.insync.replicas to one less than the replicas",
        ));
    }
}

/// What the topic's settings on the broker do to the promise.
fn broker_settings(entries: &HashMap<String, String>, largest_event: u64, seen: &mut Vec<Symptom>) {
    let entry = |name: &str| entries.get(name).map(String::as_str);
    if entry("unclean.leader.election.enable") == Some("true") {
        seen.push(Symptom::error(
            "unclean_election",
            "elects a leader that lacks acknowledged events: they are gone then",
            alter("unclean.leader.election.enable=false"),
        ));
    }
    if entry("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        seen.push(Symptom::error(
            "compacted",
            "compacted: of events with one key only the last is kept",
            alter("cleanup.policy=delete"),
        ));
    }
    if entry("message.timestamp.type") == Some("LogAppendTime") {
        seen.push(Symptom::warning(
            "brokers_time",
            "brokers write their own time over the collector's: the archive's days are by it",
            alter("message.timestamp.type=CreateTime"),
        ));
    }
    let most = entry("max.message.bytes").and_then(|text| text.parse::<u64>().ok());
    let needed = largest_event + ADDED_BYTES;
    if let Some(most) = most.filter(|most| *most < needed) {
        seen.push(Symptom::error(
            "message_too_small",
            format!("takes records of {most} bytes, and an event may need {needed}"),
            alter(&format!("max.message.bytes={}", needed.next_power_of_two())),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Severity;

    fn codes(seen: &[Symptom]) -> Vec<&str> {
        seen.iter().map(|symptom| symptom.code.as_str()).collect()
    }

    #[test]
    fn copies_are_judged_by_what_one_broker_may_take_along() {
        let of = |replicas, min| {
            let mut seen = Vec::new();
            copies(Some(replicas), Some(min), &mut seen);
            codes(&seen).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(of(3, 2).is_empty());
        assert_eq!(of(1, 1), ["one_replica"]);
        assert_eq!(of(3, 1), ["acknowledged_by_one"]);
        assert_eq!(of(2, 2), ["no_broker_may_fail"]);
    }

    #[test]
    fn a_topics_settings_are_judged_by_the_promise() {
        let mut seen = Vec::new();
        let entries = [
            ("unclean.leader.election.enable", "true"),
            ("cleanup.policy", "compact,delete"),
            ("max.message.bytes", "1000"),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned()));
        broker_settings(&HashMap::from(entries), 768 << 10, &mut seen);
        assert_eq!(
            codes(&seen),
            ["unclean_election", "compacted", "brokers_time", "message_too_small"]
        );
        assert!(seen[3].advice.ends_with("max.message.bytes=1048576"), "{}", seen[3].advice);
    }

    #[test]
    fn the_same_of_several_topics_is_said_once() {
        let topics = ["raw-events", "decisions", "processed-events"].map(Topic::from);
        let said = together(topics.iter().map(|topic| (topic, missing(true))).collect(), 3);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].what, "all 3 topics: not there yet; made on first use");
        assert_eq!(said[0].severity, Severity::Note);
        let mut found = vec![(&topics[0], missing(false))];
        for topic in &topics[1..] {
            let mut seen = Vec::new();
            copies(Some(3), Some(1), &mut seen);
            found.extend(seen.into_iter().map(|symptom| (topic, symptom)));
        }
        let said = together(found, 3);
        assert_eq!(codes(&said), ["topic_missing", "acknowledged_by_one"]);
        assert!(said[0].what.starts_with("raw-events: not there"), "{}", said[0].what);
        assert_eq!(said[0].severity, Severity::Error);
        assert!(said[1].what.starts_with("decisions, processed-events: "), "{}", said[1].what);
        assert!(said[1].advice.contains("--entity-name decisions "), "{}", said[1].advice);
    }

    #[test]
    fn copies_that_no_broker_can_hold_are_told() {
        assert_eq!(too_few(3, 3), None);
        let told = too_few(1, 3).unwrap();
        assert_eq!((told.code.as_str(), told.severity), ("too_few_brokers", Severity::Error));
    }

    #[test]
    fn who_is_not_reached_is_advised_by_the_reason() {
        let of = |why| unreachable_advice(why);
        assert!(
            of("SSL handshake failed: certificate verify failed").contains("kafka.tls.ca_file")
        );
        assert!(
            of("SASL authentication error: invalid credentials").contains("kafka.sasl.password")
        );
        assert!(of("Local: Timed out").contains("KAFKA_BROKERS"));
    }
}
