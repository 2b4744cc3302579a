//! What the parts behind the door cannot do without: the work that a run of the embedded server left
//! in its directory, done again by the same libraries without our code between. Everything is read
//! and ready before its clock starts; the clock is the processor time of this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::log::{raw_file, write_synced};
use crate::process::own_cpu_seconds;
use crate::segments::Written;

/// In the order of the figures.
pub const NAMES: [&str; 5] = [
    "synced writes of the raw topic's groups",
    "synced writes of the processed topic's groups",
    "inserts of the marks",
    "inserts of the rows, upserts of the roll-ups",
    "compressing and writing the archive",
];

/// Level and file size as the server has them.
const ZSTD_LEVEL: i32 = 3;
const RAW_FILE_BYTES: u64 = 64 << 20;
const COLUMNS: usize = 17;

#[derive(Debug, Serialize, Deserialize)]
pub struct Floors {
    pub micros_an_event: [f64; NAMES.len()],
}

/// Does all of it again; files are made in `scratch`.
pub fn measure(data_dir: &Path, scratch: &Path, rows_a_batch: usize) -> Floors {
    let raw = Written::of(data_dir, "raw-events");
    let processed = Written::of(data_dir, "processed-events");
    let events = raw.records as f64;
    assert_eq!(raw.records, processed.records, "every event was passed on");
    let marks_a_batch = (processed.records as usize).div_ceil(processed.frames);
    let seconds = [
        synced(&scratch.join("raw"), &raw.groups),
        synced(&scratch.join("processed"), &processed.groups),
        marks(&data_dir.join("state.db"), &scratch.join("state.db"), marks_a_batch),
        rows(&data_dir.join("store.db"), &scratch.join("store.db"), rows_a_batch),
        archive(&data_dir.join("archive/events"), scratch),
    ];
    Floors { micros_an_event: seconds.map(|seconds| seconds * 1e6 / events) }
}

fn timed(work: impl FnOnce()) -> f64 {
    let before = own_cpu_seconds();
    work();
    own_cpu_seconds() - before
}

fn synced(path: &Path, groups: &[usize]) -> f64 {
    let file = raw_file(path, RAW_FILE_BYTES);
    let bytes = vec![b'r'; groups.iter().copied().max().unwrap_or_default()];
    let mut position = 0;
    timed(|| {
        for group in groups {
            write_synced(&file, &bytes[..*group], &mut position, RAW_FILE_BYTES);
        }
    })
}

/// A database with the settings of `src/backends/embedded/sqlite.rs`, but steps of 16 MiB into its
/// file (a floor need not care who waits for the disk), and those tables of another one that begin
/// with the names, empty.
fn like(other: &Connection, names: &[&str], path: &Path) -> Connection {
    let new = Connection::open(path).unwrap();
    new.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    new.pragma_update(None, "synchronous", "NORMAL").unwrap();
    new.pragma_update_and_check(None, "wal_autocheckpoint", 4096, |_| Ok(())).unwrap();
    new.pragma_update(None, "cache_size", -8 * 1024).unwrap();
    new.pragma_update(None, "cache_spill", false).unwrap();
    new.pragma_update(None, "temp_store", "MEMORY").unwrap();
    for name in names {
        // Tables before their indexes.
        let mut select = other
            .prepare(
                "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 AND sql IS NOT NULL
                  ORDER BY type DESC",
            )
            .unwrap();
        let steps = select.query_map([name], |row| row.get::<_, String>(0)).unwrap();
        steps.for_each(|step| new.execute_batch(&step.unwrap()).unwrap());
    }
    new
}

/// All rows of a query.
fn all(of: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut select = of.prepare(sql).unwrap();
    let columns = select.column_count();
    let rows = select.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

fn marks(ours: &Path, path: &Path, a_batch: usize) -> f64 {
    let ours = Connection::open(ours).unwrap();
    let mut new = like(&ours, &["marks"], path);
    let marks = all(&ours, "SELECT seq, event_id, origin, received_at FROM marks ORDER BY seq");
    timed(|| {
        for batch in marks.chunks(a_batch) {
            let transaction = new.transaction().unwrap();
            let sql = "INSERT INTO marks (seq, event_id, origin, received_at) VALUES (?, ?, ?, ?)";
            let mut insert = transaction.prepare_cached(sql).unwrap();
            for mark in batch {
                insert.execute(params_from_iter(mark)).unwrap();
            }
            drop(insert);
            transaction.commit().unwrap();
        }
    })
}

/// What one transaction adds to a roll-up: campaign, hour, impressions, clicks, conversions, events.
type Rollup = (String, String, [i64; 4]);

fn rows(ours: &Path, path: &Path, a_batch: usize) -> f64 {
    let ours = Connection::open(ours).unwrap();
    let mut new = like(&ours, &["raw_events", "campaign_stats"], path);
    let rows = all(&ours, "SELECT * FROM raw_events ORDER BY rowid");
    assert!(rows.iter().all(|row| row.len() == COLUMNS), "the floor knows the columns");
    let batches: Vec<(&[Vec<Value>], Vec<Rollup>)> =
        rows.chunks(a_batch).map(|batch| (batch, rollups(batch))).collect();
    let insert_row = format!("INSERT INTO raw_events VALUES (?{})", ", ?".repeat(COLUMNS - 1));
    timed(|| {
        for (batch, rollups) in &batches {
            let transaction = new.transaction().unwrap();
            let mut insert = transaction.prepare_cached(&insert_row).unwrap();
            for row in *batch {
                insert.execute(params_from_iter(row)).unwrap();
            }
            let mut add = transaction.prepare_cached(ADD_ROLLUP).unwrap();
            for (campaign, hour, [impressions, clicks, conversions, events]) in rollups {
                add.execute((campaign, hour, impressions, clicks, conversions, events)).unwrap();
            }
            drop((insert, add));
            transaction.commit().unwrap();
        }
    })
}

const ADD_ROLLUP: &str = "
    INSERT INTO campaign_stats (campaign_id, hour_bucket, total_impressions, total_clicks,
            total_conversions, total_events)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (campaign_id, hour_bucket) DO UPDATE SET
            total_impressions = total_impressions + excluded.total_impressions,
            total_clicks = total_clicks + excluded.total_clicks,
            total_conversions = total_conversions + excluded.total_conversions,
            total_events = total_events + excluded.total_events";

fn rollups(batch: &[Vec<Value>]) -> Vec<Rollup> {
    let text = |row: &[Value], at: usize| match &row[at] {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    let mut counts: BTreeMap<(String, String), [i64; 4]> = BTreeMap::new();
    for row in batch {
        let (event_type, campaign, created_at) = (text(row, 3), text(row, 5), text(row, 10));
        let hour = format!("{}:00:00.000Z", created_at.get(..13).unwrap_or_default());
        let of_it = counts.entry((campaign, hour)).or_default();
        let kind =
            ["impression", "click", "conversion"].iter().position(|name| *name == event_type);
        if let Some(kind) = kind {
            of_it[kind] += 1;
        }
        of_it[3] += 1;
    }
    counts.into_iter().map(|((campaign, hour), counts)| (campaign, hour, counts)).collect()
}

fn archive(folder: &Path, scratch: &Path) -> f64 {
    let mut objects = Vec::new();
    files(folder, &mut objects);
    let texts: Vec<Vec<u8>> = objects
        .iter()
        .map(|object| zstd::stream::decode_all(File::open(object).unwrap()).unwrap())
        .collect();
    timed(|| {
        for (number, text) in texts.iter().enumerate() {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
            encoder.write_all(text).unwrap();
            let bytes = encoder.finish().unwrap();
            let mut file = File::create(scratch.join(format!("{number}.zst"))).unwrap();
            file.write_all(&bytes).unwrap();
            file.sync_all().unwrap();
        }
    })
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "zst") {
            into.push(path);
        }
    }
}
