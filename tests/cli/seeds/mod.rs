//! The lines of the seed systems' own READMEs and Makefiles, typed as they stand there into a shell;
//! only host and port are those of the test. Needs `curl`, as those lines do.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::serve::Server;

mod named;

/// What `curl -i` prints.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn of(printed: &str) -> Self {
        let (head, body) = printed.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The members that a seed's client knows; it does not look at others.
    #[track_caller]
    fn says(&self, status: u16, wanted: &Value) {
        assert_eq!(self.status, status, "{self:?}");
        let said = self.json();
        for (name, value) in wanted.as_object().unwrap() {
            assert_eq!(&said[name], value, "{name} of {self:?}");
        }
    }

    /// The same of a 2xx, which says what it stands on.
    #[track_caller]
    fn accepted(&self, status: u16, wanted: &Value) {
        self.says(status, wanted);
        assert_eq!(self.header("evp-durability"), Some("local"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
    }
}

/// A shell that has the seed's `localhost:port` where the server is.
struct Shell {
    replaced: Vec<(&'static str, String)>,
}

impl Shell {
    fn on(server: &Server, places: &[(&'static str, &str)]) -> Self {
        let at = |name: &str| server.told[name].as_str().unwrap().to_owned();
        Self { replaced: places.iter().map(|(seed, ours)| (*seed, at(ours))).collect() }
    }

    /// Runs a line with `curl -i` and no proxy.
    fn run(&self, line: &str) -> Answer {
        let mut line = line.to_owned();
        for (seed, ours) in &self.replaced {
            line = line.replace(seed, ours);
        }
        let script = format!("curl() {{ command curl -isS --noproxy '*' \"$@\"; }}\n{line}");
        let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output();
        let output = output.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{printed}{said}");
        Answer::of(&printed)
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.run(&format!("curl -X POST http://localhost:8080{path} -d '{body}'"))
    }
}

fn error(text: &str) -> Value {
    json!({ "error": text })
}

/// Waits until everything sent has come to its end.
fn drained(sandbox: &Sandbox) {
    sandbox.run(&["verify", "--wait", "30s"]).ok();
}

const SEND_SINGLE: &str = r#"
curl -X POST http://localhost:9113/event \
  -H "Content-Type: application/json" \
  -H "X-Forwarded-For: 203.0.113.42" \
  -d '{
    "event_type": "impression",
    "user_id": "user123",
    "campaign_id": "camp456",
    "geo_country": "US",
    "device_type": "mobile"
  }'"#;

const SEND_BATCH: &str = r#"
curl -X POST http://localhost:9113/events/batch \
  -H "Content-Type: application/json" \
  -H "X-Forwarded-For: 198.51.100.50" \
  -d '[
    {"event_type":"impression","user_id":"u1","campaign_id":"c1","geo_country":"US","device_type":"mobile"},
    {"event_type":"click","user_id":"u2","campaign_id":"c1","geo_country":"CA","device_type":"desktop"}
  ]'"#;

const QUERY_STATS: &str = "curl http://localhost:9111/campaigns/camp456/stats?hours=24";

const CHECK_DATABASE: &str = "
-- Top IPs by event count
SELECT ip_address, COUNT(*) 
FROM raw_events 
GROUP BY ip_address 
ORDER BY COUNT(*) DESC 
LIMIT 10;
";

#[test]
fn seed_000_is_sent_to_asked_and_looked_into() {
    let sandbox = Sandbox::new();
    let server =
        Server::start(&sandbox, &["--profile", "seed-000", "--set", "query.listen=127.0.0.1:0"]);
    let shell = Shell::on(&server, &[("localhost:9113", "http"), ("localhost:9111", "query")]);
    shell.run(SEND_SINGLE).accepted(202, &json!({ "status": "queued" }));
    let batch = shell.run(SEND_BATCH);
    batch.accepted(202, &json!({ "status": "queued", "count": 2 }));
    assert_eq!(batch.json().get("results"), None, "nothing was refused");
    for port in ["9113", "9111"] {
        let health = shell.run(&format!("curl http://localhost:{port}/health"));
        assert_eq!((health.status, health.body.as_str()), (200, "OK"));
        assert!(health.header("x-request-id").is_some(), "{health:?}");
        let nothing = shell.run(&format!("curl http://localhost:{port}/x"));
        nothing.says(404, &error("Cannot GET /x"));
    }
    drained(&sandbox);

    let wanted = json!({
        "campaign_id": "camp456", "hours": 24, "total_events": 1, "unique_users": 1,
        "impressions": 1, "clicks": 0, "conversions": 0, "ctr": 0.0,
    });
    let stats = shell.run(QUERY_STATS);
    stats.says(200, &wanted);
    assert_eq!(stats.json()["hourly"][0]["impressions"], 1, "{stats:?}");
    let nobody = shell.run("curl http://localhost:9111/campaigns/nobody/stats?hours=24");
    nobody.says(404, &error("campaign not found"));
    let list = shell.run("curl http://localhost:9111/campaigns").json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "{list}");
    let one = shell.run("curl http://localhost:9111/campaigns/c1").json();
    assert_eq!(one["data"]["total_clicks"], 1, "{one}");

    let store = rusqlite::Connection::open(sandbox.path("evp-data/store.db")).unwrap();
    let mut query = store.prepare(CHECK_DATABASE).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(String, i64)> = rows.map(Result::unwrap).collect();
    assert_eq!(rows, [("198.51.100.50".to_owned(), 2), ("203.0.113.42".to_owned(), 1)]);
}

#[test]
fn seed_000_bans_the_address_that_crosses_its_limit() {
    let sandbox = Sandbox::new();
    let server =
        Server::start(&sandbox, &["--profile", "seed-000", "--set", "query.listen=127.0.0.1:0"]);
    let shell = Shell::on(&server, &[("localhost:9113", "http")]);
    // One request: all of it is received in the same minute.
    let item = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1"}"#;
    let items = vec![item; 250].join(",");
    let line = SEND_BATCH.split("-d '").next().unwrap();
    shell.run(&format!("{line}-d '[{items}]'")).accepted(202, &json!({ "count": 250 }));
    drained(&sandbox);
    let checked = sandbox.run(&["blacklist", "check", "198.51.100.50", "-o", "json"]).ok();
    assert!(checked.contains("198.51.100.50"), "{checked}");
    let report = sandbox.run(&["verify", "-o", "json"]).ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["books"]["stored"], 100, "{report}");
}

#[test]
fn seed_000_says_what_is_wrong_in_its_own_words() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    let required = error("event_type, user_id and campaign_id are required");
    let invalid = error("Invalid Request Body");
    for body in ["{}", r#"{"event_type":"click","user_id":"","campaign_id":"c"}"#] {
        shell.post("/event", body).says(400, &required);
    }
    let wrong_time = r#"{"event_type":"a","user_id":"u","campaign_id":"c","created_at":"now"}"#;
    let wrong_type = r#"{"event_type":1,"user_id":"u","campaign_id":"c"}"#;
    for body in ["", "{", "[]", wrong_type, wrong_time] {
        shell.post("/event", body).says(400, &invalid);
    }
    for body in ["[]", "null"] {
        let none = error("At least one event is required");
        shell.post("/events/batch", body).says(400, &none);
    }
    for body in ["{}", "[", "7"] {
        shell.post("/events/batch", body).says(400, &invalid);
    }
    let many = format!("[{}]", vec!["{}"; 1001].join(","));
    let too_many = error("Maximum 1000 events per batch");
    shell.post("/events/batch", &many).says(400, &too_many);

    let mixed = r#"[{"event_type":"a","user_id":"u","campaign_id":"c"},{"user_id":"u"}]"#;
    let answer = shell.post("/events/batch", mixed);
    answer.accepted(202, &json!({ "count": 1, "status": "queued" }));
    let results = answer.json()["results"].clone();
    assert_eq!(results.as_array().unwrap().len(), 1, "{results}");
    assert_eq!((&results[0]["index"], &results[0]["status"]), (&json!(1), &json!("rejected")));
    assert_eq!(results[0]["error"], "event_type is required; campaign_id is required");
    let all = shell.post("/events/batch", "[{}]");
    all.says(400, &error("no event of the batch is valid"));
}

const SEND_TYPED: &str = r#"
    curl -i -X POST http://localhost:8080/events \
      -H "Content-Type: application/json" \
      -d '{"type": "click", "payload": {"user_id": 123}}'"#;

#[test]
fn seed_001_takes_its_test_event_and_speaks_plainly() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["--profile", "seed-001"]);
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    let answer = shell.run(SEND_TYPED);
    answer.accepted(202, &json!({ "status": "accepted" }));
    assert_eq!(answer.header("x-request-id"), answer.json()["id"].as_str());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    shell.post("/events", "{}").accepted(202, &json!({ "status": "accepted" }));

    let bad = shell.post("/events", "{");
    assert_eq!((bad.status, bad.body.as_str()), (400, "Bad Request\n"));
    assert_eq!(bad.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(bad.header("x-request-id").is_some(), "{bad:?}");
    let health = shell.run("curl http://localhost:8080/health");
    assert_eq!((health.status, health.body.as_str()), (200, "OK"));
    let metrics = shell.run("curl http://localhost:8080/metrics");
    assert!(metrics.body.contains("\nevents_received_total 2\n"), "{}", metrics.body);
}

#[test]
fn seed_001_tells_who_is_too_fast_when_to_come_back() {
    let sandbox = Sandbox::new();
    let slow = ["--set", "collector.rate_limit_rps=0.01", "--set", "collector.rate_limit_burst=1"];
    let server = Server::start(&sandbox, &[&["--profile", "seed-001"], &slow[..]].concat());
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    shell.run(SEND_TYPED).accepted(202, &json!({}));
    let refused = shell.run(SEND_TYPED);
    assert_eq!((refused.status, refused.body.as_str()), (429, "Too Many Requests\n"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1, "{refused:?}");
}

#[test]
fn every_path_says_what_it_allows_and_every_answer_has_its_id() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let shell = Shell::on(&server, &[("localhost:8080", "http"), ("localhost:9600", "admin")]);
    for (path, allowed) in [
        ("event", "post, options"),
        ("events/batch", "post, options"),
        ("campaigns", "get, head, options"),
        ("campaigns/c/stats", "get, head, options"),
        ("events/e-1", "get, head, options"),
        ("health", "get, head, options"),
    ] {
        let options = shell.run(&format!("curl -X OPTIONS http://localhost:8080/{path}"));
        assert_eq!((options.status, options.header("allow")), (204, Some(allowed)), "{path}");
        let delete = shell.run(&format!("curl -X DELETE http://localhost:8080/{path}"));
        assert_eq!((delete.status, delete.header("allow")), (405, Some(allowed)), "{path}");
        delete.says(405, &error("Method Not Allowed"));
    }
    for url in ["localhost:8080/health", "localhost:8080/campaigns/x", "localhost:9600/livez"] {
        let own = shell.run(&format!("curl -H 'X-Request-ID: mine' http://{url}"));
        assert_eq!(own.header("x-request-id"), Some("mine"), "{url}");
        let long = "x".repeat(129);
        let other = shell.run(&format!("curl -H 'X-Request-ID: {long}' http://{url}"));
        assert_eq!(other.header("x-request-id").map(str::len), Some(36), "{url}");
    }
    let head = shell.run("curl -X POST -H \"X: $(head -c 40000 /dev/zero | tr '\\0' a)\" http://localhost:8080/event");
    assert_eq!((head.status, head.header("x-request-id").map(str::len)), (431, Some(36)));
}
