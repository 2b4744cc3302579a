//! The log on a real broker: the port's suite, and what only a broker can show.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use evp::backends::kafka::{KafkaLog, KafkaLogOptions};
use evp::model::{
    ConsumedRecord, Durability, GroupId, Headers, Offset, Partition, Record, RecordBatch, Topic,
    TopicPartition,
};
use evp::ports::contract::event_log::{Harness, event_log_contract, topics};
use evp::ports::{Assignment, Clock, Consumer, EventLog, Polled, Progress, SystemClock};
use evp::settings::Kafka;
use evp::wire::{Instance, OpenMode};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use super::servers::{self, Running};

mod gaps;
mod groups;
mod members;

/// A broker and its data.
struct Broker {
    running: Running,
    _folder: tempfile::TempDir,
}

/// One broker for the tests that run at a time: the last of them stops it. Tests differ in the names
/// of their topics and groups.
fn broker() -> Arc<Broker> {
    static BROKER: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let folder = tempfile::tempdir().unwrap();
        let started = Arc::new(Broker { running: servers::kafka(folder.path()), _folder: folder });
        *shared = Arc::downgrade(&started);
        started
    })
}

async fn started() -> (Arc<Broker>, u16) {
    let broker = tokio::task::spawn_blocking(broker).await.unwrap();
    let port = broker.running.port;
    (broker, port)
}

fn settings(port: u16, partitions: i32) -> Kafka {
    Kafka { brokers: vec![format!("127.0.0.1:{port}")], partitions, ..Kafka::default() }
}

fn open(port: u16, partitions: i32, topics: &[Topic]) -> Arc<KafkaLog> {
    let settings = settings(port, partitions);
    let options = KafkaLogOptions { settings, topics: topics.to_vec() };
    Arc::new(KafkaLog::open(options).unwrap())
}

mod contract {
    use super::*;

    /// Gives the suite's fixed names to topics and groups of this test alone.
    #[derive(Debug)]
    struct Named {
        log: Arc<KafkaLog>,
        suffix: u32,
    }

    impl Named {
        fn topic(&self, topic: &Topic) -> Topic {
            Topic::new(&format!("{topic}-{}", self.suffix))
        }

        fn group(&self, group: &GroupId) -> GroupId {
            GroupId::new(&format!("{group}-{}", self.suffix))
        }

        fn back(&self, topic: &Topic) -> Topic {
            let suffix = format!("-{}", self.suffix);
            Topic::new(topic.as_str().strip_suffix(&suffix).unwrap_or(topic.as_str()))
        }

        fn record(&self, mut record: ConsumedRecord) -> ConsumedRecord {
            record.topic = self.back(&record.topic);
            record
        }
    }

    #[async_trait::async_trait]
    impl EventLog for Named {
        async fn append(
            &self,
            topic: &Topic,
            batch: RecordBatch,
        ) -> evp::ports::Result<evp::ports::Appended> {
            self.log.append(&self.topic(topic), batch).await
        }

        async fn consumer(
            &self,
            group: &GroupId,
            topics: &[Topic],
        ) -> evp::ports::Result<Box<dyn Consumer>> {
            let topics: Vec<_> = topics.iter().map(|topic| self.topic(topic)).collect();
            let consumer = self.log.consumer(&self.group(group), &topics).await?;
            let named = Self { log: Arc::clone(&self.log), suffix: self.suffix };
            Ok(Box::new(NamedConsumer { consumer, named }))
        }

        async fn describe(&self, topic: &Topic) -> evp::ports::Result<evp::ports::TopicInfo> {
            self.log.describe(&self.topic(topic)).await
        }

        async fn committed(
            &self,
            group: &GroupId,
            topic: &Topic,
        ) -> evp::ports::Result<Vec<(Partition, Offset)>> {
            self.log.committed(&self.group(group), &self.topic(topic)).await
        }

        async fn read(
            &self,
            at: &TopicPartition,
            from: Offset,
            max_records: usize,
        ) -> evp::ports::Result<Vec<ConsumedRecord>> {
            let at = TopicPartition::new(self.topic(&at.topic), at.partition);
            let records = self.log.read(&at, from, max_records).await?;
            Ok(records.into_iter().map(|record| self.record(record)).collect())
        }

        async fn check(&self) -> evp::ports::Result<()> {
            self.log.check().await
        }
    }

    #[derive(Debug)]
    struct NamedConsumer {
        consumer: Box<dyn Consumer>,
        named: Named,
    }

    #[async_trait::async_trait]
    impl Consumer for NamedConsumer {
        async fn poll(&mut self, max: usize, wait: Duration) -> evp::ports::Result<Polled> {
            let mut polled = self.consumer.poll(max, wait).await?;
            if let Polled::Records(all) = &mut polled {
                for record in all.iter_mut().flat_map(|fetched| &mut fetched.records) {
                    record.topic = self.named.back(&record.topic);
                }
            }
            Ok(polled)
        }

        async fn commit(&mut self, progress: &[Progress]) -> evp::ports::Result<()> {
            self.consumer.commit(progress).await
        }

        fn set_paused(&mut self, paused: bool) {
            self.consumer.set_paused(paused);
        }

        async fn close(self: Box<Self>) -> evp::ports::Result<()> {
            self.consumer.close().await
        }
    }

    async fn make() -> Harness {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let suffix = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (broker, port) = started().await;
        let names: Vec<_> =
            topics().iter().map(|topic| Topic::new(&format!("{topic}-{suffix}"))).collect();
        let log = open(port, 1, &names);
        for topic in &names {
            log.ensure(topic, false).await.unwrap();
            log.describe(topic).await.unwrap();
        }
        let named = Named { log: Arc::clone(&log), suffix };
        Harness { log: Arc::new(named), alive: Box::new((log, broker)) }
    }

    event_log_contract!(make);
}

fn batch(values: impl IntoIterator<Item = String>) -> RecordBatch {
    let records: Vec<_> = values
        .into_iter()
        .map(|value| Record {
            key: value.clone().into(),
            value: value.into(),
            // Brokers remove what is older than the topic's retention.
            timestamp: SystemClock.now(),
            headers: Headers::new(),
        })
        .collect();
    RecordBatch::of_all(&records)
}

/// Polls until so many records came; what was offered as revoked is given up by polling on.
async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<(Assignment, ConsumedRecord)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        if let Polled::Records(all) = consumer.poll(100, Duration::from_secs(30)).await.unwrap() {
            for fetched in all {
                let assignment = fetched.assignment;
                taken.extend(fetched.records.into_iter().map(|r| (assignment.clone(), r)));
            }
        }
    }
    taken
}

/// A second member takes over half of the partitions; what the first committed when it was asked to
/// give them up is not delivered again, and its later commits move nothing.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_go_over_to_a_second_member_without_a_record_twice_or_lost() {
    let topic = Topic::new("hand-over");
    let (_broker, port) = started().await;
    let log = open(port, 4, std::slice::from_ref(&topic));
    log.append(&topic, batch((0..200).map(|n| n.to_string()))).await.unwrap();
    let group = GroupId::new("hand-over");
    let topics = std::slice::from_ref(&topic);
    let mut first = log.consumer(&group, topics).await.unwrap();
    let taken = take(first.as_mut(), 200).await;
    let mut second = log.consumer(&group, topics).await.unwrap();
    let mut ends: std::collections::HashMap<Assignment, Offset> = std::collections::HashMap::new();
    for (assignment, record) in &taken {
        ends.insert(assignment.clone(), record.offset.next());
    }
    let progress: Vec<_> =
        ends.into_iter().map(|(assignment, next)| Progress { assignment, next }).collect();
    let mut second_assigned = false;
    let mut first_has = 4;
    let mut was_revoking = false;
    while !(second_assigned && was_revoking && first_has < 4) {
        match first.poll(10, Duration::from_millis(100)).await.unwrap() {
            Polled::Revoking(gone) => {
                was_revoking = true;
                first_has -= gone.len();
                first.commit(&progress).await.unwrap();
            }
            Polled::Assigned(mine) => first_has += mine.len(),
            Polled::Idle => {}
            other => panic!("{other:?}"),
        }
        match second.poll(10, Duration::from_millis(100)).await.unwrap() {
            Polled::Assigned(mine) => second_assigned = !mine.is_empty(),
            Polled::Idle => {}
            other => panic!("{other:?}: what was committed came again"),
        }
    }
    first.commit(&[Progress { next: Offset(0), ..progress[0].clone() }]).await.unwrap();
    let committed = log.committed(&group, &topic).await.unwrap();
    let sum: i64 = committed.iter().map(|(_, offset)| offset.0).sum();
    assert_eq!(sum, 200, "an old generation's commit moved something: {committed:?}");
}

/// Readers know the end, the limit, and where a read goes on.
#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_where_they_ended() {
    let topic = Topic::new("read-on");
    let (_broker, port) = started().await;
    let log = open(port, 1, std::slice::from_ref(&topic));
    log.append(&topic, batch((0..25).map(|n| n.to_string()))).await.unwrap();
    let at = TopicPartition::new(topic, Partition(0));
    let (mut next, mut seen) = (Offset(0), Vec::new());
    loop {
        let records = log.read(&at, next, 10).await.unwrap();
        let Some(last) = records.last() else { break };
        next = last.offset.next();
        seen.extend(records.iter().map(|r| String::from_utf8_lossy(&r.record.value).into_owned()));
    }
    assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// A topic that was deleted and made again is another: reading begins at its start although the
/// group had committed further.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_in_a_topic_that_was_is_none_in_the_one_that_is() {
    let topic = Topic::new("remade");
    let topics = std::slice::from_ref(&topic);
    let (_broker, port) = started().await;
    let log = open(port, 1, topics);
    log.append(&topic, batch((0..10).map(|n| n.to_string()))).await.unwrap();
    let group = GroupId::new("remade");
    let mut consumer = log.consumer(&group, topics).await.unwrap();
    let taken = take(consumer.as_mut(), 10).await;
    let (assignment, last) = taken.last().unwrap();
    let next = last.offset.next();
    consumer.commit(&[Progress { assignment: assignment.clone(), next }]).await.unwrap();
    consumer.close().await.unwrap();
    let before = log.describe(&topic).await.unwrap().id;

    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", format!("127.0.0.1:{port}")).create().unwrap();
    admin.delete_topics(&["remade"], &AdminOptions::new()).await.unwrap();
    let log = open(port, 1, topics);
    loop {
        // The broker takes a moment to forget.
        if log.append(&topic, batch(["new".to_owned()])).await.is_ok()
            && log.describe(&topic).await.unwrap().id != before
        {
            break;
        }
    }
    assert_eq!(log.committed(&group, &topic).await.unwrap(), []);
    let mut consumer = log.consumer(&group, topics).await.unwrap();
    let taken = take(consumer.as_mut(), 1).await;
    assert_eq!(taken[0].1.record.value, "new");
    assert_ne!(taken[0].1.topic_id, before);
}

/// A broker that is killed and comes back: what was spilled is carried over, each event is there.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_spilled_while_the_broker_is_gone_and_carried_over_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let mut running = tokio::task::spawn_blocking(move || servers::kafka(&path)).await.unwrap();
    let mut settings = evp::settings::Settings {
        data_dir: folder.path().join("data"),
        ..evp::settings::Settings::default()
    };
    settings.backend.log = evp::settings::LogBackend::Kafka;
    settings.kafka.brokers = vec![format!("127.0.0.1:{}", running.port)];
    settings.kafka.partitions = 1;
    let raw = settings.topics.raw.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let instance = Some(Instance { name: "collector".to_owned(), collects: true });
        let mode = OpenMode { create: true, lock_wait: Duration::ZERO, instance };
        evp::wire::open(&settings, &mode).unwrap()
    });
    let wired = opened.await.unwrap();
    let log = Arc::clone(&wired.ports.log);
    let sent = |n: u32| batch([n.to_string()]);
    assert_eq!(log.append(&raw, sent(0)).await.unwrap().durability, Durability::Replicated);
    let mut running = tokio::task::spawn_blocking(move || {
        running.kill();
        running
    })
    .await
    .unwrap();
    for n in 1..50 {
        assert_eq!(log.append(&raw, sent(n)).await.unwrap().durability, Durability::Spilled);
    }
    assert!(log.degraded().is_some());
    log.check().await.expect("a collector that spills is ready");
    let running = tokio::task::spawn_blocking(move || {
        running.resume();
        running
    })
    .await
    .unwrap();
    let at = TopicPartition::new(raw.clone(), Partition(0));
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let Ok(records) = log.read(&at, Offset(0), 1000).await else { continue };
        seen.extend(records.iter().map(|r| String::from_utf8_lossy(&r.record.value).into_owned()));
    }
    assert_eq!(seen, (0..50).map(|n| n.to_string()).collect());
    while log.degraded().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(log.append(&raw, sent(50)).await.unwrap().durability, Durability::Replicated);
    drop(log);
    tokio::task::spawn_blocking(move || wired.close()).await.unwrap();
    drop(running);
}
