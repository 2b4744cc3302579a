//! Verify is clean on what is right, and finds and names each thing that is bent.

use evp::jobs::verify::{FindingKind, Verify, VerifyRequest, VerifyStatus};

use crate::sandbox::{ADDRESS, Sandbox, event, events};

/// An installation with every outcome: rows, duplicates, and over the limit.
async fn installation() -> Sandbox {
    let sandbox = Sandbox::with(|settings| settings.processor.ip_rate_limit_per_min = 40);
    sandbox.send(&events(30)).await;
    sandbox.send(&events(5)).await;
    let hot: Vec<_> = (100..150).map(|number| event(number, "click", "198.51.100.9")).collect();
    sandbox.accept(&hot).await;
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_clean_with_and_without_the_log() {
    let sandbox = installation().await;
    let report = sandbox.assert_clean().await;
    assert_eq!(report.books.accepted, 85);
    assert_eq!((report.books.stored, report.books.duplicate), (70, 5));
    assert_eq!(report.books.blocked + report.books.rate_limited, 10);
    assert_eq!(report.origins.accepted, 85);
    sandbox.forget_raw().await;
    let report = sandbox.assert_clean().await;
    assert_eq!(report.sources.log_records, 0);
    assert_eq!(report.origins.accepted, 85);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_is_clean() {
    Sandbox::new().assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_row_is_missing_by_name() {
    let sandbox = installation().await;
    assert_eq!(sandbox.sql("DELETE FROM raw_events WHERE event_id = 'e-0003'"), 1);
    let (kinds, report) = sandbox.found().await;
    assert_eq!(
        kinds,
        [FindingKind::Missing, FindingKind::Rollup, FindingKind::OutcomeCount],
        "{report:#?}"
    );
    let finding = &report.findings.iter().find(|f| f.kind == FindingKind::Missing).unwrap();
    assert_eq!(finding.event_id.as_deref(), Some("e-0003"));
    assert!(finding.origin.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_row_is_a_ghost() {
    let sandbox = installation().await;
    let added =
        "INSERT INTO raw_events (event_id, origin, shape, event_type, created_at, received_at, stored_at)
        VALUES ('ghost', '01890a5d-ac96-774b-bcce-b302099a8057', 'campaign', 'click',
                '2026-01-31T10:00:00.000Z', '2026-01-31T10:00:00.000Z', '2026-01-31T10:00:00.000Z')";
    assert_eq!(sandbox.sql(added), 1);
    let (kinds, report) = sandbox.found().await;
    assert!(kinds.contains(&FindingKind::Ghost), "{report:#?}");
    let finding = &report.findings.iter().find(|f| f.kind == FindingKind::Ghost).unwrap();
    assert_eq!(finding.event_id.as_deref(), Some("ghost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_payload_is_altered_and_its_member_named() {
    let sandbox = installation().await;
    let flip = "UPDATE raw_events SET meta_data = replace(meta_data, '890.10', '890.1')
                 WHERE event_id = 'e-0004'";
    assert_eq!(sandbox.sql(flip), 1);
    for has_log in [true, false] {
        if !has_log {
            sandbox.forget_raw().await;
        }
        let (kinds, report) = sandbox.found().await;
        assert_eq!(kinds, [FindingKind::Altered], "{report:#?}");
        assert_eq!(report.findings[0].event_id.as_deref(), Some("e-0004"));
        assert!(report.findings[0].detail.ends_with("meta_data"), "{:?}", report.findings[0]);
        assert!(report.findings[0].object.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bent_roll_up_is_found() {
    let sandbox = installation().await;
    assert!(sandbox.sql("UPDATE campaign_stats SET total_clicks = total_clicks + 1") > 0);
    let (kinds, report) = sandbox.found().await;
    assert_eq!(kinds, [FindingKind::Rollup], "{report:#?}");
    assert!(report.findings[0].detail.contains("total_clicks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_decision_is_missing() {
    let sandbox = installation().await;
    let removed = sandbox.sql("DELETE FROM event_decisions WHERE outcome = 'rate_limited'");
    assert!(removed > 0);
    let (kinds, report) = sandbox.found().await;
    assert_eq!(kinds, [FindingKind::Missing, FindingKind::OutcomeCount], "{report:#?}");
    assert_eq!(report.totals[&FindingKind::Missing], u64::try_from(removed).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shrunken_object_is_damaged() {
    let sandbox = installation().await;
    sandbox.forget_raw().await;
    let file = sandbox.files("events").remove(0);
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..content.len() - 5]).unwrap();
    let (kinds, report) = sandbox.found().await;
    assert!(kinds.contains(&FindingKind::ObjectDamaged), "{report:#?}");
    assert!(kinds.contains(&FindingKind::RangeGap), "{report:#?}");
    let finding = &report.findings.iter().find(|f| f.kind == FindingKind::ObjectDamaged).unwrap();
    assert!(file.to_string_lossy().ends_with(finding.object.as_deref().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_an_object_is_damage() {
    let sandbox = installation().await;
    let file = sandbox.files("events").remove(0);
    let mut content = std::fs::read(&file).unwrap();
    content[60] ^= 1;
    std::fs::write(&file, &content).unwrap();
    let (kinds, report) = sandbox.found().await;
    assert!(kinds.contains(&FindingKind::ObjectDamaged), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_is_a_gap_even_while_the_log_has_its_records() {
    for folder in ["events", "decisions"] {
        let sandbox = installation().await;
        std::fs::remove_file(sandbox.files(folder).pop().unwrap()).unwrap();
        let (kinds, report) = sandbox.found().await;
        assert_eq!(kinds, [FindingKind::RangeGap], "{report:#?}");
        sandbox.forget_raw().await;
        let (kinds, _) = sandbox.found().await;
        assert_eq!(kinds.contains(&FindingKind::Ghost), folder == "events");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_under_another_key_is_found() {
    let sandbox = installation().await;
    let file = sandbox.files("events").remove(0);
    let name = file.to_string_lossy().replace("00000000000000000000.", "00000000000000000007.");
    std::fs::copy(&file, name).unwrap();
    let (kinds, report) = sandbox.found().await;
    assert_eq!(kinds, [FindingKind::ObjectDamaged], "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_another_days_folder_is_found() {
    let sandbox = installation().await;
    let file = sandbox.files("events").remove(0);
    let other = std::path::PathBuf::from(file.to_string_lossy().replace("/01/31/", "/01/30/"));
    assert_ne!(file, other);
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::rename(&file, other).unwrap();
    let (kinds, report) = sandbox.found().await;
    assert_eq!(kinds, [FindingKind::ObjectDamaged], "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_outcome_count_is_found() {
    let sandbox = installation().await;
    let moved = "DELETE FROM event_decisions WHERE outcome = 'duplicate'";
    assert_eq!(sandbox.sql(moved), 5);
    let (_, report) = sandbox.found().await;
    let count = report.findings.iter().find(|f| f.kind == FindingKind::OutcomeCount).unwrap();
    assert_eq!(count.detail, "the store counts 5 duplicate and holds 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_events_in_flight_it_does_not_finish() {
    let sandbox = installation().await;
    sandbox.send(&[event(900, "click", ADDRESS)]).await;
    let report = sandbox.verify().await;
    assert_eq!(report.status, VerifyStatus::Unfinished);
    let reason = report.reason.unwrap();
    assert!(reason.contains("processor-group has 1 records of raw-events ahead"), "{reason}");
    sandbox.drain().await;
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_it_says_what_it_could_not_compare() {
    let sandbox = Sandbox::with(|settings| settings.archive.enabled = false);
    sandbox.accept(&events(10)).await;
    let report = sandbox.assert_clean().await;
    assert_eq!(report.notes.len(), 1);
    sandbox.forget_raw().await;
    sandbox.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_past_the_limit_are_counted() {
    let sandbox = installation().await;
    sandbox.sql("DELETE FROM raw_events");
    let request = VerifyRequest { wait_ms: 0, limit: 10 };
    let report = sandbox.run::<Verify>(request).await.unwrap();
    assert_eq!(report.findings.len(), 10);
    assert!(report.truncated);
    assert_eq!(report.totals[&FindingKind::Missing], 70);
}
