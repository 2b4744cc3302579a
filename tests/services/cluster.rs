//! Kafka, Redis, Postgres and MinIO together, and installations of their own on them: topics, groups,
//! a database, a bucket and a Redis database each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use evp::jobs::send::{Send, SendLine, SendRequest};
use evp::jobs::{Job, JobContext, NoProgress};
use evp::model::{Offset, Partition, Timestamp};
use evp::pipeline::lag;
use evp::ports::{Clock, SystemClock};
use evp::roles::launch::RoleSet;
use evp::roles::{Role, RoleDeps, RoleError};
use evp::runtime::health::Health;
use evp::runtime::shutdown::CancellationToken;
use evp::settings::{
    LogBackend, ObjectBackend, Postgres, Secret, Settings, StateBackend, StoreBackend,
};
use evp::wire::{self, OpenMode, Wired};
use s3::creds::Credentials;
use s3::{Bucket, Region};
use tokio_postgres::NoTls;

use crate::damage::Bent;
use crate::servers::{self, MINIO_PASSWORD, MINIO_USER, Running};

/// All four servers and their data.
pub struct Servers {
    pub kafka: Running,
    pub redis: Running,
    pub postgres: Running,
    pub minio: Running,
    _folder: tempfile::TempDir,
}

/// The servers for the tests that run at a time: the last of them stops them.
pub async fn servers() -> Arc<Servers> {
    static SERVERS: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
    let start = || {
        let mut shared = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let folder = tempfile::tempdir().unwrap();
            let started = Arc::new(Servers {
                kafka: servers::kafka(folder.path()),
                redis: servers::redis(folder.path(), false),
                postgres: servers::postgres(folder.path()),
                minio: servers::minio(folder.path()),
                _folder: folder,
            });
            *shared = Arc::downgrade(&started);
            started
        })
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// A clock that stands, so that all events of a test are of one minute.
#[derive(Debug)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// One installation.
pub struct Installation {
    pub context: JobContext,
    servers: Arc<Servers>,
    wired: Option<Wired>,
    folder: tempfile::TempDir,
    database: String,
}

pub const BEHIND_THE_DOOR: [Role; 3] = [Role::Processor, Role::Archiver, Role::Worker];

impl Installation {
    /// One in which time stands.
    pub async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(Standing(SystemClock.now()));
        Self::with_clock(clock, change).await
    }

    pub async fn with_clock(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let servers = servers().await;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&servers, number);
        settings.data_dir = folder.path().join("data");
        change(&mut settings);
        flush(&servers, settings.redis.database).await;
        sql(&servers, "postgres", &format!("CREATE DATABASE i{number}")).await;
        wire::migrations(&settings).unwrap().up().await.unwrap();
        let settings = Arc::new(settings);
        let opened = Arc::clone(&settings);
        let mode = OpenMode { create: false, lock_wait: Duration::ZERO, instance: None };
        let open = move || wire::open_with_clock(&opened, &mode, clock).unwrap();
        let wired = tokio::task::spawn_blocking(open).await.unwrap();
        let context = JobContext { ports: wired.ports.clone(), settings };
        for _ in 0..100 {
            if context.ports.objects.check().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let database = format!("i{number}");
        Self { context, servers, wired: Some(wired), folder, database }
    }

    /// What a process of this installation is told by its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let settings = &self.context.settings;
        let topics = &settings.topics;
        let groups = &settings.groups;
        let pairs = [
            ("EVP_PROFILE", "cluster".to_owned()),
            ("EVP__KAFKA__BROKERS", settings.kafka.brokers[0].clone()),
            ("EVP__KAFKA__REPLICATION", "1".to_owned()),
            ("EVP__KAFKA__MIN_IN_SYNC", "1".to_owned()),
            ("EVP__KAFKA__PARTITIONS", settings.kafka.partitions.to_string()),
            ("EVP__TOPICS__RAW", topics.raw.to_string()),
            ("EVP__TOPICS__PROCESSED", topics.processed.to_string()),
            ("EVP__TOPICS__DECISIONS", topics.decisions.to_string()),
            ("EVP__TOPICS__RETRY", topics.retry.to_string()),
            ("EVP__TOPICS__PROCESSED_DLQ", topics.processed_dlq.to_string()),
            ("EVP__TOPICS__RAW_DLQ", topics.raw_dlq.to_string()),
            ("EVP__GROUPS__ARCHIVER", groups.archiver.to_string()),
            ("EVP__GROUPS__PROCESSOR", groups.processor.to_string()),
            ("EVP__GROUPS__WORKER", groups.worker.to_string()),
            ("EVP__GROUPS__RETRIER", groups.retrier.to_string()),
            ("EVP__REDIS__ADDR", settings.redis.addr.clone()),
            ("EVP__REDIS__DATABASE", settings.redis.database.to_string()),
            ("EVP__POSTGRES__URL", url(&self.servers, self.database())),
            ("EVP__S3__ENDPOINT", settings.s3.endpoint.clone().unwrap()),
            ("EVP__S3__BUCKET", settings.s3.bucket.clone()),
            ("EVP__S3__ACCESS_KEY", MINIO_USER.to_owned()),
            ("EVP__S3__SECRET_KEY", MINIO_PASSWORD.to_owned()),
            ("EVP__ARCHIVE__FLUSH_INTERVAL", "200ms".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// A folder of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> &str {
        &self.database
    }

    pub async fn number(&self, text: &str) -> i64 {
        let rows = sql(&self.servers, self.database(), text).await;
        rows[0][0].as_deref().unwrap_or("0").parse().unwrap()
    }

    pub async fn run<J: Job>(&self, request: J::Request) -> J::Response {
        J::run(&self.context, request, &NoProgress, CancellationToken::new()).await.unwrap()
    }

    pub async fn send(&self, events: &[(String, &str)]) {
        let lines = events.iter().zip(1..).map(|((event, ip), line)| SendLine {
            line,
            event: event.clone(),
            client_ip: Some(ip.parse().unwrap()),
            event_id: None,
        });
        let request = SendRequest { lines: lines.collect(), shape: None };
        assert_eq!(self.run::<Send>(request).await.rejected, 0);
    }

    pub fn start(&self, roles: &[Role]) -> Started {
        let deps = RoleDeps {
            ports: self.context.ports.clone(),
            settings: Arc::clone(&self.context.settings),
            health: Health::new(),
        };
        let set = RoleSet::build(roles, &deps).unwrap();
        let shutdown = CancellationToken::new();
        let task = evp::runtime::tasks::spawn("roles", set.run(shutdown.clone()));
        Started { shutdown, task }
    }

    /// Records not finished; `None` where a broker cannot tell at the moment.
    pub async fn lag(&self) -> Option<u64> {
        let readers = self.context.settings.readers();
        let lags = lag::lag(&*self.context.ports.log, &readers).await.ok()?;
        Some(lag::total(&lags))
    }

    /// Waits until every group finished everything.
    pub async fn settled(&self) {
        for _ in 0..1200 {
            if self.lag().await == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let readers = self.context.settings.readers();
        panic!("no end: {:#?}", lag::lag(&*self.context.ports.log, &readers).await);
    }

    /// Runs the roles until everything has ended.
    pub async fn drain(&self) {
        let started = self.start(&BEHIND_THE_DOOR);
        self.settled().await;
        started.stop().await;
    }

    fn bucket(&self) -> Box<Bucket> {
        let settings = &self.context.settings.s3;
        let endpoint = format!("http://{}", settings.endpoint.as_deref().unwrap());
        let region = Region::Custom { region: settings.region.clone(), endpoint };
        let keys = Credentials::new(Some(MINIO_USER), Some(MINIO_PASSWORD), None, None, None);
        let mut bucket = Bucket::new(&settings.bucket, region, keys.unwrap()).unwrap();
        bucket.set_path_style();
        bucket
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(wired) = self.wired.take() {
            tokio::task::block_in_place(|| wired.close());
        }
    }
}

/// Roles that run in this process.
pub struct Started {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RoleError>>,
}

impl Started {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[async_trait]
impl Bent for Installation {
    fn context(&self) -> &JobContext {
        &self.context
    }

    async fn sql(&self, text: &str) -> u64 {
        let (client, connection) =
            tokio_postgres::connect(&url(&self.servers, self.database()), NoTls).await.unwrap();
        let driver = evp::runtime::tasks::spawn("postgres", connection);
        let changed = client.execute(text, &[]).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        changed
    }

    fn json_replaced(&self, column: &str, from: &str, to: &str) -> String {
        format!("replace({column}::text, '{from}', '{to}')::json")
    }

    fn blob(&self, text: &str) -> String {
        format!("'{text}'::bytea")
    }

    async fn put_object(&self, key: &str, content: Bytes) {
        let put = self.bucket().put_object(key, &content).await.unwrap();
        assert_eq!(put.status_code(), 200);
    }

    async fn remove_object(&self, key: &str) {
        assert_eq!(self.bucket().delete_object(key).await.unwrap().status_code(), 204);
    }

    async fn forget_raw(&self) {
        let raw = &self.context.settings.topics.raw;
        let info = self.context.ports.log.describe(raw).await.unwrap();
        let ends = info.partitions.iter().map(|one| (one.partition, one.high)).collect::<Vec<_>>();
        self.forget_below(&ends).await;
    }
}

impl Installation {
    /// Records below these offsets of the raw topic go, as retention takes them.
    pub async fn forget_below(&self, ends: &[(Partition, Offset)]) {
        let raw = &self.context.settings.topics.raw;
        let mut list = rdkafka::TopicPartitionList::new();
        for (partition, end) in ends {
            let end = rdkafka::Offset::Offset(end.0);
            list.add_partition_offset(raw.as_str(), partition.0, end).unwrap();
        }
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", &self.context.settings.kafka.brokers[0]);
        let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
            config.create().unwrap();
        let options = rdkafka::admin::AdminOptions::new();
        admin.delete_records(&list, &options).await.unwrap();
        // The log may remember ends for a moment.
        for _ in 0..200 {
            let info = self.context.ports.log.describe(raw).await.unwrap();
            let is_gone = |(partition, end): &(Partition, Offset)| {
                info.partitions.iter().any(|one| one.partition == *partition && one.low >= *end)
            };
            if ends.iter().all(is_gone) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the records are not gone");
    }
}

fn url(servers: &Servers, database: &str) -> String {
    let port = servers.postgres.port;
    format!("postgres://postgres:password@127.0.0.1:{port}/{database}?sslmode=disable")
}

async fn sql(servers: &Servers, database: &str, text: &str) -> Vec<Vec<Option<String>>> {
    let (client, connection) =
        tokio_postgres::connect(&url(servers, database), NoTls).await.unwrap();
    let driver = evp::runtime::tasks::spawn("postgres", connection);
    let answers = client.simple_query(text).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let rows = answers.iter().filter_map(|answer| match answer {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect()
}

async fn flush(servers: &Servers, database: u16) {
    let url = format!("redis://127.0.0.1:{}/{database}", servers.redis.port);
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.unwrap();
}

fn settings(servers: &Servers, number: u32) -> Settings {
    let mut settings = Settings::default();
    settings.backend.log = LogBackend::Kafka;
    settings.backend.state = StateBackend::Redis;
    settings.backend.store = StoreBackend::Postgres;
    settings.backend.objects = ObjectBackend::S3;
    settings.kafka.brokers = vec![format!("127.0.0.1:{}", servers.kafka.port)];
    (settings.kafka.replication, settings.kafka.min_in_sync) = (1, 1);
    settings.kafka.partitions = 1;
    settings.redis.addr = format!("127.0.0.1:{}", servers.redis.port);
    settings.redis.database = u16::try_from(number % 16).unwrap();
    let url = url(servers, &format!("i{number}"));
    settings.postgres = Postgres { url: Some(Secret::from(&url[..])), ..Postgres::default() };
    settings.s3.endpoint = Some(format!("127.0.0.1:{}", servers.minio.port));
    settings.s3.access_key = Some(MINIO_USER.to_owned());
    settings.s3.secret_key = Some(MINIO_PASSWORD.into());
    settings.s3.bucket = format!("archive-i{number}");
    let topics = &mut settings.topics;
    for topic in [
        &mut topics.raw,
        &mut topics.processed,
        &mut topics.decisions,
        &mut topics.retry,
        &mut topics.processed_dlq,
        &mut topics.raw_dlq,
    ] {
        *topic = evp::model::Topic::new(&format!("{topic}-{number}"));
    }
    let groups = &mut settings.groups;
    for group in
        [&mut groups.archiver, &mut groups.processor, &mut groups.worker, &mut groups.retrier]
    {
        *group = evp::model::GroupId::new(&format!("{group}-{number}"));
    }
    settings.archive.flush_interval = "200ms".parse().unwrap();
    settings
}
