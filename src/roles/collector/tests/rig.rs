//! A collector on a free port, its log, and a client that says exactly what a test wants to say.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::model::{
    ConsumedRecord, Durability, GroupId, HeaderName, Offset, Partition, Record, RecordBatch,
    Timestamp, Topic, TopicPartition,
};
use crate::ports::{self, Appended, Clock, Consumer, Error, EventLog, Kind, TopicInfo};
use crate::roles::collector::{Collector, Parts};
use crate::runtime::health::Health;
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;
use crate::settings::Settings;

/// 2026-11-21T12:00:00Z
pub(super) const NOW_SECS: i64 = 1_795_262_400;

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_SECS * 1000).unwrap()
    }
}

/// Keeps the port's promise: an append that has begun goes on without its future.
#[derive(Debug)]
pub(super) struct TestLog {
    records: Arc<Mutex<Vec<Record>>>,
    refusal: Mutex<Option<Kind>>,
    gate: Arc<Semaphore>,
    pub(super) begun: AtomicUsize,
    /// What the collector said last of its load, and how often it was too much.
    pub(super) is_overloaded: AtomicBool,
    pub(super) overloads: AtomicUsize,
}

impl TestLog {
    fn new() -> Self {
        Self {
            records: Arc::default(),
            refusal: Mutex::new(None),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            begun: AtomicUsize::new(0),
            is_overloaded: AtomicBool::new(false),
            overloads: AtomicUsize::new(0),
        }
    }

    /// From now on appends wait.
    pub(super) fn hold(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets appends go on.
    pub(super) fn release(&self) {
        self.gate.add_permits(1000);
    }

    pub(super) fn refuse(&self, kind: Option<Kind>) {
        *self.refusal.lock().unwrap() = kind;
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventLog for TestLog {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> ports::Result<Appended> {
        assert_eq!(topic.as_str(), "raw-events");
        self.check().await?;
        self.begun.fetch_add(1, SeqCst);
        let (records, gate) = (Arc::clone(&self.records), Arc::clone(&self.gate));
        let appending = tasks::spawn("append", async move {
            let _permit = gate.acquire().await.unwrap();
            records.lock().unwrap().extend(batch.iter().map(Result::unwrap));
        });
        appending.await.unwrap();
        Ok(Appended { durability: Durability::Local })
    }

    fn set_overloaded(&self, is_overloaded: bool) {
        self.overloads.fetch_add(usize::from(is_overloaded), SeqCst);
        self.is_overloaded.store(is_overloaded, SeqCst);
    }

    async fn consumer(&self, _: &GroupId, _: &[Topic]) -> ports::Result<Box<dyn Consumer>> {
        Err(Error::new(Kind::Unavailable, "no consumers here"))
    }

    async fn describe(&self, _: &Topic) -> ports::Result<TopicInfo> {
        Err(Error::new(Kind::NotFound, "no topics here"))
    }

    async fn committed(&self, _: &GroupId, _: &Topic) -> ports::Result<Vec<(Partition, Offset)>> {
        Ok(Vec::new())
    }

    async fn read(
        &self,
        _: &TopicPartition,
        _: Offset,
        _: usize,
    ) -> ports::Result<Vec<ConsumedRecord>> {
        Ok(Vec::new())
    }

    async fn check(&self) -> ports::Result<()> {
        match *self.refusal.lock().unwrap() {
            Some(kind) => Err(Error::new(kind, "the log is as the test wants it")),
            None => Ok(()),
        }
    }
}

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) log: Arc<TestLog>,
    pub(super) shutdown: CancellationToken,
    pub(super) running: tokio::task::JoinHandle<Result<(), crate::roles::RoleError>>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_query(change, None).await
    }

    pub(super) async fn with_query(
        change: impl FnOnce(&mut Settings),
        query: Option<Router>,
    ) -> Self {
        let mut settings = Settings::default();
        settings.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.http.threads = 2;
        change(&mut settings);
        let log = Arc::new(TestLog::new());
        let parts = Parts {
            log: Arc::clone(&log) as Arc<dyn EventLog>,
            clock: Arc::new(FixedClock),
            settings: Arc::new(settings),
            health: Health::new(),
        };
        let collector = Collector::assemble(parts, query).unwrap();
        let address = collector.local_addr();
        let shutdown = CancellationToken::new();
        let running = tasks::spawn("collector", collector.run(shutdown.clone()));
        Self { address, log, shutdown, running }
    }

    pub(super) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), buffer: Vec::new() }
    }

    /// Sends a body by POST on a connection of its own.
    pub(super) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", path, &[], body).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut client = self.connect().await;
        client.send(method, path, headers, body.as_ref()).await;
        client.answer_to(method).await.expect("an answer")
    }

    /// The value of a header of the only record.
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        let records = self.log.records();
        assert_eq!(records.len(), 1);
        records[0].headers.text(name).map(str::to_owned)
    }
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: t\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if method == "POST" {
            write!(head, "content-length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        // A server that refuses early may have closed before all of it is written.
        let _written = self.stream.write_all(head.as_bytes()).await;
        let _written = self.stream.write_all(body).await;
    }

    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("POST").await
    }

    /// The next answer; `None` when the connection is closed instead.
    pub(super) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let reading = async {
            loop {
                if let Some((answer, used)) = parse(&self.buffer, method) {
                    self.buffer.drain(..used);
                    if answer.status != 100 {
                        return Some(answer);
                    }
                    continue;
                }
                let mut piece = vec![0_u8; 65_536];
                match self.stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("a stuck connection")
    }
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Its headers in the order of their names, without the time.
    pub(super) fn names_and_values(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers.sort();
        headers
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(super) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error in {}", self.body)).into()
    }
}

fn parse(bytes: &[u8], method: &str) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .filter(|_| method != "HEAD")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let body = bytes.get(end..end + length)?;
    let body = String::from_utf8(body.to_vec()).unwrap();
    Some((Answer { status, headers, body }, end + length))
}
