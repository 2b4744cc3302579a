use super::*;
use crate::backends::embedded::EmbeddedLogOptions;
use crate::backends::embedded::state::StateDb;
use crate::backends::memory::MemoryLog;
use crate::backends::memory::faults::{Faults, Faulty};
use crate::model::{EventId, HeaderName, Headers, Record, Stage, Timestamp};
use crate::ports::SystemClock;
use crate::settings::{ByteSize, Log, Span};

const RAW: &str = "raw-events";
const DEAD: &str = "raw-events.dlq";

struct Rig {
    faults: Faults,
    primary: MemoryLog,
    log: SpillLog,
    folder: tempfile::TempDir,
}

fn open(folder: &std::path::Path, primary: Arc<dyn EventLog>, settings: Spill) -> SpillLog {
    let raw = Topic::new(RAW);
    let spill = EmbeddedLog::open(EmbeddedLogOptions {
        directory: folder.join("log"),
        settings: Log { reserve_bytes: ByteSize(0), ..Log::default() },
        topics: vec![raw.clone()],
        door: raw.clone(),
        readers: vec![(GroupId::new(DRAINER), vec![raw.clone()])],
        keepers: vec![StateDb::open(&folder.join("cursor.db")).unwrap()],
        clock: Arc::new(SystemClock),
    })
    .unwrap();
    let clock: Arc<dyn crate::ports::Clock> = Arc::new(SystemClock);
    let dead = DeadLetterTopic::new(&DEAD.into(), Stage::Processor, &clock).before_raw();
    SpillLog::open(SpillOptions { primary, spill: Arc::new(spill), raw, dead, settings }).unwrap()
}

fn rig(settings: Spill) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let primary = MemoryLog::new([&Topic::new(RAW), &Topic::new(DEAD)]);
    let faulty = Arc::new(Faulty::new(Arc::new(primary.clone()) as Arc<dyn EventLog>, &faults));
    let log = open(folder.path(), faulty, settings);
    Rig { faults, primary, log, folder }
}

fn batch(names: &[&str]) -> RecordBatch {
    let records: Vec<_> = names
        .iter()
        .map(|name| {
            let mut headers = Headers::new();
            headers.set(HeaderName::Origin, format!("origin of {name}"));
            headers.set(HeaderName::EventId, (*name).to_owned());
            Record {
                key: "k".into(),
                value: (*name).to_owned().into(),
                timestamp: Timestamp::from_millis_clamped(1),
                headers,
            }
        })
        .collect();
    RecordBatch::of_all(&records)
}

async fn arrived(primary: &MemoryLog, count: usize) -> Vec<ConsumedRecord> {
    let at = TopicPartition::new(Topic::new(RAW), Partition(0));
    loop {
        let records = primary.read(&at, Offset(0), 1000).await.unwrap();
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn spilled(log: &SpillLog, names: &[&str]) -> Durability {
    log.append(&Topic::new(RAW), batch(names)).await.unwrap().durability
}

#[tokio::test]
async fn what_the_brokers_do_not_take_is_spilled_and_carried_over_with_its_origin() {
    let rig = rig(Spill::default());
    assert_eq!(spilled(&rig.log, &["a"]).await, Durability::Memory, "the primary's own word");
    rig.faults.go_down(Kind::Unavailable);
    assert_eq!(spilled(&rig.log, &["b", "c"]).await, Durability::Spilled);
    assert_eq!(spilled(&rig.log, &["d"]).await, Durability::Spilled);
    assert!(rig.log.degraded().is_some());
    rig.log.check().await.expect("a collector that spills is ready");
    rig.faults.come_up();
    let records = arrived(&rig.primary, 4).await;
    let values: Vec<_> = records.iter().map(|r| r.record.value.clone()).collect();
    assert_eq!(values, ["a", "b", "c", "d"]);
    for record in &records {
        let name = String::from_utf8_lossy(&record.record.value).into_owned();
        let origin = record.record.headers.text(&HeaderName::Origin).unwrap();
        assert_eq!(origin, format!("origin of {name}"));
    }
    while rig.log.degraded().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(spilled(&rig.log, &["e"]).await, Durability::Memory, "straight on again");
}

/// One that stayed at the head would hold up all that follow, and send those before it again and again.
#[tokio::test]
async fn a_spilled_record_that_the_brokers_refuse_is_dead_lettered_and_holds_up_nobody() {
    let rig = rig(Spill::default());
    rig.faults.go_down(Kind::Unavailable);
    assert_eq!(spilled(&rig.log, &["a", "b", "c"]).await, Durability::Spilled);
    rig.faults.fail_on(&EventId::new("b").unwrap(), Kind::Data, 3);
    rig.faults.come_up();
    let values: Vec<_> =
        arrived(&rig.primary, 2).await.into_iter().map(|r| r.record.value).collect();
    assert_eq!(values, ["a", "c"]);
    let at = TopicPartition::new(Topic::new(DEAD), Partition(0));
    let letters = loop {
        let letters = rig.primary.read(&at, Offset(0), 10).await.unwrap();
        if !letters.is_empty() {
            break letters;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((letters.len(), &letters[0].record.value[..]), (1, &b"b"[..]));
    while rig.log.degraded().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_was_spilled_outlives_the_process() {
    let Rig { faults, primary, log, folder } = rig(Spill::default());
    faults.go_down(Kind::Unavailable);
    assert_eq!(spilled(&log, &["a", "b"]).await, Durability::Spilled);
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    let log = open(folder.path(), Arc::new(primary.clone()), Spill::default());
    assert_eq!(arrived(&primary, 2).await.len(), 2);
    drop(log);
}

#[tokio::test]
async fn an_answer_that_does_not_come_spills_too() {
    let after = Span(Duration::from_millis(50));
    let rig = rig(Spill { after, ..Spill::default() });
    rig.faults.delay(Duration::from_millis(400));
    assert_eq!(spilled(&rig.log, &["a"]).await, Durability::Spilled);
    rig.faults.delay(Duration::ZERO);
    let records = arrived(&rig.primary, 1).await;
    assert_eq!(records[0].record.value, "a");
}

#[tokio::test]
async fn too_much_that_waits_is_not_ready_until_little_does() {
    let rig = rig(Spill { high: ByteSize(1), low: ByteSize(0), ..Spill::default() });
    rig.faults.go_down(Kind::Unavailable);
    assert_eq!(spilled(&rig.log, &["a"]).await, Durability::Spilled);
    assert_eq!(rig.log.check().await.unwrap_err().kind(), Kind::Full);
    assert_eq!(spilled(&rig.log, &["b"]).await, Durability::Spilled, "what comes is still taken");
    rig.faults.come_up();
    arrived(&rig.primary, 2).await;
    while rig.log.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_no_log_can_hold_is_refused_and_other_topics_are_not_spilled() {
    let rig = rig(Spill::default());
    let unknown = Topic::new("unknown");
    assert_eq!(rig.log.append(&unknown, batch(&["x"])).await.unwrap_err().kind(), Kind::NotFound);
    rig.faults.fail_next(1, Kind::Data);
    let refused = rig.log.append(&Topic::new(RAW), batch(&["x"])).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Data);
    rig.faults.go_down(Kind::Unavailable);
    assert_eq!(
        rig.log.append(&unknown, batch(&["x"])).await.unwrap_err().kind(),
        Kind::Unavailable
    );
    assert_eq!(rig.log.waiting(), 0);
}

/// The brokers come back and go away under the first batch that is carried.
#[tokio::test]
async fn what_could_not_be_carried_over_is_carried_again() {
    let rig = rig(Spill::default());
    rig.faults.go_down(Kind::Unavailable);
    assert_eq!(spilled(&rig.log, &["a", "b"]).await, Durability::Spilled);
    // The drainer's question and its append.
    rig.faults.pass_next(1);
    rig.faults.fail_next(1, Kind::Unavailable);
    rig.faults.come_up();
    while rig.log.degraded().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let at = TopicPartition::new(Topic::new(RAW), Partition(0));
    let records = rig.primary.read(&at, Offset(0), 1000).await.unwrap();
    let values: Vec<_> = records.iter().map(|r| r.record.value.clone()).collect();
    assert_eq!(values, ["a", "b"]);
}
