//! Slow clients, clients that leave, a log that takes nothing, and the end.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::rig::Rig;
use crate::ports::Kind;
use crate::runtime::tasks;
use crate::settings::{ByteSize, DurabilityMode, Span};

const CAMPAIGN: &str = r#"{"event_type":"click","user_id":"u1","campaign_id":"c1"}"#;

const SHORT: Span = Span(Duration::from_millis(200));

#[tokio::test]
async fn slow_headers_and_absent_bodies_are_cut_off() {
    let rig = Rig::with(|settings| {
        settings.http.header_timeout = SHORT;
        settings.http.body_timeout = SHORT;
    })
    .await;
    let mut client = rig.connect().await;
    client.write("POST /event HTTP/1.1\r\nhost: t\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("header_timeout")));
    assert!(client.answer().await.is_none());

    let mut client = rig.connect().await;
    client.write("POST /event HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 408);

    let mut silent = rig.connect().await;
    assert!(silent.answer().await.is_none(), "a connection without a word is closed");
    assert_eq!(rig.log.records().len(), 0);
}

#[tokio::test]
async fn a_body_that_drips_byte_by_byte_has_one_deadline_for_all_of_it() {
    let rig = Rig::with(|settings| settings.http.body_timeout = SHORT).await;
    let client = rig.connect().await;
    let (mut read, mut write) = client.stream.into_split();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    write
        .write_all(b"POST /event HTTP/1.1\r\nhost: t\r\ncontent-length: 10000\r\n\r\n")
        .await
        .unwrap();
    let drip = async {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut head = [0_u8; 12];
    tokio::select! {
        read = read.read_exact(&mut head) => drop(read.unwrap()),
        () = drip => {}
    }
    assert_eq!(&head, b"HTTP/1.1 408");
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_kept() {
    let rig = Rig::with(|settings| {
        settings.http.idle_timeout = SHORT;
        settings.http.header_timeout = SHORT;
    })
    .await;
    let mut client = rig.connect().await;
    rig.log.hold();
    client.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    tokio::time::sleep(2 * SHORT.0).await;
    rig.log.release();
    assert_eq!(client.answer().await.unwrap().status, 202);
    assert!(client.answer().await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_its_event_along() {
    let rig = Rig::start().await;
    rig.log.hold();
    let mut client = rig.connect().await;
    client.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    while rig.log.begun.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.log.release();
    while rig.log.records().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    assert_eq!(rig.log.records().len(), 2);
}

#[tokio::test]
async fn a_full_log_is_503_and_not_ready_until_there_is_room() {
    let rig = Rig::start().await;
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    for kind in [Kind::Full, Kind::Unavailable] {
        rig.log.refuse(Some(kind));
        for (path, body) in [
            ("/event", CAMPAIGN.to_owned()),
            ("/events/batch", format!("[{CAMPAIGN}]")),
            ("/events", "{}".to_owned()),
        ] {
            let answer = rig.post(path, body).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
            assert!(answer.error().starts_with("failed to queue event"));
            assert_eq!(answer.header("evp-durability"), None);
        }
        let answer = rig.get("/ready").await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("not ready")));
        assert_eq!(rig.get("/health").await.status, 200);
        rig.log.refuse(None);
        while rig.get("/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    }
    assert_eq!(rig.log.records().len(), 3);
}

#[tokio::test]
async fn an_event_that_fits_no_record_is_the_clients_fault() {
    let rig = Rig::start().await;
    rig.log.refuse(Some(Kind::Data));
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 400);
}

#[tokio::test]
async fn an_append_that_takes_too_long_is_503() {
    let rig = Rig::with(|settings| settings.collector.ack_timeout = SHORT).await;
    rig.log.hold();
    let answer = rig.post("/event", CAMPAIGN).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("ack_timeout")));
    rig.log.release();
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_given_back() {
    let limit = ByteSize(2 * CAMPAIGN.len() as u64);
    let rig = Rig::with(|settings| settings.collector.max_in_flight_bytes = limit).await;
    rig.log.hold();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = rig.connect().await;
        client.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
        waiting.push(client);
    }
    while rig.log.begun.load(SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let answer = rig.post("/event", CAMPAIGN).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("overloaded")));
    rig.log.release();
    for mut client in waiting {
        assert_eq!(client.answer().await.unwrap().status, 202);
    }
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
}

/// A thread that gets to its requests too late refuses some of them at once, and none any more when
/// it is in time again. The log hears of the beginning and of the end.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the thread is to be held up")]
async fn more_than_can_be_answered_in_time_is_refused_in_part() {
    let bound = Span(Duration::from_millis(1));
    let rig = Rig::with(|settings| settings.http.max_queue_delay = bound).await;
    let busy = tasks::spawn("busy", async {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            tokio::task::yield_now().await;
        }
    });
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(rig.connect().await);
    }
    let (mut taken, mut refused) = (0, 0);
    while refused == 0 {
        for client in &mut clients {
            client.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
        }
        for client in &mut clients {
            let answer = client.answer().await.unwrap();
            if answer.status == 202 {
                taken += 1;
                continue;
            }
            refused += 1;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("overloaded")));
            assert_eq!(answer.header("retry-after"), Some("5"));
        }
    }
    assert!(taken > 0);
    while rig.log.overloads.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    busy.abort();
    let mut in_a_row = 0;
    while in_a_row < 200 {
        let answer = rig.post("/event", CAMPAIGN).await;
        in_a_row = if answer.status == 202 { in_a_row + 1 } else { 0 };
    }
    assert!(rig.log.records().len() >= taken + in_a_row);
    while rig.log.is_overloaded.load(SeqCst) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_end_answers_what_is_in_flight_and_then_closes() {
    let rig = Rig::start().await;
    let mut idle = rig.connect().await;
    idle.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    assert_eq!(idle.answer().await.unwrap().status, 202);
    rig.log.hold();
    let mut busy = rig.connect().await;
    busy.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    while rig.log.begun.load(SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    rig.shutdown.cancel();
    assert!(idle.answer().await.is_none(), "idle connections are closed");
    assert!(!rig.running.is_finished());
    rig.log.release();
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    assert!(busy.answer().await.is_none());
    while !rig.running.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(tokio::net::TcpStream::connect(rig.address).await.is_err());
}

#[tokio::test]
async fn the_end_writes_what_was_acknowledged_in_memory() {
    let memory = DurabilityMode::Memory;
    let mut rig = Rig::with(|settings| settings.collector.durability = memory).await;
    rig.log.hold();
    assert_eq!(rig.post("/event", CAMPAIGN).await.status, 202);
    while rig.log.begun.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    rig.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_millis(300), &mut rig.running).await;
    assert!(ended.is_err(), "it ended before the event was written");
    rig.log.release();
    (&mut rig.running).await.unwrap().unwrap();
    assert_eq!(rig.log.records().len(), 1);
}

#[tokio::test]
async fn the_grace_bounds_the_end() {
    let rig = Rig::with(|settings| settings.shutdown.grace = SHORT).await;
    rig.log.hold();
    let mut busy = rig.connect().await;
    busy.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    while rig.log.begun.load(SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    rig.shutdown.cancel();
    assert!(busy.answer().await.is_none());
    while !rig.running.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn connections_past_the_bound_wait_for_their_turn() {
    let rig = Rig::with(|settings| {
        settings.http.threads = 1;
        settings.http.max_connections = 1;
    })
    .await;
    let mut first = rig.connect().await;
    first.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    assert_eq!(first.answer().await.unwrap().status, 202);
    let mut second = rig.connect().await;
    second.send("POST", "/event", &[], CAMPAIGN.as_bytes()).await;
    let unanswered = tokio::time::timeout(Duration::from_millis(100), second.answer()).await;
    assert!(unanswered.is_err());
    drop(first);
    assert_eq!(second.answer().await.unwrap().status, 202);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let rig = Rig::start().await;
    let mut client = rig.connect().await;
    for id in ["a", "b", "c"] {
        client
            .send("POST", "/events", &[], format!("{{\"id\":\"{id}\",\"type\":\"t\"}}").as_bytes())
            .await;
    }
    for id in ["a", "b", "c"] {
        assert_eq!(client.answer().await.unwrap().json()["id"], id);
    }
}
