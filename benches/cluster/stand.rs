//! The servers, and what every role is told of them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::kafka::Kafka;
use crate::load::{self, Done, Ledger, Load};
use crate::process::{Process, wait};
use crate::servers::{self, Running};

/// Events that one run may number.
const MOST_EVENTS: usize = 1 << 28;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub rounds: usize,
    /// Of one load.
    pub seconds: Duration,
    /// Events that processor, worker and archiver are given at once.
    pub backlog: u64,
    pub steady: Duration,
    pub outage: Duration,
}

impl Scale {
    pub const FULL: Self = Self {
        rounds: 5,
        seconds: Duration::from_secs(8),
        backlog: 400_000,
        steady: Duration::from_secs(60),
        outage: Duration::from_secs(60),
    };
    pub const SHORT: Self = Self {
        rounds: 2,
        seconds: Duration::from_secs(2),
        backlog: 60_000,
        steady: Duration::from_secs(6),
        outage: Duration::from_secs(5),
    };
}

/// All servers, started; they end with this value.
pub struct Stand {
    pub kafka_server: Running,
    pub redis: Running,
    pub postgres: Running,
    pub minio: Running,
    pub kafka: Kafka,
    pub ledger: Arc<Ledger>,
    pub scale: Scale,
    home: TempDir,
}

impl Stand {
    pub fn start(scale: Scale) -> Self {
        let home = tempfile::tempdir().unwrap();
        let of_servers = home.path().join("servers");
        std::fs::create_dir(&of_servers).unwrap();
        let_others_in(home.path());
        let kafka_server = servers::kafka(&of_servers);
        Self {
            kafka: Kafka::new(kafka_server.port),
            kafka_server,
            redis: servers::redis(&of_servers, false),
            postgres: servers::postgres(&of_servers),
            minio: servers::minio(&of_servers),
            ledger: Arc::new(Ledger::new(MOST_EVENTS)),
            scale,
            home,
        }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What a role is started with; `more` are settings of its own.
    fn environment(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |name: &str, value: String| (name.to_owned(), value);
        let mut all = vec![
            own("EVP_PROFILE", "cluster".to_owned()),
            own("KAFKA_BROKERS", self.kafka.brokers().to_owned()),
            own("EVP__KAFKA__REPLICATION", "1".to_owned()),
            own("EVP__KAFKA__MIN_IN_SYNC", "1".to_owned()),
            own("REDIS_ADDR", format!("127.0.0.1:{}", self.redis.port)),
            own("DB_URL", self.postgres_url()),
            own("MINIO_ENDPOINT", format!("127.0.0.1:{}", self.minio.port)),
            own("MINIO_ACCESS_KEY", servers::MINIO_USER.to_owned()),
            own("MINIO_SECRET_KEY", servers::MINIO_PASSWORD.to_owned()),
        ];
        all.extend(more.iter().map(|(name, value)| own(name, (*value).to_owned())));
        all
    }

    pub fn postgres_url(&self) -> String {
        let port = self.postgres.port;
        format!("postgres://postgres:password@127.0.0.1:{port}/analytics?sslmode=disable")
    }

    pub fn role(&self, name: &str, more: &[(&str, &str)]) -> Process {
        Process::role(name, &["serve", name], self.home(), &self.environment(more))
    }

    /// One `evp` command that ends.
    pub fn evp(&self, arguments: &[&str]) {
        let done = Command::new(env!("CARGO_BIN_EXE_evp"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.home())
            .envs(self.environment(&[]))
            .current_dir(self.home())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "evp {}: {said}", arguments.join(" "));
    }

    pub fn load(&self, server: &Process, load: Load, length: Duration) -> Done {
        let address = server.http.expect("it takes events");
        load::run(address, load, length, &self.ledger).unwrap()
    }

    /// Accepts at least that many events into the raw topic, each from an address of its own.
    pub fn fill(&self, raw: &str, events: u64) {
        let collector = self.role("collector", &[("EVP__TOPICS__RAW", raw)]);
        let mut accepted = 0;
        while accepted < events {
            accepted += self.load(&collector, Load::SINGLE, Duration::from_secs(1)).events;
        }
        collector.stop();
    }

    /// Runs SQL and gives what it answers.
    pub fn sql(&self, sql: &str) -> String {
        let mut psql = self.psql();
        let done = psql.args(["-c", sql]).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    pub fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", &self.postgres_url()]);
        psql
    }

    /// One of the servers, to be stopped and started.
    pub fn server(&mut self, name: &str) -> &mut Running {
        match name {
            "Kafka" => &mut self.kafka_server,
            "Redis" => &mut self.redis,
            "MinIO" => &mut self.minio,
            _ => &mut self.postgres,
        }
    }

    /// Waits until that many records are in a topic.
    pub fn wait_for(&self, topic: &str, records: u64) {
        let all = || self.kafka.count(topic) >= records;
        assert!(wait(Duration::from_secs(120), all), "{topic} does not get {records} records");
    }
}

/// Postgres runs as another user.
fn let_others_in(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
