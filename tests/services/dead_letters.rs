//! Events that Postgres cannot store, on a cluster: each ends as one dead letter with the headers that
//! 003's tools read, goes back with its origin, and is one dead letter again where it fails again.

use evp::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, Letter, LetterFilter,
};
use evp::model::{
    ConsumedRecord, HeaderName, Headers, Offset, Record, RecordBatch, TopicPartition,
};

use crate::cluster::Installation;
use crate::damage::Bent;
use crate::jobs_sandbox::{ADDRESS, events};

async fn letters(installation: &Installation) -> Vec<Letter> {
    let request =
        DeadLettersRequest::List { filter: LetterFilter::default(), after: None, limit: 100 };
    match installation.run::<DeadLetters>(request).await {
        DeadLettersResponse::Letters { letters, .. } => letters,
        other => panic!("{other:?}"),
    }
}

/// What lies in both dead-letter topics.
async fn dead(installation: &Installation) -> Vec<ConsumedRecord> {
    let (log, topics) = (&installation.context.ports.log, &installation.context.settings.topics);
    let mut all = Vec::new();
    for topic in [&topics.raw_dlq, &topics.processed_dlq] {
        for partition in log.describe(topic).await.unwrap().partitions {
            let at = TopicPartition::new(topic.clone(), partition.partition);
            all.extend(log.read(&at, Offset(0), 100).await.unwrap());
        }
    }
    all
}

/// A foreign producer's record that just fits into the raw topic: its canonical form does not fit into
/// the next one, and neither does its letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_outgrows_its_topics_is_a_dead_letter_and_holds_up_nobody() {
    let installation = Installation::new(|_| {}).await;
    installation.send(&events(20)).await;
    let room = usize::try_from(installation.context.settings.kafka.max_record_bytes.0).unwrap();
    let value = |filling: &str| {
        format!(
            r#"{{"event_id":"large","event_type":"click","user_id":"u","campaign_id":"c","meta_data":{{"a":"{filling}"}}}}"#
        )
    };
    let record = Record {
        key: "k".into(),
        value: value(&"x".repeat(room - value("").len() - 120)).into(),
        timestamp: installation.context.ports.clock.now(),
        headers: Headers::new(),
    };
    let raw = &installation.context.settings.topics.raw;
    installation.context.ports.log.append(raw, RecordBatch::of(&record)).await.unwrap();
    installation.send(&events(40)[20..]).await;
    installation.drain().await;
    assert_eq!(installation.number("SELECT count(*) FROM raw_events").await, 40);
    let found = letters(&installation).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].error_type, evp::model::VALUE_LEFT_OUT, "{found:#?}");
    let report = installation.assert_clean().await;
    assert_eq!((report.books.accepted, report.books.dead_lettered), (41, 1));
    let request = DeadLettersRequest::Redrive {
        filter: LetterFilter::default(),
        id: "again".to_owned(),
        dry_run: false,
    };
    let answer = installation.run::<DeadLetters>(request).await;
    let is_left =
        matches!(answer, DeadLettersResponse::Redriven { redriven: 0, without_value: 1, .. });
    assert!(is_left, "there is nothing to put back: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_cannot_store_is_one_dead_letter_however_often_it_goes_back() {
    let installation = Installation::new(|_| {}).await;
    installation.send(&events(20)).await;
    // Free JSON keeps its NUL, as JSON: it came through the door and is a row.
    let nul = r#"{"event_id":"nul","event_type":"click","user_id":"u","campaign_id":"c","meta_data":{"a":"x\u0000y"}}"#;
    installation.send(&[(nul.to_owned(), ADDRESS)]).await;
    // A foreign producer's records, past the door: a NUL in a column, and no event at all.
    let raw = &installation.context.settings.topics.raw;
    let poison: [&'static str; 2] = [
        r#"{"event_id":"poison","event_type":"click","user_id":"a\u0000b","campaign_id":"c"}"#,
        "no JSON",
    ];
    for value in poison {
        let record = Record {
            key: "k".into(),
            value: value.into(),
            timestamp: installation.context.ports.clock.now(),
            headers: Headers::new(),
        };
        installation.context.ports.log.append(raw, RecordBatch::of(&record)).await.unwrap();
    }
    installation.drain().await;
    assert_eq!(installation.number("SELECT count(*) FROM raw_events").await, 21);
    let found = letters(&installation).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    for letter in &found {
        assert!(poison.contains(&letter.value.as_deref().unwrap()), "{letter:?}");
        assert_eq!((letter.redrives, letter.resolved_at), (0, None));
    }
    let report = installation.assert_clean().await;
    assert_eq!((report.books.accepted, report.books.dead_lettered), (23, 2));
    for record in dead(&installation).await {
        let headers = &record.record.headers;
        for name in [
            HeaderName::ErrorType,
            HeaderName::ErrorMessage,
            HeaderName::OriginalTopic,
            HeaderName::OriginalPartition,
            HeaderName::OriginalOffset,
            HeaderName::FailedAt,
            HeaderName::FinalRetryCount,
            HeaderName::SentToDlqAt,
            HeaderName::Origin,
        ] {
            assert!(headers.text(&name).is_some(), "{} is not there: {headers:?}", name.as_str());
        }
    }

    let filter = LetterFilter::default();
    let redrive = DeadLettersRequest::Redrive { filter, id: "r".to_owned(), dry_run: false };
    let answer = installation.run::<DeadLetters>(redrive).await;
    assert!(matches!(answer, DeadLettersResponse::Redriven { redriven: 2, .. }), "{answer:?}");
    installation.drain().await;
    let again = letters(&installation).await;
    assert_eq!(again.len(), 2, "{again:#?}");
    for (letter, before) in again.iter().zip(&found) {
        assert_eq!((letter.origin, letter.redrives), (before.origin, 1));
    }
    assert_eq!(dead(&installation).await.len(), 4);
    let report = installation.assert_clean().await;
    assert_eq!((report.books.accepted, report.books.dead_lettered), (23, 2));
}
