//! Records that a broker removed before a group read them: they are told, and passed.

use std::sync::Arc;
use std::time::Duration;

use evp::backends::kafka::KafkaLog;
use evp::model::{GroupId, Offset, Partition, Topic, TopicPartition};
use evp::ports::{Assignment, Consumer, EventLog, Polled, Progress};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use super::{Broker, batch, open, started, take};

/// A topic of one partition with ten records.
async fn ten_records(topic: &Topic) -> (Arc<Broker>, u16, Arc<KafkaLog>) {
    let (broker, port) = started().await;
    let log = open(port, 1, std::slice::from_ref(topic));
    log.append(topic, batch((0..10).map(|n| n.to_string()))).await.unwrap();
    (broker, port, log)
}

/// Removes what lies below, as retention does.
async fn remove_below(port: u16, topic: &Topic, offset: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", format!("127.0.0.1:{port}")).create().unwrap();
    let mut below = rdkafka::TopicPartitionList::new();
    let offset = rdkafka::Offset::Offset(offset);
    below.add_partition_offset(topic.as_str(), 0, offset).unwrap();
    let removed = admin.delete_records(&below, &AdminOptions::new()).await.unwrap();
    assert!(removed.elements().iter().all(|element| element.error().is_ok()), "{removed:?}");
}

/// What a consumer is told before its first record: the assignment and the gaps in it.
struct Told {
    assignment: Assignment,
    gaps: Vec<(TopicPartition, Offset, Offset)>,
    /// The first record, where one comes.
    first: Option<Offset>,
}

/// Polls until a record comes, or nothing more.
async fn told(consumer: &mut dyn Consumer) -> Told {
    let (mut assignment, mut gaps) = (None, Vec::new());
    loop {
        let first = match consumer.poll(1, Duration::from_secs(10)).await.unwrap() {
            Polled::Assigned(mine) => {
                assignment = mine.first().cloned();
                continue;
            }
            Polled::Gap { at, from, to } => {
                gaps.push((at, from, to));
                continue;
            }
            Polled::Records(all) => Some(all[0].records[0].offset),
            Polled::Idle if assignment.is_none() => continue,
            Polled::Idle => None,
            other => panic!("{other:?}"),
        };
        return Told { assignment: assignment.unwrap(), gaps, first };
    }
}

/// Retention that passes a group's position is told with the offsets that are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_below_the_low_watermark_is_a_gap() {
    let topic = Topic::new("gap");
    let topics = std::slice::from_ref(&topic);
    let (_broker, port, log) = ten_records(&topic).await;
    let group = GroupId::new("gap");
    let mut consumer = log.consumer(&group, topics).await.unwrap();
    let taken = take(consumer.as_mut(), 10).await;
    let assignment = taken[0].0.clone();
    consumer.commit(&[Progress { assignment, next: Offset(2) }]).await.unwrap();
    consumer.close().await.unwrap();
    remove_below(port, &topic, 6).await;
    let mut consumer = log.consumer(&group, topics).await.unwrap();
    let Told { gaps, first, .. } = told(consumer.as_mut()).await;
    let at = TopicPartition::new(topic.clone(), Partition(0));
    assert_eq!(gaps, [(at, Offset(2), Offset(6))]);
    assert_eq!(first, Some(Offset(6)));
}

/// Brokers forget the positions of a group that is away for as long as records stay: then nothing
/// tells that it has missed some but where the topic begins. Told once, where the end of the gap is
/// committed, and also where no record follows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_position_is_told_what_is_gone() {
    for (name, low, first) in [("forgotten", 6, Some(Offset(6))), ("all-forgotten", 10, None)] {
        let topic = Topic::new(name);
        let topics = std::slice::from_ref(&topic);
        let (_broker, port, log) = ten_records(&topic).await;
        let group = GroupId::new(name);
        let mut consumer = log.consumer(&group, topics).await.unwrap();
        let whole = told(consumer.as_mut()).await;
        assert_eq!((whole.gaps, whole.first), (vec![], Some(Offset(0))), "{name}: all is there");
        consumer.close().await.unwrap();
        remove_below(port, &topic, low).await;
        assert_eq!(log.committed(&group, &topic).await.unwrap(), [], "{name}");

        let mut consumer = log.consumer(&group, topics).await.unwrap();
        let late = told(consumer.as_mut()).await;
        let at = TopicPartition::new(topic.clone(), Partition(0));
        assert_eq!(late.gaps, [(at, Offset(0), Offset(low))], "{name}");
        assert_eq!(late.first, first, "{name}");
        let passed = Progress { assignment: late.assignment, next: Offset(low) };
        consumer.commit(&[passed]).await.unwrap();
        consumer.close().await.unwrap();

        let mut consumer = log.consumer(&group, topics).await.unwrap();
        let again = told(consumer.as_mut()).await;
        assert_eq!((again.gaps, again.first), (vec![], first), "{name}: told before");
    }
}
