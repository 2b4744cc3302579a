//! Every route's bodies, statuses and headers, as its seed's clients know them.

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::rig::{NOW_SECS, Rig};
use crate::model::HeaderName;
use crate::settings::{ByteSize, Compat, DurabilityMode};

const CAMPAIGN: &str = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1","meta_data":{"n":12345678901234567890123}}"#;

fn named_v1(name: &str) -> Value {
    json!({ "event_name": name, "user_id": "u1", "timestamp": NOW_SECS - 5, "channel": "web" })
}

#[tokio::test]
async fn campaign_events_are_queued_as_they_came() {
    let rig = Rig::start().await;
    let answer = rig.post("/event", format!("\n {CAMPAIGN} \n")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("evp-durability"), Some("local"));
    let json = answer.json();
    assert_eq!(json["status"], "queued");
    let records = rig.log.records();
    assert_eq!(records[0].value, CAMPAIGN.as_bytes());
    assert_eq!(records[0].key, "u1".as_bytes());
    assert_eq!(rig.header(&HeaderName::EventId).as_deref(), json["event_id"].as_str());
    assert_eq!(rig.header(&HeaderName::Shape).as_deref(), Some("campaign"));
    assert_eq!(rig.header(&HeaderName::ClientIp).as_deref(), Some("127.0.0.1"));
    assert_eq!(rig.header(&HeaderName::ReceivedAt).as_deref(), Some("2026-11-21T12:00:00.000Z"));
    assert_eq!(rig.header(&HeaderName::Origin).as_deref(), answer.header("x-request-id"));
}

#[tokio::test]
async fn campaign_events_without_the_triple_are_refused_in_the_seeds_words() {
    let rig = Rig::start().await;
    for body in ["{}", r#"{"event_type":"","user_id":"u","campaign_id":"c"}"#] {
        let answer = rig.post("/event", body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error(), "event_type, user_id and campaign_id are required");
    }
    let answer = rig.post("/event", "{\"event_type\":").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "Invalid Request Body"));
    assert_eq!(rig.log.records().len(), 0);
}

#[tokio::test]
async fn campaign_batches_name_only_what_they_refuse() {
    let rig = Rig::start().await;
    let answer = rig.post("/events/batch", format!("[{CAMPAIGN},{CAMPAIGN}]")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({ "count": 2, "status": "queued" }));
    let answer = rig.post("/events/batch", format!("[{CAMPAIGN},{{}},7]")).await;
    assert_eq!(answer.status, 202);
    let json = answer.json();
    assert_eq!((&json["count"], &json["status"]), (&json!(1), &json!("queued")));
    let results = json["results"].as_array().unwrap();
    let indexes: Vec<_> = results.iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [1, 2]);
    assert_eq!(results[0]["status"], "rejected");
    assert_eq!(results[0]["errors"][0]["pointer"], "/event_type");
    assert_eq!(rig.log.records().len(), 3);
    let answer = rig.post("/events/batch", "[{},{}]").await;
    assert_eq!((answer.status, answer.json()["results"].as_array().unwrap().len()), (400, 2));
}

#[tokio::test]
async fn campaign_batches_have_the_seeds_limits() {
    let rig = Rig::start().await;
    for (body, error) in [
        ("[]".to_owned(), "At least one event is required"),
        ("null".to_owned(), "At least one event is required"),
        (format!("[{}]", vec![CAMPAIGN; 1001].join(",")), "Maximum 1000 events per batch"),
        ("{}".to_owned(), "Invalid Request Body"),
        (format!("[{CAMPAIGN}"), "Invalid Request Body"),
        (format!("[{CAMPAIGN},{{\"a\":01}}]"), "Invalid Request Body"),
        (String::new(), "Invalid Request Body"),
    ] {
        let answer = rig.post("/events/batch", &body).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{body:.60}");
    }
    let full = format!("[{}]", vec![CAMPAIGN; 1000].join(","));
    assert_eq!(rig.post("/events/batch", full).await.json()["count"], 1000);
    assert_eq!(rig.log.records().len(), 1000);
}

#[tokio::test]
async fn events_take_004s_and_001s_shape() {
    let rig = Rig::start().await;
    let named = r#"{"event_name":"buy","user_id":"u","timestamp":1708732800005,"channel":"web"}"#;
    let answer = rig.post("/events", named).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (202, &json!("accepted")));
    assert_eq!(json["id"], json["event_id"]);
    assert_eq!(json["id"].as_str().unwrap().len(), 64);

    let typed = r#"{"id":"e-1","type":"signup","payload":{"a":1}}"#;
    let answer = rig.post("/events", typed).await;
    assert_eq!(answer.json(), json!({ "id": "e-1", "status": "accepted" }));
    assert_eq!(answer.header("x-request-id"), Some("e-1"));

    let answer = rig.post("/events", "{}").await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("x-request-id"), answer.json()["id"].as_str());

    let answer = rig.post("/events", r#"{"user_id":"u"}"#).await;
    assert_eq!(answer.status, 400);
    let answer = rig.post("/events", r#"{"event_name":"#).await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!("invalid_json")));
    assert_eq!(rig.log.records().len(), 3);
}

#[tokio::test]
async fn bulk_of_004_is_all_or_nothing() {
    let rig = Rig::start().await;
    let event = r#"{"event_name":"buy","user_id":"u","timestamp":1708732800,"channel":"web"}"#;
    let answer = rig.post("/events/bulk", format!("{{\"events\":[{event},{event}]}}")).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "status": "accepted" })));
    assert_eq!(answer.header("evp-durability"), Some("local"));
    let body = format!("{{\"events\":[{event},{{\"event_name\":\"x\"}}]}}");
    let answer = rig.post("/events/bulk", body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().starts_with("events[1]: user_id is required"), "{}", answer.error());
    assert_eq!(answer.json()["errors"][0]["pointer"], "/events/1/user_id");
    assert_eq!(rig.log.records().len(), 2);
    let answer = rig.post("/events/bulk", "{\"events\":[]}").await;
    assert_eq!((answer.status, answer.header("evp-durability")), (202, Some("local")));
    let many = format!("{{\"events\":[{}]}}", vec![event; 1001].join(","));
    assert_eq!(rig.post("/events/bulk", many).await.status, 400);
}

#[tokio::test]
async fn v1_names_every_failing_field() {
    let rig = Rig::start().await;
    let answer = rig.post("/api/v1/events", named_v1("buy").to_string()).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (202, &json!("queued")));
    assert_eq!(json["event_id"].as_str().unwrap().len(), 64);

    let bad = json!({ "timestamp": NOW_SECS + 60, "channel": "fax", "tags": vec!["x"; 21] });
    let answer = rig.post("/api/v1/events", bad.to_string()).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "validation failed"));
    let errors = answer.json()["errors"].clone();
    let told: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("event_name", "validation.required.error"),
        ("user_id", "validation.required.error"),
        ("timestamp", "validation.timestamp-future.error"),
        ("channel", "validation.invalid-channel.error"),
        ("tags", "validation.max-tags.error"),
    ];
    assert_eq!(told, expected);
    assert_eq!(errors[0]["message"], "event_name is required");
    let answer = rig.post("/api/v1/events", "nonsense").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid request body"));
}

#[tokio::test]
async fn v1_bulk_counts() {
    let rig = Rig::start().await;
    let (good, bad) = (named_v1("buy"), json!({ "event_name": "x", "timestamp": NOW_SECS }));
    let post = |events: Value| {
        let body = json!({ "events": events }).to_string();
        let rig = &rig;
        async move { rig.post("/api/v1/events/bulk", body).await }
    };
    let answer = post(json!([good, good])).await;
    assert_eq!(
        (answer.status, answer.json()),
        (202, json!({ "success_count": 2, "failed_count": 0 }))
    );
    let answer = post(json!([good, bad])).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.header("evp-durability"), Some("local"));
    let json = answer.json();
    assert_eq!((&json["success_count"], &json["failed_count"]), (&json!(1), &json!(1)));
    assert_eq!(json["errors"][0]["index"], 1);
    assert_eq!(json["errors"][0]["error"], "user_id: user_id is required");
    let answer = post(json!([bad])).await;
    assert_eq!((answer.status, &answer.json()["success_count"]), (400, &json!(0)));
    assert_eq!(answer.json()["code"], "invalid_events");
    assert_eq!(answer.json()["errors"][0]["code"], "invalid_event");
    let answer = post(json!([7])).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid_events")));
    assert_eq!(answer.json()["errors"][0]["code"], "invalid_type");
    for (events, error) in [
        (json!([]), "events array cannot be empty"),
        (Value::Null, "events array cannot be empty"),
        (json!(vec![good; 1001]), "events array cannot exceed 1000 items"),
        (json!("x"), "invalid request body"),
    ] {
        let answer = post(events).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error));
    }
}

#[tokio::test]
async fn lines_are_judged_one_by_one() {
    let rig = Rig::start().await;
    let named = r#"{"event_name":"buy","user_id":"u","timestamp":1708732800,"channel":"web"}"#;
    let body =
        [CAMPAIGN.as_bytes(), b"\r\n\n", named.as_bytes(), b"\n{\"type\":\"t\"}\n\xff\n{"].concat();
    let answer = rig.post("/events/ndjson", body).await;
    assert_eq!(answer.status, 202);
    let json = answer.json();
    assert_eq!(json["count"], 3);
    let lines: Vec<_> =
        json["results"].as_array().unwrap().iter().map(|item| item["line"].clone()).collect();
    assert_eq!(lines, [5, 6]);
    let shapes: Vec<_> = rig
        .log
        .records()
        .iter()
        .map(|record| record.headers.text(&HeaderName::Shape).unwrap().to_owned())
        .collect();
    assert_eq!(shapes, ["campaign", "named", "typed"]);

    let lines = [("content-type", "application/x-ndjson")];
    let body = format!("{CAMPAIGN}\n{CAMPAIGN}\n");
    let answer = rig.request("POST", "/events/batch", &lines, body).await;
    assert_eq!((answer.status, &answer.json()["count"]), (202, &json!(2)));
    assert_eq!(rig.post("/events/ndjson", "\n\n").await.status, 400);
}

#[tokio::test]
async fn representation_names_every_event_and_keys_are_taken() {
    let rig = Rig::start().await;
    let headers = [("prefer", "return=representation"), ("idempotency-key", "k")];
    let body = format!("[{CAMPAIGN},{{}},{CAMPAIGN}]");
    let answer = rig.request("POST", "/events/batch", &headers, body).await;
    assert_eq!(answer.header("preference-applied"), Some("return=representation"));
    let results = answer.json()["results"].clone();
    assert_eq!(results[0]["event_id"], "k:0");
    assert_eq!(results[1]["status"], "rejected");
    assert_eq!(results[2]["event_id"], "k:2");
    let answer = rig.request("POST", "/event", &[("idempotency-key", "k")], CAMPAIGN).await;
    assert_eq!(answer.json()["event_id"], "k");
    let long = "k".repeat(300);
    let answer = rig.request("POST", "/event", &[("idempotency-key", &long)], CAMPAIGN).await;
    assert_eq!(answer.status, 400);
    let event = named_v1("x").to_string();
    let body = format!("{{\"events\":[{event}]}}");
    let answer = rig.request("POST", "/api/v1/events/bulk", &headers, body).await;
    assert_eq!(answer.json()["results"], json!([{ "index": 0, "event_id": "k:0" }]));
}

#[tokio::test]
async fn request_ids_are_the_clients_or_made() {
    let rig = Rig::start().await;
    let answer = rig.request("POST", "/event", &[("x-request-id", "mine")], CAMPAIGN).await;
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let long = "x".repeat(129);
    for path in ["/event", "/nowhere", "/health"] {
        let answer = rig.request("GET", path, &[("x-request-id", &long)], "").await;
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "{path}");
    }
}

#[tokio::test]
async fn the_address_is_that_of_the_right_most_hop_not_trusted() {
    let forged = ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 127.0.0.1");
    let rig = Rig::start().await;
    rig.request("POST", "/event", &[forged, ("x-real-ip", "7.7.7.7")], CAMPAIGN).await;
    assert_eq!(rig.header(&HeaderName::ClientIp).as_deref(), Some("203.0.113.9"));
    let rig = Rig::with(|settings| settings.http.trusted_proxies.clear()).await;
    rig.request("POST", "/event", &[forged, ("x-real-ip", "7.7.7.7")], CAMPAIGN).await;
    assert_eq!(rig.header(&HeaderName::ClientIp).as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn traces_are_passed_on() {
    let rig = Rig::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    rig.request("POST", "/event", &[("traceparent", trace)], CAMPAIGN).await;
    assert_eq!(rig.header(&HeaderName::Traceparent).as_deref(), Some(trace));
}

#[tokio::test]
async fn probes_and_other_methods() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/health").await.json(), json!({ "status": "healthy" }));
    while rig.get("/ready").await.status != 200 {}
    assert_eq!(rig.get("/ready").await.json(), json!({ "status": "ready" }));
    assert_eq!(rig.get("/livez").await.status, 200);
    assert_eq!(rig.get("/readyz?verbose").await.json()["checks"]["collector"]["state"], "ready");
    let head = rig.request("HEAD", "/health", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let answer = rig.get("/event").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, OPTIONS")));
    assert_eq!(answer.error(), "Method Not Allowed");
    let answer = rig.request("OPTIONS", "/events", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("POST, OPTIONS")));
    let answer = rig.get("/no\"where").await;
    assert_eq!(answer.status, 404);
    let answer = rig.get("/campaigns/c1/stats").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (404, json!("query_elsewhere")));
    assert_eq!(rig.get("/metrics?event_name=x").await.status, 404);
    assert_eq!(rig.get("/metrics").await.status, 400);
}

#[tokio::test]
async fn a_mounted_query_router_answers_what_is_not_ours() {
    let router = Router::new()
        .route("/campaigns", get(|| async { "all" }))
        .route("/metrics", get(|| async { "004" }));
    let rig = Rig::with_query(|_| {}, Some(router)).await;
    assert_eq!(rig.get("/campaigns").await.body, "all");
    assert_eq!(rig.get("/metrics?event_name=x").await.body, "004");
    let answer = rig.get("/elsewhere").await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "Cannot GET /elsewhere"));
    assert_eq!(rig.post("/campaigns", "x").await.status, 405);
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
}

#[tokio::test]
async fn other_systems_words_by_setting() {
    for (compat, health) in
        [(Compat::Seed000, "OK"), (Compat::Seed001, "OK"), (Compat::Seed003, "{\"status\":\"ok\"}")]
    {
        let rig = Rig::with(|settings| settings.http.compat = compat).await;
        assert_eq!(rig.get("/health").await.body, health);
        let answer = rig.post("/events", "{").await;
        let plain = answer.body == "Bad Request\n";
        assert_eq!((answer.status, plain), (400, compat == Compat::Seed001));
    }
}

#[tokio::test]
async fn the_token_bucket_holds_for_every_ingest_route() {
    let rig = Rig::with(|settings| {
        settings.collector.rate_limit_rps = 0.1;
        settings.collector.rate_limit_burst = 2;
    })
    .await;
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    assert_eq!(rig.post("/events/batch", format!("[{CAMPAIGN}]")).await.status, 202);
    for path in ["/event", "/events", "/events/batch", "/api/v1/events/bulk", "/events/ndjson"] {
        let answer = rig.post(path, CAMPAIGN).await;
        assert_eq!(answer.status, 429, "{path}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
    }
    assert_eq!(rig.get("/health").await.status, 200);
}

#[tokio::test]
async fn memory_durability_answers_before_the_append_and_says_so() {
    let rig = Rig::with(|settings| settings.collector.durability = DurabilityMode::Memory).await;
    rig.log.hold();
    let answer = rig.post("/event", CAMPAIGN).await;
    assert_eq!((answer.status, answer.header("evp-durability")), (202, Some("memory")));
    assert_eq!(rig.log.records().len(), 0);
    rig.log.release();
    while rig.log.records().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn replicated_is_a_report_or_503() {
    let replicated = DurabilityMode::Replicated;
    let rig = Rig::with(|settings| settings.collector.durability = replicated).await;
    let answer = rig.post("/event", CAMPAIGN).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn one_event_has_its_own_limit() {
    let rig = Rig::with(|settings| settings.collector.max_event_bytes = ByteSize(200)).await;
    let large = CAMPAIGN.replace("\"c1\"", &format!("\"c1\",\"x\":\"{}\"", "x".repeat(200)));
    assert_eq!(rig.post("/event", &large).await.status, 413);
    let answer = rig.post("/events/batch", format!("[{CAMPAIGN},{large}]")).await;
    assert_eq!((answer.status, &answer.json()["count"]), (202, &json!(1)));
    assert_eq!(answer.json()["results"][0]["code"], "event_too_large");
}

#[tokio::test]
async fn browsers_of_every_origin_may_use_003s_routes_and_no_others() {
    let rig = Rig::start().await;
    let asked = [("access-control-request-headers", "content-type")];
    let answer = rig.request("OPTIONS", "/api/v1/events", &asked, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    let answer = rig.post("/api/v1/events", named_v1("buy").to_string()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let answer = rig.post("/event", CAMPAIGN).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
