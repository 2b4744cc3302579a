//! What lies in topics: how many records, and which events.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::load::{BEFORE_NUMBER, Numbers};

/// Partitions of every topic.
pub const PARTITIONS: i32 = 6;
const LIMIT: Duration = Duration::from_secs(10);

pub struct Kafka {
    brokers: String,
    reader: BaseConsumer,
}

impl Kafka {
    pub fn new(port: u16) -> Self {
        let brokers = format!("127.0.0.1:{port}");
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &brokers)
            .set("group.id", "bench")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "32768");
        let reader = config.create().unwrap();
        Self { brokers, reader }
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    pub fn create(&self, topic: &str) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|topic| drop(topic.unwrap()));
    }

    /// Records of a topic; 0 where there is none.
    pub fn count(&self, topic: &str) -> u64 {
        let of = |partition| {
            let bounds = self.reader.fetch_watermarks(topic, partition, LIMIT);
            bounds.map_or(0, |(low, high)| u64::try_from(high - low).unwrap_or(0))
        };
        (0..PARTITIONS).map(of).sum()
    }

    /// The numbers of all events in a topic.
    pub fn numbers(&self, topic: &str, into: &Numbers) {
        let total = self.count(topic);
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        self.reader.assign(&all).unwrap();
        let mut read = 0;
        while read < total {
            let message = self.reader.poll(LIMIT).expect("a topic is read to its end").unwrap();
            if let Some(number) = number(message.payload().unwrap_or_default()) {
                into.add(number);
            }
            read += 1;
        }
        self.reader.unassign().unwrap();
    }
}

/// The number in an event's id.
fn number(event: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(event).ok()?;
    let (_, rest) = text.split_once(BEFORE_NUMBER)?;
    u64::from_str_radix(rest.get(..16)?, 16).ok()
}
