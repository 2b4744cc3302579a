//! The embedded log against the disk it lies on: bytes a second of 64 writers that append single
//! events and wait for each, beside a raw loop of synced writes of the same group size into a file
//! of zeros in the same directory. Rounds alternate, so that both meet the same disk; medians.
//!
//! `EVP_BENCH_DIR` chooses the directory (default: the system's temporary one), `EVP_BENCH_ROUNDS`
//! the number of rounds (default 5, of one second each).

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails loudly"
)]

use std::fs::File;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evp::backends::embedded::{EmbeddedLog, EmbeddedLogOptions};
use evp::model::{HeaderName, RecordBatchBuilder, Timestamp, Topic};
use evp::ports::{EventLog, SystemClock};
use rustix::io::ReadWriteFlags;

const WRITERS: usize = 64;
const EVENT_BYTES: usize = 300;
const ROUND: Duration = Duration::from_secs(1);
const RAW_FILE_BYTES: u64 = 64 << 20;

/// What one round measured.
#[derive(Debug, Clone, Copy)]
struct Round {
    bytes_per_second: f64,
    group_bytes: f64,
    appends_per_second: f64,
    cpu_micros_per_append: f64,
}

fn main() {
    let parent = std::env::var_os("EVP_BENCH_DIR").unwrap_or_else(|| std::env::temp_dir().into());
    let rounds = std::env::var("EVP_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let directory = tempfile::tempdir_in(parent).expect("directory");
    let topic = Topic::new("raw-events");
    let log = Arc::new(open(directory.path(), &topic));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("run");
    // The first segments are small: let the log grow to its full size first.
    measure_log(&runtime, &log, &topic);
    let raw_file = raw_file(directory.path());
    let (mut logs, mut raws) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let round = measure_log(&runtime, &log, &topic);
        raws.push(measure_raw(&raw_file, round.group_bytes));
        logs.push(round);
    }
    let log_rate = median(logs.iter().map(|round| round.bytes_per_second));
    let raw_rate = median(raws.iter().copied());
    println!("group         {:>9.0} B", median(logs.iter().map(|round| round.group_bytes)));
    println!("appends       {:>9.0} /s", median(logs.iter().map(|r| r.appends_per_second)));
    println!(
        "cpu           {:>9.2} us/append",
        median(logs.iter().map(|r| r.cpu_micros_per_append))
    );
    println!("log           {:>9.2} MB/s", log_rate / 1e6);
    println!("raw dsync     {:>9.2} MB/s", raw_rate / 1e6);
    println!("log / raw     {:>9.3}    (goal 0.90)", log_rate / raw_rate);
    log.close();
}

fn open(directory: &Path, topic: &Topic) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedLogOptions {
        directory: directory.join("log"),
        settings: evp::settings::Log::default(),
        topics: vec![topic.clone()],
        door: topic.clone(),
        readers: Vec::new(),
        keepers: Vec::new(),
        clock: Arc::new(SystemClock),
    })
    .expect("open the log")
}

fn raw_file(directory: &Path) -> File {
    let path = directory.join("raw");
    let zeros = vec![0; usize::try_from(RAW_FILE_BYTES).expect("small")];
    std::fs::write(&path, zeros).expect("zeros");
    let file = File::options().write(true).open(&path).expect("raw file");
    file.sync_all().expect("sync");
    file
}

#[expect(clippy::cast_precision_loss, reason = "counts of a second")]
fn measure_log(runtime: &tokio::runtime::Runtime, log: &Arc<EmbeddedLog>, topic: &Topic) -> Round {
    let (bytes_before, groups_before) = log.synced(topic);
    let cpu_before = cpu_micros();
    let started = Instant::now();
    let appends: u64 = runtime.block_on(async {
        let writers = (0..WRITERS).map(|writer| write(log, topic, writer, started));
        futures_util::future::join_all(writers).await.into_iter().sum()
    });
    let seconds = started.elapsed().as_secs_f64();
    let (bytes, groups) = log.synced(topic);
    let bytes = (bytes - bytes_before) as f64;
    Round {
        bytes_per_second: bytes / seconds,
        group_bytes: bytes / (groups - groups_before) as f64,
        appends_per_second: appends as f64 / seconds,
        cpu_micros_per_append: (cpu_micros() - cpu_before) / appends as f64,
    }
}

async fn write(log: &EmbeddedLog, topic: &Topic, writer: usize, started: Instant) -> u64 {
    let value = vec![b'x'; EVENT_BYTES];
    let key = writer.to_string();
    let mut appends = 0;
    while started.elapsed() < ROUND {
        let mut builder = RecordBatchBuilder::with_capacity(EVENT_BYTES + 128);
        let headers: [(&HeaderName, &[u8]); 1] =
            [(&HeaderName::Origin, b"0197a3f2b1c07def8a4e5b6c7d8e9f00")];
        builder.push(key.as_bytes(), &value, Timestamp::from_millis_clamped(0), &headers);
        log.append(topic, builder.finish()).await.expect("append");
        appends += 1;
    }
    appends
}

/// Bytes a second of the raw loop.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a group is some kilobytes"
)]
fn measure_raw(file: &File, group_bytes: f64) -> f64 {
    let group = vec![b'r'; group_bytes as usize];
    let started = Instant::now();
    let mut position = 0;
    let mut written = 0_u64;
    while started.elapsed() < ROUND {
        if position + group.len() as u64 > RAW_FILE_BYTES {
            position = 0;
        }
        let slices = [IoSlice::new(&group)];
        let count = rustix::io::pwritev2(file, &slices, position, ReadWriteFlags::DSYNC);
        let count = count.expect("raw write") as u64;
        position += count;
        written += count;
    }
    written as f64 / started.elapsed().as_secs_f64()
}

/// CPU time of this process, user and system; a tick is 10 ms on every Linux.
#[expect(clippy::cast_precision_loss, reason = "ticks of a few minutes")]
fn cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields[*at].parse::<u64>().ok()).sum();
    ticks as f64 * 10_000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
