//! The client on librdkafka's mock cluster: what it does when brokers refuse, are silent or are
//! gone. In memory, without a server.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::mocking::{MockCluster, MockCoordinator};
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::{KafkaLog, KafkaLogOptions, native};
use crate::model::{Durability, GroupId, Headers, Record, RecordBatch, Timestamp, Topic};
use crate::ports::{Consumer, EventLog, Kind, Polled};
use crate::settings::{Compression, Kafka, Span};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "t";

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    cluster
}

fn open(cluster: &Cluster, change: impl FnOnce(&mut Kafka)) -> Arc<KafkaLog> {
    open_at(cluster.bootstrap_servers(), change)
}

fn open_at(brokers: String, change: impl FnOnce(&mut Kafka)) -> Arc<KafkaLog> {
    let mut settings = Kafka { brokers: vec![brokers], ..Kafka::default() };
    change(&mut settings);
    let topics = vec![Topic::new(TOPIC)];
    Arc::new(KafkaLog::open(KafkaLogOptions { settings, topics }).unwrap())
}

fn batch(count: usize) -> RecordBatch {
    let record = Record {
        key: "k".into(),
        value: "v".into(),
        timestamp: Timestamp::from_millis_clamped(1),
        headers: Headers::new(),
    };
    RecordBatch::of_all(std::iter::repeat_n(&record, count))
}

async fn read(consumer: &mut dyn Consumer, count: usize) -> usize {
    let mut seen = 0;
    while seen < count {
        if let Polled::Records(all) = consumer.poll(1000, Duration::from_secs(20)).await.unwrap() {
            seen += all.iter().map(|fetched| fetched.records.len()).sum::<usize>();
        }
    }
    seen
}

/// One counter for all records of a request: it resolves once, after the last report.
#[tokio::test]
async fn a_batch_is_acknowledged_whole() {
    let cluster = cluster();
    let log = open(&cluster, |_| {});
    let appended = log.append(&Topic::new(TOPIC), batch(500)).await.unwrap();
    assert_eq!(appended.durability, Durability::Replicated);
    let group = GroupId::new("g");
    let mut consumer = log.consumer(&group, &[Topic::new(TOPIC)]).await.unwrap();
    assert_eq!(read(consumer.as_mut(), 500).await, 500);
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let cluster = cluster();
    let log = open(&cluster, |settings| {
        settings.max_queue_records = 10;
        settings.linger = Span::from_secs(30);
        settings.message_timeout = Span::from_secs(60);
    });
    let refused = log.append(&Topic::new(TOPIC), batch(11)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Full);
    assert!(refused.retry_after().is_some());
    assert_eq!(log.check().await.unwrap_err().kind(), Kind::Full);
    // What was queued needs no waiting for.
    log.producer().purge();
}

#[tokio::test]
async fn brokers_that_do_not_answer_in_time_are_unavailable() {
    let cluster = cluster();
    let log = open(&cluster, |settings| {
        settings.message_timeout = Span::from_secs(1);
        settings.request_timeout = Span::from_secs(1);
    });
    log.append(&Topic::new(TOPIC), batch(1)).await.unwrap();
    log.check().await.unwrap();
    cluster.broker_down(1).unwrap();
    let failed = log.append(&Topic::new(TOPIC), batch(1)).await.unwrap_err();
    assert_eq!(failed.kind(), Kind::Unavailable, "{}", failed.chain());
    assert_eq!(log.check().await.unwrap_err().kind(), Kind::Unavailable);
    cluster.broker_up(1).unwrap();
    while log.check().await.is_err() {}
    log.append(&Topic::new(TOPIC), batch(1)).await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_passes_is_tried_again_by_the_client() {
    let cluster = cluster();
    let log = open(&cluster, |_| {});
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    log.append(&Topic::new(TOPIC), batch(1)).await.unwrap();
}

#[tokio::test]
async fn what_no_broker_takes_is_the_datas_fault() {
    let cluster = cluster();
    let log =
        open(&cluster, |settings| settings.max_record_bytes = crate::settings::ByteSize(1000));
    let record = Record {
        key: "k".into(),
        value: vec![b'x'; 2000].into(),
        timestamp: Timestamp::from_millis_clamped(1),
        headers: Headers::new(),
    };
    let refused = log.append(&Topic::new(TOPIC), RecordBatch::of(&record)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Data);
}

/// The caller hears nothing of it: the producer is replaced and the batch sent again.
#[tokio::test]
async fn a_fatal_error_replaces_the_producer_and_nothing_is_lost() {
    let cluster = cluster();
    let log = open(&cluster, |_| {});
    log.append(&Topic::new(TOPIC), batch(1)).await.unwrap();
    assert_eq!(log.producer().generation(), 1);
    log.producer().raise_fatal();
    log.append(&Topic::new(TOPIC), batch(3)).await.unwrap();
    assert_eq!(log.producer().generation(), 2);
    let mut consumer = log.consumer(&GroupId::new("g"), &[Topic::new(TOPIC)]).await.unwrap();
    assert_eq!(read(consumer.as_mut(), 4).await, 4);
}

/// A future that is dropped has sent what it had to send.
#[tokio::test]
async fn a_dropped_append_arrives_all_the_same() {
    let cluster = cluster();
    let log = open(&cluster, |_| {});
    log.append(&Topic::new(TOPIC), batch(1)).await.unwrap();
    let topic = Topic::new(TOPIC);
    tokio::select! {
        biased;
        _ = log.append(&topic, batch(2)) => panic!("acknowledged before the linger"),
        () = tokio::task::yield_now() => {}
    }
    let mut consumer =
        log.consumer(&GroupId::new("g"), std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(read(consumer.as_mut(), 3).await, 3);
}

/// librdkafka reads the values where they lie: neither a caller that went, nor a broker that was away
/// and makes it build its request anew, nor memory that is used again may change what arrives.
#[tokio::test]
async fn values_arrive_as_they_were_whoever_waits_for_them() {
    let cluster = cluster();
    let log = open(&cluster, |settings| {
        settings.compression = Compression::None;
        settings.linger = Span(Duration::from_millis(50));
    });
    let topic = Topic::new(TOPIC);
    log.append(&topic, batch(1)).await.unwrap();
    cluster.broker_down(1).unwrap();
    // Beyond librdkafka's 64 KiB: it sends them from where they lie.
    let value = |n: usize| -> Vec<u8> {
        (0..100_000).map(|at: usize| (at * 7 + n).to_le_bytes()[0]).collect()
    };
    for n in 0..20 {
        let record = Record {
            key: "k".into(),
            value: value(n).into(),
            timestamp: Timestamp::from_millis_clamped(1),
            headers: Headers::new(),
        };
        tokio::select! {
            biased;
            _ = log.append(&topic, RecordBatch::of(&record)) => panic!("acknowledged by nobody"),
            () = tokio::task::yield_now() => {}
        }
    }
    // Whatever was freed too early is somebody else's now.
    let others: Vec<Vec<u8>> = (0..100).map(|_| vec![0xee; 100_200]).collect();
    cluster.broker_up(1).unwrap();
    let mut consumer =
        log.consumer(&GroupId::new("g"), std::slice::from_ref(&topic)).await.unwrap();
    let mut arrived = Vec::new();
    while arrived.len() < 21 {
        if let Polled::Records(all) = consumer.poll(1000, Duration::from_secs(20)).await.unwrap() {
            let records = all.into_iter().flat_map(|fetched| fetched.records);
            arrived.extend(records.map(|record| record.record.value));
        }
    }
    drop(others);
    for (n, arrived) in arrived[1..].iter().enumerate() {
        assert!(*arrived == value(n), "value {n} is another");
    }
}

/// Two brokers, of which the first coordinates the group `g` and the second leads the topic.
struct Pair {
    owner: BaseProducer,
}

impl Pair {
    fn start() -> Self {
        let owner = ClientConfig::new().set("test.mock.num.brokers", "2").create().unwrap();
        let pair = Self { owner };
        pair.cluster().create_topic(TOPIC, 1, 1).unwrap();
        pair.cluster().partition_leader(TOPIC, 0, Some(2)).unwrap();
        pair.coordinate(1);
        pair
    }

    fn cluster(&self) -> MockCluster<'_, DefaultProducerContext> {
        self.owner.client().mock_cluster().unwrap()
    }

    fn coordinate(&self, broker: i32) {
        self.cluster().coordinator(MockCoordinator::Group("g".to_owned()), broker).unwrap();
    }

    fn open(&self, change: impl FnOnce(&mut Kafka)) -> Arc<KafkaLog> {
        open_at(self.cluster().bootstrap_servers(), change)
    }

    /// The first broker goes, and comes back under its number at another address.
    fn move_first(&self) {
        native::remove_mock_broker(self.owner.client(), 1);
        native::add_mock_broker(self.owner.client(), 1);
        self.coordinate(1);
    }
}

/// As after a restart, in which brokers do not name the coordinator for a while. librdkafka's
/// questions about any group wait for the one that it remembers (its issue 5511), for good; those of
/// a group's own client look for another.
#[tokio::test]
async fn another_coordinator_is_found_when_one_is_no_longer_named() {
    let pair = Pair::start();
    let log = pair.open(|_| {});
    let (group, topic) = (GroupId::new("g"), Topic::new(TOPIC));
    log.committed(&group, &topic).await.unwrap();
    native::remove_mock_broker(pair.owner.client(), 1);
    pair.coordinate(2);
    // The client hears of it.
    log.describe(&topic).await.unwrap();
    log.committed(&group, &topic).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_moved_under_its_number_is_found_by_the_next_question() {
    let pair = Pair::start();
    let log = pair.open(|settings| settings.request_timeout = Span::from_secs(2));
    let (group, topic) = (GroupId::new("g"), Topic::new(TOPIC));
    log.committed(&group, &topic).await.unwrap();
    pair.move_first();
    drop(log.committed(&group, &topic).await);
    log.committed(&group, &topic).await.unwrap();
}

#[tokio::test]
async fn a_member_whose_coordinator_moved_under_its_number_reads_on() {
    let pair = Pair::start();
    let log = pair.open(|settings| settings.session_timeout = Span::from_secs(5));
    let (group, topic) = (GroupId::new("g"), Topic::new(TOPIC));
    log.append(&topic, batch(3)).await.unwrap();
    let mut consumer = log.consumer(&group, std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(read(consumer.as_mut(), 3).await, 3);
    pair.move_first();
    log.append(&topic, batch(2)).await.unwrap();
    assert!(read(consumer.as_mut(), 2).await >= 2);
}

#[tokio::test]
async fn a_client_that_brings_nothing_while_records_wait_is_replaced() {
    let cluster = cluster();
    let log = open(&cluster, |settings| settings.stall_timeout = Span::from_secs(1));
    let (group, topic) = (GroupId::new("g"), Topic::new(TOPIC));
    log.append(&topic, batch(3)).await.unwrap();
    let mut consumer = log.join(&group, std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(read(&mut consumer, 3).await, 3);
    let client = consumer.client().unwrap();
    client.pause(&client.assignment().unwrap()).unwrap();
    drop(client);
    log.append(&topic, batch(2)).await.unwrap();
    assert!(read(&mut consumer, 2).await >= 2);
}
