//! The roles as separate processes on the real servers, and what they made of what was sent.

#[path = "audit.rs"]
mod audit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::harness::load::Sent;
use crate::harness::server::{Server, eventually, pause};
use crate::harness::{binary, hermetic, said};
use crate::servers::{self, MINIO_PASSWORD, MINIO_USER, Running};

/// The roles that a cluster needs to bring an event to its end.
pub(crate) const ROLES: [&str; 5] = ["collector", "processor", "archiver", "worker", "query"];

/// Short times, so that a short run passes every stage many times.
const QUICK: &[(&str, &str)] = &[
    ("EVP__KAFKA__PARTITIONS", "3"),
    ("EVP__KAFKA__SESSION_TIMEOUT", "3s"),
    ("EVP__KAFKA__REVOKE_TIMEOUT", "3s"),
    ("EVP__KAFKA__MESSAGE_TIMEOUT", "5s"),
    ("EVP__ARCHIVE__FLUSH_INTERVAL", "300ms"),
    ("EVP__WORKER__BATCH_SIZE", "200"),
    ("EVP__POSTGRES__CONNECT_TIMEOUT", "2s"),
    ("EVP__PROCESSOR__IP_RATE_LIMIT_PER_MIN", "5000"),
];

/// The servers, and how the roles reach them.
pub(crate) struct Cluster {
    pub(crate) kafka: Running,
    pub(crate) redis: Running,
    pub(crate) postgres: Running,
    pub(crate) minio: Running,
    variables: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// Roles that run, by name. Dropping it kills them.
pub(crate) type Roles = BTreeMap<String, Server>;

impl Cluster {
    /// Starts the servers and makes tables and topics.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further settings for every role and command.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kafka = servers::kafka(&sub(folder.path(), "k"));
        let redis = servers::redis(&sub(folder.path(), "r"), true);
        let postgres = servers::postgres(&sub(folder.path(), "p"));
        let minio = servers::minio(&sub(folder.path(), "m"));
        let at = |server: &Running| format!("127.0.0.1:{}", server.port);
        let database =
            format!("postgres://postgres:password@{}/analytics?sslmode=disable", at(&postgres));
        let named = [
            ("EVP_PROFILE", "cluster".to_owned()),
            ("KAFKA_BROKERS", at(&kafka)),
            ("EVP__KAFKA__REPLICATION", "1".to_owned()),
            ("EVP__KAFKA__MIN_IN_SYNC", "1".to_owned()),
            ("REDIS_ADDR", at(&redis)),
            ("DB_URL", database),
            ("MINIO_ENDPOINT", at(&minio)),
            ("MINIO_ACCESS_KEY", MINIO_USER.to_owned()),
            ("MINIO_SECRET_KEY", MINIO_PASSWORD.to_owned()),
        ];
        let mut variables: BTreeMap<String, String> =
            QUICK.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.extend(named.map(|(name, value)| (name.to_owned(), value)));
        variables
            .extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let variables = variables.into_iter().collect();
        let cluster = Self { kafka, redis, postgres, minio, variables, folder };
        for command in [&["migrate", "up"][..], &["topics", "ensure"]] {
            let made = cluster.evp(command);
            assert!(made.status.success(), "{command:?}: {}", said(&made));
        }
        cluster
    }

    /// What every role and command has in that variable.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Where that process keeps its folder and its log.
    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a role and waits until it is ready.
    pub(crate) fn role(&self, role: &str) -> Server {
        self.when_ready(self.spawn(role, role, &[], &[]), role)
    }

    /// The same at an address that it had before: clients know it there.
    pub(crate) fn role_at(&self, role: &str, url: &str) -> Server {
        let address = url.trim_start_matches("http://");
        self.when_ready(self.spawn(role, role, &["--listen", address], &[]), role)
    }

    /// Another process of a role, under a name of its own.
    pub(crate) fn second(&self, role: &str, name: &str) -> Server {
        self.when_ready(self.spawn(role, name, &[], &[]), name)
    }

    /// Waits until a process is ready.
    pub(crate) fn when_ready(&self, mut server: Server, name: &str) -> Server {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !(self.find(&mut server, name) && server.is_ready()) {
            if let Some(status) = server.wait(Duration::from_millis(1)) {
                panic!("{name} ended with {status}\n{}", server.said());
            }
            assert!(Instant::now() < deadline, "{name} is not ready: {}", server.said());
            pause(20);
        }
        server
    }

    /// Starts a role without waiting.
    pub(crate) fn spawn(
        &self,
        role: &str,
        name: &str,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Server {
        let place = self.place(name);
        if let Some(left) = listen_file(&place) {
            std::fs::remove_file(left).unwrap();
        }
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        Server::spawn_as(&["serve", role], &place, arguments, &variables)
    }

    /// Reads a role's addresses, once they are written.
    pub(crate) fn find(&self, server: &mut Server, name: &str) -> bool {
        let Some(file) = listen_file(&self.place(name)) else { return false };
        server.find_address(file.parent().unwrap())
    }

    /// Starts every role.
    pub(crate) fn all(&self) -> Roles {
        ROLES.into_iter().map(|role| (role.to_owned(), self.role(role))).collect()
    }

    /// kill -9 of a role; the address that it had, or nothing.
    pub(crate) fn kill(roles: &mut Roles, role: &str) -> String {
        let old = roles.remove(role).unwrap();
        let url = old.url.clone();
        old.kill();
        url
    }

    /// A new one in its place, at that address where it had one.
    pub(crate) fn again(&self, roles: &mut Roles, role: &str, url: &str) {
        let new = if url.is_empty() { self.role(role) } else { self.role_at(role, url) };
        roles.insert(role.to_owned(), new);
    }

    /// Runs one command.
    pub(crate) fn evp(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        hermetic(&mut command, &self.place("command"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments).output().expect("evp runs")
    }

    /// Runs a statement of the seed's database; rows of text.
    pub(crate) fn sql(&self, statement: &str) -> Vec<Vec<String>> {
        let out = Command::new("psql")
            .env("PGPASSWORD", "password")
            .args(["-h", "127.0.0.1", "-p", &self.postgres.port.to_string(), "-U", "postgres"])
            .args(["-d", "analytics", "-v", "ON_ERROR_STOP=1", "-qAt", "-F", "\t", "-c", statement])
            .output()
            .expect("psql is there");
        assert!(out.status.success(), "{statement}: {}", said(&out));
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Runs a redis-cli line.
    pub(crate) fn redis_cli(&self, arguments: &[&str]) -> String {
        let port = self.redis.port.to_string();
        let out = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// Records that each group has not finished; `None` where that cannot be told now.
    pub(crate) fn lag(&self) -> Option<BTreeMap<String, u64>> {
        let out = self.evp(&["topics", "lag", "-o", "ndjson"]);
        if !out.status.success() {
            return None;
        }
        let mut lags = BTreeMap::new();
        for line in String::from_utf8_lossy(&out.stdout).lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let lag = row["lag"].as_u64().unwrap();
            *lags.entry(row["group"].as_str().unwrap().to_owned()).or_default() += lag;
        }
        Some(lags)
    }

    /// Waits until every group is at the end: within 60 s of healing, as the issue has it.
    pub(crate) fn settle(&self, roles: &Roles, context: &str) {
        let told = || {
            let roles: Vec<String> =
                roles.iter().map(|(name, role)| format!("--- {name}\n{}", role.said())).collect();
            format!("{context}: lag 0; {:?}\n{}", self.lag(), roles.join("\n"))
        };
        let started = Instant::now();
        let mut first = None;
        eventually(60, told, || {
            // Each look is a process of its own: not so often that the looking is the load.
            pause(250);
            let lags = self.lag();
            first = first.take().or_else(|| lags.clone());
            lags.is_some_and(|lags| lags.values().all(|lag| *lag == 0))
        });
        println!("{context}: lag {first:?} worked off in {:.1} s", started.elapsed().as_secs_f64());
    }

    /// Waits for lag 0 and holds every promise against what was sent, by the tests' own list and by
    /// `evp verify`.
    pub(crate) fn assert_promise(&self, roles: &Roles, sent: &Sent, context: &str) {
        assert!(!sent.acknowledged.is_empty(), "{context}: nothing was acknowledged: void");
        self.settle(roles, context);
        let verify = self.evp(&["verify", "--wait", "60s", "-o", "json"]);
        let faults = audit::found(self).faults(sent);
        assert!(
            faults.is_empty(),
            "{context}: {} faults of {} acknowledged:\n{}\nverify said: {}",
            faults.len(),
            sent.acknowledged.len(),
            faults[..faults.len().min(20)].join("\n"),
            said(&verify)
        );
        assert!(verify.status.success(), "{context}: verify: {}", said(&verify));
    }
}

fn sub(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// `listen.json` of the one process that ran in that data directory.
fn listen_file(place: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(place).ok()?;
    let mut files = folders.flatten().map(|entry| entry.path().join("listen.json"));
    files.find(|file| file.exists())
}
