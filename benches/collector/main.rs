//! What the collector costs beside a bare hyper handler that reads the body and answers 202.
//!
//! The server runs in a child process and only its CPU counts (`/proc/<pid>/stat`), so that the
//! generator on the same machine does not. Rounds are interleaved and the median of each is told.
//! `cargo bench --bench collector -- [seconds a round] [rounds]`.

#![expect(clippy::print_stdout, reason = "a benchmark's answer goes to stdout")]

mod load;
mod servers;

use std::io::{BufRead, BufReader, Error, Result};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::Load;

/// Clock ticks a second of `/proc/<pid>/stat` on Linux.
const TICKS: f64 = 100.0;

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|text| text != "--bench").collect();
    match arguments.as_slice() {
        [serve, kind] if serve == "serve" => servers::serve(kind),
        [seconds, rounds] => compare(number(seconds)?, number(rounds)?),
        _ => compare(4, 3),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::other(format!("{text:?} is no number")))
}

fn compare(seconds: u64, rounds: u64) -> Result<()> {
    let runs = [
        ("bare hyper handler, single", "bare", Load::SINGLE),
        ("collector without a log, single", "no-log", Load::SINGLE),
        ("collector on the embedded log, single", "embedded", Load::SINGLE),
        ("collector without a log, batches of 100", "no-log", Load::BATCH),
        ("collector on the embedded log, batches of 100", "embedded", Load::BATCH),
    ];
    let mut results = vec![Vec::new(); runs.len()];
    for _ in 0..rounds {
        for ((_, kind, load), results) in runs.iter().zip(&mut results) {
            results.push(measure(kind, *load, Duration::from_secs(seconds))?);
        }
    }
    let mut floor = None;
    for ((name, _, load), results) in runs.iter().zip(&mut results) {
        results.sort_by(|left, right| left.per_cpu.total_cmp(&right.per_cpu));
        let median = &results[results.len() / 2];
        let floor = *floor.get_or_insert(median.per_cpu);
        // The floor is one event a request: batches have none.
        let ratio = if *load == Load::SINGLE {
            format!("ratio {:.2}", median.per_cpu / floor)
        } else {
            String::new()
        };
        println!(
            "{name:<48} {:>9.0} events/s  {:>9.0} events a CPU-s  {ratio:<10}  p99 {:.1} ms",
            median.rate, median.per_cpu, median.p99_ms
        );
    }
    Ok(())
}

#[derive(Debug, Clone)]
struct Measured {
    rate: f64,
    per_cpu: f64,
    p99_ms: f64,
}

fn measure(kind: &str, load: Load, length: Duration) -> Result<Measured> {
    let server = Server::start(kind)?;
    // The first second is for caches, connections and adaptive buffers.
    load::run(server.address, load, Duration::from_secs(1))?;
    let before = server.cpu_seconds()?;
    let done = load::run(server.address, load, length)?;
    let cpu = server.cpu_seconds()? - before;
    Ok(Measured {
        rate: done.events / done.seconds,
        per_cpu: done.events / cpu,
        p99_ms: done.p99_ms,
    })
}

/// A server in a process of its own, ended with this value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(|_| Error::other("the server did not start"))?;
        Ok(Self { child, address })
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks; user and system time are the 14th and 15th.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.map(std::result::Result::unwrap_or_default).sum::<f64>() / TICKS)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input closes, which is its word to end; a server that is gone is fine.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
