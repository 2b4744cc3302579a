//! The whole embedded pipeline, collector to row: events a second sustained with the generator on
//! the same machine, the time until lag 0 after its end, start-up time and memory.
//!
//! `cargo bench --bench serve`. Prints figures and asserts none.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark talks and may fail")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BATCH: u64 = 100;
const CONNECTIONS: u64 = 8;
const SECONDS: u64 = 20;

fn main() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let started = Instant::now();
    let mut server = serve(&data_dir);
    let (http, admin) = addresses(&data_dir);
    post(&http, "/event", &event(u64::MAX));
    println!("start to first 202        {:>10.0} ms", started.elapsed().as_secs_f64() * 1e3);
    pause(Duration::from_secs(3));
    println!("idle resident             {:>10.1} MB", resident_mb(server.id()));

    let rate = 25_000;
    let begun = Instant::now();
    let cpu_before = cpu_seconds(server.id());
    let sent = load(&http, rate);
    let sending = begun.elapsed().as_secs_f64();
    let rows_at_end = rows(&data_dir);
    let finished = Instant::now();
    while rows(&data_dir) < sent + 1 {
        assert!(finished.elapsed() < Duration::from_secs(120), "lag does not end");
        pause(Duration::from_millis(20));
    }
    println!("asked for                 {rate:>10} events/s in batches of {BATCH}");
    println!("accepted                  {:>10.0} events/s", sent as f64 / sending);
    println!("rows behind at the end    {:>10}", sent + 1 - rows_at_end);
    println!("lag 0 after               {:>10.2} s", finished.elapsed().as_secs_f64());
    let cpu = cpu_seconds(server.id()) - cpu_before;
    println!("server CPU an event       {:>10.2} us", cpu * 1e6 / sent as f64);
    println!("resident under load       {:>10.1} MB", resident_mb(server.id()));
    println!("admin                     {admin:>22}");
    server.kill().unwrap();
    server.wait().unwrap();
}

fn serve(data_dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_evp"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn addresses(data_dir: &Path) -> (String, String) {
    loop {
        if let Ok(text) = std::fs::read_to_string(data_dir.join("listen.json")) {
            let listen: serde_json::Value = serde_json::from_str(&text).unwrap();
            let at = |name: &str| listen[name].as_str().unwrap().to_owned();
            return (at("http"), at("admin"));
        }
        pause(Duration::from_millis(1));
    }
}

/// Sends at `rate` for [`SECONDS`] over several connections; how many events were acknowledged.
fn load(http: &str, rate: u64) -> u64 {
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let http = http.to_owned();
            std::thread::spawn(move || {
                let mut stream = Connection::open(&http);
                let begun = Instant::now();
                let interval = Duration::from_secs_f64((BATCH * CONNECTIONS) as f64 / rate as f64);
                let mut sent = 0;
                let mut due = Duration::ZERO;
                while due < Duration::from_secs(SECONDS) {
                    if let Some(wait) = due.checked_sub(begun.elapsed()) {
                        pause(wait);
                    }
                    let first = (connection << 40) + sent;
                    let events: Vec<String> = (first..first + BATCH).map(event).collect();
                    stream.post("/events/batch", &format!("[{}]", events.join(",")));
                    sent += BATCH;
                    due += interval;
                }
                sent
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

fn event(number: u64) -> String {
    format!(
        r#"{{"event_id":"e-{number:016x}","event_type":"click","user_id":"u-{}","campaign_id":"c-{}","geo_country":"DE","device_type":"mobile","created_at":"2026-11-21T10:{:02}:00Z","meta_data":{{"path":"/a/b/c","n":{number},"agent":"Mozilla/5.0 bench"}}}}"#,
        number % 10_007,
        number % 50,
        number % 60,
    )
}

struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(http: &str) -> Self {
        let stream = TcpStream::connect(http).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    fn post(&mut self, path: &str, body: &str) {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: evp\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = self.reader.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut status = String::new();
        self.reader.read_line(&mut status).unwrap();
        assert!(status.contains(" 202 "), "{status}");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.reader.read_exact(&mut answer).unwrap();
    }
}

fn post(http: &str, path: &str, body: &str) {
    Connection::open(http).post(path, body);
}

fn rows(data_dir: &Path) -> u64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(data_dir.join("store.db"), flags).unwrap();
    let sql = "SELECT MAX(rowid) FROM raw_events";
    let rows: Result<Option<i64>, _> = store.query_row(sql, [], |row| row.get(0));
    rows.ok().flatten().unwrap_or(0).try_into().unwrap()
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let fields: Vec<f64> =
        after.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    (fields[0] + fields[1]) / 100.0
}

#[expect(clippy::disallowed_methods, reason = "the generator waits for its schedule")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
