//! What every event log does. A backend's tests call [`event_log_contract!`] with an async function
//! that makes a fresh [`Harness`]; each behaviour becomes a test of its own name.

#![expect(clippy::expect_used, reason = "a suite fails by panicking")]

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{
    ConsumedRecord, GroupId, HeaderName, Headers, Offset, Partition, Record, RecordBatch,
    Timestamp, Topic, TopicPartition,
};
use crate::ports::{Assignment, Consumer, EventLog, Kind, Polled, Progress};

/// Long enough for a record that is there; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A fresh log and what keeps it alive.
#[derive(Debug)]
pub struct Harness {
    /// The log; it has the topics of [`topics`] and keeps positions of any group.
    pub log: Arc<dyn EventLog>,
    /// Directories and servers behind it.
    pub alive: Box<dyn Any + Send>,
}

impl Harness {
    /// A log that needs nothing else.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, alive: Box::new(()) }
    }
}

/// The topics that the log under test must have, empty.
#[must_use]
pub fn topics() -> [Topic; 2] {
    ["contract-one".into(), "contract-two".into()]
}

/// Makes a test of each behaviour; `$make` is an `async fn() -> Harness`.
#[macro_export]
macro_rules! __event_log_contract {
    ($make:path) => {
        $crate::__event_log_contract!($make:
            an_append_is_seen_whole_and_in_order,
            a_waiting_consumer_is_woken_by_an_append,
            a_consumer_goes_on_from_the_committed_offset,
            what_was_not_committed_is_delivered_again,
            groups_do_not_disturb_each_other,
            a_paused_consumer_gets_nothing_and_loses_nothing,
            positions_of_another_generation_are_ignored,
            a_poll_keeps_to_its_limit_and_loses_nothing,
            a_dropped_poll_loses_nothing,
            a_consumer_reads_several_topics,
            a_read_needs_no_group_and_begins_anywhere,
            bounds_and_identity_of_a_topic_are_told,
            an_unknown_topic_is_not_found,
            an_empty_batch_appends_nothing,
            concurrent_appends_all_arrive_once_in_their_own_order,
        );
    };
    ($make:path: $($behaviour:ident,)*) => {
        $(
            #[tokio::test]
            async fn $behaviour() {
                let harness = $make().await;
                $crate::ports::contract::event_log::$behaviour(harness.log.as_ref()).await;
                drop(harness);
            }
        )*
    };
}

pub use crate::__event_log_contract as event_log_contract;

fn one() -> Topic {
    topics()[0].clone()
}

fn record(value: &str) -> Record {
    let mut headers = Headers::new();
    headers.set(HeaderName::Origin, Bytes::copy_from_slice(value.as_bytes()));
    headers.set(HeaderName::Other("x-mine".into()), Bytes::new());
    Record {
        key: Bytes::from_static(b"key"),
        value: Bytes::copy_from_slice(value.as_bytes()),
        timestamp: Timestamp::from_millis_clamped(1_700_000_000_123),
        headers,
    }
}

fn batch(values: &[&str]) -> RecordBatch {
    let records: Vec<_> = values.iter().map(|value| record(value)).collect();
    RecordBatch::of_all(&records)
}

async fn append(log: &dyn EventLog, topic: &Topic, values: &[&str]) {
    log.append(topic, batch(values)).await.expect("append");
}

async fn join(log: &dyn EventLog, group: &str, topics: &[Topic]) -> Box<dyn Consumer> {
    log.consumer(&GroupId::new(group), topics).await.expect("join")
}

/// Polls until that many records came; with them the assignment of the last.
async fn take(consumer: &mut dyn Consumer, count: usize) -> (Vec<ConsumedRecord>, Assignment) {
    let mut records = Vec::new();
    let mut last = None;
    while records.len() < count {
        match consumer.poll(count - records.len(), PATIENCE).await.expect("poll") {
            Polled::Records(fetched) => {
                for fetched in fetched {
                    assert!(!fetched.records.is_empty(), "a fetch is never empty");
                    records.extend(fetched.records);
                    last = Some(fetched.assignment);
                }
            }
            Polled::Assigned(_) => {}
            other => panic!("{other:?} instead of {} records more", count - records.len()),
        }
    }
    (records, last.expect("an assignment"))
}

/// Asserts that nothing comes, after the assignment.
async fn nothing_comes(consumer: &mut dyn Consumer) {
    loop {
        match consumer.poll(10, Duration::from_millis(30)).await.expect("poll") {
            Polled::Assigned(_) => {}
            Polled::Idle => return,
            other => panic!("{other:?} instead of nothing"),
        }
    }
}

fn values(records: &[ConsumedRecord]) -> Vec<String> {
    records.iter().map(|r| String::from_utf8_lossy(&r.record.value).into_owned()).collect()
}

fn done(assignment: &Assignment, next: Offset) -> [Progress; 1] {
    [Progress { assignment: assignment.clone(), next }]
}

/// Key, value, headers and time come back as they were, at contiguous offsets.
pub async fn an_append_is_seen_whole_and_in_order(log: &dyn EventLog) {
    append(log, &one(), &["a", "", "b"]).await;
    append(log, &one(), &["c"]).await;
    let mut consumer = join(log, "g", &[one()]).await;
    let (records, _) = take(consumer.as_mut(), 4).await;
    assert_eq!(values(&records), ["a", "", "b", "c"]);
    let id = log.describe(&one()).await.expect("describe").id;
    for (at, consumed) in records.iter().enumerate() {
        let value = values(&records)[at].clone();
        assert_eq!(consumed.record, record(&value));
        assert_eq!(consumed.offset.0, records[0].offset.0 + i64::try_from(at).expect("small"));
        assert_eq!((&consumed.topic, consumed.topic_id), (&one(), id));
    }
    nothing_comes(consumer.as_mut()).await;
}

/// A poll that waits returns what is appended meanwhile.
pub async fn a_waiting_consumer_is_woken_by_an_append(log: &dyn EventLog) {
    let mut consumer = join(log, "g", &[one()]).await;
    nothing_comes(consumer.as_mut()).await;
    let topic = one();
    let (taken, ()) = tokio::join!(take(consumer.as_mut(), 1), append(log, &topic, &["late"]));
    assert_eq!(values(&taken.0), ["late"]);
}

/// A later member of the group begins behind the committed offset.
pub async fn a_consumer_goes_on_from_the_committed_offset(log: &dyn EventLog) {
    append(log, &one(), &["a", "b", "c"]).await;
    let group = GroupId::new("g");
    assert_eq!(log.committed(&group, &one()).await.expect("committed"), []);
    let mut consumer = join(log, "g", &[one()]).await;
    let (records, assignment) = take(consumer.as_mut(), 3).await;
    let next = records[2].offset;
    consumer.commit(&done(&assignment, next)).await.expect("commit");
    consumer.close().await.expect("close");
    assert_eq!(log.committed(&group, &one()).await.expect("committed"), [(Partition(0), next)]);
    let mut consumer = join(log, "g", &[one()]).await;
    assert_eq!(values(&take(consumer.as_mut(), 1).await.0), ["c"]);
}

/// Without a commit a later member gets everything again.
pub async fn what_was_not_committed_is_delivered_again(log: &dyn EventLog) {
    append(log, &one(), &["a", "b"]).await;
    let mut consumer = join(log, "g", &[one()]).await;
    take(consumer.as_mut(), 2).await;
    consumer.close().await.expect("close");
    let mut consumer = join(log, "g", &[one()]).await;
    assert_eq!(values(&take(consumer.as_mut(), 2).await.0), ["a", "b"]);
}

/// Each group gets every record and has its own positions.
pub async fn groups_do_not_disturb_each_other(log: &dyn EventLog) {
    append(log, &one(), &["a", "b"]).await;
    let mut first = join(log, "g-1", &[one()]).await;
    let mut second = join(log, "g-2", &[one()]).await;
    let (records, assignment) = take(first.as_mut(), 2).await;
    first.commit(&done(&assignment, records[1].offset.next())).await.expect("commit");
    assert_eq!(values(&take(second.as_mut(), 2).await.0), ["a", "b"]);
    let committed = log.committed(&GroupId::new("g-2"), &one()).await.expect("committed");
    assert_eq!(committed, []);
}

/// Pausing holds records back; resuming brings them, also those appended meanwhile.
pub async fn a_paused_consumer_gets_nothing_and_loses_nothing(log: &dyn EventLog) {
    append(log, &one(), &["a"]).await;
    let mut consumer = join(log, "g", &[one()]).await;
    take(consumer.as_mut(), 1).await;
    consumer.set_paused(true);
    append(log, &one(), &["b"]).await;
    nothing_comes(consumer.as_mut()).await;
    append(log, &one(), &["c"]).await;
    consumer.set_paused(false);
    assert_eq!(values(&take(consumer.as_mut(), 2).await.0), ["b", "c"]);
}

/// A position of an assignment that is no more moves nothing.
pub async fn positions_of_another_generation_are_ignored(log: &dyn EventLog) {
    append(log, &one(), &["a", "b"]).await;
    let mut consumer = join(log, "g", &[one()]).await;
    let (records, assignment) = take(consumer.as_mut(), 2).await;
    let stale = Assignment { generation: assignment.generation + 7, ..assignment };
    let progress = done(&stale, records[1].offset.next());
    consumer.commit(&progress).await.expect("commit is ignored");
    assert_eq!(log.committed(&GroupId::new("g"), &one()).await.expect("committed"), []);
}

/// Records of one append may come in several polls, each within its limit.
pub async fn a_poll_keeps_to_its_limit_and_loses_nothing(log: &dyn EventLog) {
    append(log, &one(), &["0", "1", "2", "3", "4"]).await;
    append(log, &one(), &["5", "6"]).await;
    let mut consumer = join(log, "g", &[one()]).await;
    let mut seen = Vec::new();
    while seen.len() < 7 {
        match consumer.poll(2, PATIENCE).await.expect("poll") {
            Polled::Records(fetched) => {
                let records: Vec<_> = fetched.into_iter().flat_map(|f| f.records).collect();
                assert!(records.len() <= 2, "{} records of at most 2", records.len());
                seen.extend(values(&records));
            }
            Polled::Assigned(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
}

/// A caller may stop waiting at any moment.
pub async fn a_dropped_poll_loses_nothing(log: &dyn EventLog) {
    let mut consumer = join(log, "g", &[one()]).await;
    let mut seen = Vec::new();
    for round in 0..20 {
        append(log, &one(), &[&round.to_string()]).await;
        tokio::select! {
            biased;
            polled = consumer.poll(1, PATIENCE) => {
                if let Polled::Records(fetched) = polled.expect("poll") {
                    seen.extend(fetched.into_iter().flat_map(|f| values(&f.records)));
                }
            }
            () = tokio::task::yield_now() => {}
        }
    }
    let rest = take(consumer.as_mut(), 20 - seen.len()).await.0;
    seen.extend(values(&rest));
    let expected: Vec<_> = (0..20).map(|round| round.to_string()).collect();
    assert_eq!(seen, expected);
}

/// One membership over several topics gets the records of all, each named by its topic.
pub async fn a_consumer_reads_several_topics(log: &dyn EventLog) {
    let [one, two] = topics();
    append(log, &one, &["1"]).await;
    append(log, &two, &["2"]).await;
    let mut consumer = join(log, "g", &[one.clone(), two.clone()]).await;
    let (records, _) = take(consumer.as_mut(), 2).await;
    let seen: BTreeMap<_, _> =
        records.iter().map(|r| (r.topic.clone(), r.record.value.clone())).collect();
    assert_eq!(seen, BTreeMap::from([(one, "1".into()), (two, "2".into())]));
}

/// Reads go by offset, stop at their limit, and are empty at the end.
pub async fn a_read_needs_no_group_and_begins_anywhere(log: &dyn EventLog) {
    append(log, &one(), &["a", "b", "c"]).await;
    append(log, &one(), &["d"]).await;
    let at = TopicPartition::new(one(), Partition(0));
    let low = log.describe(&one()).await.expect("describe").partitions[0].low;
    let from = |skip: i64| Offset(low.0 + skip);
    let read = async |skip, max| values(&log.read(&at, from(skip), max).await.expect("read"));
    assert_eq!(read(0, 10).await, ["a", "b", "c", "d"]);
    assert_eq!(read(1, 2).await, ["b", "c"]);
    assert_eq!(read(3, 10).await, ["d"]);
    assert_eq!(read(4, 10).await, [""; 0]);
    assert_eq!(read(-5, 1).await, ["a"]);
}

/// The high watermark is behind the last record, the identity stays.
pub async fn bounds_and_identity_of_a_topic_are_told(log: &dyn EventLog) {
    let before = log.describe(&one()).await.expect("describe");
    assert_eq!(before.partitions.len(), 1);
    assert_eq!(before.partitions[0].low, before.partitions[0].high);
    append(log, &one(), &["a", "b"]).await;
    let after = log.describe(&one()).await.expect("describe");
    assert_eq!(after.id, before.id);
    assert_eq!(after.partitions[0].high.0, before.partitions[0].high.0 + 2);
    let other = log.describe(&topics()[1]).await.expect("describe");
    assert_ne!(other.id, after.id);
}

/// Every call says so, and none makes the topic.
pub async fn an_unknown_topic_is_not_found(log: &dyn EventLog) {
    let unknown = Topic::new("contract-unknown");
    let kinds = [
        log.append(&unknown, batch(&["a"])).await.expect_err("append").kind(),
        log.describe(&unknown).await.expect_err("describe").kind(),
        log.consumer(&GroupId::new("g"), std::slice::from_ref(&unknown))
            .await
            .expect_err("consumer")
            .kind(),
        log.read(&TopicPartition::new(unknown, Partition(0)), Offset(0), 1)
            .await
            .expect_err("read")
            .kind(),
    ];
    assert_eq!(kinds, [Kind::NotFound; 4]);
    // A refused join holds no membership.
    join(log, "g", &[one()]).await;
}

/// Nothing is durable at once.
pub async fn an_empty_batch_appends_nothing(log: &dyn EventLog) {
    log.append(&one(), batch(&[])).await.expect("append");
    let info = log.describe(&one()).await.expect("describe").partitions[0];
    assert_eq!(info.low, info.high);
    log.check().await.expect("check");
}

/// Appends of many callers at once: each record once, each batch together.
pub async fn concurrent_appends_all_arrive_once_in_their_own_order(log: &dyn EventLog) {
    let names: Vec<[String; 3]> =
        (0..64).map(|n| [format!("{n}-0"), format!("{n}-1"), format!("{n}-2")]).collect();
    let topic = one();
    let appends = names.iter().map(async |[a, b, c]| append(log, &topic, &[a, b, c]).await);
    futures_util::future::join_all(appends).await;
    let mut consumer = join(log, "g", &[one()]).await;
    let (records, _) = take(consumer.as_mut(), 64 * 3).await;
    let mut batches: Vec<_> = values(&records).chunks(3).map(<[String]>::to_vec).collect();
    let mut expected: Vec<_> = names.iter().map(|names| names.to_vec()).collect();
    batches.sort();
    expected.sort();
    assert_eq!(batches, expected);
}
