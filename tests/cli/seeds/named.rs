//! The same of the seeds whose events have names: 003 and 004.

use serde_json::{Value, json};

use super::{Shell, drained, error};
use crate::sandbox::Sandbox;
use crate::serve::Server;

const INGEST_SINGLE: &str = r#"
# Note: Use a recent timestamp (within last 30 days, not in the future)
# Example: $(date +%s) for current time
curl -X POST http://localhost:8080/api/v1/events \
  -H "Content-Type: application/json" \
  -d '{
    "event_name": "product_view",
    "channel": "web",
    "campaign_id": "cmp_987",
    "user_id": "user_123",
    "timestamp": '"$(date +%s)"',
    "tags": ["electronics", "homepage"],
    "metadata": {
      "product_id": "prod-789",
      "price": 129.99,
      "currency": "TRY",
      "referrer": "google"
    }
  }'"#;

const INGEST_BULK: &str = r#"
# Note: Use recent timestamps (within last 30 days)
curl -X POST http://localhost:8080/api/v1/events/bulk \
  -H "Content-Type: application/json" \
  -d '{
    "events": [
      {
        "event_name": "product_view",
        "user_id": "user_123",
        "timestamp": '"$(date +%s)"',
        "channel": "web"
      },
      {
        "event_name": "add_to_cart",
        "user_id": "user_456",
        "timestamp": '"$(date +%s)"',
        "channel": "mobile_app"
      }
    ]
  }'"#;

#[test]
fn seed_003_takes_its_events_and_names_every_wrong_field() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    let answer = shell.run(INGEST_SINGLE);
    answer.accepted(202, &json!({ "status": "queued" }));
    let id = answer.json()["event_id"].as_str().unwrap().to_owned();
    let is_digest = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(id.len() == 64 && id.bytes().all(is_digest), "{id}");
    let answer = shell.run(INGEST_BULK);
    answer.accepted(202, &json!({ "success_count": 2, "failed_count": 0 }));
    assert_eq!(answer.json().get("errors"), None);

    let wrong = shell.post("/api/v1/events", r#"{"channel":"fax","timestamp":1,"tags":["a"]}"#);
    wrong.says(400, &error("validation failed"));
    let told: Vec<Value> = wrong.json()["errors"].as_array().unwrap().clone();
    let told: Vec<_> = told.iter().map(|e| [&e["field"], &e["code"], &e["message"]]).collect();
    let wanted = [
        ["event_name", "validation.required.error", "event_name is required"],
        ["user_id", "validation.required.error", "user_id is required"],
        [
            "timestamp",
            "validation.timestamp-expired.error",
            "timestamp cannot be older than 30 days",
        ],
        [
            "channel",
            "validation.invalid-channel.error",
            "channel must be one of: web, mobile_app, api",
        ],
    ];
    assert_eq!(told, wanted);
    for body in ["", "{invalid json}", "[]"] {
        shell.post("/api/v1/events", body).says(400, &error("invalid request body"));
        shell.post("/api/v1/events/bulk", body).says(400, &error("invalid request body"));
    }
    let empty = error("events array cannot be empty");
    shell.post("/api/v1/events/bulk", r#"{"events":[]}"#).says(400, &empty);
    let many = format!("{{\"events\":[{}]}}", vec!["{}"; 1001].join(","));
    let too_many = error("events array cannot exceed 1000 items");
    shell.post("/api/v1/events/bulk", &many).says(400, &too_many);

    let mixed = INGEST_BULK.replacen("\"product_view\"", "\"\"", 1);
    let part = shell.run(&mixed);
    part.accepted(207, &json!({ "success_count": 1, "failed_count": 1 }));
    let first = &part.json()["errors"][0];
    assert_eq!(first["index"], 0);
    assert_eq!(first["error"], "event_name: event_name is required");
    let none = shell.post("/api/v1/events/bulk", r#"{"events":[{"event_name":"x"}]}"#);
    none.says(400, &json!({ "success_count": 0, "failed_count": 1 }));
    assert_eq!(
        none.json()["errors"][0]["error"],
        "user_id: user_id is required; timestamp: timestamp is required"
    );
}

#[test]
fn the_channels_of_seed_003_are_a_setting() {
    let line = INGEST_SINGLE.replace("\"web\"", "\"email\"");
    for (list, status) in [("true", 400), ("false", 202)] {
        let sandbox = Sandbox::new().with("EVP__COLLECTOR__V1_CHANNELS", list);
        let server = Server::start(&sandbox, &[]);
        let shell = Shell::on(&server, &[("localhost:8080", "http")]);
        assert_eq!(shell.run(&line).status, status, "{list}");
    }
}

/// The body of 004's README.
const NAMED: &str = r#"
curl -X POST http://localhost:8080/events -d '{
  "event_name": "product_view",
  "channel": "web",
  "campaign_id": "summer_sale_2024",
  "user_id": "user_12345",
  "timestamp": 1708732800000,
  "tags": ["electronics", "featured"],
  "metadata": {
    "product_id": "SKU-001",
    "page_url": "/products/laptop"
  }
}'"#;

/// `make test-event`, as the shell gets it.
const MAKE_TEST_EVENT: &str = r#"curl -X POST http://localhost:8080/events \
		-H "Content-Type: application/json" \
		-d '{"event_name":"test_event","user_id":"user123","timestamp":'$(date +%s)',"channel":"web","tags":["test"]}'"#;

/// `make test-bulk-event`.
const MAKE_TEST_BULK: &str = r#"curl -X POST http://localhost:8080/events/bulk \
		-H "Content-Type: application/json" \
		-d '{"events":[{"event_name":"test_event","user_id":"user123","timestamp":'$(date +%s)',"channel":"web","tags":["test"]},{"event_name":"test_event","user_id":"user456","timestamp":'$(date +%s)',"channel":"mobile","tags":["bulk"]}]}'"#;

/// An event of the load test, sent as k6 sends it.
const K6: &str = r#"curl -X POST http://localhost:8080/events -H "Content-Type: application/json" \
  -d '{"event_name":"checkout_start","channel":"push","campaign_id":"campaign_42","user_id":"user_99999","timestamp":'$(date +%s)',"tags":["source:loadtest","env:test"],"metadata":{"session_id":"session_k3j9x2m1q","page_url":"/products/item-7","referrer":"https://example.com"}}'"#;

#[test]
fn seed_004_takes_its_events_in_milliseconds_and_in_seconds() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    let mut ids = Vec::new();
    for line in [NAMED, MAKE_TEST_EVENT, K6] {
        let answer = shell.run(line);
        answer.accepted(202, &json!({ "status": "accepted" }));
        ids.push(answer.json()["event_id"].as_str().unwrap().to_owned());
    }
    let bulk = shell.run(MAKE_TEST_BULK);
    bulk.accepted(202, &json!({ "status": "accepted" }));
    assert_eq!(bulk.json().as_object().unwrap().len(), 1, "the seed's whole answer");
    drained(&sandbox);
    let told = shell.run(&format!("curl http://localhost:8080/events/{}", ids[0]));
    told.says(200, &json!({ "outcome": "stored" }));
    let store = rusqlite::Connection::open(sandbox.path("evp-data/store.db")).unwrap();
    let query = "SELECT created_at, json_extract(meta_data, '$.product_id') FROM raw_events \
                 WHERE event_id = ?1";
    let row: (String, String) =
        store.query_row(query, [&ids[0]], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(row.0.starts_with("2024-02-24") && row.1 == "SKU-001", "{row:?}");
}

#[test]
fn seed_004_refuses_a_bulk_whole_and_says_which() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &[]);
    let shell = Shell::on(&server, &[("localhost:8080", "http")]);
    let wrong = shell.run(&MAKE_TEST_BULK.replace("user456", ""));
    wrong.says(400, &error("events[1]: user_id is required"));
    for body in ["", "{", r#"{"event_name":"x","user_id":"u"}"#, r#"{"foo":1}"#, "[]"] {
        let answer = shell.post("/events", body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["error"].is_string(), "{answer:?}");
    }
    shell.post("/events", "").says(400, &error("invalid JSON: the body is empty"));
    shell.post("/events/bulk", r#"{"events":[]}"#).accepted(202, &json!({ "status": "accepted" }));
    shell.post("/events/bulk", "{}").says(400, &error("events is required"));
    let report = sandbox.run(&["verify", "-o", "json"]).ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["books"]["stored"], 0, "nothing of the refused bulk: {report}");
    for path in ["health", "ready"] {
        let answer = shell.run(&format!("curl http://localhost:8080/{path}"));
        let status = if path == "health" { "healthy" } else { "ready" };
        answer.says(200, &json!({ "status": status }));
    }
}
