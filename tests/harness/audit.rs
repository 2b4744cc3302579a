//! The tests' own audit of a data directory, by event id, from the files themselves: what
//! `evp verify` says must agree with it, and it must not depend on `evp verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::load::Sent;
use super::{evp, said};

/// Waits for lag 0 by `evp verify`, then holds every promise against the files.
/// `context` names the run in messages.
pub fn assert_promise(data_dir: &Path, sent: &Sent, context: &str) {
    let verify = evp(data_dir, &["verify", "--wait", "60s", "-o", "json"]);
    let faults = faults(data_dir, sent);
    assert!(
        faults.is_empty(),
        "{context}: {} faults:\n{}\nverify said: {}",
        faults.len(),
        faults[..faults.len().min(20)].join("\n"),
        said(&verify)
    );
    assert!(verify.status.success(), "{context}: verify: {}", said(&verify));
}

/// What does not hold; empty when all does.
pub fn faults(data_dir: &Path, sent: &Sent) -> Vec<String> {
    let store = Connection::open_with_flags(
        data_dir.join("store.db"),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .expect("store.db opens");
    let ids = |sql: &str| -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let mut statement = store.prepare(sql).expect("the store has the contract's tables");
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            *counts.entry(row.get::<_, String>(0).unwrap()).or_default() += 1;
        }
        counts
    };
    let rows = ids("SELECT event_id FROM raw_events");
    let decided =
        ids("SELECT event_id FROM event_decisions WHERE outcome IN ('blocked', 'rate_limited')");
    let dead = ids("SELECT event_id FROM dead_letters WHERE resolved_at IS NULL");
    let mut faults = Vec::new();
    for id in &sent.acknowledged {
        let outcomes = [rows.get(id), decided.get(id), dead.get(id)];
        if outcomes.iter().all(Option::is_none) {
            faults.push(format!("lost: {id}"));
        }
        if rows.get(id).is_some_and(|count| *count > 1) {
            faults.push(format!("doubled: {id}"));
        }
    }
    let known: BTreeSet<&String> = sent.acknowledged.iter().chain(&sent.unknown).collect();
    faults.extend(rows.keys().filter(|id| !known.contains(id)).map(|id| format!("ghost: {id}")));
    faults.extend(rollup_faults(&store));
    faults.extend(origin_faults(&store));
    faults.extend(archive_faults(data_dir, sent));
    faults
}

fn rollup_faults(store: &Connection) -> Vec<String> {
    let counted = "SELECT campaign_id, strftime('%Y-%m-%dT%H:00:00', created_at) AS hour,
            SUM(event_type = 'impression'), SUM(event_type = 'click'), SUM(event_type = 'conversion')
        FROM raw_events WHERE campaign_id IS NOT NULL GROUP BY 1, 2";
    let rolled = "SELECT campaign_id, strftime('%Y-%m-%dT%H:00:00', hour_bucket),
            total_impressions, total_clicks, total_conversions FROM campaign_stats";
    let read = |sql: &str| -> BTreeMap<(String, String), (i64, i64, i64)> {
        let mut statement = store.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| {
                let key = (row.get(0)?, row.get(1)?);
                Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?)))
            })
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let (counted, rolled) = (read(counted), read(rolled));
    let keys: BTreeSet<_> = counted.keys().chain(rolled.keys()).collect();
    keys.into_iter()
        .filter(|key| counted.get(*key) != rolled.get(*key))
        .map(|key| {
            format!(
                "roll-up {key:?}: {:?} by rows, {:?} by roll-up",
                counted.get(key),
                rolled.get(key)
            )
        })
        .collect()
}

fn origin_faults(store: &Connection) -> Vec<String> {
    let sql = "SELECT origin, COUNT(*) FROM event_outcomes GROUP BY origin HAVING COUNT(*) > 1";
    let mut statement = store.prepare(sql).expect("the store has the view event_outcomes");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|origin| format!("origin with two outcomes: {}", origin.unwrap())).collect()
}

/// Every acknowledged id is archived, and every archived offset is there once.
fn archive_faults(data_dir: &Path, sent: &Sent) -> Vec<String> {
    let mut archived = BTreeSet::new();
    let mut places = BTreeSet::new();
    let mut faults = Vec::new();
    let mut files = Vec::new();
    collect(&data_dir.join("archive/events"), &mut files);
    for file in files {
        let bytes = bytes::Bytes::from(std::fs::read(&file).unwrap());
        match evp::pipeline::archive_format::read_segment(&bytes) {
            Ok((_, records)) => {
                for record in records {
                    let place = (record.topic_id, record.partition, record.offset);
                    if !places.insert(place) {
                        faults.push(format!("archived twice: {place:?}"));
                    }
                    let id = record.record.headers.text(&evp::model::HeaderName::EventId);
                    archived.extend(id.map(str::to_owned));
                }
            }
            Err(error) => faults.push(format!("{}: {error}", file.display())),
        }
    }
    let missing = sent.acknowledged.iter().filter(|id| !archived.contains(*id));
    faults.extend(missing.map(|id| format!("not archived: {id}")));
    faults
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "zst") {
            files.push(path);
        }
    }
}
