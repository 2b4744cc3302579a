//! Whether something was in flight when a fault struck: records that stood in a role's topics before
//! it, and that the role's group has not finished after it. What arrives meanwhile says nothing.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Cluster;

const LIMIT: Duration = Duration::from_secs(10);

/// Looks at one role's group from beside it, without joining.
pub(crate) struct InFlight {
    consumer: BaseConsumer,
    /// The ends of the role's partitions at the last look.
    ends: TopicPartitionList,
}

impl InFlight {
    /// Connects, so that a look takes some milliseconds and no more.
    pub(crate) fn of(cluster: &Cluster, role: &str) -> Self {
        let topics: &[&str] = match role {
            "processor" => &["raw-events"],
            "archiver" => &["raw-events", "decisions"],
            "worker" => &["processed-events", "decisions"],
            _ => panic!("{role} reads no topics"),
        };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{}", cluster.kafka.port))
            .set("group.id", format!("{role}-group"))
            .create()
            .unwrap();
        let mut ends = TopicPartitionList::new();
        for topic in topics {
            let found = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
            for partition in found.topics()[0].partitions() {
                ends.add_partition(topic, partition.id());
            }
        }
        Self { consumer, ends }
    }

    /// Notes where the topics end: the fault is to strike right after.
    pub(crate) fn look(&mut self) {
        let places: Vec<_> = self.places().collect();
        for (topic, partition, _) in places {
            let (_, end) = self.consumer.fetch_watermarks(&topic, partition, LIMIT).unwrap();
            self.ends.set_partition_offset(&topic, partition, Offset::Offset(end)).unwrap();
        }
    }

    /// Records that stood there at the look and are not finished now.
    pub(crate) fn unfinished(&self) -> i64 {
        let committed = self.consumer.committed_offsets(self.ends.clone(), LIMIT).unwrap();
        let at = |topic: &str, partition| {
            let found = committed.find_partition(topic, partition).map(|found| found.offset());
            if let Some(Offset::Offset(next)) = found { next } else { 0 }
        };
        self.places().map(|(topic, partition, end)| (end - at(&topic, partition)).max(0)).sum()
    }

    fn places(&self) -> impl Iterator<Item = (String, i32, i64)> {
        let all = self.ends.elements();
        let places: Vec<_> = all
            .iter()
            .map(|one| {
                let end = if let Offset::Offset(end) = one.offset() { end } else { 0 };
                (one.topic().to_owned(), one.partition(), end)
            })
            .collect();
        places.into_iter()
    }
}
