//! Somebody else holds a database: the log takes the events, memory stays, nobody is punished, and
//! it passes by itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::QUICK;
use crate::harness::audit::assert_promise;
use crate::harness::load::{Load, event};
use crate::harness::server::{Server, eventually, pause};

/// Takes the write lock of a database until it is dropped.
fn hold(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

fn backpressure(database: &str, role: &str) {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let quick: Vec<&str> = QUICK
        .iter()
        .map(|setting| match *setting {
            "processor.ip_rate_limit_per_min=2000" => "processor.ip_rate_limit_per_min=1000000",
            other => other,
        })
        .collect();
    let server = Server::start_with(&data_dir, &quick, &[]);
    let load = Load::start(&server.url, "l", 4);
    eventually(30, || "200 answers".to_owned(), || load.answered() > 200);
    let before = server.resident_kib();
    let lock = hold(&data_dir.join(database));
    let check = server.wait_not_ready(role);
    assert!(check["reason"].as_str().unwrap().contains("locked"), "{check}");
    let since = check["since"].clone();
    assert!(since.is_string(), "{check}");
    let answered = load.answered();
    for _ in 0..10 {
        pause(1000);
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown < 64 << 10, "{grown} KiB more while {database} is locked");
    }
    assert!(load.answered() > answered + 100, "the log took no more events");
    let (_, body) = server.readiness();
    assert_eq!(body["checks"][role]["since"], since, "one trouble, one beginning: {body}");
    drop(lock);
    server.wait_ready();
    let sent = load.stop();
    let refused: Vec<_> = sent.answers.keys().filter(|(status, _)| *status != 202).collect();
    assert!(refused.is_empty(), "{:?}", sent.answers);
    assert_promise(&data_dir, &sent, database);
    let books = |outcome: &str| format!("evp_books{{outcome=\"{outcome}\"}}");
    for outcome in ["dead_lettered", "blocked", "rate_limited"] {
        assert_eq!(server.metric(&books(outcome)), Some(0.0), "{outcome}");
    }
    assert!(server.terminate().success());
}

#[test]
fn a_locked_store_is_backpressure() {
    backpressure("store.db", "worker");
}

#[test]
fn a_locked_state_is_backpressure() {
    backpressure("state.db", "processor");
}

/// Three minutes' worth of one address, judged in one second after an outage, crosses no limit.
#[test]
fn a_backlog_bans_nobody() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let offset = home.path().join("offset");
    fs::write(&offset, "0").unwrap();
    let server = Server::start_with(
        &data_dir,
        &["--set", "processor.ip_rate_limit_per_min=60"],
        &[("EVP_CLOCK_OFFSET_FILE", offset.to_str().unwrap())],
    );
    let lock = hold(&data_dir.join("state.db"));
    let mut sent = crate::harness::load::Sent::default();
    for minute in 0..3 {
        fs::write(&offset, (minute * 180_000).to_string()).unwrap();
        for number in 0..25 {
            let id = format!("b-{minute}-{number}");
            let answer = ureq::post(format!("{}/event", server.url))
                .header("X-Forwarded-For", "203.0.113.9")
                .send(event(&id))
                .unwrap();
            assert_eq!(answer.status(), 202);
            sent.acknowledged.insert(id);
        }
    }
    drop(lock);
    server.wait_ready();
    let verify = crate::harness::evp(&data_dir, &["verify", "--wait", "60s", "-o", "json"]);
    assert!(verify.status.success(), "{}", crate::harness::said(&verify));
    let report: serde_json::Value = serde_json::from_slice(&verify.stdout).unwrap();
    assert_eq!(report["books"]["stored"], 75, "{report:#}");
    server.kill();
}
