//! `evp loadgen` against a real server: what it sends is what arrives, and its report is what it
//! says it is.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox};
use crate::serve::Server;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Says where a value is not as a schema wants it; knows the words that ours uses.
fn faults(schema: &Value, root: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let of = name.strip_prefix("#/$defs/").unwrap();
        return faults(&root["$defs"][of], root, value, at, found);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |one: &Value| {
            let mut found = Vec::new();
            faults(one, root, value, at, &mut found);
            found.is_empty()
        };
        if !any.iter().any(fits) {
            found.push(format!("{at} fits none of anyOf: {value}"));
        }
        return;
    }
    if schema.get("const").is_some_and(|wanted| wanted != value)
        || schema["enum"].as_array().is_some_and(|values| !values.contains(value))
    {
        found.push(format!("{at} is {value}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the schema has a type {other}"),
    };
    if !kinds.is_empty() && !kinds.into_iter().any(is) {
        found.push(format!("{at} is {value}"));
    }
    for item in value.as_array().into_iter().flatten() {
        faults(&schema["items"], root, item, &format!("{at}[]"), found);
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            found.push(format!("{at} has no {name}"));
        }
    }
    for (name, member) in members {
        let path = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(one), _) => faults(one, root, member, &path, found),
            (None, Value::Bool(false)) => found.push(format!("{path} is not in the schema")),
            (None, Value::Object(_)) => {
                faults(&schema["additionalProperties"], root, member, &path, found);
            }
            (None, _) => {}
        }
    }
}

#[track_caller]
fn assert_fits(report: &Value) {
    let schema = json(&Sandbox::new().run(&["loadgen", "--schema"]).ok());
    let mut found = Vec::new();
    faults(&schema, &schema, report, "report", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_schema_that_is_not_met_is_seen() {
    let schema = json(&Sandbox::new().run(&["loadgen", "--schema"]).ok());
    let mut found = Vec::new();
    faults(&schema, &schema, &json(r#"{"version":2,"extra":1,"run":5}"#), "r", &mut found);
    for wanted in ["r.version is 2", "r.extra is not in", "r.run is 5", "r has no \"series\""] {
        assert!(found.iter().any(|fault| fault.contains(wanted)), "{wanted}: {found:?}");
    }
}

#[test]
fn what_is_sent_arrives_and_the_report_says_so() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    let report = sandbox.run(&[
        "loadgen",
        "--url",
        &url,
        "--rate",
        "100",
        "--duration",
        "2s",
        "--duplicates",
        "0.1",
        "--bad",
        "5%",
        "--addresses",
        "20",
        "--hot-addresses",
        "2:0.3",
        "--ledger",
        "run.ledger",
        "--html",
        "report.html",
        "--threshold",
        "errors<1%",
        "--threshold",
        "p99.9<1m",
        "-o",
        "json",
    ]);
    let report = json(&report.ok());
    assert_fits(&report);
    let events = &report["events"];
    let count = |name: &str| events[name].as_u64().unwrap();
    assert_eq!((count("sent"), count("errors"), count("unknown")), (200, 0, 0));
    assert!(count("duplicates") > 0 && count("bad") > 0, "{events}");
    assert_eq!((count("rejected"), count("accepted") + count("rejected")), (count("bad"), 200));
    assert_eq!(report["statuses"]["202"], events["accepted"]);
    assert_eq!(report["thresholds"][0]["holds"], true);
    let answered = report["series"].as_array().unwrap().iter();
    assert_eq!(answered.map(|second| second["answered"].as_u64().unwrap()).sum::<u64>(), 200);

    // The installation has what the client was told that it has.
    let books = json(&sandbox.run(&["verify", "-o", "json"]).ok())["books"].clone();
    let stored = count("accepted") - count("duplicates");
    assert_eq!((&books["stored"], &books["duplicate"]), (&stored.into(), &events["duplicates"]));
    sandbox.run(&["verify", "run.ledger"]).ok();
    let ledger = std::fs::read_to_string(sandbox.path("run.ledger")).unwrap();
    let line = ledger.lines().find(|line| line.contains("\"accepted\"")).unwrap();
    let status = sandbox.run(&["status", json(line)["id"].as_str().unwrap(), "-o", "json"]);
    assert_eq!(json(&status.ok())["outcome"], "stored");
    assert_eq!(ledger.matches("\"answer\":\"accepted\"").count() as u64, count("accepted"));
    let again = sandbox.run(&["loadgen", "--url", &url, "--ledger", "run.ledger"]).failed(1);
    assert!(again.contains("never written over"), "{again}");

    let page = std::fs::read_to_string(sandbox.path("report.html")).unwrap();
    assert!(page.contains("<polyline") && page.contains("errors&lt;1%"), "{page}");
    for loaded in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(loaded), "the page loads something: {loaded}");
    }
}

#[test]
fn every_route_takes_its_own_shape() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    for route in ["event", "batch", "events", "typed", "bulk", "v1", "v1-bulk", "ndjson"] {
        let single = ["event", "events", "typed", "v1"].contains(&route);
        let batch = if single { "1" } else { "5" };
        let bad = if route == "bulk" { "0" } else { "0.1" };
        let report = sandbox.run(&[
            "loadgen",
            "--url",
            &url,
            "--route",
            route,
            "--batch",
            batch,
            "--rate",
            "200",
            "--duration",
            "500ms",
            "--size",
            "600",
            "--bad",
            bad,
            "-o",
            "json",
        ]);
        let report = json(&report.ok());
        let events = &report["events"];
        assert_eq!(
            (&events["sent"], &events["errors"]),
            (&100.into(), &0.into()),
            "{route}: {report}"
        );
        assert_eq!(events["bad"], events["rejected"], "{route}");
        assert_eq!(events["bad"].as_u64().unwrap() > 0, route != "bulk", "{route}");
    }
}

#[test]
fn the_table_leads_with_thresholds_and_one_that_is_crossed_is_exit_99() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    let ended = sandbox.run(&[
        "loadgen",
        "--url",
        &url,
        "--rate",
        "50",
        "--duration",
        "1s",
        "--threshold",
        "rate>=1000000",
        "--threshold",
        "errors<1",
    ]);
    assert_eq!(ended.code, 99, "{}", ended.stderr);
    assert!(ended.stderr.contains("error: a threshold was crossed"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: rate>=1000000 is not so: "), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[1].starts_with("rate>=1000000") && lines[1].contains("CROSSED"), "{lines:?}");
    assert!(lines[2].starts_with("errors<1") && lines[2].contains("holds"), "{lines:?}");
    for wanted in ["events accepted", "status 202", "latency", "service time", "schedule lag"] {
        assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted}: {lines:?}");
    }
}

#[test]
fn an_interrupted_run_prints_its_report() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    let args = ["loadgen", "--url", &url, "--rate", "100", "--duration", "1h", "-o", "json"];
    let mut command = sandbox.command(&args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Once events have come, the run is under way.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sandbox.run(&["stats", "-o", "json"]).stdout.contains("campaign-") {
        assert!(Instant::now() < deadline, "no event came within 60 s");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    let report = json(&ended.stdout);
    assert_fits(&report);
    assert_eq!((&report["interrupted"], &report["events"]["unknown"]), (&true.into(), &0.into()));
    assert!(report["events"]["accepted"].as_u64().unwrap() > 0);
    let said = ended.failed(130);
    assert_eq!(json(&said)["kind"], "interrupted", "{said}");
}

#[test]
fn nobody_at_the_url_is_said_with_what_to_do() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let text = Sandbox::new().run(&["loadgen", "--url", &url]).failed(69);
    assert!(text.starts_with(&format!("error: cannot connect to {url}\n")), "{text}");
    assert!(text.contains("refused") && text.contains("hint: `evp serve` starts"), "{text}");
}

#[test]
fn what_cannot_be_meant_is_usage_and_sends_nothing() {
    let sandbox = Sandbox::new();
    for (args, wanted) in [
        (&["--threshold", "p99"][..], "there is no < or >"),
        (&["--threshold", "speed<1ms"], "none of p50"),
        (&["--url", "https://h"], "plain HTTP"),
        (&["--route", "nowhere"], "possible values: event, batch"),
        (&["--route", "event", "--batch", "5"], "one event a request"),
        (&["--rate", "0"], "no request is due"),
        (&["--spike", "5:1m"], "as long as the run"),
        (&["--stage", "5"], "RATE:DURATION"),
        (&["--size", "20"], "too small"),
        (&["--template", "{\"a\":\"{{nothing}}\"}"], "there is no gap {{nothing}}"),
        (&["--duplicates", "0.6"], "over 1"),
        (&["--scenario", "seed-009"], "possible values: seed-003, seed-004"),
        (&["--embedded", "--url", "http://h"], "cannot be used with"),
    ] {
        let text = sandbox.run(&[&["loadgen"], args].concat()).failed(2);
        assert!(text.contains(wanted), "{args:?}: {text}");
    }
}

#[test]
fn the_seeds_load_tests_are_ready() {
    let sandbox = Sandbox::new();
    let plan = |name: &str, more: &[&str]| {
        let args = ["loadgen", "--scenario", name, "--dry-run", "-o", "json"];
        json(&sandbox.run(&[&args, more].concat()).ok())
    };
    let three = plan("seed-003", &[]);
    assert_eq!(three["target"], "http://127.0.0.1:8080/api/v1/events/bulk");
    assert_eq!((&three["plan"]["requests"], &three["plan"]["batch"]), (&6000.into(), &200.into()));
    let four = plan("seed-004", &[]);
    assert_eq!(four["plan"]["requests"], 869_000);
    assert_eq!(four["thresholds"], json(r#"["p(95)<100","p(99)<200","errors<0.01"]"#));

    // Both are taken by the server, a little of each.
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    for (name, more) in [
        ("seed-003", &["--rate", "1000", "--burst", "5"][..]),
        ("seed-004", &["--rate", "50", "--connections", "10"]),
    ] {
        let args = ["loadgen", "--scenario", name, "--url", &url, "--duration", "1s", "-o", "json"];
        let marks = ["--threshold", "errors<1"];
        let report = json(&sandbox.run(&[&args, more, &marks].concat()).ok());
        assert_eq!(report["events"]["errors"], 0, "{name}: {report}");
        assert_eq!(report["events"]["accepted"], report["events"]["sent"], "{name}");
    }
}

#[test]
fn real_events_and_a_template_are_sent() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let url = server.url("http", "");
    sandbox.write(
        "events.ndjson",
        "{\"event_id\":\"own\",\"event_type\":\"t\",\"user_id\":\"u\",\"campaign_id\":\"file\"}\n",
    );
    let args = ["loadgen", "--url", &url, "--rate", "20", "--duration", "500ms", "-o", "json"];
    sandbox.run(&[&args[..], &["--file", "events.ndjson"]].concat()).ok();
    sandbox.run(&[&args[..], &["--file", "events.ndjson", "--keep-ids"]].concat()).ok();
    let template = r#"{"event_type":"t","user_id":"u-{{n}}","campaign_id":"own-{{i}}"}"#;
    sandbox.run(&[&args[..], &["--template", template]].concat()).ok();
    let books = json(&sandbox.run(&["verify", "-o", "json"]).ok())["books"].clone();
    // 10 under new ids, 1 and its 9 repeats, 10 of the template.
    assert_eq!((&books["stored"], &books["duplicate"]), (&21.into(), &9.into()));
}

#[test]
fn a_server_for_the_run_is_started_and_ended() {
    let sandbox = Sandbox::new();
    let args = ["loadgen", "--embedded", "--rate", "50", "--duration", "1s", "-o", "json"];
    let report = json(&sandbox.run(&args).ok());
    assert_fits(&report);
    assert_eq!(
        (&report["events"]["accepted"], &report["events"]["errors"]),
        (&50.into(), &0.into())
    );
    let directory = report["server"]["data_dir"].as_str().unwrap();
    assert!(!std::path::Path::new(directory).exists(), "{directory} is left");

    let args = [&args[..], &["--data-dir", "kept"]].concat();
    sandbox.run(&args).ok();
    let verified = json(&sandbox.run(&["verify", "--data-dir", "kept", "-o", "json"]).ok());
    assert_eq!(verified["books"]["stored"], 50);
}
