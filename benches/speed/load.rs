//! Load over plain sockets: every connection sends, waits for the whole answer, sends again, as
//! fast as it can or by a schedule. Remembers by number which events were acknowledged.

use std::io::{Error, Result, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Stands where the number of an event goes.
pub const NUMBER: &str = "0000000000000000";
/// Stands where the client's address goes: `1aa.1bb.1cc.1dd`.
const ADDRESS: &str = "100.100.100.100";
/// What precedes the number in an event.
pub const BEFORE_NUMBER: &str = "\"event_id\":\"b-";
/// Different requests of one connection.
const TEMPLATES: usize = 4;
/// Different requests of all connections together: as many for each of thousands would take long to
/// make and much memory.
const SHARED: usize = 256;
/// How long a connection waits after a request without an answer.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A form of load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub path: &'static str,
    pub connections: usize,
    pub batch: usize,
    /// Bodies are compressed once and sent again and again: a generator that costs much less than
    /// what it loads.
    pub gzip: bool,
    /// Events a second; without it as fast as answers come.
    pub rate: Option<f64>,
    /// How long a connection waits after an answer that was no 202.
    pub after_refusal: Duration,
}

impl Load {
    pub const SINGLE: Self = Self {
        path: "/event",
        connections: 512,
        batch: 1,
        gzip: false,
        rate: None,
        after_refusal: AFTER_FAILURE,
    };
    pub const BATCH: Self =
        Self { path: "/events/batch", connections: 32, batch: 100, ..Self::SINGLE };

    pub const fn over(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// So many events a second in batches.
    pub const fn steady(rate: f64, batch: usize) -> Self {
        Self { connections: 64, batch, rate: Some(rate), ..Self::BATCH }
    }
}

/// A set of numbers, one bit each.
#[derive(Debug)]
pub struct Numbers(Vec<AtomicU64>);

impl Numbers {
    pub fn below(limit: usize) -> Self {
        Self((0..limit.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn add(&self, number: u64) {
        if let Some(word) = self.0.get(usize::try_from(number / 64).unwrap_or(usize::MAX)) {
            word.fetch_or(1 << (number % 64), Relaxed);
        }
    }

    /// How many of these the other has not.
    pub fn missing_in(&self, other: &Self) -> u64 {
        let both = self.0.iter().zip(&other.0);
        both.map(|(mine, other)| {
            u64::from((mine.load(Relaxed) & !other.load(Relaxed)).count_ones())
        })
        .sum()
    }
}

/// Numbers events over all loads of a run.
#[derive(Debug)]
pub struct Ledger {
    next: AtomicU64,
    pub acknowledged: Numbers,
}

impl Ledger {
    /// For at most that many events.
    pub fn new(limit: usize) -> Self {
        Self { next: AtomicU64::new(1), acknowledged: Numbers::below(limit) }
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Events acknowledged.
    pub events: u64,
    /// Requests that were not.
    pub refused: u64,
    /// Of them, those without an answer.
    pub failed: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// From sending to the whole answer, of what was acknowledged.
    pub p99_ms: f64,
    /// The same of answers that were no 202; `None` where there was none.
    pub refused_p99_ms: Option<f64>,
}

impl Done {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.refused += other.refused;
        self.failed += other.failed;
        self.bytes += other.bytes;
    }
}

/// How long answers took in microseconds.
#[derive(Default)]
struct Times {
    acknowledged: Vec<u32>,
    refused: Vec<u32>,
}

/// In milliseconds.
fn p99(times: &mut [u32]) -> Option<f64> {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).map(|micros| f64::from(*micros) / 1e3)
}

/// Runs the load that long, on this thread.
pub fn run(
    address: SocketAddr,
    load: Load,
    length: Duration,
    ledger: &Arc<Ledger>,
) -> Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Made and connected before the clock starts: that of thousands would be what is measured.
        let shared: Vec<Request> = (0..SHARED.min(load.connections * TEMPLATES))
            .map(|seed| Request::new(load, seed))
            .collect();
        let mut clients = Vec::with_capacity(load.connections);
        for index in 0..load.connections {
            let count = if load.connections > 1000 { 1 } else { TEMPLATES };
            let of = |n: usize| shared[(index * count + n) % shared.len()].clone();
            clients.push((connect(address).await?, (0..count).map(of).collect()));
        }
        let start = Instant::now();
        let mut running = JoinSet::new();
        for (index, client) in clients.into_iter().enumerate() {
            let times = (start, length);
            running.spawn(connection(client, load, index, times, Arc::clone(ledger)));
        }
        let (mut all, mut times) = (Done::default(), Times::default());
        while let Some(ended) = running.join_next().await {
            let (done, of_it) = ended.map_err(Error::other)?;
            all.add(&done);
            times.acknowledged.extend(of_it.acknowledged);
            times.refused.extend(of_it.refused);
        }
        all.seconds = start.elapsed().as_secs_f64();
        all.p99_ms = p99(&mut times.acknowledged).unwrap_or_default();
        all.refused_p99_ms = p99(&mut times.refused);
        Ok(all)
    })
}

async fn connection(
    (stream, mut templates): (TcpStream, Vec<Request>),
    load: Load,
    index: usize,
    (start, length): (Instant, Duration),
    ledger: Arc<Ledger>,
) -> (Done, Times) {
    let count = templates.len();
    let mut answer = vec![0_u8; 16 << 10];
    let (mut done, mut times) = (Done::default(), Times::default());
    let address = stream.peer_addr().unwrap();
    let mut stream = Some(stream);
    let interval = load
        .rate
        .map(|rate| Duration::from_secs_f64((load.batch * load.connections) as f64 / rate));
    let mut due = interval.map_or(Duration::ZERO, |interval| {
        interval.mul_f64(index as f64 / load.connections as f64)
    });
    for turn in 0.. {
        if let Some(interval) = interval {
            // Not past the end: a slot there is not sent any more, and would only stretch the time
            // that the events are divided by.
            tokio::time::sleep_until((start + due.min(length)).into()).await;
            // What an outage held back is not caught up with: the rate is the highest asked for.
            due = (due + interval).max(start.elapsed().saturating_sub(interval));
        }
        if start.elapsed() >= length {
            break;
        }
        let request = &mut templates[turn % count];
        let first = ledger.next.fetch_add(load.batch as u64, Relaxed);
        request.number(first);
        let sent = Instant::now();
        let answered = exchange(&mut stream, address, &request.bytes, &mut answer).await;
        let micros = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
        match answered {
            Ok(true) => {
                times.acknowledged.push(micros);
                done.events += load.batch as u64;
                done.bytes += request.event_bytes;
                for number in first..first + load.batch as u64 {
                    ledger.acknowledged.add(number);
                }
            }
            Ok(false) => {
                times.refused.push(micros);
                done.refused += 1;
                tokio::time::sleep(load.after_refusal).await;
            }
            Err(_) => {
                (done.refused, done.failed) = (done.refused + 1, done.failed + 1);
                stream = None;
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    (done, times)
}

/// A request and where in it numbers and the address stand.
#[derive(Clone)]
struct Request {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    address: usize,
    /// Bytes of its events alone.
    event_bytes: u64,
}

impl Request {
    fn new(load: Load, seed: usize) -> Self {
        let events: Vec<String> =
            (0..load.batch).map(|n| event(seed * load.batch.max(8) + n)).collect();
        let event_bytes = events.iter().map(|event| event.len() as u64).sum();
        let body =
            if load.batch == 1 { events.concat() } else { format!("[{}]", events.join(",")) };
        let (encoding, body) = match load.gzip {
            true => ("Content-Encoding: gzip\r\n", gzip(body.as_bytes())),
            false => ("", body.into_bytes()),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             X-Forwarded-For: {ADDRESS}\r\n{encoding}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            load.path,
            body.len()
        );
        let address = head.find(ADDRESS).unwrap_or_default();
        let bytes = [head.as_bytes(), &body].concat();
        let stands_here = |at: &usize| bytes[*at..].starts_with(NUMBER.as_bytes());
        let numbers = (head.len()..bytes.len()).filter(stands_here).collect();
        Self { bytes, numbers, address, event_bytes }
    }

    /// Gives its events the numbers from there on, and an address of 10,000.
    fn number(&mut self, first: u64) {
        for (number, at) in (first..).zip(&self.numbers) {
            let mut rest = number;
            for digit in self.bytes[*at..*at + NUMBER.len()].iter_mut().rev() {
                *digit = b"0123456789abcdef"[(rest % 16) as usize];
                rest /= 16;
            }
        }
        let mut rest = first % 10_000;
        for at in [14, 13, 10, 9] {
            self.bytes[self.address + at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// An event of about 250 bytes; the same seed makes the same one.
pub fn event(seed: usize) -> String {
    // Spread without a random generator: a multiplicative hash.
    let spread = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let types = ["impression", "impression", "impression", "click", "conversion"];
    let devices = ["desktop", "mobile", "tablet"];
    let countries = ["DE", "US", "IN", "BR"];
    format!(
        r#"{{"event_id":"b-{NUMBER}","event_type":"{}","user_id":"u-{:012x}","campaign_id":"campaign-{}","created_at":"2026-11-21T{:02}:{:02}:{:02}Z","geo_country":"{}","device_type":"{}","meta_data":{{"path":"/presentations/{}/kibana.png","s":{}}}}}"#,
        types[seed % types.len()],
        spread % (1 << 48),
        spread % 50,
        8 + spread % 4,
        spread % 60,
        (spread >> 8) % 60,
        countries[(spread >> 4) as usize % countries.len()],
        devices[(spread >> 6) as usize % devices.len()],
        (spread >> 3) % 997,
        (spread >> 5) % 100_000,
    )
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its answer; whether that was a 202.
async fn exchange(
    stream: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &[u8],
    answer: &mut [u8],
) -> Result<bool> {
    let stream = match stream {
        Some(stream) => stream,
        None => stream.insert(connect(address).await?),
    };
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        let count = stream.read(&mut answer[filled..]).await?;
        if count == 0 {
            return Err(Error::other("the server closed the connection"));
        }
        filled += count;
        if let Some(whole) = length(&answer[..filled]) {
            if filled >= whole {
                return Ok(answer.starts_with(b"HTTP/1.1 202"));
            }
            if whole > answer.len() {
                return Err(Error::other("the answer is too long"));
            }
        }
    }
}

/// Bytes of the whole answer, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut lines = answer[..head].split(|byte| *byte == b'\n');
    let body = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME)
            .then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    Some(head + 4 + body.unwrap_or(0))
}
