//! What no client should send: a clear 4xx each time, and a connection that ends or goes on.

use std::io::Write;

use super::rig::Rig;
use crate::settings::ByteSize;

const CAMPAIGN: &str = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1"}"#;
const SINGLE: [&str; 3] = ["/event", "/events", "/api/v1/events"];
const ALL: [&str; 7] = [
    "/event",
    "/events",
    "/events/batch",
    "/events/bulk",
    "/events/ndjson",
    "/api/v1/events",
    "/api/v1/events/bulk",
];

#[tokio::test]
async fn malformed_bodies_are_400_with_an_error_on_every_route() {
    let rig = Rig::start().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let huge_number = format!("{{\"user_id\":{}}}", "9".repeat(5000));
    let bodies: [&[u8]; 16] = [
        b"",
        b" ",
        b"{",
        b"[",
        b"nul",
        b"\xff\xfe",
        b"{\"user_id\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"{}{}x",
        b"{\"user_id\":1,\"event_type\":[],\"event_name\":{},\"type\":2,\"timestamp\":\"x\"}",
        b"{\"user_id\":\"a\",\"user_id\":\"b\",\"type\":\"t\"}",
        b"{\"Event_Type\":\"a\",\"Event_Name\":\"x\",\"Type\":\"t\"}",
        b"{\"user_id\":\"a\\u0000b\",\"event_type\":\"x\",\"event_name\":\"\\ud800\"}",
        b"{\"timestamp\":1e999,\"event_name\":\"x\"}",
        deep.as_bytes(),
        huge_number.as_bytes(),
    ];
    for path in ALL {
        for body in bodies {
            let answer = rig.post(path, body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, 400, "{path} {shown} {}", answer.body);
            assert!(!answer.error().is_empty(), "{path} {shown}");
        }
    }
    assert_eq!(rig.log.records().len(), 0);
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
}

#[tokio::test]
async fn depth_and_size_limits_hold() {
    let rig = Rig::with(|settings| {
        settings.collector.max_json_depth = 4;
        settings.http.max_body_bytes = ByteSize(4096);
        settings.collector.max_event_bytes = ByteSize(1024);
    })
    .await;
    let nested = |depth: usize| {
        let free = format!("{}1{}", "{\"a\":".repeat(depth - 1), "}".repeat(depth - 1));
        CAMPAIGN.replace("\"c1\"", &format!("\"c1\",\"meta_data\":{free}"))
    };
    assert_eq!(rig.post("/event", nested(4)).await.status, 202);
    assert_eq!(rig.post("/event", nested(5)).await.status, 400);
    for path in ALL {
        let answer = rig.post(path, vec![b' '; 5000]).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body_too_large")));
    }
    for path in SINGLE {
        assert_eq!(rig.post(path, vec![b' '; 1025]).await.status, 413);
    }
    // A chunked body has no length to refuse it by.
    let mut client = rig.connect().await;
    client.write("POST /event HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.write(format!("500\r\n{}\r\n0\r\n\r\n", "x".repeat(0x500))).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn chunked_and_expected_bodies_are_taken() {
    let rig = Rig::start().await;
    let mut client = rig.connect().await;
    client.write("POST /event HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let (left, right) = CAMPAIGN.split_at(20);
    client.write(format!("{:x}\r\n{left}\r\n", left.len())).await;
    client.write(format!("{:x}\r\n{right}\r\n0\r\n\r\n", right.len())).await;
    assert_eq!(client.answer().await.unwrap().status, 202);
    let head = format!(
        "POST /event HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        CAMPAIGN.len()
    );
    client.write(head).await;
    client.write(CAMPAIGN).await;
    assert_eq!(client.answer().await.unwrap().status, 202);
    assert_eq!(rig.log.records()[0].value, CAMPAIGN.as_bytes());
}

#[tokio::test]
async fn encodings_are_undone_within_limits() {
    let rig = Rig::start().await;
    let gzip = |data: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    };
    let post = |encoding: &'static str, body: Vec<u8>| {
        let rig = &rig;
        async move { rig.request("POST", "/event", &[("content-encoding", encoding)], body).await }
    };
    assert_eq!(post("gzip", gzip(CAMPAIGN.as_bytes())).await.status, 202);
    let zstd = zstd::encode_all(CAMPAIGN.as_bytes(), 1).unwrap();
    assert_eq!(post("zstd", zstd).await.status, 202);
    assert_eq!(rig.log.records()[1].value, CAMPAIGN.as_bytes());
    assert_eq!(post("gzip", gzip(&vec![b' '; 12 << 20])).await.status, 413);
    let bomb = zstd::encode_all(&vec![b' '; 12 << 20][..], 1).unwrap();
    assert_eq!(post("zstd", bomb).await.status, 413);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0].repeat(100_000);
    assert_eq!(post("zstd", skippable).await.status, 413);
    let answer = post("gzip", b"no gzip".to_vec()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_encoding")));
    let answer = post("lz4", b"x".to_vec()).await;
    assert_eq!(answer.status, 415);
    assert_eq!(answer.header("accept-encoding"), Some("gzip, br, deflate, zstd"));
    assert_eq!(rig.log.records().len(), 2);
}

#[tokio::test]
async fn requests_that_are_no_http_get_a_body_too() {
    let rig = Rig::start().await;
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(600_000));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(70_000));
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400),
        ("POST /event HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_owned(), 400),
        (many, 431),
        (large, 431),
        (long, 414),
    ] {
        let mut client = rig.connect().await;
        let shown: String = request.chars().take(40).collect();
        // The server may close before all of it is written.
        let writing = tokio::io::AsyncWriteExt::write_all(&mut client.stream, request.as_bytes());
        let _written = writing.await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(answer.status == status || (status == 414 && answer.status == 431), "{answer:?}");
        assert!(!answer.error().is_empty(), "{shown}");
        assert!(client.answer().await.is_none(), "{shown}");
    }
}

#[tokio::test]
async fn broken_chunks_and_cut_bodies_end_the_connection_only() {
    let rig = Rig::start().await;
    let mut client = rig.connect().await;
    client
        .write("POST /event HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        .await;
    if let Some(answer) = client.answer().await {
        assert_eq!(answer.status, 400);
    }
    let mut client = rig.connect().await;
    client.write("POST /event HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{\"half").await;
    drop(client);
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    assert_eq!(rig.log.records().len(), 1);
}
