//! Sending into a data directory asks what the collector asks.

use evp::jobs::send::{Send, SendLine, SendRequest};

use crate::sandbox::Sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn right_events_are_accepted_and_wrong_ones_named() {
    let sandbox = Sandbox::new();
    let texts = [
        r#"{"event_type":"click","user_id":"u","campaign_id":"c"}"#,
        r#"{"event_type":"click","user_id":"u"}"#,
        r#"{"event_name":"signup","user_id":"u","timestamp":1769853000}"#,
        r#"{"type":"page","payload":{"a":1}}"#,
        r#"{"event_type":"click","#,
        r#"{"event_type":"click","user_id":"u","campaign_id":"c","event_type":"x"}"#,
    ];
    let lines = texts.iter().zip(10..).map(|(event, line)| SendLine {
        line,
        event: (*event).to_owned(),
        client_ip: None,
        event_id: None,
    });
    let answer =
        sandbox.run::<Send>(SendRequest { lines: lines.collect(), shape: None }).await.unwrap();
    assert_eq!((answer.accepted, answer.rejected), (3, 3), "{answer:#?}");
    let rejected: Vec<u64> = answer.first_rejected.iter().map(|one| one.line).collect();
    assert_eq!(rejected, [11, 14, 15]);
    sandbox.drain().await;
    let report = sandbox.assert_clean().await;
    assert_eq!(report.books.stored, 3);
}
