//! One installation: ports with a fault handle each, a clock that tests set, and who was accepted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evp::backends::memory::{Faults, Faulty, MemoryLog, MemoryObjectStore, MemoryState, store};
use evp::model::{
    EventId, Offset, Origin, Outcome, Partition, RecordBatchBuilder, Shape, Timestamp, Topic,
};
use evp::pipeline::archive_format::{Footer, Kind, parse_key, read_segment};
use evp::pipeline::envelope::RequestEnvelope;
use evp::pipeline::lag;
use evp::ports::{Books, Clock, DeadLetterFilter, DeadLetterRow, Ports};
use evp::roles::launch::RoleSet;
use evp::roles::{Role, RoleDeps, RoleError};
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::Settings;

/// 2026-01-01T00:00:00Z, the start of a minute.
pub const START_MS: i64 = 1_767_225_600_000;
pub const BEHIND_THE_DOOR: [Role; 3] = [Role::Processor, Role::Archiver, Role::Worker];

#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

impl TestClock {
    pub fn at_start() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START_MS)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// A fault handle a port.
#[derive(Debug, Clone, Default)]
pub struct AllFaults {
    pub log: Faults,
    pub state: Faults,
    pub objects: Faults,
    pub sink: Faults,
}

impl AllFaults {
    pub fn around(&self, ports: &Ports) -> Ports {
        Ports {
            log: Arc::new(Faulty::new(Arc::clone(&ports.log), &self.log)),
            state: Arc::new(Faulty::new(Arc::clone(&ports.state), &self.state)),
            objects: Arc::new(Faulty::new(Arc::clone(&ports.objects), &self.objects)),
            sink: Arc::new(Faulty::new(Arc::clone(&ports.sink), &self.sink)),
            ..ports.clone()
        }
    }
}

#[derive(Debug)]
pub struct Sandbox {
    pub settings: Arc<Settings>,
    /// Without faults: what the oracle reads.
    pub ports: Ports,
    pub faults: AllFaults,
    pub clock: Arc<TestClock>,
    pub health: Health,
    accepted: Mutex<Vec<(Origin, EventId)>>,
}

/// Settings of tests: small batches, so that every case meets several.
pub fn small() -> Settings {
    let mut settings = Settings::default();
    settings.processor.batch_size = 64;
    settings.processor.rules_refresh = "1ms".parse().unwrap();
    settings.worker.batch_size = 100;
    settings.worker.batch_timeout = "5ms".parse().unwrap();
    settings.archive.flush_events = 150;
    settings.archive.flush_interval = "50ms".parse().unwrap();
    settings
}

impl Sandbox {
    pub fn memory(settings: Settings) -> Self {
        let clock = TestClock::at_start();
        let port_clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
        let store = store(settings.groups.worker.clone(), Arc::clone(&port_clock)).unwrap();
        let ports = Ports {
            log: Arc::new(MemoryLog::new(settings.topics.all())),
            state: Arc::new(MemoryState::new()),
            objects: Arc::new(MemoryObjectStore::new()),
            sink: Arc::<evp::backends::embedded::StoreDb>::clone(&store),
            store,
            clock: port_clock,
        };
        Self::on(settings, ports, clock)
    }

    pub fn on(settings: Settings, ports: Ports, clock: Arc<TestClock>) -> Self {
        Self {
            settings: Arc::new(settings),
            ports,
            faults: AllFaults::default(),
            clock,
            health: Health::new(),
            accepted: Mutex::default(),
        }
    }

    pub fn deps(&self) -> RoleDeps {
        RoleDeps {
            ports: self.faults.around(&self.ports),
            settings: Arc::clone(&self.settings),
            health: self.health.clone(),
        }
    }

    /// Accepts an event as the collector does.
    pub async fn accept(&self, event_id: &str, ip: &str) -> Origin {
        let value = format!(
            r#"{{"event_id":"{event_id}","event_type":"click","user_id":"u","campaign_id":"c","meta_data":{{"n":1e400}}}}"#
        );
        self.accept_value(event_id, ip, value.as_bytes()).await
    }

    pub async fn accept_value(&self, event_id: &str, ip: &str, value: &[u8]) -> Origin {
        let mut batch = RecordBatchBuilder::default();
        let at = self.ports.clock.now();
        let request = RequestEnvelope::new(at, Some(ip), Shape::Campaign, None);
        let origin = request.push(&mut batch, event_id, "u", value);
        self.ports.log.append(&self.settings.topics.raw, batch.finish()).await.unwrap();
        self.accepted.lock().unwrap().push((origin, EventId::new(event_id).unwrap()));
        origin
    }

    pub fn accepted(&self) -> Vec<(Origin, EventId)> {
        self.accepted.lock().unwrap().clone()
    }

    pub fn adopt_accepted(&self, accepted: Vec<(Origin, EventId)>) {
        self.accepted.lock().unwrap().extend(accepted);
    }

    /// Starts the roles behind the door.
    pub fn start(&self) -> Started {
        self.start_roles(&BEHIND_THE_DOOR)
    }

    pub fn start_roles(&self, roles: &[Role]) -> Started {
        let set = RoleSet::build(roles, &self.deps()).unwrap();
        let shutdown = CancellationToken::new();
        let task = evp::runtime::tasks::spawn("roles", set.run(shutdown.clone()));
        Started { shutdown, task }
    }

    pub async fn lag(&self) -> u64 {
        let lags = lag::lag(&*self.ports.log, &self.settings.readers()).await.unwrap();
        lag::total(&lags)
    }

    /// Where the processor stands.
    pub async fn judged(&self) -> Vec<(Partition, Offset)> {
        let (group, raw) = (&self.settings.groups.processor, &self.settings.topics.raw);
        self.ports.log.committed(group, raw).await.unwrap()
    }

    /// Waits until every group finished everything.
    pub async fn settled(&self) {
        for _ in 0..20_000 {
            if self.lag().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lags = lag::lag(&*self.ports.log, &self.settings.readers()).await.unwrap();
        panic!("does not settle: {lags:#?}, {:#?}", self.health.checks());
    }

    /// Runs the roles until everything is finished, then stops them.
    pub async fn run_to_the_end(&self) {
        let started = self.start();
        self.settled().await;
        started.stop().await.unwrap();
    }

    pub async fn outcomes(&self) -> BTreeMap<Origin, Outcome> {
        let origins: Vec<_> = self.accepted().into_iter().map(|(origin, _)| origin).collect();
        let rows = self.ports.store.outcomes(&origins).await.unwrap();
        let count = rows.len();
        let outcomes: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.origin, row.outcome)).collect();
        assert_eq!(outcomes.len(), count, "an origin has two outcomes");
        outcomes
    }

    pub async fn dead_letters(&self) -> Vec<DeadLetterRow> {
        let filter = DeadLetterFilter { limit: 10_000, ..DeadLetterFilter::default() };
        self.ports.store.dead_letters(&filter).await.unwrap()
    }

    /// The promise: every accepted origin has one outcome, nobody else has one, the books agree,
    /// the archive holds every raw record once.
    pub async fn assert_promise(&self) -> Books {
        let accepted = self.accepted();
        let outcomes = self.outcomes().await;
        let missing: Vec<_> =
            accepted.iter().filter(|(origin, _)| !outcomes.contains_key(origin)).collect();
        assert!(missing.is_empty(), "accepted and gone: {missing:?}");
        let books = self.ports.store.books().await.unwrap();
        let sum = books.stored
            + books.duplicate
            + books.blocked
            + books.rate_limited
            + books.dead_lettered;
        assert_eq!(sum, accepted.len() as u64, "{books:?}");
        assert_eq!(self.ports.store.audit_rollups(10).await.unwrap(), []);
        if self.settings.archive.enabled {
            self.assert_archive(&self.settings.topics.raw, Kind::Events).await;
            self.assert_archive(&self.settings.topics.decisions, Kind::Decisions).await;
        }
        books
    }

    /// The objects' ranges are contiguous up to the topic's end, and each object is whole.
    pub async fn assert_archive(&self, topic: &Topic, kind: Kind) -> Vec<Footer> {
        let info = self.ports.log.describe(topic).await.unwrap();
        let mut footers = Vec::new();
        let prefix = format!("{}/", kind.prefix());
        for meta in self.ports.objects.list(&prefix, None, 100_000).await.unwrap() {
            let key = parse_key(&meta.key).unwrap();
            let object = self.ports.objects.get(&meta.key).await.unwrap();
            let Ok((footer, _)) = read_segment(&object) else {
                continue;
            };
            assert_eq!((footer.topic_id, footer.first), (info.id, key.first));
            footers.push(footer);
        }
        footers.sort_by_key(|footer| footer.first);
        let mut next = Offset(0);
        for footer in &footers {
            assert_eq!(footer.first, next, "gap or overlap in the archive of {topic}");
            next = footer.last.next();
        }
        assert_eq!(next, info.partitions[0].high, "the archive of {topic} ends early");
        footers
    }
}

pub struct Started {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RoleError>>,
}

impl Started {
    pub async fn stop(self) -> Result<(), RoleError> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }

    /// Waits until a role ends of itself.
    pub async fn end(self) -> Result<(), RoleError> {
        self.task.await.unwrap()
    }

    /// Ends everything where it stands, as a crash does.
    pub async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}
