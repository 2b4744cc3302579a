//! Closed-loop load: every connection sends, waits for the whole answer, sends again.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An event of 243 bytes; the zeros of its id are filled in.
const EVENT: &str = r#"{"event_id":"b-0000000000000000","event_type":"impression","user_id":"u-e7d524b842e6","campaign_id":"presentations","created_at":"2015-05-17T10:05:03Z","device_type":"desktop","meta_data":{"path":"/presentations/logstash/kibana.png","s":2000}}"#;
const ID: &str = "0000000000000000";
/// The next id: no two events of one run have the same.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A form of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    path: &'static str,
    connections: usize,
    batch: usize,
}

impl Load {
    pub(crate) const SINGLE: Self = Self { path: "/event", connections: 64, batch: 1 };
    pub(crate) const BATCH: Self = Self { path: "/events/batch", connections: 32, batch: 100 };
}

pub(crate) struct Done {
    pub(crate) events: f64,
    pub(crate) seconds: f64,
    pub(crate) p99_ms: f64,
}

/// Runs the load that long.
pub(crate) fn run(address: SocketAddr, load: Load, length: Duration) -> Result<Done> {
    assert_eq!(EVENT.len(), 243);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let end = start + length;
        let mut running = JoinSet::new();
        for _ in 0..load.connections {
            running.spawn(connection(address, load, end));
        }
        let mut times = Vec::new();
        while let Some(ended) = running.join_next().await {
            times.extend(ended.map_err(Error::other)??);
        }
        let seconds = start.elapsed().as_secs_f64();
        times.sort_unstable();
        let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
        let events = f64::from(u32::try_from(times.len() * load.batch).unwrap_or(u32::MAX));
        Ok(Done { events, seconds, p99_ms: p99.as_secs_f64() * 1e3 })
    })
}

async fn connection(address: SocketAddr, load: Load, end: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut request, ids) = request(load);
    let mut answer = vec![0_u8; 64 << 10];
    let mut times = Vec::with_capacity(1 << 16);
    while Instant::now() < end {
        for at in &ids {
            let digits = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
            request[*at..at + ID.len()].copy_from_slice(&digits.as_bytes()[..ID.len()]);
        }
        let sent = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        times.push(sent.elapsed());
    }
    Ok(times)
}

/// A request and where its ids stand.
fn request(load: Load) -> (Vec<u8>, Vec<usize>) {
    let body = match load.batch {
        1 => EVENT.to_owned(),
        count => format!("[{}]", vec![EVENT; count].join(",")),
    };
    let text = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        load.path,
        body.len()
    );
    let ids = text.match_indices(ID).map(|(at, _)| at).collect();
    (text.into_bytes(), ids)
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err(Error::other("the server closed the connection"));
        }
        filled += count;
        let Some(head) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n")
        else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]);
        if !text.starts_with("HTTP/1.1 202") {
            let shown = String::from_utf8_lossy(&buffer[..filled]);
            return Err(Error::other(format!("not accepted: {shown}")));
        }
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if filled >= head + 4 + length.unwrap_or(0) {
            return Ok(());
        }
    }
}
