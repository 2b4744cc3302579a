//! The servers, and what every role is told of them.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::Scale;
use crate::kafka::Kafka;
use crate::load::{self, Done, Ledger, Load};
use crate::process::{Process, Start, program, wait};
use crate::servers::{self, Running};

/// All servers, started; they end with this value.
pub struct Stand {
    pub kafka_server: Running,
    pub redis: Running,
    pub postgres: Running,
    pub minio: Running,
    pub kafka: Kafka,
    pub ledger: Arc<Ledger>,
    pub scale: Scale,
    /// The topic of the backlog and how many events lie in it, once it is filled.
    backlog: OnceCell<(&'static str, u64)>,
    /// A topic of all of them judged, once one is.
    pub judged: OnceCell<String>,
    home: PathBuf,
}

impl Stand {
    pub fn start(scale: Scale, home: PathBuf, ledger: Arc<Ledger>) -> Self {
        let of_servers = home.join("servers");
        std::fs::create_dir_all(&of_servers).unwrap();
        let kafka_server = servers::kafka(&of_servers);
        Self {
            kafka: Kafka::new(kafka_server.port),
            kafka_server,
            redis: servers::redis(&of_servers, false),
            postgres: servers::postgres(&of_servers),
            minio: servers::minio(&of_servers),
            ledger,
            scale,
            backlog: OnceCell::new(),
            judged: OnceCell::new(),
            home,
        }
    }

    pub fn home(&self) -> &Path {
        &self.home
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
        let data_dir = self.home.join("data");
        Process::start(&Start {
            name,
            arguments: &["serve", name],
            home: &self.home,
            data_dir: &data_dir,
            // Each set of roles has a directory of its own in it; a worker brings its retrier.
            listen: &data_dir.join(name).join("listen.json"),
            environment: &self.environment(more),
            cpus: "",
        })
    }

    /// One `evp` command that ends.
    pub fn evp(&self, arguments: &[&str]) {
        let done = Command::new(program())
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
        load::run(server.http(), load, length, &self.ledger).unwrap()
    }

    /// A raw topic of events from ten thousand addresses, and how many they are.
    pub fn backlog(&self) -> (&'static str, u64) {
        *self.backlog.get_or_init(|| {
            let raw = "backlog";
            self.fill(raw, self.scale.backlog);
            (raw, self.kafka.count(raw))
        })
    }

    /// Accepts at least that many events into the raw topic.
    fn fill(&self, raw: &str, events: u64) {
        // A slow broker must not make copies here: the records of the topic are the events.
        let settings = [("EVP__TOPICS__RAW", raw), ("EVP__SPILL__AFTER", "1m")];
        let collector = self.role("collector", &settings);
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
