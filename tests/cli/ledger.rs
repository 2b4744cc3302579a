//! `evp send --ledger` and `evp verify LEDGER` on the real binary, whatever way the events go in.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{Sandbox, assert_committed};
use crate::serve::Server;

/// Of every shape: with an id, without one, with one that follows from the rest (twice), where no id
/// can be written in (twice), and one that is refused.
const MIXED: &str = r#"{"event_type":"click","user_id":"u","campaign_id":"c","meta_data":{"n":1.50}}
{"event_type":"click","user_id":"u","campaign_id":"c","event_id":"own-1"}

{"event_name":"signup","user_id":"u","timestamp":1769850000}
{"event_name":"signup","user_id":"u","timestamp":1769850000}
{}
{"type":"page","event_id":null}
{"event_type":"click","user_id":"u"}
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn assert_proved(sandbox: &Sandbox, ledger: &str) -> Value {
    let report = json(&sandbox.run(&["verify", ledger, "-o", "json"]).ok());
    let counts = &report["ledger"];
    assert_eq!(counts["finished"], true);
    for (name, count) in [
        ("sendings", 7),
        ("events", 6),
        ("accepted", 5),
        ("stored", 5),
        ("rejected", 1),
        ("unknown", 0),
        ("compared", 5),
        ("matched", 5),
    ] {
        assert_eq!(counts[name], count, "{name}: {counts:#}");
    }
    report
}

#[test]
fn what_was_sent_every_way_is_proved_and_a_deleted_row_is_lost() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    sandbox.write("mixed.ndjson", MIXED);
    sandbox.run(&["send", "mixed.ndjson", "--ledger", "a.ledger"]).failed(3);
    assert_proved(&sandbox, "a.ledger");
    let url = server.url("http", "");
    sandbox.run(&["send", "mixed.ndjson", "--ledger", "b.ledger", "--url", &url]).failed(3);
    let report = assert_proved(&sandbox, "b.ledger");
    assert_eq!(report["ledger"]["target"], url);
    // What is secret in an URL is not written down.
    let login = url.replace("http://", "http://user:secretpw@");
    sandbox.run(&["send", "mixed.ndjson", "--ledger", "d.ledger", "--url", &login]).failed(3);
    let head = std::fs::read(sandbox.path("d.ledger")).unwrap();
    assert!(!String::from_utf8_lossy(&head).contains("secretpw"));
    // A ledger is never written over.
    let refused = sandbox.run(&["send", "mixed.ndjson", "--ledger", "a.ledger"]).failed(1);
    assert!(refused.contains("cannot make the ledger a.ledger"), "{refused}");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    // On a stopped directory, and the table.
    sandbox.run(&["send", "mixed.ndjson", "--ledger", "c.ledger"]).failed(3);
    assert_proved(&sandbox, "c.ledger");
    let table = sandbox.run(&["verify", "c.ledger"]).ok();
    assert!(table.contains("lost") && table.contains("clean"), "{table}");
    let store = rusqlite::Connection::open(sandbox.path("evp-data/store.db")).unwrap();
    let deleted = store.execute("DELETE FROM raw_events WHERE event_id = 'own-1'", []).unwrap();
    assert_eq!(deleted, 1);
    drop(store);
    let ended = sandbox.run(&["verify", "a.ledger", "-o", "json"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let report = json(&ended.stdout);
    assert_eq!(report["findings"][0]["kind"], "lost");
    assert_eq!(report["findings"][0]["event_id"], "own-1");
}

#[test]
fn a_ledger_that_cannot_be_used_is_exit_1_and_named() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, &[]);
    let missing = sandbox.run(&["verify", "none.ledger"]).failed(1);
    assert!(missing.contains("cannot read the ledger none.ledger"), "{missing}");
    sandbox.write("mixed.ndjson", MIXED);
    let said = sandbox.run(&["verify", "mixed.ndjson"]).failed(1);
    assert!(said.contains("mixed.ndjson is no ledger"), "{said}");
    assert!(said.contains("the server that works on the data directory"), "{said}");
}

/// Nobody answers: whatever was sent may be there.
#[test]
fn what_was_not_answered_is_unknown() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    sandbox.write("one.ndjson", "{}\n");
    sandbox.run(&["send", "one.ndjson", "--ledger", "x.ledger", "--url", &url]).failed(69);
    let report = json(&sandbox.run(&["verify", "x.ledger", "-o", "json"]).ok());
    let counts = &report["ledger"];
    assert_eq!((&counts["unknown"], &counts["unknown_absent"]), (&1.into(), &1.into()));
    assert_eq!(counts["finished"], true);
}

/// What was under way is unknown, not lost and not a ghost: its numbers were reserved before.
#[test]
fn a_generator_that_is_killed_leaves_a_ledger_that_proves_what_it_can() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    let shape = ["--batch", "10", "--connections", "8", "--rate", "4000", "--duration", "1h"];
    let args = [&["loadgen", "--url", &url, "--ledger", "killed.ledger"][..], &shape].concat();
    let quiet = || Stdio::null();
    let mut child = sandbox.command(&args).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sandbox.run(&["stats", "-o", "json"]).stdout.contains("campaign-") {
        assert!(Instant::now() < deadline, "no event came within 60 s");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let report =
        json(&sandbox.run(&["verify", "killed.ledger", "--wait", "60s", "-o", "json"]).ok());
    let counts = &report["ledger"];
    assert_eq!((&counts["finished"], &counts["ghosts"]), (&false.into(), &0.into()), "{counts:#}");
    let number = |name: &str| counts[name].as_u64().unwrap();
    assert!(number("accepted") > 0, "{counts:#}");
    // Every row is one that it heard of or may have sent.
    assert_eq!(number("stored"), number("accepted"), "{counts:#}");
    let rows = report["books"]["stored"].as_u64().unwrap();
    assert_eq!(number("stored") + number("unknown_present"), rows, "{report:#}");
}

#[test]
fn the_published_schema_is_printed() {
    assert_committed("docs/schemas/verify.json", &Sandbox::new().run(&["verify", "--schema"]).ok());
}
