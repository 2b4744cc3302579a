//! Real events end to end, with the figures of the data's README: 9,999 events of a web server's
//! log, of which the limit of 100 a minute and address stores 8,908.
//!
//! The data is no part of this project, so this is not part of `cargo test`:
//! `EVP_WEB_EVENTS=…/web-events.ndjson cargo test --test acceptance`. On one data directory here, on
//! real servers (`scripts/install-servers`) in `cluster`.

#![expect(clippy::unwrap_used, reason = "a failing test is the message")]

mod cluster;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../services/servers.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests/services, which uses the rest")]
mod servers;
#[path = "../services/faults/stand.rs"]
#[allow(dead_code, reason = "shared with tests/services, which uses the rest")]
mod stand;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::server::{Server, pause};
use harness::{evp, said};
use rusqlite::{Connection, OpenFlags};

struct Line {
    ip: String,
    event: String,
}

fn lines() -> Vec<Line> {
    let path = std::env::var("EVP_WEB_EVENTS").expect("EVP_WEB_EVENTS names web-events.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Line> = text.lines().map(line).collect();
    assert_eq!(lines.len(), 9_999);
    lines
}

fn line(text: &str) -> Line {
    #[derive(serde::Deserialize)]
    struct Parsed<'a> {
        ip: String,
        #[serde(borrow)]
        event: &'a serde_json::value::RawValue,
    }
    let parsed: Parsed<'_> = serde_json::from_str(text).unwrap();
    Line { ip: parsed.ip, event: parsed.event.get().to_owned() }
}

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    rows: u64,
    rolled_up: u64,
    /// `rate_limited` and `blocked` together: which of the two depends on when the ban stood.
    refused: u64,
    duplicate: u64,
}

fn figures(data_dir: &Path) -> Figures {
    let store = open(data_dir);
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64;
    Figures {
        rows: count("SELECT COUNT(*) FROM raw_events"),
        rolled_up: count(
            "SELECT COALESCE(SUM(total_impressions + total_clicks + total_conversions), 0) FROM campaign_stats",
        ),
        refused: count(
            "SELECT COUNT(*) FROM event_decisions WHERE outcome IN ('rate_limited', 'blocked')",
        ),
        duplicate: count("SELECT COUNT(*) FROM event_decisions WHERE outcome = 'duplicate'"),
    }
}

fn open(data_dir: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(data_dir.join("store.db"), flags).unwrap()
}

/// Waits for lag 0 and holds the figures against what is expected; `verify` must be clean.
fn assert_figures(data_dir: &Path, expected: &Figures, context: &str) {
    let verify = evp(data_dir, &["verify", "--wait", "120s"]);
    assert!(verify.status.success(), "{context}: {}", said(&verify));
    assert_eq!(figures(data_dir), *expected, "{context}");
}

fn post(agent: &ureq::Agent, url: String, ip: &str, body: String) {
    let answer = agent.post(url).header("X-Forwarded-For", ip).send(body).unwrap();
    assert_eq!(answer.status(), 202);
    let durability = answer.headers()["evp-durability"].to_str().unwrap();
    assert!(["local", "replicated"].contains(&durability), "{durability}");
}

/// Each line by itself, in the log's order.
fn send_singly(server: &Server, lines: &[Line]) {
    let agent = ureq::agent();
    for line in lines {
        post(&agent, format!("{}/event", server.url), &line.ip, line.event.clone());
    }
}

/// Each address's lines in batches.
fn send_in_batches(server: &Server, lines: &[Line]) {
    let mut by_address: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        by_address.entry(&line.ip).or_default().push(&line.event);
    }
    assert_eq!(by_address.len(), 1_753);
    let agent = ureq::agent();
    for (ip, events) in by_address {
        let body = format!("[{}]", events.join(","));
        post(&agent, format!("{}/events/batch", server.url), ip, body);
    }
}

/// The limit counts by minute, so the sending must lie within one.
fn wait_for_a_fresh_minute() {
    let seconds = || jiff::Timestamp::now().as_second().rem_euclid(60);
    while seconds() > 1 {
        pause(100);
    }
}

const LIMITED: &[(&str, &str)] = &[("IP_RATE_LIMIT_PER_MIN", "100")];

#[test]
fn under_the_limit_then_killed_then_again_then_replayed() {
    let lines = lines();
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start_with(&data_dir, &[], LIMITED);
    wait_for_a_fresh_minute();
    let minute = jiff::Timestamp::now().as_second() / 60;
    send_singly(&server, &lines);
    assert_eq!(jiff::Timestamp::now().as_second() / 60, minute, "too slow for one minute: void");
    let expected = Figures { rows: 8_908, rolled_up: 8_908, refused: 1_091, duplicate: 0 };
    assert_figures(&data_dir, &expected, "sent once");

    server.kill();
    let server = Server::start_with(&data_dir, &[], LIMITED);
    assert_figures(&data_dir, &expected, "after kill -9");

    send_in_batches(&server, &lines);
    let twice = Figures { rows: 8_908, rolled_up: 8_908, refused: 2_182, duplicate: 8_908 };
    assert_figures(&data_dir, &twice, "sent again as batches, bans in force");
    assert!(server.terminate().success());

    let empty = home.path().join("empty");
    let server = Server::start(&empty);
    replay_into(&empty, &data_dir);
    assert_figures(&empty, &twice, "replayed into an empty directory");
    replay_into(&empty, &data_dir);
    assert_figures(&empty, &twice, "replayed twice");
    assert_eq!(rows(&data_dir), rows(&empty), "the same rows");
    drop(server);
}

fn replay_into(target: &Path, source: &Path) {
    let mut files = Vec::new();
    collect(&source.join("archive"), &mut files);
    let mut arguments = vec!["replay", "--yes"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let replay = evp(target, &arguments);
    assert!(replay.status.success(), "{}", said(&replay));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn rows(data_dir: &Path) -> Vec<String> {
    let store = open(data_dir);
    let sql = "SELECT event_id || ' ' || origin || ' ' || ip_address || ' ' || created_at || ' '
        || meta_data FROM raw_events ORDER BY event_id";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn without_a_limit_all_are_stored_and_a_second_time_all_are_duplicates() {
    let lines = lines();
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir);
    send_in_batches(&server, &lines);
    let expected = Figures { rows: 9_999, rolled_up: 9_999, refused: 0, duplicate: 0 };
    assert_figures(&data_dir, &expected, "sent once as batches");
    send_in_batches(&server, &lines);
    let twice = Figures { duplicate: 9_999, ..expected };
    assert_figures(&data_dir, &twice, "sent twice");
}
