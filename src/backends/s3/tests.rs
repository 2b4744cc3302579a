//! The store against a stand-in that lies.

use std::time::Duration;

use bytes::Bytes;

use super::S3Store;
use super::stand_in::{Lie, StandIn};
use crate::ports::contract::object_store::run;
use crate::ports::{Created, Kind, ObjectStore};
use crate::settings::{S3, Span};

fn store(stand_in: &StandIn, retries: u32) -> S3Store {
    within(stand_in, retries, Duration::from_secs(20))
}

fn within(stand_in: &StandIn, retries: u32, timeout: Duration) -> S3Store {
    let settings = S3 {
        endpoint: Some(stand_in.endpoint()),
        access_key: Some("name".to_owned()),
        secret_key: Some("secret".into()),
        timeout: Span(timeout),
        retries,
        ..S3::default()
    };
    S3Store::new(&settings).unwrap()
}

async fn ready(retries: u32) -> (StandIn, S3Store) {
    let stand_in = StandIn::start(false).unwrap();
    let store = store(&stand_in, retries);
    store.check().await.unwrap();
    (stand_in, store)
}

const CONTENT: Bytes = Bytes::from_static(b"what was accepted");

#[tokio::test]
async fn passes_the_object_store_suite() {
    let (_stand_in, store) = ready(0).await;
    assert!(store.is_create_only());
    run(&store, "").await;
    run(&store, "below/").await;
}

#[tokio::test]
async fn a_store_that_overwrites_is_noticed_before_anything_is_put() {
    let stand_in = StandIn::start(true).unwrap();
    let store = store(&stand_in, 0);
    assert!(store.is_create_only());
    let error = store.create("a/x", CONTENT).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(stand_in.object("event-archive/a/x"), None);
    assert!(!store.is_create_only());
    run(&store, "").await;
}

#[tokio::test]
async fn failures_that_pass_are_not_told() {
    for lie in [Lie::Status(500), Lie::Status(503), Lie::Status(409), Lie::ErrorIn200] {
        let (stand_in, store) = ready(1).await;
        stand_in.will([lie]);
        assert_eq!(store.create("a/x", CONTENT).await.unwrap(), Created::New, "{lie:?}");
        assert_eq!(stand_in.object("event-archive/a/x").unwrap(), CONTENT);
        stand_in.will([lie]);
        assert_eq!(store.get("a/x").await.unwrap(), CONTENT, "{lie:?}");
        stand_in.will([lie]);
        assert_eq!(store.list("a/", None, 9).await.unwrap().len(), 1, "{lie:?}");
    }
}

#[tokio::test]
async fn success_is_believed_only_of_what_is_there() {
    for lie in [Lie::ErrorIn200, Lie::Nothing200] {
        let (stand_in, store) = ready(0).await;
        stand_in.will([lie]);
        let error = store.create("a/x", CONTENT).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{lie:?}: {}", error.chain());
        assert_eq!(stand_in.object("event-archive/a/x"), None);
    }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let (stand_in, store) = ready(0).await;
    store.create("a/x", CONTENT).await.unwrap();
    stand_in.will([Lie::HalfAnswer, Lie::HalfAnswer]);
    assert_eq!(store.get("a/x").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.list("a/", None, 9).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn silence_after_the_deed_ends_as_an_object_that_is_there() {
    for lie in [Lie::Silence, Lie::HalfAnswer] {
        let stand_in = StandIn::start(false).unwrap();
        let store = within(&stand_in, 3, Duration::from_millis(500));
        store.check().await.unwrap();
        stand_in.will([lie]);
        assert_eq!(store.create("a/x", CONTENT).await.unwrap(), Created::Exists, "{lie:?}");
        assert_eq!(store.get("a/x").await.unwrap(), CONTENT);
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_by_kind() {
    let (stand_in, store) = ready(2).await;
    for (status, kind) in [(403, Kind::Unavailable), (507, Kind::Full), (413, Kind::Data)] {
        let before = stand_in.requests().len();
        stand_in.will([Lie::Status(status); 3]);
        assert_eq!(store.create("a/x", CONTENT).await.unwrap_err().kind(), kind);
        let asked = stand_in.requests().len() - before;
        // What an operator must mend is not asked for again and again.
        assert_eq!(asked, if status == 507 { 3 } else { 1 }, "{status}");
        while stand_in.requests().len() < before + 3 {
            drop(store.get("a/none").await);
        }
    }
}

#[tokio::test]
async fn a_bucket_to_be_made_is_empty_and_one_that_must_be_there_is_missed() {
    let stand_in = StandIn::start(false).unwrap();
    let fresh = store(&stand_in, 0);
    assert!(fresh.list("events/", None, 9).await.unwrap().is_empty());
    assert_eq!(stand_in.requests(), ["GET event-archive"]);
    let settings =
        S3 { endpoint: Some(stand_in.endpoint()), create_bucket: false, ..S3::default() };
    let strict = S3Store::new(&settings).unwrap();
    assert_eq!(strict.list("events/", None, 9).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(strict.check().await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_bucket_that_went_away_is_an_error_and_no_empty_archive() {
    let (stand_in, store) = ready(0).await;
    stand_in.forget();
    assert_eq!(store.list("events/", None, 9).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.create("a/x", CONTENT).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.get("a/x").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.check().await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn an_object_larger_than_what_is_read_is_refused() {
    let stand_in = StandIn::start(false).unwrap();
    let settings = S3 {
        endpoint: Some(stand_in.endpoint()),
        max_object_bytes: crate::settings::ByteSize(8),
        ..S3::default()
    };
    let store = S3Store::new(&settings).unwrap();
    store.create("a/x", CONTENT).await.unwrap();
    assert_eq!(store.get("a/x").await.unwrap_err().kind(), Kind::Data);
}
