//! Judges one id after the other, and keeps the sums.

use uuid::Uuid;

use super::super::copy::Found;
use super::super::report::{Finding, FindingKind, Findings, LedgerReport};
use super::item::{Id, Item};
use super::verdict::Known;
use super::witness::Judged;
use crate::jobs::ledger::{Answer, event_id};
use crate::model::Outcome;

/// Takes every fact in the order of the ids.
#[derive(Debug)]
pub(super) struct Judge {
    report: LedgerReport,
    findings: Findings,
    current: Option<Known>,
    run: Uuid,
    /// Numbers below it were reserved when the ledger was read, and when everything else was.
    reserved: (u64, u64),
    /// Distinct numbers that have a line.
    numbers: u64,
    has_archive: bool,
    /// Keys of the archive's objects by the number that copies carry.
    objects: Vec<String>,
}

impl Judge {
    pub(super) fn new(
        report: LedgerReport,
        (run, reserved): (Uuid, (u64, u64)),
        (has_archive, objects): (bool, Vec<String>),
        findings: Findings,
    ) -> Self {
        Self { report, findings, current: None, run, reserved, numbers: 0, has_archive, objects }
    }

    pub(super) const fn report(&self) -> &LedgerReport {
        &self.report
    }

    pub(super) fn take(&mut self, item: Item) {
        if self.current.as_ref().is_none_or(|known| known.id != item.id) {
            self.close();
        }
        let known = self.current.get_or_insert_with(|| Known::new(item.id));
        known.take(&item.fact);
    }

    fn close(&mut self) {
        let Some(known) = self.current.take() else { return };
        if known.has_line() {
            self.numbers += known.numbers;
            self.report.events += 1;
            self.report.matched += u64::from(known.is_present());
            match known.answer() {
                Answer::Accepted => self.accepted(&known),
                Answer::Rejected => self.rejected(&known),
                Answer::Unknown => self.unknown(&known),
            }
        } else {
            self.without_line(&known);
        }
    }

    fn accepted(&mut self, known: &Known) {
        let report = &mut self.report;
        report.accepted += 1;
        match known.end() {
            Some(Outcome::Stored) => report.stored += 1,
            Some(Outcome::DeadLettered) => report.dead_lettered += 1,
            Some(Outcome::Blocked) => report.blocked += 1,
            Some(_) => report.rate_limited += 1,
            None => {
                report.lost += 1;
                let detail = format!("accepted, but {}", known.what_is_left());
                self.find(FindingKind::Lost, known, detail, None);
                return;
            }
        }
        if known.copies == 0 && self.has_archive {
            self.report.unarchived += 1;
            let detail = "accepted, but in no whole archive object and not in the log";
            self.find(FindingKind::Unarchived, known, detail.to_owned(), None);
        }
        self.compare(known);
        self.doubled(known);
    }

    fn unknown(&mut self, known: &Known) {
        self.report.unknown += 1;
        if known.is_present() {
            self.report.unknown_present += 1;
        } else {
            self.report.unknown_absent += 1;
        }
        self.compare(known);
        self.doubled(known);
    }

    fn rejected(&mut self, known: &Known) {
        self.report.rejected += 1;
        if let Some(place) = known.where_refused() {
            self.ghost(known, &format!("refused, but {place}"));
        }
    }

    /// An id without a line: nothing is known of one that is not the run's.
    fn without_line(&mut self, known: &Known) {
        let Id::Run(number) = known.id else { return };
        let place = known.where_present().unwrap_or("it is known");
        if number >= self.reserved.1 {
            self.ghost(known, &format!("its number was never reserved, but {place}"));
        } else if self.report.finished {
            self.ghost(known, &format!("the ledger ended without a line of it, but {place}"));
        } else if number < self.reserved.0 {
            // Sent, as it seems, before the client crashed.
            self.report.unknown_present += 1;
            self.doubled(known);
        }
    }

    fn compare(&mut self, known: &Known) {
        if known.copies == 0 {
            return;
        }
        self.report.compared += 1;
        if let Some((detail, found)) = known.altered() {
            self.report.altered += 1;
            self.find(FindingKind::LedgerAltered, known, detail.to_owned(), found);
        }
    }

    fn doubled(&mut self, known: &Known) {
        if let Some(detail) = known.doubled() {
            self.report.doubled += 1;
            self.find(FindingKind::Doubled, known, detail, None);
        }
    }

    fn ghost(&mut self, known: &Known, detail: &str) {
        self.report.ghosts += 1;
        self.find(FindingKind::LedgerGhost, known, detail.to_owned(), None);
    }

    fn find(&mut self, kind: FindingKind, known: &Known, detail: String, found: Option<Found>) {
        let id = match &known.id {
            Id::Run(number) => event_id(self.run, *number),
            Id::Own(text) => String::from(&**text),
        };
        let finding = Finding::new(kind, detail).of_event(id);
        let key = match found {
            Some(Found::Archive(number) | Found::OtherArchive(number)) => {
                usize::try_from(number).ok().and_then(|at| self.objects.get(at))
            }
            _ => None,
        };
        let finding = match key {
            Some(key) => finding.of_object(key),
            None => finding,
        };
        self.findings.add(finding);
    }

    /// The sums, when every fact was taken.
    pub(super) fn finish(mut self) -> Judged {
        self.close();
        let report = &mut self.report;
        let without_line = self.reserved.0.saturating_sub(self.numbers);
        report.reserved = self.reserved.0;
        report.without_line = without_line;
        if !report.finished {
            report.unknown += without_line;
            report.unknown_absent = report.unknown.saturating_sub(report.unknown_present);
        }
        Judged { report: self.report, findings: self.findings }
    }
}
