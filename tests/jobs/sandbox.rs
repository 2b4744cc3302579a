//! An installation in a temporary directory: the embedded store and archive, on a log and a state
//! in memory, with roles that run when told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evp::backends::embedded::{DirectoryStore, StoreDb, StoreOptions};
use evp::backends::memory::{MemoryLog, MemoryState};
use evp::jobs::send::{Send, SendLine, SendRequest, SendResponse};
use evp::jobs::verify::{FindingKind, Verify, VerifyReport, VerifyRequest, VerifyStatus};
use evp::jobs::{Job, JobContext, JobError, NoProgress};
use evp::model::Timestamp;
use evp::ports::{Clock, Ports};
use evp::roles::RoleDeps;
use evp::roles::launch::drain;
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::Settings;
use tempfile::TempDir;

/// A clock that tests set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis_clamped(self.0.load(Ordering::Relaxed))
    }
}

/// 2026-01-31T10:00:00Z
pub(crate) const START: i64 = 1_769_853_600_000;

pub(crate) struct Sandbox {
    pub(crate) directory: TempDir,
    pub(crate) context: JobContext,
    pub(crate) log: MemoryLog,
    pub(crate) clock: Arc<TestClock>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings =
            Settings { data_dir: directory.path().to_owned(), ..Settings::default() };
        change(&mut settings);
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let log = MemoryLog::new(settings.topics.all());
        let options = StoreOptions {
            worker_group: settings.groups.worker.clone(),
            exact_uniques: settings.query.exact_uniques,
            query_timeout: settings.query.timeout.0,
            clock: clock.clone(),
        };
        let store = StoreDb::open(&directory.path().join("store.db"), options).unwrap();
        let objects = DirectoryStore::open(&directory.path().join("archive")).unwrap();
        let ports = Ports {
            log: Arc::new(log.clone()),
            state: Arc::new(MemoryState::new()),
            objects: Arc::new(objects),
            sink: store.clone(),
            store,
            clock: clock.clone(),
        };
        let context = JobContext { ports, settings: Arc::new(settings) };
        Self { directory, context, log, clock }
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) async fn run<J: Job>(&self, request: J::Request) -> Result<J::Response, JobError> {
        J::run(&self.context, request, &NoProgress, CancellationToken::new()).await
    }

    pub(crate) fn deps(&self) -> RoleDeps {
        RoleDeps {
            ports: self.context.ports.clone(),
            settings: self.context.settings.clone(),
            health: Health::new(),
        }
    }

    /// Runs the roles until everything has ended.
    pub(crate) async fn drain(&self) {
        drain(&self.deps(), CancellationToken::new()).await.unwrap();
    }

    pub(crate) async fn send(&self, events: &[(String, &str)]) -> SendResponse {
        let lines = events.iter().zip(1..).map(|((event, ip), line)| SendLine {
            line,
            event: event.clone(),
            client_ip: Some(ip.parse().unwrap()),
            event_id: None,
        });
        self.run::<Send>(SendRequest { lines: lines.collect(), shape: None }).await.unwrap()
    }

    /// Accepts events and brings them to their end.
    pub(crate) async fn accept(&self, events: &[(String, &str)]) {
        let sent = self.send(events).await;
        assert_eq!(sent.rejected, 0, "{sent:?}");
        self.drain().await;
    }

    pub(crate) async fn verify(&self) -> VerifyReport {
        self.run::<Verify>(VerifyRequest { wait_ms: 0, limit: 100, ledger: None }).await.unwrap()
    }

    pub(crate) async fn assert_clean(&self) -> VerifyReport {
        let report = self.verify().await;
        assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
        report
    }

    /// Kinds found, in order and once each.
    pub(crate) async fn found(&self) -> (Vec<FindingKind>, VerifyReport) {
        let report = self.verify().await;
        assert_eq!(report.status, VerifyStatus::Findings, "{report:#?}");
        (report.totals.keys().copied().collect(), report)
    }

    /// Writes into the store behind everybody's back.
    pub(crate) fn sql(&self, text: &str) -> usize {
        let path = self.directory.path().join("store.db");
        rusqlite::Connection::open(path).unwrap().execute(text, []).unwrap()
    }

    /// A number out of the store.
    pub(crate) fn number(&self, text: &str) -> i64 {
        let path = self.directory.path().join("store.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row(text, [], |row| row.get(0)).unwrap()
    }

    /// Archive files below a folder, in order.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        fn walk(path: PathBuf, into: &mut Vec<PathBuf>) {
            if path.is_dir() {
                for entry in std::fs::read_dir(path).unwrap() {
                    walk(entry.unwrap().path(), into);
                }
            } else {
                into.push(path);
            }
        }
        let mut files = Vec::new();
        walk(self.directory.path().join("archive").join(folder), &mut files);
        files.retain(|path| path.to_string_lossy().ends_with(".ndjson.zst"));
        files.sort();
        files
    }

    /// The log forgets everything, as retention does behind all consumers.
    pub(crate) async fn forget_raw(&self) {
        let topic = &self.context.settings.topics.raw;
        let info = self.context.ports.log.describe(topic).await.unwrap();
        self.log.forget_below(topic, info.partitions[0].high);
    }
}

/// A campaign event of that number.
pub(crate) fn event(number: u32, kind: &str, address: &'static str) -> (String, &'static str) {
    let text = format!(
        r#"{{"event_id":"e-{number:04}","event_type":"{kind}","user_id":"u-{}","campaign_id":"c-{}","geo_country":"DE","meta_data":{{"n":{number},"big":12345678901234567890.10}}}}"#,
        number % 7,
        number % 3
    );
    (text, address)
}

/// So many events of all kinds.
pub(crate) fn events(count: u32) -> Vec<(String, &'static str)> {
    (0..count)
        .map(|number| {
            event(number, ["impression", "click", "conversion"][number as usize % 3], ADDRESS)
        })
        .collect()
}

/// An address of nobody.
pub(crate) const ADDRESS: &str = "203.0.113.7";
