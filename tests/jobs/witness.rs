//! A client's ledger against an installation that is bent afterwards: the same cases on the embedded
//! store (tests/jobs/ledger.rs) and on the servers of a cluster (tests/services/verify.rs).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use evp::jobs::ledger::{Answer, Entry, Head, LedgerWriter, event_id};
use evp::jobs::verify::{
    Finding, FindingKind, LedgerReport, Verify, VerifyReport, VerifyRequest, VerifyStatus,
};
use evp::jobs::{Job, NoProgress};
use evp::runtime::shutdown::CancellationToken;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

use crate::damage::Bent;
use crate::every_schema::assert_valid;

pub const RUN: Uuid = Uuid::from_u128(0x0190_a5d0_ac96_774b_bcce_b302_099a_8057);

/// An installation that takes events as a client sends them.
#[async_trait]
pub trait Witnessed: Bent {
    /// Accepts events, which come to no end yet; all of them must be taken.
    async fn accept_only(&self, events: &[String]);
    /// Brings what was accepted to its end.
    async fn end(&self);
}

/// A ledger in a directory of its own.
pub struct Client {
    pub directory: TempDir,
    writer: LedgerWriter,
}

/// The bytes of an event of the run.
pub fn text(number: u64) -> String {
    with_id(number, &event_id(RUN, number))
}

fn with_id(number: u64, id: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","event_type":"click","user_id":"u-{}","campaign_id":"c","meta_data":{{"n":{number}.50}}}}"#,
        number % 7
    )
}

impl Client {
    pub fn new() -> Self {
        Self::of(RUN)
    }

    fn of(run: Uuid) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let head = Head {
            run,
            made_at: "2026-01-31T10:00:00Z".parse().unwrap(),
            target: "http://127.0.0.1:1".to_owned(),
            maker: "evp test".to_owned(),
        };
        let writer = LedgerWriter::create(&directory.path().join("ledger"), &head).unwrap();
        Self { directory, writer }
    }

    pub fn reserve(&mut self, count: u64) {
        self.writer.reserve(count).unwrap();
    }

    pub fn wrote(&mut self, number: u64, id: &str, bytes: &str, answer: Answer) {
        let at = "2026-01-31T10:00:00Z".parse().unwrap();
        let entry = Entry {
            number,
            event_id: id,
            hash: Sha256::digest(bytes.as_bytes()).into(),
            sent: at,
            answered: Some(at),
            answer,
            status: if answer == Answer::Accepted { 202 } else { 503 },
        };
        self.writer.record(&entry).unwrap();
    }

    pub fn said(&mut self, number: u64, answer: Answer) {
        self.wrote(number, &event_id(RUN, number), &text(number), answer);
    }

    pub fn finish(self) -> Ledger {
        self.writer.finish().unwrap();
        Ledger { path: self.directory.path().join("ledger"), directory: self.directory }
    }

    /// What a crash of the client leaves after its last sync.
    pub fn crash(mut self) -> Ledger {
        self.writer.reserve(0).unwrap();
        Ledger { path: self.directory.path().join("ledger"), directory: self.directory }
    }
}

/// A ledger that lies there.
pub struct Ledger {
    pub path: PathBuf,
    pub directory: TempDir,
}

/// 40 accepted, of which number 7 was sent twice; 40 refused; 41 unknown and there, 42 unknown and
/// not; 43 to 49 never sent.
pub async fn sent(bent: &dyn Witnessed) -> Ledger {
    sent_by(bent).await.finish()
}

async fn sent_by(bent: &dyn Witnessed) -> Client {
    let mut client = Client::new();
    client.reserve(50);
    let mut events: Vec<String> = (0..40).map(text).collect();
    events.extend([text(7), text(41)]);
    bent.accept_only(&events).await;
    bent.end().await;
    for number in (0..40).chain([7]) {
        client.said(number, Answer::Accepted);
    }
    client.said(40, Answer::Rejected);
    client.said(41, Answer::Unknown);
    client.said(42, Answer::Unknown);
    client
}

pub async fn verify(bent: &dyn Witnessed, ledger: &Path) -> VerifyReport {
    let request = VerifyRequest { wait_ms: 0, limit: 100, ledger: Some(ledger.to_owned()) };
    let report =
        Verify::run(bent.context(), request, &NoProgress, CancellationToken::new()).await.unwrap();
    assert_valid(&serde_json::to_value(&report).unwrap());
    report
}

fn ledger_of(report: &VerifyReport) -> &LedgerReport {
    report.ledger.as_ref().unwrap()
}

/// The findings against the ledger, as kind and id.
fn found(report: &VerifyReport) -> Vec<(FindingKind, String)> {
    let of_ledger = |finding: &&Finding| {
        matches!(
            finding.kind,
            FindingKind::Lost
                | FindingKind::Doubled
                | FindingKind::LedgerAltered
                | FindingKind::LedgerGhost
                | FindingKind::Unarchived
        )
    };
    let named = |finding: &Finding| (finding.kind, finding.event_id.clone().unwrap_or_default());
    report.findings.iter().filter(of_ledger).map(named).collect()
}

fn of_run(kind: FindingKind, number: u64) -> Vec<(FindingKind, String)> {
    vec![(kind, event_id(RUN, number))]
}

async fn assert_clean(bent: &dyn Witnessed, ledger: &Path) -> LedgerReport {
    let report = verify(bent, ledger).await;
    assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    ledger_of(&report).clone()
}

pub async fn what_the_client_was_told_holds_with_and_without_the_log(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    let report = assert_clean(bent, &ledger.path).await;
    assert!(report.finished && !report.torn);
    assert_eq!((report.sendings, report.events, report.reserved), (44, 43, 50));
    assert_eq!((report.accepted, report.stored, report.lost), (40, 40, 0));
    assert_eq!((report.rejected, report.without_line), (1, 7));
    assert_eq!((report.unknown, report.unknown_present, report.unknown_absent), (2, 1, 1));
    assert_eq!((report.compared, report.matched, report.sort_runs), (41, 41, 0));
    bent.forget_raw().await;
    assert_eq!(assert_clean(bent, &ledger.path).await, report);
}

pub async fn a_crashed_clients_reserved_ids_are_unknown(bent: &dyn Witnessed) {
    let ledger = sent_by(bent).await.crash();
    bent.accept_only(&[text(45)]).await;
    bent.end().await;
    let report = verify(bent, &ledger.path).await;
    assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].contains("it has no end"), "{:?}", report.notes);
    let counts = ledger_of(&report);
    assert_eq!((counts.unknown, counts.unknown_present, counts.unknown_absent), (9, 2, 7));
}

pub async fn a_torn_line_is_told_and_its_event_unknown(bent: &dyn Witnessed) {
    let ledger = sent_by(bent).await.crash();
    let whole = std::fs::read(&ledger.path).unwrap();
    let end = whole.windows(10).rposition(|some| some == b"\"answered\"").unwrap();
    std::fs::write(&ledger.path, &whole[..end]).unwrap();
    let report = verify(bent, &ledger.path).await;
    assert_eq!(report.status, VerifyStatus::Clean, "{report:#?}");
    assert!(report.notes[0].contains("its last line is cut"), "{:?}", report.notes);
    let counts = ledger_of(&report);
    assert!(counts.torn);
    assert_eq!((counts.sendings, counts.unknown), (43, 9));
}

/// The row, its record in the archive and the log: the audit by origin knows nothing of it any more.
pub async fn an_event_without_any_trace_is_lost_by_name(bent: &dyn Witnessed) {
    let mut client = sent_by(bent).await;
    client.said(43, Answer::Accepted);
    let ledger = client.finish();
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::Lost, 43), "{report:#?}");
    assert!(report.findings[0].detail.ends_with("it is nowhere"), "{:?}", report.findings[0]);
    assert_eq!(report.totals.len(), 1, "{:?}", report.totals);
    assert_eq!((ledger_of(&report).accepted, ledger_of(&report).lost), (41, 1));
}

pub async fn a_row_deleted_with_the_archive_is_lost_by_name(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    bent.forget_raw().await;
    for key in bent.keys("events").await {
        bent.remove_object(&key).await;
    }
    let id = event_id(RUN, 3);
    assert_eq!(bent.sql(&format!("DELETE FROM raw_events WHERE event_id = '{id}'")).await, 1);
    let report = verify(bent, &ledger.path).await;
    let lost: Vec<_> =
        found(&report).into_iter().filter(|(kind, _)| *kind == FindingKind::Lost).collect();
    assert_eq!(lost, [(FindingKind::Lost, id)], "{report:#?}");
    assert!(report.totals.contains_key(&FindingKind::RangeGap), "{:?}", report.totals);
    assert_eq!(report.totals[&FindingKind::Unarchived], 39);
}

/// The usual loss: the mark is there, the event is not.
pub async fn a_duplicate_of_nothing_is_lost(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    let id = event_id(RUN, 7);
    assert_eq!(bent.sql(&format!("DELETE FROM raw_events WHERE event_id = '{id}'")).await, 1);
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::Lost, 7), "{report:#?}");
    assert!(report.findings[0].detail.ends_with("it is a duplicate of nothing"));
}

pub async fn a_changed_row_is_altered_by_name(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    let id = event_id(RUN, 5);
    let replaced = bent.json_replaced("meta_data", "5.50", "5.5");
    let change = format!("UPDATE raw_events SET meta_data = {replaced} WHERE event_id = '{id}'");
    assert_eq!(bent.sql(&change).await, 1);
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::LedgerAltered, 5), "{report:#?}");
    assert!(report.findings[0].detail.contains("the row is not"), "{:?}", report.findings[0]);
    assert!(report.totals.contains_key(&FindingKind::Altered));
}

/// Row and archive agree with each other, and not with what was sent.
pub async fn other_bytes_than_were_sent_are_altered_by_name(bent: &dyn Witnessed) {
    let mut client = sent_by(bent).await;
    let changed = text(44).replace("44.50", "44.5");
    bent.accept_only(&[changed]).await;
    bent.end().await;
    client.said(44, Answer::Accepted);
    let ledger = client.finish();
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::LedgerAltered, 44), "{report:#?}");
    assert_eq!(report.totals.len(), 1, "{:?}", report.totals);
    let finding = &report.findings[0];
    assert!(finding.detail.contains("the record is not the bytes"), "{finding:?}");
    assert!(finding.object.is_some(), "{finding:?}");
}

pub async fn an_id_outside_the_reserved_ranges_is_a_ghost(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    bent.accept_only(&[text(50)]).await;
    bent.end().await;
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::LedgerGhost, 50), "{report:#?}");
    assert!(report.findings[0].detail.contains("never reserved, but there is a row"));
    assert_eq!(report.totals.len(), 1, "{:?}", report.totals);
}

pub async fn an_event_that_an_ended_ledger_does_not_have_is_a_ghost(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    bent.accept_only(&[text(49)]).await;
    bent.end().await;
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::LedgerGhost, 49), "{report:#?}");
    assert!(report.findings[0].detail.contains("without a line"), "{:?}", report.findings[0]);
}

pub async fn a_refused_event_that_is_there_is_a_ghost(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    bent.accept_only(&[text(40)]).await;
    bent.end().await;
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::LedgerGhost, 40), "{report:#?}");
    assert!(report.findings[0].detail.starts_with("refused, but there is a row"));
}

pub async fn a_row_and_an_open_dead_letter_are_doubled(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    let id = event_id(RUN, 6);
    let values = bent.blob("x");
    let added = format!(
        "INSERT INTO dead_letters (origin, event_id, stage, reason, error_type, attempts,
            first_failed_at, last_failed_at, original_topic, original_partition, original_offset,
            received_at, key, value)
         SELECT origin, event_id, 'worker', 'by hand', 'data', 1, received_at, received_at,
            'processed-events', 0, 0, received_at, {values}, {values}
           FROM raw_events WHERE event_id = '{id}'"
    );
    assert_eq!(bent.sql(&added).await, 1);
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), of_run(FindingKind::Doubled, 6), "{report:#?}");
    assert_eq!(report.findings[0].detail, "a row and 1 open dead letters");
}

pub async fn roll_ups_are_audited_too(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    assert!(bent.sql("UPDATE campaign_stats SET total_clicks = total_clicks + 1").await > 0);
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), [], "{report:#?}");
    assert_eq!(report.totals.keys().copied().collect::<Vec<_>>(), [FindingKind::Rollup]);
}

pub async fn a_removed_object_is_a_gap_and_its_events_unarchived(bent: &dyn Witnessed) {
    let ledger = sent(bent).await;
    bent.forget_raw().await;
    let keys = bent.keys("events").await;
    assert!(!keys.is_empty());
    for key in keys {
        bent.remove_object(&key).await;
    }
    let report = verify(bent, &ledger.path).await;
    assert!(report.totals.contains_key(&FindingKind::RangeGap), "{:?}", report.totals);
    assert_eq!(report.totals[&FindingKind::Unarchived], 40);
    assert_eq!(ledger_of(&report).stored, 40);
}

pub async fn a_ledger_of_another_run_says_that_nothing_matches(bent: &dyn Witnessed) {
    let _own = sent(bent).await;
    let another = Uuid::from_u128(5);
    let mut client = Client::of(another);
    client.reserve(3);
    for number in 0..3 {
        let id = event_id(another, number);
        client.wrote(number, &id, &with_id(number, &id), Answer::Accepted);
    }
    let other = client.finish();
    let report = verify(bent, &other.path).await;
    assert_eq!(report.totals[&FindingKind::Lost], 3);
    assert!(report.notes[0].starts_with("nothing here has an id of this ledger"), "{report:#?}");
}

/// Ids of their own: told by their lines alone, and others may use them too.
pub async fn events_with_ids_of_their_own_are_joined_by_them(bent: &dyn Witnessed) {
    let mut client = Client::new();
    client.reserve(5);
    let before = with_id(1, "their-1");
    bent.accept_only(&[before, with_id(9, "nobodys")]).await;
    bent.end().await;
    let again = with_id(2, "their-1");
    bent.accept_only(&[again.clone(), with_id(3, "their-3")]).await;
    bent.end().await;
    client.wrote(0, "their-1", &again, Answer::Accepted);
    client.wrote(1, "their-3", &with_id(3, "their-3"), Answer::Accepted);
    client.wrote(2, "their-4", "{}", Answer::Rejected);
    client.wrote(3, "nobodys", "{}", Answer::Rejected);
    let ledger = client.finish();
    let report = assert_clean(bent, &ledger.path).await;
    assert_eq!((report.accepted, report.stored, report.rejected), (2, 2, 2));
    let id = "DELETE FROM raw_events WHERE event_id = 'their-3'";
    assert_eq!(bent.sql(id).await, 1);
    let report = verify(bent, &ledger.path).await;
    assert_eq!(found(&report), [(FindingKind::Lost, "their-3".to_owned())], "{report:#?}");
}

/// Runs every case on an installation of its own.
#[macro_export]
macro_rules! every_witness {
    ($run:ident) => {
        $run!(what_the_client_was_told_holds_with_and_without_the_log);
        $run!(a_crashed_clients_reserved_ids_are_unknown);
        $run!(a_torn_line_is_told_and_its_event_unknown);
        $run!(an_event_without_any_trace_is_lost_by_name);
        $run!(a_row_deleted_with_the_archive_is_lost_by_name);
        $run!(a_duplicate_of_nothing_is_lost);
        $run!(a_changed_row_is_altered_by_name);
        $run!(other_bytes_than_were_sent_are_altered_by_name);
        $run!(an_id_outside_the_reserved_ranges_is_a_ghost);
        $run!(an_event_that_an_ended_ledger_does_not_have_is_a_ghost);
        $run!(a_refused_event_that_is_there_is_a_ghost);
        $run!(a_row_and_an_open_dead_letter_are_doubled);
        $run!(roll_ups_are_audited_too);
        $run!(a_removed_object_is_a_gap_and_its_events_unarchived);
        $run!(a_ledger_of_another_run_says_that_nothing_matches);
        $run!(events_with_ids_of_their_own_are_joined_by_them);
    };
}
