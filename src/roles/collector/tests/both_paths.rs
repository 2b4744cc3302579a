//! The fast path and hyper's give the same answer and the same records.

use std::fmt::Write as _;

use super::rig::{Answer, Rig};
use crate::model::HeaderName;

/// The answer to a request that arrives whole, and to the same on a connection that is hyper's.
async fn both_ways(rig: &Rig, path: &str, headers: &[(&str, &str)], body: &[u8]) -> [Answer; 2] {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let request = [head.as_bytes(), b"\r\n", body].concat();
    let mut whole = rig.connect().await;
    whole.write(&request).await;
    let mut left = rig.connect().await;
    left.send("GET", "/livez", &[], b"").await;
    assert_eq!(left.answer_to("GET").await.unwrap().status, 200);
    left.write(&request).await;
    [whole.answer().await.unwrap(), left.answer().await.unwrap()]
}

/// A path, headers and a body.
type Case<'c> = (&'c str, Vec<(&'c str, &'c str)>, Vec<u8>);

#[tokio::test]
async fn both_paths_give_the_same_answer() {
    let rig = Rig::start().await;
    let campaign = r#"{"event_id":"e","event_type":"t","user_id":"u","campaign_id":"c"}"#;
    let named = r#"{"event_name":"n","user_id":"u","timestamp":1795262300,"event_id":"e"}"#;
    let gzip = {
        use std::io::Write as _;
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(campaign.as_bytes()).unwrap();
        writer.finish().unwrap()
    };
    let id = ("x-request-id", "r-1");
    let cases: Vec<Case<'_>> = vec![
        ("/event", vec![id], campaign.into()),
        ("/event/", vec![id, ("x-forwarded-for", "203.0.113.9, 10.0.0.1")], campaign.into()),
        ("/event", vec![id, ("idempotency-key", "k")], b"{".to_vec()),
        ("/event", vec![id, ("content-encoding", "gzip")], gzip),
        ("/event", vec![id, ("content-encoding", "odd")], campaign.into()),
        ("/event", vec![id, ("idempotency-key", "")], campaign.into()),
        ("/events", vec![id], named.into()),
        ("/events/batch", vec![id], format!("[{campaign},{{}}]").into()),
        (
            "/events/batch",
            vec![id, ("prefer", "return=representation")],
            format!("[{campaign}]").into(),
        ),
        (
            "/events/batch",
            vec![id, ("content-type", "application/x-ndjson")],
            format!("{campaign}\n").into(),
        ),
        ("/events/bulk", vec![id], format!("{{\"events\":[{named}]}}").into()),
        ("/api/v1/events", vec![id], named.into()),
        ("/api/v1/events/bulk", vec![id], format!("{{\"events\":[{named},1]}}").into()),
        ("/events/ndjson", vec![id], format!("{campaign}\nx\n").into()),
    ];
    for (path, headers, body) in cases {
        let before = rig.log.records().len();
        let [whole, left] = both_ways(&rig, path, &headers, &body).await;
        assert_eq!((whole.status, &whole.body), (left.status, &left.body), "{path} {headers:?}");
        assert_eq!(whole.names_and_values(), left.names_and_values(), "{path} {headers:?}");
        let records = rig.log.records().split_off(before);
        let (first, second) = records.split_at(records.len() / 2);
        for (first, second) in first.iter().zip(second) {
            assert_eq!((&first.key, &first.value), (&second.key, &second.value));
            for name in [HeaderName::EventId, HeaderName::ClientIp, HeaderName::Shape] {
                assert_eq!(first.headers.get(&name), second.headers.get(&name));
            }
        }
        assert!(whole.status >= 400 || !records.is_empty(), "{path} {headers:?}");
    }
}
