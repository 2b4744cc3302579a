//! The archive on a real MinIO.

use std::time::Duration;

use bytes::Bytes;
use evp::backends::s3::{S3Doctor, S3Store};
use evp::ports::contract::object_store::run;
use evp::ports::{Clock, Created, Doctor, Kind, ObjectStore, SystemClock};
use evp::settings::{S3, Span};

use crate::servers::{MINIO_PASSWORD, MINIO_USER, Running, minio};

fn settings(server: &Running) -> S3 {
    S3 {
        endpoint: Some(format!("127.0.0.1:{}", server.port)),
        access_key: Some(MINIO_USER.to_owned()),
        secret_key: Some(MINIO_PASSWORD.into()),
        timeout: Span(Duration::from_secs(10)),
        ..S3::default()
    }
}

/// Its port answers a moment before it does.
async fn ready(store: &S3Store) {
    for _ in 0..100 {
        if store.check().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.check().await.unwrap();
}

#[tokio::test]
async fn the_suite_holds_on_a_bucket_made_on_first_use() {
    let folder = tempfile::tempdir().unwrap();
    let server = minio(folder.path());
    let store = S3Store::new(&settings(&server)).unwrap();
    ready(&store).await;
    assert!(store.is_create_only());
    run(&store, "").await;
    run(&store, "below/").await;
    // A second process finds the bucket, and the probe that the first one left.
    let second = S3Store::new(&settings(&server)).unwrap();
    second.check().await.unwrap();
    assert!(second.is_create_only());
    assert_eq!(second.list("below/d/", None, 9).await.unwrap().len(), 1);
    assert!(second.list("", None, 999).await.unwrap().iter().all(|o| !o.key.starts_with('.')));
}

#[tokio::test]
async fn a_stopped_store_is_unavailable_and_what_stood_there_stands_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = minio(folder.path());
    let settings = S3 { retries: 0, ..settings(&server) };
    let store = S3Store::new(&settings).unwrap();
    ready(&store).await;
    let content = Bytes::from_static(b"kept");
    assert_eq!(store.create("a/x", content.clone()).await.unwrap(), Created::New);
    server.kill();
    for error in [
        store.create("a/y", content.clone()).await.unwrap_err(),
        store.get("a/x").await.unwrap_err(),
        store.list("a/", None, 9).await.unwrap_err(),
        store.check().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    }
    // A store that is down at start keeps nobody from starting.
    let early = S3Store::new(&settings).unwrap();
    assert_eq!(early.create("a/z", content.clone()).await.unwrap_err().kind(), Kind::Unavailable);
    server.resume();
    ready(&store).await;
    assert_eq!(store.get("a/x").await.unwrap(), content);
    assert_eq!(store.create("a/x", content.clone()).await.unwrap(), Created::Exists);
    assert_eq!(early.create("a/z", content).await.unwrap(), Created::New);
}

#[tokio::test]
async fn wrong_keys_are_told_and_the_doctor_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = minio(folder.path());
    let good = settings(&server);
    ready(&S3Store::new(&good).unwrap()).await;
    let bad = S3 { secret_key: Some("not-the-password".into()), ..good.clone() };
    let store = S3Store::new(&bad).unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!error.chain().contains("not-the-password"), "{}", error.chain());
    let now = SystemClock.now();
    let diagnosis = S3Doctor::new(&bad).unwrap().examine(now).await;
    assert!(!diagnosis.reachable);
    assert!(diagnosis.symptoms[0].advice.contains("s3.secret_key"), "{diagnosis:?}");
    let diagnosis = S3Doctor::new(&good).unwrap().examine(now).await;
    assert!(diagnosis.reachable && diagnosis.symptoms.is_empty(), "{diagnosis:?}");
    assert_eq!(diagnosis.version.as_deref(), Some("MinIO"));
}
