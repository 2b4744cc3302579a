//! What `verify` answers; the schema is documented in `docs/verify.md` and only grows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::books::BooksReport;
use super::ledger::Judged;
use crate::model::{Offset, Origin, Partition, Timestamp};

/// How the audit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyStatus {
    /// Everything was compared and nothing was found.
    Clean,
    /// Everything was compared and something was found.
    Findings,
    /// It could not be finished; nothing is proved either way.
    Unfinished,
}

/// What kind of thing is wrong. A closed set, used by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An accepted origin has no outcome.
    Missing,
    /// A row, dead letter or decision has no accepted origin.
    Ghost,
    /// A row is not what was accepted.
    Altered,
    /// An archive object is cut, damaged or not what its key says.
    ObjectDamaged,
    /// Offsets that the archiver has passed are in no archive object.
    RangeGap,
    /// Offsets are in two archive objects.
    RangeOverlap,
    /// A roll-up is not the count over its rows.
    Rollup,
    /// The store's outcome counts are not the outcomes that it holds.
    OutcomeCount,
    /// The books do not balance.
    Books,
    /// The ledger says accepted, and there is no row, no open dead letter, and no decision that held
    /// it back.
    Lost,
    /// One event is counted or kept more than once.
    Doubled,
    /// What was archived or stored is not what the ledger says was sent.
    LedgerAltered,
    /// An event that the ledger's run never sent, or that was refused, is there.
    LedgerGhost,
    /// The ledger says accepted, and neither archive nor log has it.
    Unarchived,
}

impl FindingKind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ghost => "ghost",
            Self::Altered => "altered",
            Self::ObjectDamaged => "object_damaged",
            Self::RangeGap => "range_gap",
            Self::RangeOverlap => "range_overlap",
            Self::Rollup => "rollup",
            Self::OutcomeCount => "outcome_count",
            Self::Books => "books",
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::LedgerAltered => "ledger_altered",
            Self::LedgerGhost => "ledger_ghost",
            Self::Unarchived => "unarchived",
        }
    }
}

/// One thing that is wrong, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Which acceptance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// Which event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<String>,
    /// Which archive object.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// Which partition of which topic.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub partition: Option<Partition>,
    /// First offset concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Offset>,
    /// Last offset concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<Offset>,
    /// In words.
    pub detail: String,
}

impl Finding {
    pub(in crate::jobs) fn new(kind: FindingKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            origin: None,
            event_id: None,
            object: None,
            partition: None,
            first: None,
            last: None,
            detail: detail.into(),
        }
    }

    pub(super) fn of_origin(self, origin: Origin, event_id: &str) -> Self {
        let event_id = (!event_id.is_empty()).then(|| event_id.to_owned());
        Self { origin: Some(origin), event_id, ..self }
    }

    pub(super) fn of_event(self, event_id: String) -> Self {
        Self { event_id: Some(event_id), ..self }
    }

    pub(in crate::jobs) fn of_object(self, key: &str) -> Self {
        Self { object: Some(key.to_owned()), ..self }
    }

    pub(in crate::jobs) fn of_range(
        self,
        partition: Partition,
        first: Offset,
        last: Offset,
    ) -> Self {
        Self { partition: Some(partition), first: Some(first), last: Some(last), ..self }
    }
}

/// Distinct origins, counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OriginCounts {
    /// Accepted by this installation, as the archive and the log show.
    pub accepted: u64,
    /// Further records of origins that were there already.
    pub repeated: u64,
    /// Rows.
    pub stored: u64,
    /// Decisions `duplicate`.
    pub duplicate: u64,
    /// Decisions `blocked`.
    pub blocked: u64,
    /// Decisions `rate_limited`.
    pub rate_limited: u64,
    /// Dead letters that are not resolved.
    pub dead_lettered: u64,
    /// Outcomes that a replay brought from an archive which is not here to compare with.
    pub restored: u64,
    /// Origins in archive objects of other installations that were never replayed here.
    pub not_restored: u64,
}

/// What was read of the archive and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Whether the archive is part of this installation.
    pub archive_enabled: bool,
    /// Archive objects with raw events.
    pub event_objects: u64,
    /// Archive objects with decisions.
    pub decision_objects: u64,
    /// Records in archive objects.
    pub archived_records: u64,
    /// Records of the raw topic that the log still holds.
    pub log_records: u64,
    /// Files in the archive that are not ours.
    pub foreign_files: u64,
}

/// A client's ledger against the installation, counted by event id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Whose it is.
    pub run: String,
    /// Who wrote it.
    pub maker: String,
    /// Where the events went.
    pub target: String,
    /// When it was begun, by the client's clock.
    pub made_at: Timestamp,
    /// The client ended it: what has no line was never sent.
    pub finished: bool,
    /// Its last line is cut.
    pub torn: bool,
    /// Lines: an event that was sent twice has two.
    pub sendings: u64,
    /// Numbers reserved.
    pub reserved: u64,
    /// Reserved numbers without a line.
    pub without_line: u64,
    /// Events with a line.
    pub events: u64,
    /// Of these, events that the installation knows in any way.
    pub matched: u64,
    /// Events of which one sending was accepted: the sum of the next five.
    pub accepted: u64,
    /// Accepted, and a row.
    pub stored: u64,
    /// Accepted, and an open dead letter.
    pub dead_lettered: u64,
    /// Accepted, and held back by a rule.
    pub blocked: u64,
    /// Accepted, and held back by the rate limit.
    pub rate_limited: u64,
    /// Accepted, and none of these.
    pub lost: u64,
    /// Events that were refused whenever they were sent.
    pub rejected: u64,
    /// Events that may be there or not: with a line that says so, or, of a client that crashed,
    /// without one.
    pub unknown: u64,
    /// Of these, those that are there.
    pub unknown_present: u64,
    /// And those that are not.
    pub unknown_absent: u64,
    /// Events that are counted or kept more than once.
    pub doubled: u64,
    /// Events whose record or row is not what was sent.
    pub altered: u64,
    /// Events that were never sent, or refused, and are there.
    pub ghosts: u64,
    /// Accepted events that neither archive nor log has.
    pub unarchived: u64,
    /// Events whose bytes were compared with those of a record.
    pub compared: u64,
    /// Times that what was sorted did not fit into memory.
    pub sort_runs: u64,
}

/// The audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// How it ended.
    pub status: VerifyStatus,
    /// Why it could not be finished.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it began.
    pub checked_at: Timestamp,
    /// The books at lag 0.
    pub books: BooksReport,
    /// Origins, counted one by one.
    pub origins: OriginCounts,
    /// What was read.
    pub sources: SourceCounts,
    /// What the ledger proved, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<LedgerReport>,
    /// How many findings of each kind there are.
    pub totals: BTreeMap<FindingKind, u64>,
    /// The findings, at most as many as asked for.
    pub findings: Vec<Finding>,
    /// There are more findings than are listed.
    pub truncated: bool,
    /// What an operator should know besides.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Adds findings, and the status that follows from them.
    pub(super) fn with_findings(&mut self, findings: Findings) {
        self.truncated |= findings.total() > findings.kept.len() as u64;
        self.findings.extend(findings.kept);
        for (kind, count) in findings.totals {
            *self.totals.entry(kind).or_default() += count;
        }
        let is_clean = self.totals.is_empty();
        self.status = if is_clean { VerifyStatus::Clean } else { VerifyStatus::Findings };
    }

    /// Adds what a ledger proved, and what an operator should know of it.
    pub(super) fn with_ledger(&mut self, Judged { report, findings }: Judged) {
        let end = match (report.finished, report.torn) {
            (true, _) => None,
            (false, true) => Some("its last line is cut and it has no end"),
            (false, false) => Some("it has no end"),
        };
        if let Some(end) = end {
            self.notes.push(format!(
                "the ledger: {end}, so its client crashed or is still at work; {} reserved numbers \
                 without a line are unknown",
                report.without_line
            ));
        }
        if report.events > report.rejected && report.matched == 0 {
            self.notes.push(format!(
                "nothing here has an id of this ledger: its events went to {} (run {}), which seems \
                 to be another installation",
                report.target, report.run
            ));
        }
        self.ledger = Some(report);
        self.with_findings(findings);
    }
}

/// Collects findings: all are counted, the first ones kept.
#[derive(Debug)]
pub(in crate::jobs) struct Findings {
    pub(in crate::jobs) totals: BTreeMap<FindingKind, u64>,
    pub(in crate::jobs) kept: Vec<Finding>,
    limit: usize,
}

impl Findings {
    pub(in crate::jobs) const fn new(limit: usize) -> Self {
        Self { totals: BTreeMap::new(), kept: Vec::new(), limit }
    }

    pub(in crate::jobs) fn add(&mut self, finding: Finding) {
        *self.totals.entry(finding.kind).or_default() += 1;
        if self.kept.len() < self.limit {
            self.kept.push(finding);
        }
    }

    /// Takes back findings that turned out to be none.
    pub(super) fn withdraw(&mut self, is_none: impl Fn(&Finding) -> bool) {
        let totals = &mut self.totals;
        self.kept.retain(|finding| {
            let withdrawn = is_none(finding);
            if withdrawn && let Some(total) = totals.get_mut(&finding.kind) {
                *total = total.saturating_sub(1);
            }
            !withdrawn
        });
        self.totals.retain(|_, total| *total > 0);
    }

    pub(in crate::jobs) fn total(&self) -> u64 {
        self.totals.values().sum()
    }
}
