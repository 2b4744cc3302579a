//! The embedded log against the disk it lies on: bytes a second of 64 writers that append single
//! events and wait for each, beside a raw loop of synced writes of the same group size into a file
//! of zeros in the same directory. Both run in this process.

use std::fs::File;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evp::backends::embedded::{EmbeddedLog, EmbeddedLogOptions};
use evp::model::{HeaderName, RecordBatchBuilder, Timestamp, Topic};
use evp::ports::{EventLog, SystemClock};
use rustix::io::ReadWriteFlags;
use tokio::runtime::{Builder, Runtime};

use crate::bench::Bench;
use crate::process::own_cpu_seconds;
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};

const WRITERS: usize = 64;
const EVENT_BYTES: usize = 300;
const RAW_FILE_BYTES: u64 = 64 << 20;

/// Turns of log and floor in one round: the disk's moods change within seconds.
const TURNS: u32 = 10;

/// What the log did in some turns.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    bytes: f64,
    groups: f64,
    appends: f64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Written {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.groups += other.groups;
        self.appends += other.appends;
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
    }
}

pub fn run(bench: &mut Bench) -> Report {
    let directory = bench.folder();
    let topic = Topic::new("raw-events");
    let log = Arc::new(open(directory.path(), &topic));
    let runtime = Builder::new_current_thread().enable_all().build().expect("run");
    let length = Duration::from_secs(if bench.scale.is_short { 1 } else { 3 });
    // The first segments are small: let the log grow to its full size first.
    measure_log(&runtime, &log, &topic, length);
    let raw = raw_file(&directory.path().join("raw"), RAW_FILE_BYTES);
    let mut compared = Compared::default();
    let [mut group, mut appends, mut cpu] = std::array::from_fn(|_| Rounds::default());
    for _ in 0..bench.scale.rounds {
        let (mut ours, mut floor, mut floor_seconds) = (Written::default(), 0.0, 0.0);
        for _ in 0..TURNS {
            let turn = measure_log(&runtime, &log, &topic, length / TURNS);
            let (bytes, seconds) = measure_raw(&raw, turn.bytes / turn.groups, length / TURNS);
            ours.add(turn);
            floor += bytes;
            floor_seconds += seconds;
        }
        compared.add(ours.bytes / ours.seconds, floor / floor_seconds);
        group.add(ours.bytes / ours.groups);
        appends.add(ours.appends / ours.seconds);
        cpu.add(ours.cpu_seconds * 1e6 / ours.appends);
    }
    log.close();
    Report {
        rows: vec![Row::ratio(
            "log, 64 writers of 300-byte events: bytes/s",
            "raw `dsync`",
            compared,
            Goal::AtLeast(0.90, Some(0.97)),
        )],
        details: vec![format!(
            "medians: {} appends/s, {} bytes a group, {} us of CPU an append, generator included",
            figure(appends.median()),
            figure(group.median()),
            figure(cpu.median())
        )],
        note: "\
Floor: one thread that writes groups of the size that the log has just made by `pwritev2` with `RWF_DSYNC`
into a file of zeros in the same directory; the two take ten turns in each round.",
        ..Report::default()
    }
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

/// A file of zeros on the disk, to be written over.
pub fn raw_file(path: &Path, bytes: u64) -> File {
    std::fs::write(path, vec![0; bytes as usize]).expect("zeros");
    let file = File::options().write(true).open(path).expect("raw file");
    file.sync_all().expect("sync");
    file
}

fn measure_log(
    runtime: &Runtime,
    log: &Arc<EmbeddedLog>,
    topic: &Topic,
    length: Duration,
) -> Written {
    let (bytes_before, groups_before) = log.synced(topic);
    let cpu_before = own_cpu_seconds();
    let started = Instant::now();
    let appends: u64 = runtime.block_on(async {
        let writers = (0..WRITERS).map(|writer| write(log, topic, writer, started + length));
        futures_util::future::join_all(writers).await.into_iter().sum()
    });
    let seconds = started.elapsed().as_secs_f64();
    let (bytes, groups) = log.synced(topic);
    Written {
        bytes: (bytes - bytes_before) as f64,
        groups: (groups - groups_before) as f64,
        appends: appends as f64,
        seconds,
        cpu_seconds: own_cpu_seconds() - cpu_before,
    }
}

async fn write(log: &EmbeddedLog, topic: &Topic, writer: usize, end: Instant) -> u64 {
    let value = vec![b'x'; EVENT_BYTES];
    let key = writer.to_string();
    let mut appends = 0;
    while Instant::now() < end {
        let mut builder = RecordBatchBuilder::with_capacity(EVENT_BYTES + 128);
        let headers: [(&HeaderName, &[u8]); 1] =
            [(&HeaderName::Origin, b"0197a3f2b1c07def8a4e5b6c7d8e9f00")];
        builder.push(key.as_bytes(), &value, Timestamp::from_millis_clamped(0), &headers);
        log.append(topic, builder.finish()).await.expect("append");
        appends += 1;
    }
    appends
}

/// What the raw loop wrote, and in how many seconds.
fn measure_raw(file: &File, group_bytes: f64, length: Duration) -> (f64, f64) {
    let group = vec![b'r'; group_bytes as usize];
    let started = Instant::now();
    let mut position = 0;
    let mut written = 0;
    while started.elapsed() < length {
        written += write_synced(file, &group, &mut position, RAW_FILE_BYTES);
    }
    (written as f64, started.elapsed().as_secs_f64())
}

/// Writes the group at the position, or from the start where the file ends; returns its bytes.
pub fn write_synced(file: &File, group: &[u8], position: &mut u64, file_bytes: u64) -> u64 {
    if *position + group.len() as u64 > file_bytes {
        *position = 0;
    }
    let slices = [IoSlice::new(group)];
    let count = rustix::io::pwritev2(file, &slices, *position, ReadWriteFlags::DSYNC);
    let count = count.expect("raw write") as u64;
    *position += count;
    count
}
