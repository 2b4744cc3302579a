//! What becomes of events when nothing fails.

use evp::model::{HeaderName, Offset, Outcome, RecordBatch, Rule, RuleSource};
use evp::pipeline::reprocessed;
use evp::ports::{Polled, Progress};
use evp::roles::Role;

use crate::sandbox::{Sandbox, small};

fn rule(target: &str) -> Rule {
    Rule {
        target: target.parse().unwrap(),
        reason: Some("scraper".to_owned()),
        source: RuleSource::Operator,
        created_at: evp::model::Timestamp::default(),
        expires_at: None,
    }
}

#[tokio::test]
async fn every_accepted_event_has_one_outcome() {
    let sandbox = Sandbox::memory(small());
    sandbox.ports.state.put_rule(&rule("203.0.113.0/24")).await.unwrap();
    for n in 0..1000 {
        let ip = if n % 10 == 0 { "203.0.113.9" } else { "198.51.100.7" };
        // Every fifth id comes twice.
        sandbox.accept(&format!("e-{}", n - i32::from(n % 5 == 4)), ip).await;
    }
    sandbox.accept_value("broken", "198.51.100.7", b"{").await;
    sandbox.accept_value("bytes", "198.51.100.7", b"\xff").await;
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.duplicate), (700, 200));
    assert_eq!((books.blocked, books.dead_lettered), (100, 2));
    for letter in sandbox.dead_letters().await {
        assert_eq!(letter.letter.failure.error_type, "unmarshal_error");
        assert_eq!(letter.letter.original.topic, sandbox.settings.topics.raw);
        assert!([&b"{"[..], b"\xff"].contains(&&letter.letter.value[..]));
    }
}

#[tokio::test]
async fn the_101st_event_of_a_minute_crosses_the_limit_and_bans_its_address_once() {
    let mut settings = small();
    settings.processor.ip_rate_limit_per_min = 100;
    let sandbox = Sandbox::memory(settings);
    for n in 0..150 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
        sandbox.accept(&format!("local-{n}"), "127.0.0.1").await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.rate_limited, books.blocked), (250, 1, 49));
    assert_eq!(sandbox.ports.state.rules().await.unwrap().len(), 1);

    // Sent again with the ban in force: what passed is a duplicate, the rest is blocked.
    for n in 0..150 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.duplicate, books.blocked), (250, 100, 99));
}

#[tokio::test]
async fn a_lifted_ban_holds_no_more() {
    let mut settings = small();
    settings.processor.ip_rate_limit_per_min = 2;
    let sandbox = Sandbox::memory(settings);
    let started = sandbox.start();
    for n in 0..3 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    sandbox.settled().await;
    let rules = sandbox.ports.state.rules().await.unwrap();
    sandbox.ports.state.remove_rule(&rules[0].target).await.unwrap();
    sandbox.clock.advance(std::time::Duration::from_secs(60));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let origin = sandbox.accept("later", "198.51.100.7").await;
    sandbox.settled().await;
    started.stop().await.unwrap();
    assert_eq!(sandbox.outcomes().await[&origin], Outcome::Stored);
    sandbox.assert_promise().await;
}

#[tokio::test]
async fn a_redelivered_record_changes_nothing() {
    let mut settings = small();
    settings.processor.ip_rate_limit_per_min = 100;
    let sandbox = Sandbox::memory(settings);
    for n in 0..90 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    let raw = sandbox.settings.topics.raw.clone();
    let at = evp::model::TopicPartition::new(raw.clone(), evp::model::Partition(0));
    let records = sandbox.ports.log.read(&at, Offset(0), 1000).await.unwrap();
    let again = RecordBatch::of_all(records.iter().map(|record| &record.record));
    for _ in 0..3 {
        sandbox.ports.log.append(&raw, again.clone()).await.unwrap();
    }
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!((books.stored, books.redelivered), (90, 270));
    assert_eq!(books.rate_limited, 0);
}

#[tokio::test]
async fn reprocessed_records_are_counted_and_not_archived_again() {
    let sandbox = Sandbox::memory(small());
    for n in 0..10 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    let raw = sandbox.settings.topics.raw.clone();
    let at = evp::model::TopicPartition::new(raw.clone(), evp::model::Partition(0));
    let mut records = sandbox.ports.log.read(&at, Offset(0), 1000).await.unwrap();
    for record in &mut records {
        record.record.headers.set(HeaderName::ReplayId, "r-1");
    }
    let again = RecordBatch::of_all(records.iter().map(|record| &record.record));
    sandbox.ports.log.append(&raw, again).await.unwrap();
    sandbox.accept("last", "198.51.100.7").await;
    sandbox.run_to_the_end().await;
    let books = sandbox.assert_promise().await;
    assert_eq!(books.stored, 11);
    // As after a crash before the commit: the same records are read again and counted once.
    let group = &sandbox.settings.groups.processor;
    let mut consumer = sandbox.ports.log.consumer(group, std::slice::from_ref(&raw)).await.unwrap();
    let assignment = loop {
        if let Polled::Assigned(assigned) =
            consumer.poll(1, std::time::Duration::from_secs(20)).await.unwrap()
        {
            break assigned.into_iter().find(|assigned| assigned.at == at).unwrap();
        }
    };
    consumer.commit(&[Progress { assignment, next: Offset(5) }]).await.unwrap();
    consumer.close().await.unwrap();
    assert!(sandbox.lag().await > 0);
    sandbox.run_to_the_end().await;
    let info = sandbox.ports.log.describe(&raw).await.unwrap();
    let counted = reprocessed::total(&*sandbox.ports.state, &info).await;
    assert_eq!(counted.unwrap(), 10);
    let footers = sandbox.assert_archive(&raw, evp::pipeline::archive_format::Kind::Events).await;
    assert_eq!(footers.iter().map(|footer| footer.count).sum::<u64>(), 11);
    assert_eq!(footers.iter().map(|footer| footer.skipped).sum::<u64>(), 10);
}

#[tokio::test]
async fn a_foreign_record_without_headers_gets_the_origin_of_its_place() {
    let sandbox = Sandbox::memory(small());
    let record = evp::model::Record {
        key: bytes::Bytes::new(),
        value: r#"{"event_type":"click","user_id":"u","campaign_id":"c"}"#.into(),
        timestamp: sandbox.ports.clock.now(),
        headers: evp::model::Headers::new(),
    };
    let raw = &sandbox.settings.topics.raw;
    sandbox.ports.log.append(raw, RecordBatch::of(&record)).await.unwrap();
    let id = sandbox.ports.log.describe(raw).await.unwrap().id;
    let origin = evp::model::Origin::of_foreign(id, evp::model::Partition(0), Offset(0));
    sandbox.adopt_accepted(vec![(origin, evp::model::EventId::new("unknown").unwrap())]);
    sandbox.run_to_the_end().await;
    assert_eq!(sandbox.assert_promise().await.stored, 1);
}

/// Told to end before it has judged anything, in steps so small that a quick machine has not done them
/// all by then.
#[tokio::test]
async fn a_whole_pipeline_ends_when_all_that_was_accepted_has() {
    let mut settings = small();
    settings.processor.batch_size = 1;
    settings.http.listen = "127.0.0.1:0".parse().unwrap();
    let sandbox = Sandbox::memory(settings);
    for n in 0..1000 {
        sandbox.accept(&format!("e-{n}"), "198.51.100.7").await;
    }
    let roles = [Role::Collector, Role::Processor, Role::Archiver, Role::Worker];
    sandbox.start_roles(&roles).stop().await.unwrap();
    assert_eq!(sandbox.assert_promise().await.stored, 1000);
}
