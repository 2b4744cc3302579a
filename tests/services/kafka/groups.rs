//! Groups on a real broker: what goes over, what is fenced, what is found, by protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evp::ports::Kind;
use evp::settings::{Assignor, GroupProtocol};
use rdkafka::admin::NewPartitions;

use super::*;

pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long something may take that has to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn open_as(
    port: u16,
    partitions: i32,
    topic: &Topic,
    change: impl FnOnce(&mut Kafka),
) -> Arc<KafkaLog> {
    let mut settings = settings(port, partitions);
    change(&mut settings);
    Arc::new(KafkaLog::open(KafkaLogOptions { settings, topics: vec![topic.clone()] }).unwrap())
}

fn admin(port: u16) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", format!("127.0.0.1:{port}")).create().unwrap()
}

pub(super) fn numbers(range: std::ops::Range<u32>) -> RecordBatch {
    batch(range.map(|n| n.to_string()))
}

/// A role in small: commits what it read at each turn, and before it gives anything up.
pub(super) struct Member {
    consumer: Box<dyn Consumer>,
    has: BTreeSet<Assignment0>,
    pub(super) read: Vec<String>,
    done: BTreeMap<Assignment0, (Assignment, Offset)>,
    /// Partitions that came or went.
    moves: usize,
}

type Assignment0 = (i32, u64);

fn name(assignment: &Assignment) -> Assignment0 {
    (assignment.at.partition.0, assignment.generation)
}

impl Member {
    pub(super) async fn join(log: &Arc<KafkaLog>, group: &GroupId, topic: &Topic) -> Self {
        let consumer = log.consumer(group, std::slice::from_ref(topic)).await.unwrap();
        let (has, read, done) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Self { consumer, has, read, done, moves: 0 }
    }

    fn partitions(&self) -> BTreeSet<i32> {
        self.has.iter().map(|(partition, _)| *partition).collect()
    }

    async fn commit(&mut self) -> evp::ports::Result<()> {
        let progress: Vec<_> = std::mem::take(&mut self.done)
            .into_values()
            .map(|(assignment, next)| Progress { assignment, next })
            .collect();
        loop {
            match self.consumer.commit(&progress).await {
                Err(error) if error.kind() == Kind::Unavailable => tokio::time::sleep(TICK).await,
                done => return done,
            }
        }
    }

    /// One poll and what follows it.
    pub(super) async fn turn(&mut self) {
        match self.consumer.poll(20, TICK).await {
            Ok(Polled::Records(all)) => {
                for fetched in all {
                    let next = fetched.records.last().unwrap().offset.next();
                    self.done.insert(name(&fetched.assignment), (fetched.assignment, next));
                    self.read.extend(
                        fetched
                            .records
                            .iter()
                            .map(|r| String::from_utf8_lossy(&r.record.value).into_owned()),
                    );
                }
                self.commit().await.unwrap();
            }
            Ok(Polled::Assigned(mine)) => {
                self.moves += mine.len();
                self.has.extend(mine.iter().map(name));
            }
            Ok(Polled::Revoking(gone)) => {
                self.moves += gone.len();
                self.commit().await.unwrap();
                self.has.retain(|has| !gone.iter().any(|gone| name(gone) == *has));
            }
            Ok(Polled::Lost(gone)) => {
                self.moves += gone.len();
                self.has.retain(|has| !gone.iter().any(|gone| name(gone) == *has));
            }
            Ok(Polled::Gap { at, from, to }) => panic!("a gap in {at} from {from:?} to {to:?}"),
            Ok(Polled::Idle) => {}
            Err(error) if error.kind() == Kind::Unavailable => {}
            Err(error) => panic!("{}", error.chain()),
        }
    }
}

/// Lets all members work until it is so.
pub(super) async fn until(
    members: &mut [&mut Member],
    what: &str,
    is_so: impl Fn(&[&mut Member]) -> bool,
) {
    let all = async {
        while !is_so(members) {
            for member in members.iter_mut() {
                member.turn().await;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "never: {what}");
}

pub(super) async fn committed(log: &KafkaLog, group: &GroupId, topic: &Topic) -> i64 {
    let positions = log.committed(group, topic).await.unwrap();
    positions.iter().map(|(_, offset)| offset.0).sum()
}

/// A second member joins while records come, then the first leaves: each record is read, and what
/// was committed does not come again.
async fn hands_over(named: &str, change: impl Fn(&mut Kafka)) {
    let topic = Topic::new(named);
    let group = GroupId::new(named);
    let (_broker, port) = started().await;
    let log = open_as(port, 4, &topic, &change);
    log.append(&topic, numbers(0..200)).await.unwrap();
    let mut first = Member::join(&log, &group, &topic).await;
    until(&mut [&mut first], "the first reads", |m| !m[0].read.is_empty()).await;
    let other = open_as(port, 4, &topic, &change);
    let mut second = Member::join(&other, &group, &topic).await;
    log.append(&topic, numbers(200..400)).await.unwrap();
    until(&mut [&mut first, &mut second], "they share", |m| {
        m[0].partitions().len() == 2 && m[1].partitions().len() == 2
    })
    .await;
    log.append(&topic, numbers(400..600)).await.unwrap();
    until(&mut [&mut first, &mut second], "both read", |m| {
        !m[1].read.is_empty() && m.iter().map(|m| m.read.len()).sum::<usize>() >= 500
    })
    .await;
    first.commit().await.unwrap();
    let mut read = std::mem::take(&mut first.read);
    first.consumer.close().await.unwrap();
    log.append(&topic, numbers(600..800)).await.unwrap();
    let before = read.len();
    until(&mut [&mut second], "the second has all", |m| {
        m[0].partitions().len() == 4 && m[0].read.len() + before >= 800
    })
    .await;
    read.append(&mut second.read);
    let distinct: BTreeSet<&String> = read.iter().collect();
    assert_eq!(distinct.len(), 800, "lost");
    assert_eq!(read.len(), 800, "what was committed came again");
    assert_eq!(committed(&log, &group, &topic).await, 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn range_hands_over() {
    hands_over("over-range", |settings| settings.assignor = Assignor::Range).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_sticky_hands_over() {
    hands_over("over-sticky", |settings| settings.assignor = Assignor::CooperativeSticky).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_protocol_hands_over() {
    let change = |settings: &mut Kafka| settings.group_protocol = GroupProtocol::Consumer;
    hands_over("over-848", change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_added_in_mid_run_are_found_and_read() {
    let (topic, group) = (Topic::new("grows"), GroupId::new("grows"));
    let (_broker, port) = started().await;
    let log = open(port, 1, std::slice::from_ref(&topic));
    log.append(&topic, numbers(0..10)).await.unwrap();
    let mut member = Member::join(&log, &group, &topic).await;
    until(&mut [&mut member], "the first records", |m| m[0].read.len() == 10).await;
    let more = [NewPartitions::new("grows", 3)];
    for result in admin(port).create_partitions(&more, &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    until(&mut [&mut member], "three partitions", |m| m[0].partitions().len() == 3).await;
    // A producer that knows of them: an old one learns it within a minute.
    let log = open(port, 1, std::slice::from_ref(&topic));
    log.append(&topic, numbers(10..100)).await.unwrap();
    until(&mut [&mut member], "all records", |m| m[0].read.len() >= 100).await;
    let positions = log.committed(&group, &topic).await.unwrap();
    assert_eq!(positions.len(), 3, "{positions:?}");
    assert_eq!(member.read.iter().collect::<BTreeSet<_>>().len(), 100);
}

/// Not only a position, also a consumer that runs takes no record of the new topic for one of the
/// old, and begins at the new one's start.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_remade_in_mid_run_is_read_from_its_start() {
    let (topic, group) = (Topic::new("remade-live"), GroupId::new("remade-live"));
    let topics = std::slice::from_ref(&topic);
    let (_broker, port) = started().await;
    let log = open(port, 1, topics);
    log.append(&topic, numbers(0..10)).await.unwrap();
    let mut consumer = log.consumer(&group, topics).await.unwrap();
    let taken = take(consumer.as_mut(), 10).await;
    let (assignment, last) = taken.last().unwrap();
    let old = last.topic_id;
    let next = last.offset.next();
    consumer.commit(&[Progress { assignment: assignment.clone(), next }]).await.unwrap();

    admin(port).delete_topics(&["remade-live"], &AdminOptions::new()).await.unwrap();
    let maker = open(port, 1, topics);
    // More than the old one had, so that its position would be within the new one.
    let remade = async {
        while maker.append(&topic, batch((0..20).map(|n| format!("new-{n}")))).await.is_err()
            || maker.describe(&topic).await.unwrap().id == old
        {}
    };
    tokio::time::timeout(PATIENCE, remade).await.expect("the topic is never made again");
    let new = maker.describe(&topic).await.unwrap().id;

    let mut seen = BTreeSet::new();
    let mut last = None;
    let reading = async {
        while seen.len() < 20 {
            let Ok(polled) = consumer.poll(100, TICK).await else { continue };
            let Polled::Records(all) = polled else { continue };
            for fetched in all {
                for record in fetched.records {
                    let value = String::from_utf8_lossy(&record.record.value).into_owned();
                    if record.topic_id == new {
                        seen.insert(value);
                        last = Some((fetched.assignment.clone(), record.offset.next()));
                    }
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the new topic is not read from its start");
    let (assignment, next) = last.unwrap();
    consumer.commit(&[Progress { assignment, next }]).await.unwrap();
    let positions = maker.committed(&group, &topic).await.unwrap();
    assert_eq!(positions.len(), 1);
    assert!(positions[0].1 >= Offset(20), "{positions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_is_back_in_time_moves_no_partition() {
    let (topic, group) = (Topic::new("static"), GroupId::new("static"));
    let (_broker, port) = started().await;
    let named = |instance: &str| {
        let instance = Some(instance.to_owned());
        let change = |settings: &mut Kafka| {
            settings.instance_id = instance;
            settings.session_timeout = "30s".parse().unwrap();
        };
        open_as(port, 4, &topic, change)
    };
    let (one, two) = (named("one"), named("two"));
    one.append(&topic, numbers(0..10)).await.unwrap();
    let mut first = Member::join(&one, &group, &topic).await;
    let mut second = Member::join(&two, &group, &topic).await;
    until(&mut [&mut first, &mut second], "they share", |m| {
        m.iter().all(|m| m.partitions().len() == 2)
    })
    .await;
    let had = first.partitions();
    let moves = second.moves;
    first.consumer.close().await.unwrap();
    drop(one);

    let one = named("one");
    let mut first = Member::join(&one, &group, &topic).await;
    until(&mut [&mut first, &mut second], "it is back", |m| m[0].partitions().len() == 2).await;
    assert_eq!(first.partitions(), had);
    one.append(&topic, numbers(10..100)).await.unwrap();
    until(&mut [&mut first, &mut second], "both read on", |m| {
        !m[0].read.is_empty() && m[0].read.len() + m[1].read.len() >= 90
    })
    .await;
    assert_eq!(second.moves, moves, "the other member's partitions moved");
}
