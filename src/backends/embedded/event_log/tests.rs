use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::port::{EmbeddedLog, EmbeddedLogOptions};
use crate::backends::embedded::Checkpoints;
use crate::backends::embedded::log::test_disk::TestDisk;
use crate::model::{
    GroupId, Headers, Offset, Partition, Record, RecordBatch, Timestamp, Topic, TopicPartition,
};
use crate::ports::contract::event_log::{Harness, event_log_contract, topics};
use crate::ports::{Consumer, EventLog, Kind, Polled, Progress, Result, SystemClock};
use crate::settings::{ByteSize, Log, Span};

type Positions = HashMap<(GroupId, TopicPartition), Offset>;

/// Positions in memory; what is durable follows only when told.
#[derive(Debug, Default)]
struct TestKeeper {
    latest: Mutex<Positions>,
    durable: Mutex<Positions>,
    syncs: AtomicU64,
    is_lazy: bool,
}

impl Checkpoints for TestKeeper {
    fn owns(&self, _group: &GroupId) -> bool {
        true
    }

    fn latest(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        Ok(self.latest.lock().unwrap().get(&(group.clone(), at.clone())).copied())
    }

    fn commit(&self, group: &GroupId, positions: &[(TopicPartition, Offset)]) -> Result<()> {
        let mut latest = self.latest.lock().unwrap();
        latest.extend(positions.iter().map(|(at, next)| ((group.clone(), at.clone()), *next)));
        Ok(())
    }

    fn durable(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if !self.is_lazy {
            self.durable.lock().unwrap().clone_from(&self.latest.lock().unwrap());
        }
        Ok(self.durable.lock().unwrap().get(&(group.clone(), at.clone())).copied())
    }
}

fn options(directory: &Path, keeper: &Arc<TestKeeper>) -> EmbeddedLogOptions {
    let [one, two] = topics();
    EmbeddedLogOptions {
        directory: directory.to_path_buf(),
        settings: Log {
            segment_bytes: ByteSize(4096),
            reserve_bytes: ByteSize(1 << 20),
            retention_check: Span::from_secs(3600),
            ..Log::default()
        },
        topics: vec![one.clone(), two.clone()],
        door: one.clone(),
        readers: vec![("g-1".into(), vec![one.clone(), two]), ("g-2".into(), vec![one])],
        keepers: vec![keeper.clone()],
        clock: Arc::new(SystemClock),
    }
}

fn open(directory: &Path, keeper: &Arc<TestKeeper>, disk: &Arc<TestDisk>) -> EmbeddedLog {
    EmbeddedLog::open_on(options(directory, keeper), disk.clone()).unwrap()
}

async fn harness() -> Harness {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(options(directory.path(), &Arc::default())).unwrap();
    Harness { log: Arc::new(log), alive: Box::new(directory) }
}

event_log_contract!(harness);

fn record(key: &str, value: &str) -> Record {
    Record {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        timestamp: Timestamp::from_millis_clamped(0),
        headers: Headers::new(),
    }
}

async fn append(log: &EmbeddedLog, topic: &Topic, value: &str) -> Result<()> {
    log.append(topic, RecordBatch::of(&record("k", value))).await.map(drop)
}

async fn poll(consumer: &mut dyn Consumer) -> Polled {
    loop {
        match consumer.poll(1000, Duration::from_secs(20)).await.unwrap() {
            Polled::Assigned(_) => {}
            polled => return polled,
        }
    }
}

/// Moves a group to the end of what one poll brings.
async fn pass(log: &EmbeddedLog, group: &str, topic: &Topic) {
    let topics = std::slice::from_ref(topic);
    let mut consumer = log.consumer(&group.into(), topics).await.unwrap();
    let Polled::Records(fetched) = poll(consumer.as_mut()).await else { panic!("no records") };
    for fetched in fetched {
        let next = fetched.records.last().unwrap().offset.next();
        let progress = Progress { assignment: fetched.assignment, next };
        consumer.commit(&[progress]).await.unwrap();
    }
}

fn low(log: &EmbeddedLog, topic: &Topic) -> i64 {
    let info = futures_util::FutureExt::now_or_never(log.describe(topic));
    info.unwrap().unwrap().partitions[0].low.0
}

#[tokio::test]
async fn a_segment_goes_only_when_every_configured_group_is_durably_past_it() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Arc::new(TestKeeper::default());
    let log = open(directory.path(), &keeper, &Arc::default());
    let [one, _] = topics();
    for _ in 0..6 {
        append(&log, &one, &"v".repeat(1500)).await.unwrap();
    }
    log.maintain().unwrap();
    assert_eq!(low(&log, &one), 0, "nobody has read");
    pass(&log, "g-1", &one).await;
    log.maintain().unwrap();
    assert_eq!(low(&log, &one), 0, "the other group has not read");
    assert_eq!(keeper.syncs.load(Ordering::SeqCst), 0, "nothing was asked to be durable");
    pass(&log, "g-2", &one).await;
    log.maintain().unwrap();
    assert!(low(&log, &one) > 0, "both are past");
}

#[tokio::test]
async fn the_slowest_group_holds_its_segments() {
    for quick in ["g-1", "g-2"] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), &Arc::default(), &Arc::default());
        let [one, _] = topics();
        for readers in [&["g-1", "g-2"][..], &[quick]] {
            for _ in 0..6 {
                append(&log, &one, &"v".repeat(1500)).await.unwrap();
            }
            for reader in readers {
                pass(&log, reader, &one).await;
            }
        }
        log.maintain().unwrap();
        assert!(
            (1..=6).contains(&low(&log, &one)),
            "{quick} alone has read on: {}",
            low(&log, &one)
        );
    }
}

#[tokio::test]
async fn a_position_that_is_not_durable_holds_its_segment() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Arc::new(TestKeeper { is_lazy: true, ..TestKeeper::default() });
    let log = open(directory.path(), &keeper, &Arc::default());
    let [one, _] = topics();
    for _ in 0..6 {
        append(&log, &one, &"v".repeat(1500)).await.unwrap();
    }
    pass(&log, "g-1", &one).await;
    pass(&log, "g-2", &one).await;
    log.maintain().unwrap();
    assert_eq!(low(&log, &one), 0);
}

#[tokio::test]
async fn a_group_that_retention_passed_is_told_the_gap() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Arc::new(TestKeeper::default());
    let log = open(directory.path(), &keeper, &Arc::default());
    let [one, _] = topics();
    for _ in 0..6 {
        append(&log, &one, &"v".repeat(1500)).await.unwrap();
    }
    let at = TopicPartition::new(one.clone(), Partition(0));
    keeper.commit(&"stranger".into(), &[(at.clone(), Offset(1))]).unwrap();
    pass(&log, "g-1", &one).await;
    pass(&log, "g-2", &one).await;
    log.maintain().unwrap();
    let mut consumer = log.consumer(&"stranger".into(), std::slice::from_ref(&one)).await.unwrap();
    let Polled::Gap { at: gap_at, from, to } = poll(consumer.as_mut()).await else {
        panic!("no gap")
    };
    assert_eq!((gap_at, from, to), (at, Offset(1), Offset(low(&log, &one))));
    let Polled::Records(fetched) = poll(consumer.as_mut()).await else { panic!("no records") };
    assert_eq!(fetched[0].records[0].offset, to);
}

#[tokio::test]
async fn a_second_consumer_of_a_group_is_a_conflict_until_the_first_has_left() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), &Arc::default(), &Arc::default());
    let first = log.consumer(&"g-1".into(), &topics()).await.unwrap();
    let refused = log.consumer(&"g-1".into(), &topics()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    first.close().await.unwrap();
    log.consumer(&"g-1".into(), &topics()).await.unwrap();
}

#[tokio::test]
async fn short_space_closes_the_door_alone_and_opens_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), &Arc::default(), &disk);
    let [door, inside] = topics();
    append(&log, &door, "before").await.unwrap();
    disk.free.store(1 << 20, Ordering::SeqCst);
    log.maintain().unwrap();
    let refused = append(&log, &door, "refused").await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after().is_some()), (Kind::Full, true));
    assert_eq!(log.check().await.unwrap_err().kind(), Kind::Full);
    append(&log, &inside, "carried on").await.unwrap();
    disk.free.store(1 << 30, Ordering::SeqCst);
    log.maintain().unwrap();
    append(&log, &door, "after").await.unwrap();
    log.check().await.unwrap();
}

#[tokio::test]
async fn the_door_closes_between_two_measurements_too() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(TestDisk::default());
    let log = open(directory.path(), &Arc::default(), &disk);
    let [door, _] = topics();
    disk.free.store((1 << 20) + (50 << 10), Ordering::SeqCst);
    log.maintain().unwrap();
    let value = "v".repeat(1 << 10);
    let mut accepted = 0;
    while append(&log, &door, &value).await.is_ok() {
        accepted += 1;
        assert!(accepted < 50, "a backlog of {accepted} KiB writes more than 50 KiB");
    }
    assert!(accepted > 5, "there was room for some");
}

#[tokio::test]
async fn positions_and_identity_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Arc::new(TestKeeper::default());
    let [one, _] = topics();
    let log = open(directory.path(), &keeper, &Arc::default());
    append(&log, &one, "a").await.unwrap();
    pass(&log, "g-1", &one).await;
    let id = log.describe(&one).await.unwrap().id;
    append(&log, &one, "b").await.unwrap();
    log.close();
    assert_eq!(append(&log, &one, "c").await.unwrap_err().kind(), Kind::Closed);
    drop(log);
    let log = open(directory.path(), &keeper, &Arc::default());
    assert_eq!(log.describe(&one).await.unwrap().id, id);
    let mut consumer = log.consumer(&"g-1".into(), std::slice::from_ref(&one)).await.unwrap();
    let Polled::Records(fetched) = poll(consumer.as_mut()).await else { panic!("no records") };
    assert_eq!(fetched[0].records[0].record.value, "b");
}

#[tokio::test]
async fn several_partitions_share_the_keys_and_lose_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), &Arc::default());
    options.settings.partitions = 3;
    let log = EmbeddedLog::open_on(options, Arc::new(TestDisk::default())).unwrap();
    let [one, _] = topics();
    let records: Vec<_> =
        (0..40).map(|n| record(&format!("key-{}", n % 8), &n.to_string())).collect();
    log.append(&one, RecordBatch::of_all(&records)).await.unwrap();
    let mut consumer = log.consumer(&"g-1".into(), std::slice::from_ref(&one)).await.unwrap();
    let mut places: HashMap<String, Partition> = HashMap::new();
    let mut seen = 0;
    while seen < 40 {
        let Polled::Records(fetched) = poll(consumer.as_mut()).await else { panic!("no records") };
        for consumed in fetched.into_iter().flat_map(|fetched| fetched.records) {
            seen += 1;
            let key = String::from_utf8(consumed.record.key.to_vec()).unwrap();
            let partition = *places.entry(key).or_insert(consumed.partition);
            assert_eq!(partition, consumed.partition, "a key stays in its partition");
        }
    }
    let used: std::collections::HashSet<_> = places.values().collect();
    assert!(used.len() > 1);
}

#[tokio::test]
async fn a_full_topic_keeps_neither_another_topic_nor_a_gap_from_its_consumer() {
    let directory = tempfile::tempdir().unwrap();
    let keeper = Arc::new(TestKeeper::default());
    let log = open(directory.path(), &keeper, &Arc::default());
    let [one, two] = topics();
    for _ in 0..6 {
        append(&log, &two, &"v".repeat(1500)).await.unwrap();
    }
    let behind = TopicPartition::new(two.clone(), Partition(0));
    keeper.commit(&"stranger".into(), &[(behind.clone(), Offset(1))]).unwrap();
    pass(&log, "g-1", &two).await;
    log.maintain().unwrap();
    let many: Vec<_> = (0..200).map(|n| record("k", &n.to_string())).collect();
    log.append(&one, RecordBatch::of_all(&many)).await.unwrap();
    let topics = [one.clone(), two.clone()];
    let mut consumer = log.consumer(&"stranger".into(), &topics).await.unwrap();
    let (mut gap, mut quiet) = (None, 0);
    for _ in 0..20 {
        match consumer.poll(2, Duration::from_secs(20)).await.unwrap() {
            Polled::Gap { at, .. } => gap = Some(at),
            Polled::Records(fetched) => {
                let of_two = fetched.into_iter().filter(|f| f.assignment.at == behind);
                quiet += of_two.map(|fetched| fetched.records.len()).sum::<usize>();
            }
            _ => {}
        }
    }
    assert_eq!(gap, Some(behind));
    assert!(quiet > 0, "one full topic keeps the other out");
}
