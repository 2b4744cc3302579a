//! The tests' own audit, by event id, from what lies in the store and in the archive: what
//! `evp verify` says must agree with it, and it must not depend on `evp verify`.
//!
//! [`Found`] is what was read, from the files of a data directory here, from Postgres and S3 in
//! `tests/services`; [`Found::faults`] holds it against what was sent.

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

/// What lies in a store and in its archive.
#[derive(Debug, Default)]
pub struct Found {
    /// How many rows each id has.
    pub rows: BTreeMap<String, u64>,
    /// Ids that were decided to be blocked or rate-limited.
    pub decided: BTreeMap<String, u64>,
    /// Ids with a dead letter that stands.
    pub dead: BTreeMap<String, u64>,
    /// Impressions, clicks, conversions of a campaign's hour, counted over the rows.
    pub counted: Hours,
    /// The same as the roll-ups have them.
    pub rolled: Hours,
    /// Origins with more than one outcome.
    pub double_origins: Vec<String>,
    /// Archived objects of `events/`: name and content.
    pub objects: Vec<(String, bytes::Bytes)>,
}

/// Origins that stand in two of the tables: the tables are asked and not the view `event_outcomes`,
/// which leaves out an outcome that a stronger one overrules.
pub const DOUBLE_ORIGINS: &str = "
    SELECT origin FROM (SELECT origin FROM raw_events
        UNION ALL SELECT origin FROM event_decisions
        UNION ALL SELECT origin FROM dead_letters WHERE resolved_at IS NULL) AS outcomes
    GROUP BY origin HAVING count(*) > 1";

/// Counts by campaign and hour.
pub type Hours = BTreeMap<(String, String), (i64, i64, i64)>;

/// What does not hold in a data directory; empty when all does.
pub fn faults(data_dir: &Path, sent: &Sent) -> Vec<String> {
    Found::in_directory(data_dir).faults(sent)
}

impl Found {
    fn in_directory(data_dir: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store =
            Connection::open_with_flags(data_dir.join("store.db"), flags).expect("store.db opens");
        let ids = |sql: &str| -> BTreeMap<String, u64> {
            let mut counts = BTreeMap::new();
            let mut statement = store.prepare(sql).expect("the store has the contract's tables");
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                *counts.entry(row.get::<_, String>(0).unwrap()).or_default() += 1;
            }
            counts
        };
        let mut files = Vec::new();
        collect(&data_dir.join("archive/events"), &mut files);
        Self {
            rows: ids("SELECT event_id FROM raw_events"),
            decided: ids(
                "SELECT event_id FROM event_decisions WHERE outcome IN ('blocked', 'rate_limited')",
            ),
            dead: ids("SELECT event_id FROM dead_letters WHERE resolved_at IS NULL"),
            counted: hours(
                &store,
                "SELECT campaign_id, strftime('%Y-%m-%dT%H:00:00', created_at) AS hour,
                    SUM(event_type = 'impression'), SUM(event_type = 'click'),
                    SUM(event_type = 'conversion')
                FROM raw_events WHERE campaign_id IS NOT NULL GROUP BY 1, 2",
            ),
            rolled: hours(
                &store,
                "SELECT campaign_id, strftime('%Y-%m-%dT%H:00:00', hour_bucket),
                    total_impressions, total_clicks, total_conversions FROM campaign_stats",
            ),
            double_origins: ids(DOUBLE_ORIGINS).into_keys().collect(),
            objects: files
                .into_iter()
                .map(|file| (file.display().to_string(), std::fs::read(&file).unwrap().into()))
                .collect(),
        }
    }

    /// What does not hold; empty when all does.
    pub fn faults(&self, sent: &Sent) -> Vec<String> {
        let mut faults = Vec::new();
        for id in &sent.acknowledged {
            let outcomes = [self.rows.get(id), self.decided.get(id), self.dead.get(id)];
            if outcomes.iter().all(Option::is_none) {
                faults.push(format!("lost: {id}"));
            }
            if self.rows.get(id).is_some_and(|count| *count > 1) {
                faults.push(format!("doubled: {id}"));
            }
        }
        let is_known = |id: &String| sent.acknowledged.contains(id) || sent.unknown.contains(id);
        faults.extend(self.rows.keys().filter(|id| !is_known(id)).map(|id| format!("ghost: {id}")));
        faults.extend(self.rollup_faults());
        faults.extend(
            self.double_origins.iter().map(|origin| format!("origin with two outcomes: {origin}")),
        );
        faults.extend(self.archive_faults(sent));
        faults
    }

    fn rollup_faults(&self) -> Vec<String> {
        let (counted, rolled) = (&self.counted, &self.rolled);
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

    /// Every acknowledged id is archived, and every archived offset is there once.
    fn archive_faults(&self, sent: &Sent) -> Vec<String> {
        let mut archived = BTreeSet::new();
        let mut places = BTreeSet::new();
        let mut faults = Vec::new();
        for (name, content) in &self.objects {
            match evp::pipeline::archive_format::read_segment(content) {
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
                Err(error) => faults.push(format!("{name}: {error}")),
            }
        }
        let missing = sent.acknowledged.iter().filter(|id| !archived.contains(*id));
        faults.extend(missing.map(|id| format!("not archived: {id}")));
        faults
    }
}

fn hours(store: &Connection, sql: &str) -> Hours {
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| {
            let key = (row.get(0)?, row.get(1)?);
            Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?)))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
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
