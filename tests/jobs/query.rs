//! The query role's routes, body by body.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use evp::roles::query::router;
use http_body_util::BodyExt;
use serde_json::Value;
use tower_service::Service;

use crate::sandbox::{ADDRESS, Sandbox, event, events};

async fn get(sandbox: &Sandbox, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(&sandbox.deps()).call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaigns_numbers_are_those_of_its_rows() {
    let sandbox = Sandbox::new();
    sandbox.accept(&events(30)).await;
    sandbox.accept(&events(30)).await;
    let (status, body) = get(&sandbox, "/campaigns/c-0/stats?hours=24").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["campaign_id"], "c-0");
    assert_eq!(body["hours"], 24);
    assert_eq!(body["total_events"], 10);
    assert_eq!(body["impressions"], 10);
    assert_eq!((&body["clicks"], &body["ctr"]), (&0.into(), &0.0.into()));
    assert_eq!(body["unique_users"], 7);
    assert_eq!(body["hourly"][0]["hour"], "2026-01-31T10:00:00.000Z");
    assert_eq!(body["hourly"][0]["total_events"], 10);
    let (_, body) = get(&sandbox, "/campaigns/c-0/stats?from=1769000000&to=1769000001").await;
    assert_eq!((&body["total_events"], &body["hours"]), (&0.into(), &1.into()));
    let (status, body) = get(&sandbox, "/campaigns/nobody/stats").await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &"campaign not found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_bad_parameters_named() {
    let sandbox = Sandbox::new();
    assert_eq!(get(&sandbox, "/campaigns").await.1["data"], Value::Array(Vec::new()));
    sandbox.accept(&events(30)).await;
    let (_, body) = get(&sandbox, "/campaigns").await;
    assert_eq!(body["data"].as_array().unwrap().len(), 3);
    let (_, body) = get(&sandbox, "/campaigns?limit=1&offset=2").await;
    assert_eq!(body["data"].as_array().unwrap().len(), 1);
    let (_, body) = get(&sandbox, "/campaigns/c-1").await;
    assert_eq!(
        (&body["data"]["campaign_id"], &body["data"]["total_clicks"]),
        (&"c-1".into(), &10.into())
    );
    for (path, parameter) in [
        ("/campaigns?limit=0", "limit"),
        ("/campaigns?offset=-1", "offset"),
        ("/campaigns/c-1/stats?hours=x", "hours"),
        ("/campaigns/c-1/stats?from=never", "from"),
        ("/campaigns/", "campaign id"),
    ] {
        let (status, body) = get(&sandbox, path).await;
        assert_eq!((status, &body["parameter"]), (StatusCode::BAD_REQUEST, &parameter.into()));
        assert!(body["error"].as_str().unwrap().starts_with(parameter), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_followed_from_the_door_to_its_row() {
    let sandbox = Sandbox::new();
    assert_eq!(get(&sandbox, "/events/e-0001").await.0, StatusCode::NOT_FOUND);
    sandbox.send(&[event(1, "click", ADDRESS)]).await;
    assert_eq!(get(&sandbox, "/events/e-0001").await.1["outcome"], "in_flight");
    sandbox.drain().await;
    assert_eq!(get(&sandbox, "/events/e-0001").await.1["outcome"], "stored");
    sandbox.accept(&[event(1, "click", ADDRESS)]).await;
    let (_, body) = get(&sandbox, "/events/e-0001").await;
    assert_eq!((&body["outcome"], &body["duplicates"]), (&"stored".into(), &1.into()));
    let odd = r#"{"event_id":"a/b ü","event_type":"click","user_id":"u","campaign_id":"c"}"#;
    sandbox.accept(&[(odd.to_owned(), ADDRESS)]).await;
    let (_, body) = get(&sandbox, "/events/a%2Fb%20%C3%BC").await;
    assert_eq!((&body["event_id"], &body["outcome"]), (&"a/b ü".into(), &"stored".into()));
    assert_eq!(get(&sandbox, "/events/%FF").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&sandbox, "/events/%00").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_is_503_and_says_when_to_come_back() {
    use evp::backends::memory::{Faults, Faulty};
    use evp::ports::Kind;

    let mut sandbox = Sandbox::new();
    let faults = Faults::new();
    let store = sandbox.context.ports.store.clone();
    sandbox.context.ports.store = std::sync::Arc::new(Faulty::new(store, &faults));
    faults.go_down(Kind::Unavailable);
    for path in ["/campaigns", "/campaigns/c", "/campaigns/c/stats", "/events/e"] {
        let (status, body) = get(&sandbox, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(body["code"], "unavailable", "{path}");
    }
    faults.come_up();
    assert_eq!(get(&sandbox, "/campaigns").await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_its_own_listener_it_says_how_it_is_and_refuses_in_json() {
    use evp::roles::query::Query;
    use evp::runtime::shutdown::CancellationToken;

    let sandbox = Sandbox::with(|settings| settings.query.listen = "127.0.0.1:0".parse().ok());
    let role = Query::build(&sandbox.deps()).unwrap();
    let address = role.local_addr();
    let stop = CancellationToken::new();
    let running = evp::runtime::tasks::spawn("query", role.run(stop.clone()));
    let get = async |method: &'static str, path: &'static str| {
        let url = format!("http://{address}{path}");
        let asked = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let request = Request::builder().method(method).uri(url).body(()).unwrap();
            let mut response = agent.run(request).unwrap();
            (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
        });
        asked.await.unwrap()
    };
    assert_eq!(get("GET", "/health").await, (200, r#"{"status":"healthy"}"#.to_owned()));
    while get("GET", "/ready").await.0 != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get("GET", "/nowhere").await.0, 404);
    let (status, body) = get("POST", "/campaigns").await;
    assert_eq!(status, 405);
    assert!(body.contains("method_not_allowed"), "{body}");
    stop.cancel();
    running.await.unwrap().unwrap();
}
