//! The archiver on an S3 store that lies: whatever the store says, every offset below the commit is
//! in the archive once, and none is committed before its object stands. No server: a stand-in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evp::backends::s3::S3Store;
use evp::backends::s3::stand_in::{Lie, StandIn};
use evp::jobs::archive::{Archive, ArchiveReport, ArchiveRequest, ArchiveResponse};
use evp::jobs::replay::{Replay, ReplayRequest, ReplayResponse, ReplaySource};
use evp::jobs::verify::{FindingKind, Verify, VerifyRequest, VerifyStatus};
use evp::jobs::{Job, JobContext, NoProgress};
use evp::model::{Offset, Partition, TopicPartition};
use evp::pipeline::archive_format::{Kind, parse_key, read_segment, segment_key};
use evp::ports::ObjectStore;
use evp::roles::Role;
use evp::runtime::health::Condition;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::{S3, Settings, Span};

use crate::pipeline_sandbox::{Sandbox, small};

/// Everything a store can do to a request but what was asked, and that once more.
pub(crate) const LIES: [Lie; 7] = [
    Lie::Status(500),
    Lie::Status(503),
    Lie::ErrorIn200,
    Lie::Nothing200,
    Lie::HalfAnswer,
    Lie::Silence,
    Lie::None,
];
const BUCKET: &str = "event-archive/";
const ADDRESS: &str = "198.51.100.7";

/// An installation whose archive lies on a stand-in.
struct Rig {
    stand_in: Arc<StandIn>,
    sandbox: Arc<Sandbox>,
}

fn s3(stand_in: &StandIn) -> Arc<dyn ObjectStore> {
    let settings = S3 {
        endpoint: Some(stand_in.endpoint()),
        timeout: Span(Duration::from_millis(250)),
        retries: 1,
        ..S3::default()
    };
    Arc::new(S3Store::new(&settings).unwrap())
}

fn settings(flush_events: usize) -> Settings {
    let mut settings = small();
    settings.archive.flush_events = flush_events;
    settings.archive.flush_interval = "20ms".parse().unwrap();
    settings
}

impl Rig {
    fn new(overwrites: bool, flush_events: usize) -> Self {
        let stand_in = Arc::new(StandIn::start(overwrites).unwrap());
        let settings = settings(flush_events);
        let memory = Sandbox::memory(settings.clone());
        let ports = evp::ports::Ports { objects: s3(&stand_in), ..memory.ports.clone() };
        let sandbox = Arc::new(Sandbox::on(settings, ports, memory.clock.clone()));
        Self { stand_in, sandbox }
    }

    /// The same installation in a new process that cuts its objects otherwise.
    fn again(&self, flush_events: usize) -> Self {
        let ports = evp::ports::Ports { objects: s3(&self.stand_in), ..self.sandbox.ports.clone() };
        let again = Sandbox::on(settings(flush_events), ports, self.sandbox.clock.clone());
        again.adopt_accepted(self.sandbox.accepted());
        Self { stand_in: Arc::clone(&self.stand_in), sandbox: Arc::new(again) }
    }

    async fn accept(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.sandbox.accept(&format!("e-{number}"), ADDRESS).await;
        }
    }

    async fn committed(&self) -> Offset {
        let settings = &self.sandbox.settings;
        let log = &self.sandbox.ports.log;
        let all = log.committed(&settings.groups.archiver, &settings.topics.raw).await.unwrap();
        all.first().map_or(Offset(0), |(_, next)| *next)
    }

    /// Where each offset of the raw topic lies, in whole objects: the keys that hold it. What lies
    /// there must be what the log has.
    async fn places(&self) -> BTreeMap<i64, Vec<String>> {
        let raw = &self.sandbox.settings.topics.raw;
        let at = TopicPartition::new(raw.clone(), Partition(0));
        let accepted = self.sandbox.ports.log.read(&at, Offset(0), 100_000).await.unwrap();
        let mut places: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for (path, content) in self.stand_in.objects() {
            let key = path.strip_prefix(BUCKET).unwrap().to_owned();
            let Some(parsed) = parse_key(&key).filter(|parsed| parsed.kind == Kind::Events) else {
                continue;
            };
            let Ok((footer, records)) = read_segment(&Bytes::from(content)) else { continue };
            if (footer.topic_id, footer.first) != (parsed.topic_id, parsed.first) {
                continue;
            }
            for record in records {
                let sent = &accepted[usize::try_from(record.offset.0).unwrap()];
                assert_eq!(record.record, sent.record, "{key} at {}", record.offset);
                places.entry(record.offset.0).or_default().push(key.clone());
            }
        }
        places
    }

    /// Every offset below the commit is in the archive; where the store refuses taken keys, once.
    async fn assert_below(&self, committed: Offset, may_overlap: bool) {
        let places = self.places().await;
        for offset in 0..committed.0 {
            let keys = places.get(&offset).map_or(0, Vec::len);
            assert!(
                keys > 0,
                "offset {offset} is below the commit {committed} and archived nowhere"
            );
            assert!(keys == 1 || may_overlap, "offset {offset} is in {:?}", places[&offset]);
        }
    }

    /// Holds the promise over and over until everything is archived.
    async fn watch_to_the_end(&self, may_overlap: bool) {
        let high = i64::try_from(self.sandbox.accepted().len()).unwrap();
        for _ in 0..12_000 {
            let committed = self.committed().await;
            self.assert_below(committed, may_overlap).await;
            if committed.0 == high {
                return;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        let checks = self.sandbox.health.checks();
        panic!("not archived: {:?} of {high}, {checks:#?}", self.committed().await);
    }

    fn keys(&self) -> Vec<String> {
        let keys = self.stand_in.objects().into_keys();
        keys.filter(|key| key.contains("/events/")).collect()
    }

    /// The key of the object that would hold the first records.
    async fn first_key(&self, last: Option<i64>) -> String {
        let raw = &self.sandbox.settings.topics.raw;
        let id = self.sandbox.ports.log.describe(raw).await.unwrap().id;
        let now = self.sandbox.ports.clock.now();
        let place = (id, Partition(0));
        format!("{BUCKET}{}", segment_key(Kind::Events, now, place, Offset(0), last.map(Offset)))
    }

    fn context(&self) -> JobContext {
        let ports = self.sandbox.ports.clone();
        JobContext { ports, settings: Arc::clone(&self.sandbox.settings) }
    }

    async fn run<J: Job>(&self, request: J::Request) -> J::Response {
        J::run(&self.context(), request, &NoProgress, CancellationToken::new()).await.unwrap()
    }

    async fn audit(&self) -> ArchiveReport {
        match self.run::<Archive>(ArchiveRequest::Audit { limit: 100 }).await {
            ArchiveResponse::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    /// Both audits of the program agree that nothing is wrong.
    async fn assert_clean(&self) {
        let report = self.audit().await;
        assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
        let report =
            self.run::<Verify>(VerifyRequest { wait_ms: 0, limit: 100, ledger: None }).await;
        assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    }

    async fn replay(&self) -> ReplayResponse {
        let request = ReplayRequest {
            id: "r".to_owned(),
            resume: false,
            source: ReplaySource::Archive { prefix: None },
            range: None,
            include: Vec::new(),
            reprocess: false,
            dry_run: true,
            rate: None,
        };
        self.run::<Replay>(request).await
    }

    fn condition(&self) -> Condition {
        self.sandbox.health.checks()["archiver"].condition.clone()
    }

    async fn until(&self, wanted: &str, is_so: impl Fn(&Condition) -> bool) {
        for _ in 0..1000 {
            if is_so(&self.condition()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {wanted}: {:?}", self.condition());
    }
}

/// One run in load: the store lies to every second request or so, events come all the while.
async fn lied_to(lie: Lie, overwrites: bool) {
    let rig = Rig::new(overwrites, 20);
    rig.stand_in.will([lie, lie, Lie::None, lie]);
    rig.accept(0..50).await;
    let started = rig.sandbox.start_roles(&[Role::Archiver]);
    for round in 1..8_u32 {
        rig.stand_in.will([Lie::None, lie, lie, Lie::None, Lie::None]);
        rig.accept(round * 50..(round + 1) * 50).await;
        rig.assert_below(rig.committed().await, overwrites).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    rig.watch_to_the_end(overwrites).await;
    started.stop().await.unwrap();
    rig.assert_below(Offset(400), overwrites).await;
    assert!(rig.keys().len() >= 20, "{lie:?}: nothing was in flight: {:?}", rig.keys());
    let says_last = rig.keys().iter().all(|key| {
        parse_key(key.strip_prefix(BUCKET).unwrap()).unwrap().last.is_some() == overwrites
    });
    assert!(says_last, "{lie:?}: {:?}", rig.keys());
    // The lies that are left over are not for the audit.
    while rig.sandbox.ports.objects.check().await.is_err() {}
    rig.stand_in.honest();
    rig.sandbox.run_to_the_end().await;
    rig.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_loses_an_offset_or_moves_the_commit_ahead_of_its_object() {
    for lie in LIES {
        lied_to(lie, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_does_where_the_store_overwrites_taken_keys() {
    for lie in LIES {
        lied_to(lie, true).await;
    }
}

/// Crashes between create and commit: the next life cuts at other places and adopts what stands.
async fn crashed(overwrites: bool) -> Rig {
    let mut rig = Rig::new(overwrites, 30);
    rig.accept(0..1200).await;
    for (life, flush_events) in [45, 10, 70, 25].into_iter().enumerate() {
        let before = rig.keys().len();
        let started = rig.sandbox.start_roles(&[Role::Archiver]);
        while rig.keys().len() < before + 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // From here on an object is made and never answered: it stands and is not committed.
        rig.stand_in.will([Lie::Silence; 4]);
        let mut seen = None;
        loop {
            let now = (rig.committed().await.0, i64::try_from(rig.places().await.len()).unwrap());
            assert!(now.0 < 1200, "life {life} committed all, nothing to adopt");
            if now.0 < now.1 && seen == Some(now) {
                break;
            }
            seen = Some(now);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        started.crash().await;
        rig.stand_in.honest();
        rig = rig.again(flush_events);
    }
    rig.sandbox.run_to_the_end().await;
    rig.assert_below(Offset(1200), overwrites).await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_an_earlier_life_is_adopted_shorter_or_longer_than_what_is_in_hand() {
    let rig = crashed(false).await;
    assert!(rig.places().await.values().all(|keys| keys.len() == 1));
    rig.assert_clean().await;
    assert_eq!((rig.replay().await.selected, rig.audit().await.records), (1200, 1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_overlap_on_a_store_that_overwrites_are_resolved_by_offset() {
    let rig = crashed(true).await;
    let doubled = rig.places().await.values().filter(|keys| keys.len() > 1).count();
    assert!(doubled > 0, "nothing overlaps, so nothing was resolved: {:?}", rig.keys());
    rig.assert_clean().await;
    // Each offset once, wherever it lies.
    assert_eq!(rig.replay().await.selected, 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_strange_object_is_left_alone_and_the_records_go_beside_it() {
    let whole = {
        let rig = Rig::new(false, 1000);
        rig.accept(0..40).await;
        rig.sandbox.run_to_the_end().await;
        rig.stand_in.object(&rig.keys()[0]).unwrap()
    };
    let cut = whole[..whole.len() - 7].to_vec();
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    for damaged in [cut, flipped, b"no object at all".to_vec(), Vec::new(), whole] {
        let rig = Rig::new(false, 1000);
        rig.accept(0..40).await;
        let own = rig.first_key(None).await;
        while rig.sandbox.ports.objects.check().await.is_err() {}
        rig.stand_in.plant(&own, damaged.clone());
        let started = rig.sandbox.start_roles(&[Role::Archiver]);
        rig.watch_to_the_end(false).await;
        rig.until("degraded", |condition| {
            matches!(condition, Condition::Degraded(reason) if reason.contains(&own[BUCKET.len()..]))
        })
        .await;
        started.stop().await.unwrap();
        assert_eq!(rig.stand_in.object(&own).unwrap(), damaged);
        assert!(rig.keys().contains(&rig.first_key(Some(39)).await), "{:?}", rig.keys());
        rig.sandbox.run_to_the_end().await;
        // The operator is told by the audits too, and loses nothing.
        let report = rig.audit().await;
        assert_eq!(report.totals.keys().collect::<Vec<_>>(), [&FindingKind::ObjectDamaged]);
        assert_eq!(rig.replay().await.already_stored, 40);
        rig.stand_in.remove(&own);
        rig.assert_clean().await;
    }
}

/// A broker that lost its tail gives offsets out again: what the archive has there is not what is in
/// hand, however whole it is.
#[tokio::test(flavor = "multi_thread")]
async fn other_records_at_the_same_offsets_are_not_adopted() {
    let rig = Rig::new(false, 1000);
    rig.accept(0..10).await;
    rig.sandbox.run_to_the_end().await;
    let (own, first) = (rig.first_key(None).await, rig.sandbox.accepted());
    let raw = &rig.sandbox.settings.topics.raw;
    let at = TopicPartition::new(raw.clone(), Partition(0));
    let mut records = rig.sandbox.ports.log.read(&at, Offset(0), 10).await.unwrap();
    records[7].record.value = "another event".into();
    let mut writer = evp::pipeline::archive_format::SegmentWriter::new(Kind::Events, 3).unwrap();
    records.iter().for_each(|record| writer.push(record).unwrap());
    rig.stand_in.plant(&own, writer.finish().unwrap().unwrap().bytes.to_vec());
    let mut settings = settings(1000);
    settings.groups.archiver = "archiver-again".into();
    let ports = rig.sandbox.ports.clone();
    let again = Sandbox::on(settings, ports, rig.sandbox.clock.clone());
    again.adopt_accepted(first);
    again.run_to_the_end().await;
    let beside = rig.stand_in.object(&rig.first_key(Some(9)).await).unwrap();
    let (_, kept) = read_segment(&Bytes::from(beside)).unwrap();
    assert_ne!(kept[7].record.value, "another event");
    assert_eq!(kept.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_both_keys_are_damaged_nothing_is_committed_until_somebody_mends_it() {
    let rig = Rig::new(false, 1000);
    rig.accept(0..40).await;
    let (own, beside) = (rig.first_key(None).await, rig.first_key(Some(39)).await);
    while rig.sandbox.ports.objects.check().await.is_err() {}
    rig.stand_in.plant(&own, "damaged");
    rig.stand_in.plant(&beside, "damaged too");
    let started = rig.sandbox.start_roles(&[Role::Archiver]);
    rig.until("not ready", |condition| {
        matches!(condition, Condition::NotReady(reason)
            if reason.contains(&own[BUCKET.len()..]) && reason.contains(&beside[BUCKET.len()..]))
    })
    .await;
    assert_eq!(rig.committed().await, Offset(0));
    rig.stand_in.remove(&own);
    rig.watch_to_the_end(false).await;
    rig.until("ready", Condition::is_ready).await;
    started.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_lies_in_the_folder_of_its_first_record_and_decisions_in_their_own() {
    let rig = Rig::new(false, 4);
    // 2026-01-01T00:00:00Z and on: three before midnight, five behind it.
    let clock = &rig.sandbox.clock;
    clock.advance(Duration::from_millis(86_400_000 - 3));
    for number in 0..8 {
        rig.sandbox.accept(&format!("e-{}", number % 5), ADDRESS).await;
        clock.advance(Duration::from_millis(1));
    }
    rig.sandbox.run_to_the_end().await;
    let days: Vec<String> = rig.keys().iter().map(|key| key[BUCKET.len()..][..17].into()).collect();
    assert_eq!(days, ["events/2026/01/01", "events/2026/01/02"]);
    let decisions = rig.stand_in.objects();
    let decisions: Vec<_> = decisions.keys().filter(|key| key.contains("/decisions/")).collect();
    assert!(!decisions.is_empty());
    assert_eq!(rig.audit().await.records, 8 + 3);
    rig.assert_clean().await;
}
