//! The whole embedded server, collector to row and archive, at a fixed rate: CPU an event, beside the
//! sum of what its parts cannot do without (`floors`).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::embedded::{Embedded, bare, first_event};
use crate::floors::{Floors, NAMES};
use crate::load::{self, Done, Load};
use crate::process::{Process, answer_of_child, pause, wait};
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};

/// Events a second, in batches of 100.
const RATE: f64 = 25_000.0;
const LOAD: Load = Load::steady(RATE, 100).over(16);

/// What a round saw of the server beside its CPU.
#[derive(Default)]
struct Seen {
    start_ms: Rounds,
    idle_mb: Rounds,
    accepted: Rounds,
    behind: Rounds,
    lag_seconds: Rounds,
    resident_mb: Rounds,
}

/// A finished run on its directory.
struct Run {
    cpu_micros: f64,
    /// Events of a transaction of the worker, on average.
    rows_a_batch: f64,
}

pub fn run(bench: &mut Bench) -> Report {
    let (mut compared, mut seen) = (Compared::default(), Seen::default());
    let mut parts: [Rounds; NAMES.len()] = std::array::from_fn(|_| Rounds::default());
    let mut at_door = Rounds::default();
    for _ in 0..bench.scale.rounds {
        let begun = Instant::now();
        // Kept, so that what was written to them can be looked at.
        let server = Embedded::start(bench, &[], &[("EVP__LOG__RETENTION", "1h")], "");
        seen.start_ms.add(first_event(&server.process, begun).as_secs_f64() * 1e3);
        let run = loaded(bench, &server, &mut seen);
        let data_dir = server.data_dir();
        let folder = server.stop();
        let door = door(bench);
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let floors = floors(&data_dir, &scratch, run.rows_a_batch);
        at_door.add(door);
        for (part, of_it) in parts.iter_mut().zip(floors.micros_an_event) {
            part.add(of_it);
        }
        compared.add(run.cpu_micros, door + floors.micros_an_event.iter().sum::<f64>());
    }
    let mut details = seen.lines(&compared);
    details.push("\n| floor, us of CPU an event | median |\n|---|---|".into());
    details.push(format!(
        "| bare hyper handler, the same requests at the same rate | {:.2} |",
        at_door.median()
    ));
    for (name, part) in NAMES.iter().zip(&parts) {
        details.push(format!("| {name} | {:.2} |", part.median()));
    }
    Report {
        rows: vec![Row::ratio(
            "whole pipeline, 25,000 events/s in batches of 100: us of CPU an event",
            "the sum of its floors",
            compared,
            Goal::AtMost(1.5, Some(1.2)),
        )],
        details,
        note: "\
CPU of all of `evp serve` from the first request until every event is a row and in the archive. Its floors are
what the work cannot do without, by the same libraries, with the allocator and settings of the server, in
sizes that this very run had, without our code between: the requests through a bare hyper handler; the groups
that the log wrote to the raw and the processed topic again by `pwritev2` with `RWF_DSYNC` into files of zeros; the
rows again, values ready, into SQLite with the same tables and indexes in transactions as large, with one ready
upsert for each roll-up that such a transaction changes; the marks again into theirs, a transaction for each
append to the processed topic; the archive's bytes again through zstd at level 3 into synced files. Not in
them: parsing and checking JSON, making canonical events and lines of the archive, reading the log back,
checksums, offsets, the zeros of the next segment.",
        ..Report::default()
    }
}

/// The load, until all of it is a row and in the archive.
fn loaded(bench: &Bench, server: &Embedded, seen: &mut Seen) -> Run {
    let (process, data_dir) = (&server.process, server.data_dir());
    pause(Duration::from_secs(if bench.scale.is_short { 1 } else { 3 }));
    seen.idle_mb.add(process.resident_mb());
    let batches_before = process.metric("evp_worker_batches_total");
    let before = process.cpu();
    let done = steady(bench, process);
    let all = done.events + 1;
    seen.behind.add(all.saturating_sub(rows(&data_dir)) as f64);
    let finished = Instant::now();
    assert!(wait(Duration::from_secs(120), || rows(&data_dir) >= all), "lag does not end");
    seen.lag_seconds.add(finished.elapsed().as_secs_f64());
    let archived = || process.metric("evp_archiver_records_total") as u64 >= all;
    assert!(wait(Duration::from_secs(60), archived), "the archive does not get all of it");
    let cpu = process.cpu() - before;
    seen.accepted.add(done.events as f64 / done.seconds);
    seen.resident_mb.add(process.resident_mb());
    let batches = process.metric("evp_worker_batches_total") - batches_before;
    Run { cpu_micros: cpu * 1e6 / done.events as f64, rows_a_batch: done.events as f64 / batches }
}

fn steady(bench: &Bench, server: &Process) -> Done {
    let done = load::run(server.http(), LOAD, bench.scale.steady, &bench.ledger).unwrap();
    assert_eq!(done.refused, 0, "every request is answered with 202");
    done
}

/// The same requests to the bare handler: microseconds an event.
fn door(bench: &Bench) -> f64 {
    let server = bare();
    let before = server.cpu();
    let done = steady(bench, &server);
    (server.cpu() - before) * 1e6 / done.events as f64
}

fn floors(data_dir: &Path, scratch: &Path, rows_a_batch: f64) -> Floors {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let rows = (rows_a_batch.round().max(1.0) as usize).to_string();
    answer_of_child("", &["floors", &path(data_dir), &path(scratch), &rows])
}

fn rows(data_dir: &Path) -> u64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(data_dir.join("store.db"), flags).unwrap();
    let sql = "SELECT MAX(rowid) FROM raw_events";
    let rows: Result<Option<i64>, _> = store.query_row(sql, [], |row| row.get(0));
    rows.ok().flatten().unwrap_or(0).try_into().unwrap()
}

impl Seen {
    fn lines(&self, compared: &Compared) -> Vec<String> {
        vec![
            format!(
                "medians: {} events/s accepted of {}, {} us of CPU an event; {} rows behind at the end, lag 0 after {:.2} s",
                figure(self.accepted.median()),
                figure(RATE),
                figure(compared.ours.median()),
                figure(self.behind.median()),
                self.lag_seconds.median()
            ),
            format!(
                "start to first 202 {:.0} ms, {:.1} MB idle, {:.0} MB under that load",
                self.start_ms.median(),
                self.idle_mb.median(),
                self.resident_mb.median()
            ),
        ]
    }
}
