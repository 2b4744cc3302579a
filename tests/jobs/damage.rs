//! Each thing that can be bent in an installation, and what `verify` says of it: the same cases on
//! the embedded store and on the servers of a cluster (tests/services/verify.rs).

use async_trait::async_trait;
use bytes::Bytes;
use evp::jobs::archive::{Archive, ArchiveReport, ArchiveRequest, ArchiveResponse};
use evp::jobs::verify::{Finding, FindingKind, Verify, VerifyReport, VerifyRequest, VerifyStatus};
use evp::jobs::{Job, JobContext, NoProgress};
use evp::runtime::shutdown::CancellationToken;

/// An installation that ran and is bent behind everybody's back.
#[async_trait]
pub trait Bent: Sync {
    /// What jobs work on.
    fn context(&self) -> &JobContext;
    /// SQL typed into the store; the rows that it changed.
    async fn sql(&self, text: &str) -> u64;
    /// A text that is stored as JSON, with something replaced in it.
    fn json_replaced(&self, column: &str, from: &str, to: &str) -> String;
    /// Bytes as the store's SQL writes them.
    fn blob(&self, text: &str) -> String;
    /// An object put under a key, whatever stands there.
    async fn put_object(&self, key: &str, content: Bytes);
    /// An object taken away.
    async fn remove_object(&self, key: &str);
    /// The raw topic forgets its records, as retention does behind all groups.
    async fn forget_raw(&self);

    /// What the audit says.
    async fn verify(&self) -> VerifyReport {
        let request = VerifyRequest { wait_ms: 0, limit: 100, ledger: None };
        Verify::run(self.context(), request, &NoProgress, CancellationToken::new()).await.unwrap()
    }

    /// Nothing is found.
    async fn assert_clean(&self) -> VerifyReport {
        let report = self.verify().await;
        assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
        report
    }

    /// Kinds found, in order and once each.
    async fn found(&self) -> (Vec<FindingKind>, VerifyReport) {
        let report = self.verify().await;
        assert_eq!(report.status, VerifyStatus::Findings, "{report:#?}");
        (report.totals.keys().copied().collect(), report)
    }

    /// Keys below a folder, in order.
    async fn keys(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{folder}/");
        let listed = self.context().ports.objects.list(&prefix, None, 1000).await.unwrap();
        listed.into_iter().map(|meta| meta.key).collect()
    }

    /// The archive's own audit: its kinds of findings.
    async fn archive_found(&self) -> (Vec<FindingKind>, ArchiveReport) {
        let request = ArchiveRequest::Audit { limit: 100 };
        let answer = Archive::run(self.context(), request, &NoProgress, CancellationToken::new());
        let ArchiveResponse::Report(report) = answer.await.unwrap() else { panic!("no report") };
        (report.totals.keys().copied().collect(), report)
    }
}

fn of_kind(report: &VerifyReport, kind: FindingKind) -> &Finding {
    report.findings.iter().find(|finding| finding.kind == kind).unwrap()
}

pub async fn what_is_right_is_clean_with_and_without_the_log(bent: &dyn Bent) {
    let report = bent.assert_clean().await;
    assert_eq!(report.books.accepted, 85);
    assert_eq!((report.books.stored, report.books.duplicate), (70, 5));
    assert_eq!(report.books.blocked + report.books.rate_limited, 10);
    assert_eq!(report.origins.accepted, 85);
    bent.forget_raw().await;
    let report = bent.assert_clean().await;
    assert_eq!(report.sources.log_records, 0);
    assert_eq!(report.origins.accepted, 85);
    assert_eq!(bent.archive_found().await.0, []);
}

pub async fn a_deleted_row_is_missing_by_name(bent: &dyn Bent) {
    assert_eq!(bent.sql("DELETE FROM raw_events WHERE event_id = 'e-0003'").await, 1);
    let (kinds, report) = bent.found().await;
    assert_eq!(
        kinds,
        [FindingKind::Missing, FindingKind::Rollup, FindingKind::OutcomeCount],
        "{report:#?}"
    );
    let finding = of_kind(&report, FindingKind::Missing);
    assert_eq!(finding.event_id.as_deref(), Some("e-0003"));
    assert!(finding.origin.is_some());
}

pub async fn an_added_row_is_a_ghost(bent: &dyn Bent) {
    let added =
        "INSERT INTO raw_events (event_id, origin, shape, event_type, created_at, received_at, stored_at)
        VALUES ('ghost', '01890a5d-ac96-774b-bcce-b302099a8057', 'campaign', 'click',
                '2026-01-31T10:00:00.000Z', '2026-01-31T10:00:00.000Z', '2026-01-31T10:00:00.000Z')";
    assert_eq!(bent.sql(added).await, 1);
    let (kinds, report) = bent.found().await;
    assert!(kinds.contains(&FindingKind::Ghost), "{report:#?}");
    assert_eq!(of_kind(&report, FindingKind::Ghost).event_id.as_deref(), Some("ghost"));
}

pub async fn a_flipped_byte_of_a_payload_is_altered_and_its_member_named(bent: &dyn Bent) {
    let replaced = bent.json_replaced("meta_data", "890.10", "890.1");
    let flip = format!("UPDATE raw_events SET meta_data = {replaced} WHERE event_id = 'e-0004'");
    assert_eq!(bent.sql(&flip).await, 1);
    for has_log in [true, false] {
        if !has_log {
            bent.forget_raw().await;
        }
        let (kinds, report) = bent.found().await;
        assert_eq!(kinds, [FindingKind::Altered], "{report:#?}");
        assert_eq!(report.findings[0].event_id.as_deref(), Some("e-0004"));
        assert!(report.findings[0].detail.ends_with("meta_data"), "{:?}", report.findings[0]);
        assert!(report.findings[0].object.is_some());
    }
}

pub async fn a_changed_column_is_altered_and_named(bent: &dyn Bent) {
    let change = "UPDATE raw_events SET geo_country = 'FR' WHERE event_id = 'e-0005'";
    assert_eq!(bent.sql(change).await, 1);
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::Altered], "{report:#?}");
    assert!(report.findings[0].detail.ends_with("geo_country"), "{:?}", report.findings[0]);
}

pub async fn a_bent_roll_up_is_found(bent: &dyn Bent) {
    assert!(bent.sql("UPDATE campaign_stats SET total_clicks = total_clicks + 1").await > 0);
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::Rollup], "{report:#?}");
    assert!(report.findings[0].detail.contains("total_clicks"));
}

pub async fn a_removed_decision_is_missing(bent: &dyn Bent) {
    let removed = bent.sql("DELETE FROM event_decisions WHERE outcome <> 'duplicate'").await;
    assert_eq!(removed, 10);
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::Missing, FindingKind::OutcomeCount], "{report:#?}");
    assert_eq!(report.totals[&FindingKind::Missing], removed);
}

pub async fn a_moved_outcome_count_is_found(bent: &dyn Bent) {
    assert_eq!(bent.sql("DELETE FROM event_decisions WHERE outcome = 'duplicate'").await, 5);
    let (_, report) = bent.found().await;
    let count = of_kind(&report, FindingKind::OutcomeCount);
    assert_eq!(count.detail, "the store counts 5 duplicate and holds 0");
}

pub async fn books_that_do_not_balance_are_found(bent: &dyn Bent) {
    let more = "UPDATE outcome_counts SET events = events + 1 WHERE outcome = 'stored'";
    assert_eq!(bent.sql(more).await, 1);
    let (_, report) = bent.found().await;
    let books = of_kind(&report, FindingKind::Books);
    assert!(books.detail.starts_with("accepted 85 + restored 0 - repeated 0 is not stored 71"));
    let count = of_kind(&report, FindingKind::OutcomeCount);
    assert_eq!(count.detail, "the store counts 71 stored and holds 70");
}

/// The tables allow it, as the residue of changed rules or lost marks: the row counts (rule 5).
pub async fn a_decision_beside_a_row_is_no_second_outcome(bent: &dyn Bent) {
    let added = "INSERT INTO event_decisions
            (origin, event_id, outcome, reason, client_ip, received_at, decided_at)
        SELECT origin, event_id, 'blocked', 'by hand', ip_address, received_at, stored_at
          FROM raw_events WHERE event_id = 'e-0006'";
    assert_eq!(bent.sql(added).await, 1);
    bent.assert_clean().await;
}

pub async fn a_shrunken_object_is_damaged(bent: &dyn Bent) {
    bent.forget_raw().await;
    let key = bent.keys("events").await.remove(0);
    let content = bent.context().ports.objects.get(&key).await.unwrap();
    bent.put_object(&key, content.slice(..content.len() - 5)).await;
    let (kinds, report) = bent.found().await;
    assert!(kinds.contains(&FindingKind::ObjectDamaged), "{report:#?}");
    assert!(kinds.contains(&FindingKind::RangeGap), "{report:#?}");
    assert_eq!(of_kind(&report, FindingKind::ObjectDamaged).object.as_deref(), Some(&key[..]));
    let (kinds, _) = bent.archive_found().await;
    assert_eq!(kinds, [FindingKind::ObjectDamaged, FindingKind::RangeGap]);
}

pub async fn a_flipped_byte_in_an_object_is_damage(bent: &dyn Bent) {
    let key = bent.keys("events").await.remove(0);
    let mut content = bent.context().ports.objects.get(&key).await.unwrap().to_vec();
    content[60] ^= 1;
    bent.put_object(&key, content.into()).await;
    let (kinds, report) = bent.found().await;
    assert!(kinds.contains(&FindingKind::ObjectDamaged), "{report:#?}");
    assert!(bent.archive_found().await.0.contains(&FindingKind::ObjectDamaged));
}

pub async fn a_deleted_object_is_a_gap_even_while_the_log_has_its_records(bent: &dyn Bent) {
    let key = bent.keys("events").await.pop().unwrap();
    bent.remove_object(&key).await;
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::RangeGap], "{report:#?}");
    assert_eq!(bent.archive_found().await.0, [FindingKind::RangeGap]);
    bent.forget_raw().await;
    let (kinds, _) = bent.found().await;
    assert!(kinds.contains(&FindingKind::Ghost), "{kinds:?}");
}

pub async fn a_deleted_object_of_decisions_is_a_gap(bent: &dyn Bent) {
    let key = bent.keys("decisions").await.pop().unwrap();
    bent.remove_object(&key).await;
    assert_eq!(bent.found().await.0, [FindingKind::RangeGap]);
    assert_eq!(bent.archive_found().await.0, [FindingKind::RangeGap]);
}

pub async fn an_object_under_another_key_is_found(bent: &dyn Bent) {
    let key = bent.keys("events").await.remove(0);
    let content = bent.context().ports.objects.get(&key).await.unwrap();
    let other = key.replace("00000000000000000000.", "00000000000000000007.");
    assert_ne!(key, other);
    bent.put_object(&other, content).await;
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::ObjectDamaged], "{report:#?}");
    assert_eq!(bent.archive_found().await.0, [FindingKind::ObjectDamaged]);
}

pub async fn an_object_in_another_days_folder_is_found(bent: &dyn Bent) {
    let key = bent.keys("events").await.remove(0);
    let content = bent.context().ports.objects.get(&key).await.unwrap();
    let (_, name) = key.rsplit_once('/').unwrap();
    bent.put_object(&format!("events/2001/02/03/{name}"), content).await;
    bent.remove_object(&key).await;
    let (kinds, report) = bent.found().await;
    assert_eq!(kinds, [FindingKind::ObjectDamaged], "{report:#?}");
    assert_eq!(bent.archive_found().await.0, [FindingKind::ObjectDamaged]);
}

/// A copy under a key with the whole range, as stores have it that overwrite: no second record.
pub async fn an_overlap_is_resolved_by_offset_where_a_key_says_its_range(bent: &dyn Bent) {
    let key = bent.keys("events").await.remove(0);
    let content = bent.context().ports.objects.get(&key).await.unwrap();
    let footer = evp::pipeline::archive_format::read_footer(&content).unwrap();
    let beside = key.replace(".ndjson", &format!("-{:020}.ndjson", footer.last.0));
    bent.put_object(&beside, content).await;
    let report = bent.assert_clean().await;
    assert_eq!((report.origins.accepted, report.origins.repeated), (85, 0));
    assert_eq!(bent.archive_found().await.0, []);
    // One of them gone is one left.
    bent.remove_object(&key).await;
    bent.assert_clean().await;
}

/// What is not ours is counted and left alone.
pub async fn a_strange_file_is_no_finding(bent: &dyn Bent) {
    bent.put_object("events/2026/01/31/notes.txt", Bytes::from_static(b"not ours")).await;
    assert_eq!(bent.assert_clean().await.sources.foreign_files, 1);
    let (kinds, report) = bent.archive_found().await;
    assert_eq!((kinds, report.foreign_files), (vec![], 1));
}

/// Runs every case on an installation of its own.
#[macro_export]
macro_rules! every_damage {
    ($run:ident) => {
        $run!(what_is_right_is_clean_with_and_without_the_log);
        $run!(a_deleted_row_is_missing_by_name);
        $run!(an_added_row_is_a_ghost);
        $run!(a_flipped_byte_of_a_payload_is_altered_and_its_member_named);
        $run!(a_changed_column_is_altered_and_named);
        $run!(a_bent_roll_up_is_found);
        $run!(a_removed_decision_is_missing);
        $run!(a_moved_outcome_count_is_found);
        $run!(books_that_do_not_balance_are_found);
        $run!(a_decision_beside_a_row_is_no_second_outcome);
        $run!(a_shrunken_object_is_damaged);
        $run!(a_flipped_byte_in_an_object_is_damage);
        $run!(a_deleted_object_is_a_gap_even_while_the_log_has_its_records);
        $run!(a_deleted_object_of_decisions_is_a_gap);
        $run!(an_object_under_another_key_is_found);
        $run!(an_object_in_another_days_folder_is_found);
        $run!(an_overlap_is_resolved_by_offset_where_a_key_says_its_range);
        $run!(a_strange_file_is_no_finding);
    };
}
