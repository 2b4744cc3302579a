//! The archive's own audit.

use evp::jobs::archive::{Archive, ArchiveReport, ArchiveRequest, ArchiveResponse};
use evp::jobs::verify::{FindingKind, VerifyStatus};

use crate::sandbox::{Sandbox, events};

async fn audit(sandbox: &Sandbox) -> ArchiveReport {
    let answer = sandbox.run::<Archive>(ArchiveRequest::Audit { limit: 100 }).await.unwrap();
    let ArchiveResponse::Report(report) = answer else { panic!("{answer:?}") };
    report
}

async fn found(sandbox: &Sandbox) -> Vec<FindingKind> {
    let report = audit(sandbox).await;
    assert_eq!(report.status, VerifyStatus::Findings, "{report:#?}");
    report.totals.keys().copied().collect()
}

/// Ten objects of ten events.
async fn filled() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.archive.flush_events = 10);
    sandbox.accept(&events(100)).await;
    sandbox
}

#[tokio::test]
async fn a_whole_archive_is_clean_and_counted() {
    let sandbox = filled().await;
    let report = audit(&sandbox).await;
    assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    assert_eq!((report.objects, report.records), (10, 100));
    assert_eq!(report.partitions[0].committed.0, 100);
    assert_eq!(report.partitions[0].records, 100);
    assert_eq!(report.unknown_offsets, 0);
}

#[tokio::test]
async fn damage_gaps_and_overlaps_are_found() {
    let sandbox = filled().await;
    let files = sandbox.files("events");
    let mut bytes = std::fs::read(&files[3]).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&files[3], &bytes).unwrap();
    // Of a damaged object nothing is believed, its range neither.
    assert_eq!(found(&sandbox).await, [FindingKind::ObjectDamaged, FindingKind::RangeGap]);

    let sandbox = filled().await;
    let files = sandbox.files("events");
    std::fs::remove_file(files.last().unwrap()).unwrap();
    assert_eq!(found(&sandbox).await, [FindingKind::RangeGap]);

    let sandbox = filled().await;
    let files = sandbox.files("events");
    // Another object's bytes under a key that is not theirs.
    std::fs::copy(&files[0], &files[1]).unwrap();
    assert_eq!(found(&sandbox).await, [FindingKind::ObjectDamaged, FindingKind::RangeGap]);
}

#[tokio::test]
async fn objects_are_listed_in_pages_and_their_lines_are_those_stored() {
    let sandbox = filled().await;
    let list = |after: Option<String>| ArchiveRequest::List {
        prefix: "events/".to_owned(),
        after,
        limit: 6,
    };
    let answer = sandbox.run::<Archive>(list(None)).await.unwrap();
    let ArchiveResponse::Objects { objects, truncated } = answer else { panic!("{answer:?}") };
    assert!(truncated && objects.len() == 6);
    let range = objects[1].range.as_ref().unwrap();
    assert_eq!((range.kind.as_str(), range.first.0, range.last), ("events", 10, None));
    let answer = sandbox.run::<Archive>(list(Some(objects[5].key.clone()))).await.unwrap();
    let ArchiveResponse::Objects { objects: rest, truncated } = answer else { panic!() };
    assert!(!truncated && rest.len() == 4);

    let request = ArchiveRequest::Lines { key: objects[0].key.clone(), after: None };
    let answer = sandbox.run::<Archive>(request).await.unwrap();
    let ArchiveResponse::Lines(object) = answer else { panic!("{answer:?}") };
    assert_eq!((object.lines.len(), object.damage, object.more), (10, None, None));
    let stored = std::fs::read(&sandbox.files("events")[0]).unwrap();
    let stored = String::from_utf8(zstd::decode_all(&stored[..]).unwrap()).unwrap();
    assert_eq!(stored, format!("{}\n", object.lines.join("\n")));

    let request = ArchiveRequest::Lines { key: "events/none".to_owned(), after: None };
    assert!(sandbox.run::<Archive>(request).await.is_err());
}
