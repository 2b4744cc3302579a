//! The commands of jobs on the real binary: beside a running server, and on a stopped directory.

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::serve::Server;

fn events(count: u32) -> String {
    let line = |number: u32| {
        format!(
            "{{\"ip\":\"203.0.113.{}\",\"event\":{{\"event_id\":\"e-{number}\",\"event_type\":\
             \"click\",\"user_id\":\"u-{}\",\"campaign_id\":\"c-{}\",\"geo_country\":\"DE\"}}}}\n",
            number % 3,
            number % 5,
            number % 2
        )
    };
    (0..count).map(line).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A directory with events, and nobody who works on it.
fn stopped(sandbox: &Sandbox) {
    let server = Server::start(sandbox, &[]);
    sandbox.write("events.ndjson", &events(20));
    sandbox.run(&["send", "events.ndjson", "--ip-field", "ip"]).ok();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_running_server_is_sent_to_asked_and_verified() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    sandbox.write("events.ndjson", &events(20));
    let sent = sandbox.run(&["send", "events.ndjson", "--ip-field", "ip", "-o", "json"]).ok();
    assert_eq!(json(&sent)["accepted"], 20);
    // The same through HTTP: all of them are duplicates now.
    let url = server.url("http", "");
    let sent =
        sandbox.run(&["send", "events.ndjson", "--ip-field", "ip", "--url", &url, "-o", "json"]);
    assert_eq!(json(&sent.ok())["accepted"], 20);
    let report = json(&sandbox.run(&["verify", "-o", "json"]).ok());
    assert_eq!((&report["status"], &report["books"]["stored"]), (&"clean".into(), &20.into()));
    assert_eq!(report["books"]["duplicate"], 20);
    let status = json(&sandbox.run(&["status", "e-7", "-o", "json"]).ok());
    assert_eq!((&status["outcome"], &status["duplicates"]), (&"stored".into(), &1.into()));
    sandbox.run(&["status", "e-700"]).failed(3);
    let stats = sandbox.run(&["stats", "c-1", "--by", "country", "-o", "csv"]).ok();
    assert_eq!(stats, "country,events,unique users\nDE,10,5\n");
    sandbox.run(&["stats", "nobody"]).failed(3);
    let replay = json(&sandbox.run(&["replay", "-o", "json"]).ok());
    assert_eq!((&replay["published"], &replay["already_stored"]), (&0.into(), &20.into()));
    sandbox.run(&["verify"]).ok();
}

#[test]
fn a_rule_takes_effect_on_a_running_server_and_is_undone_by_the_line_it_prints() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, &[]);
    let added =
        sandbox.run(&["blacklist", "add", "203.0.113.0/24", "--ttl", "1h", "--reason", "it's"]);
    assert!(added.stderr.contains("undo: evp blacklist rm 203.0.113.0/24"), "{}", added.stderr);
    added.ok();
    sandbox.run(&["blacklist", "check", "203.0.113.7"]).ok();
    sandbox.run(&["blacklist", "check", "198.51.100.1"]).failed(3);
    let refused = sandbox.run(&["blacklist", "add", "127.0.0.1"]).failed(2);
    assert!(refused.contains("trusted_proxies"), "{refused}");
    let removed = sandbox.run(&["blacklist", "rm", "203.0.113.0/24"]);
    assert!(removed.stderr.contains("--reason 'it'\\''s'"), "{}", removed.stderr);
    removed.ok();
    sandbox.run(&["blacklist", "rm", "203.0.113.0/24"]).failed(3);
    assert_eq!(json(&sandbox.run(&["blacklist", "ls", "-o", "json"]).ok()), Value::Array(vec![]));
}

#[test]
fn a_stopped_directory_is_sent_to_drained_and_verified() {
    let sandbox = Sandbox::new();
    stopped(&sandbox);
    sandbox.run(&["verify"]).ok();
    sandbox.write("more.ndjson", &events(25));
    let mixed = format!("{}{{\"ip\":\"x\",\"event\":{{}}}}\nno JSON\n", events(25));
    sandbox.write("more.ndjson", &mixed);
    let ended = sandbox.run(&["send", "more.ndjson", "--ip-field", "ip", "--no-drain"]);
    assert!(ended.stdout.contains("accepted") && ended.stderr.contains("line 27"), "{ended:?}");
    ended.failed(3);
    let unfinished = sandbox.run(&["verify"]).failed(1);
    assert!(unfinished.contains("could not finish"), "{unfinished}");
    sandbox.write("last.ndjson", &events(1));
    sandbox.run(&["send", "last.ndjson", "--ip-field", "ip"]).ok();
    let report = json(&sandbox.run(&["verify", "-o", "json"]).ok());
    assert_eq!(report["books"]["stored"], 25);
    assert_eq!(report["books"]["duplicate"], 21);
}

#[test]
fn an_archive_makes_an_empty_directory_the_same_again() {
    let sandbox = Sandbox::new();
    stopped(&sandbox);
    let server = Server::start(&sandbox, &["--data-dir", "other"]);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    let other = ["--data-dir", "other", "-o", "json"];
    let with = |args: &[&str]| -> Value {
        let args: Vec<&str> = args.iter().chain(&other).copied().collect();
        json(&sandbox.run(&args).ok())
    };
    assert_eq!(with(&["replay", "evp-data/archive", "--dry-run"])["published"], 20);
    assert_eq!(with(&["verify"])["books"]["stored"], 0);
    assert_eq!(with(&["replay", "evp-data/archive"])["published"], 20);
    let report = with(&["verify"]);
    assert_eq!(
        (&report["books"]["stored"], &report["books"]["restored"]),
        (&20.into(), &20.into())
    );
    assert_eq!(with(&["stats"])["groups"][0]["events"], 10);
}

#[test]
fn a_lost_row_is_exit_3_with_its_id_and_replay_brings_it_back() {
    let sandbox = Sandbox::new();
    stopped(&sandbox);
    let store = rusqlite::Connection::open(sandbox.path("evp-data/store.db")).unwrap();
    assert_eq!(store.execute("DELETE FROM raw_events WHERE event_id = 'e-7'", []).unwrap(), 1);
    drop(store);
    let found = sandbox.run(&["verify"]);
    assert!(found.stdout.contains("missing") && found.stdout.contains("e-7"), "{}", found.stdout);
    found.failed(3);
    sandbox.run(&["replay"]).ok();
    assert_eq!(json(&sandbox.run(&["status", "e-7", "-o", "json"]).ok())["outcome"], "stored");
}

#[test]
fn without_a_directory_every_job_says_how_to_make_one() {
    let sandbox = Sandbox::new();
    for args in [
        vec!["verify"],
        vec!["stats"],
        vec!["status", "e"],
        vec!["replay"],
        vec!["dlq", "ls"],
        vec!["dlq", "redrive", "--all"],
        vec!["blacklist", "ls"],
    ] {
        let said = sandbox.run(&args).failed(1);
        assert!(said.contains("evp serve"), "{args:?}: {said}");
    }
    sandbox.run(&["dlq", "redrive"]).failed(2);
    sandbox.run(&["replay", "--resume", "x", "--reprocess"]).failed(2);
    sandbox.run(&["blacklist", "add", "nonsense"]).failed(2);
    assert!(!sandbox.path("evp-data").exists());
}

#[test]
fn rules_go_out_and_come_back_in_every_form() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, &[]);
    let reason = "a, \"b\"";
    sandbox.run(&["blacklist", "add", "203.0.113.0/24", "--ttl", "1h", "--reason", reason]).ok();
    sandbox.run(&["blacklist", "add", "2001:db8::1"]).ok();
    let all = sandbox.run(&["blacklist", "ls", "-o", "json"]).ok();
    for form in ["csv", "ndjson", "json"] {
        let text = sandbox.run(&["blacklist", "export", "-o", form]).ok();
        sandbox.write("rules", &text);
        for target in ["203.0.113.0/24", "2001:db8::1"] {
            sandbox.run(&["blacklist", "rm", target]).ok();
        }
        let said = sandbox.run(&["blacklist", "import", "rules", "--dry-run"]).ok();
        assert_eq!(said, "would add 2, replaced 0, unchanged 0, expired 0\n", "{form}");
        sandbox.run(&["blacklist", "import", "rules"]).ok();
        assert_eq!(sandbox.run(&["blacklist", "ls", "-o", "json"]).ok(), all, "{form}");
    }
    sandbox.write("rules", "198.51.100.1\nnobody\n");
    let said = sandbox.run(&["blacklist", "import", "rules"]).failed(1);
    assert!(said.contains("rules: line 2"), "{said}");
    sandbox.run(&["blacklist", "check", "198.51.100.1"]).failed(3);
}

#[test]
fn dead_letters_are_written_out_with_the_bytes_of_their_values() {
    let sandbox = Sandbox::new();
    stopped(&sandbox);
    assert_eq!(sandbox.run(&["dlq", "export"]).ok(), "");
    let store = rusqlite::Connection::open(sandbox.path("evp-data/store.db")).unwrap();
    let letter = "INSERT INTO dead_letters (origin, stage, error_type, reason, attempts,
            first_failed_at, last_failed_at, received_at, original_topic, original_partition,
            original_offset, key, value)
        VALUES (?1, 'worker', 'data_error', 'why', 1, ?2, ?2, ?2, 'processed-events', 0, 0, x'', ?3)";
    for number in 0..60_u8 {
        let origin = format!("01890a5d-ac96-774b-bcce-b302099a80{number:02x}");
        let value = [b'v', 0xff, number];
        let at = "2026-01-31T10:00:00.000Z";
        store.execute(letter, rusqlite::params![origin, at, &value[..]]).unwrap();
    }
    drop(store);
    let text = sandbox.run(&["dlq", "export"]).ok();
    assert_eq!(text.lines().count(), 60);
    assert_eq!(json(text.lines().next().unwrap())["value_base64"], "dv8A");
    let into = ["dlq", "export", "--output-file", "letters.ndjson"];
    assert_eq!(sandbox.run(&into).ok(), "");
    assert_eq!(std::fs::read_to_string(sandbox.path("letters.ndjson")).unwrap(), text);
    assert!(!sandbox.path("letters.ndjson.part").exists());
    // Of two pages: one array, and rows under one header.
    let array = json(&sandbox.run(&["dlq", "export", "-o", "json"]).ok());
    let lines: Vec<Value> = text.lines().map(json).collect();
    assert_eq!(array, Value::Array(lines));
    let rows = sandbox.run(&["dlq", "export", "-o", "csv"]).ok();
    assert!(rows.starts_with("origin,event_id,stage,") && rows.lines().count() == 61, "{rows}");
    assert!(rows.lines().nth(1).unwrap().ends_with(",,dv8A"), "{rows}");
    assert_eq!(sandbox.run(&["dlq", "export", "-o", "ndjson"]).ok(), text);
    let none = ["dlq", "export", "-o", "json", "--stage", "processor"];
    assert_eq!(json(&sandbox.run(&none).ok()), Value::Array(vec![]));
    let unknown = sandbox.run(&["dlq", "show", "nosuch", "-o", "json"]);
    assert_eq!(unknown.code, 3, "{}", unknown.stderr);
    assert_eq!(json(&unknown.stdout)["error"], "no dead letter");
}

/// A hint that is typed as it stands works on the directory that was named.
#[test]
fn hints_repeat_the_directory_that_was_named() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["--data-dir", "d 1"]);
    let with = |args: &[&str]| sandbox.run(&[&["--data-dir", "d 1"], args].concat());
    let said = with(&["blacklist", "add", "203.0.113.99"]);
    let undo = "undo: evp --data-dir 'd 1' blacklist rm 203.0.113.99";
    assert!(said.stderr.contains(undo), "{}", said.stderr);
    said.ok();
    let said = with(&["blacklist", "rm", "203.0.113.99"]);
    let undo = "undo: evp --data-dir 'd 1' blacklist add 203.0.113.99";
    assert!(said.stderr.contains(undo), "{}", said.stderr);
    said.ok();
    let said = with(&["replay"]);
    assert!(said.stderr.contains("evp --data-dir 'd 1' replay --resume "), "{}", said.stderr);
    said.ok();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

/// A usual blocklist is more than axum takes of itself.
#[test]
fn a_long_blocklist_and_a_batch_of_large_events_reach_a_running_server() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let list: String = (0..25_000).map(|n| format!("10.0.{}.{}\n", n / 256, n % 256)).collect();
    sandbox.write("list", &list);
    let said = sandbox.run(&["blacklist", "import", "list", "--dry-run"]).ok();
    assert_eq!(said, "would add 25000, replaced 0, unchanged 0, expired 0\n");
    let filler = "x".repeat(100_000);
    let line = |n: u32| {
        format!(
            "{{\"event_type\":\"t\",\"user_id\":\"u\",\"campaign_id\":\"c\",\"meta_data\":\
             {{\"n\":{n},\"x\":\"{filler}\"}}}}\n"
        )
    };
    sandbox.write("large.ndjson", &(0..30).map(line).collect::<String>());
    let sent = json(&sandbox.run(&["send", "large.ndjson", "-o", "json"]).ok());
    assert_eq!(sent["accepted"], 30);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_line_that_is_too_long_is_one_that_is_rejected() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let good = "{\"event_type\":\"t\",\"user_id\":\"u\",\"campaign_id\":\"c\"}\n";
    let text = format!("{}{}\n{good}", good.repeat(5), "x".repeat(20_000_000));
    sandbox.write("events.ndjson", &text);
    for way in [None, Some(server.url("http", ""))] {
        let mut args = vec!["send", "events.ndjson", "--batch", "2", "-o", "json"];
        args.extend(way.iter().flat_map(|url| ["--url", url]));
        let ended = sandbox.run(&args);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        let sent = json(&ended.stdout);
        assert_eq!((&sent["accepted"], &sent["rejected"]), (&6.into(), &1.into()));
        assert_eq!(sent["first_rejected"][0]["line"], 6);
        // What cannot be read at all still says what went before.
        args[1] = ".";
        let said = sandbox.run(&args).failed(1);
        assert!(
            said.contains("cannot read .") && said.contains("0 events were accepted"),
            "{said}"
        );
    }
    // A path in the URL is taken in place of the route's.
    let elsewhere = server.url("http", "/some/prefix");
    let said = sandbox.run(&["send", "events.ndjson", "--url", &elsewhere]).failed(1);
    assert!(said.contains("404"), "{said}");
    let at = server.url("http", "/events/ndjson");
    sandbox.run(&["send", "events.ndjson", "--url", &at]).failed(3);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_topic_is_looked_at_without_a_group() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    sandbox.write("events.ndjson", &events(20));
    sandbox.run(&["send", "events.ndjson", "--ip-field", "ip"]).ok();
    let lines = sandbox.run(&["tail", "-n", "3", "-o", "ndjson"]).ok();
    let offsets: Vec<_> = lines.lines().map(|line| json(line)["offset"].clone()).collect();
    assert_eq!(offsets, [17, 18, 19]);
    let one = sandbox.run(&["tail", "-n", "100", "--event-id", "e-7", "-o", "json"]).ok();
    assert_eq!(json(&one)[0]["headers"]["evp-event-id"], "e-7");
    let typed = sandbox.run(&["tail", "-n", "100", "--type", "click", "-o", "ndjson"]).ok();
    assert_eq!(typed.lines().count(), 20);
    let none = sandbox.run(&["tail", "--from", "2100-01-01", "-o", "json"]).ok();
    assert_eq!(json(&none), Value::Array(vec![]));
    sandbox.run(&["tail", "nothing"]).failed(2);

    // Follows until interrupted, and ends cleanly; a reader that goes away is no failure.
    let mut following = sandbox.command(&["tail", "-n", "20", "-f", "-o", "ndjson"]);
    let mut child = following.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..20 {
        std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    }
    sandbox.write("one.ndjson", &events(1));
    sandbox.run(&["send", "one.ndjson", "--ip-field", "ip"]).ok();
    line.clear();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert_eq!(json(&line)["offset"], 20);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let piped = sandbox.command(&["tail", "-n", "20", "-f", "-o", "ndjson"]);
    let mut piped = piped;
    let mut child = piped.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    // Nor does it wait for a record to notice.
    let mut quiet = sandbox.command(&["tail", "-n", "0", "-f"]);
    let mut child = quiet.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}
