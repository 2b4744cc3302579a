//! Gathers what is known of a ledger's ids, and has it judged when everything was read.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::copy::Copy;
use super::super::outcomes::Outcomes;
use super::super::report::{Findings, LedgerReport};
use super::super::sorter::{Sorted, Sorter};
use super::item::{DecisionKind, Fact, Id, Item};
use super::judge::Judge;
use crate::jobs::ledger::{LedgerError, LedgerLine, LedgerReader, number_of};
use crate::jobs::{JobContext, JobError, JobProgress, ProgressSink};
use crate::model::EventId;
use crate::runtime::shutdown::CancellationToken;

/// Facts of the store that are gathered before they are sorted, off the runtime's threads.
const PENDING: usize = 20_000;
/// Facts judged between two looks at the cancellation.
const JUDGED_AT_ONCE: usize = 200_000;

/// The ledger and what was found of its ids so far.
#[derive(Debug)]
pub(in crate::jobs::verify) struct Witness {
    reader: LedgerReader,
    pub(super) sorter: Sorter<Item>,
    pending: Vec<Item>,
    pub(super) report: LedgerReport,
    /// Numbers below it were reserved when the ledger was read.
    reserved: u64,
    /// Some events carry ids of their own, so that any id may be one of the ledger's.
    has_own_ids: bool,
}

/// What the ledger proved.
#[derive(Debug)]
pub(in crate::jobs::verify) struct Judged {
    pub(in crate::jobs::verify) report: LedgerReport,
    pub(in crate::jobs::verify) findings: Findings,
}

fn unreadable(error: LedgerError) -> JobError {
    match error {
        LedgerError::Io { path, source } => {
            JobError::io(format!("read the ledger {}", path.display()), source)
        }
        other => JobError::io("use the ledger", io::Error::new(io::ErrorKind::InvalidData, other)),
    }
}

impl Witness {
    /// Reads a ledger to its end. Before anything else is read: then everything that it says was
    /// accepted was there when the audit began.
    pub(in crate::jobs::verify) fn read(
        path: &Path,
        directory: &Path,
        memory: usize,
        cancel: &CancellationToken,
    ) -> Result<Self, JobError> {
        let mut reader = LedgerReader::open(path).map_err(unreadable)?;
        let run = reader.head().run;
        let mut sorter = Sorter::new(directory, memory);
        let (mut sendings, mut has_own_ids) = (0_u64, false);
        while let Some(line) = reader.next_line().map_err(unreadable)? {
            let LedgerLine::Sent(sent) = line else { continue };
            let id = match number_of(run, &sent.event_id) {
                Some(number) => Id::Run(number),
                None => Id::Own(sent.event_id.as_ref().into()),
            };
            has_own_ids |= matches!(id, Id::Own(_));
            let fact = Fact::Sent {
                number: sent.number,
                answer: sent.answer,
                hash: sent.hash,
                sent: sent.sent.as_millis(),
            };
            sorter.push(Item { id, fact }).map_err(unsorted)?;
            sendings += 1;
            if sendings.is_multiple_of(1 << 16) && cancel.is_cancelled() {
                return Err(stopped());
            }
        }
        let head = reader.head();
        let report = LedgerReport {
            run: run.to_string(),
            maker: head.maker.clone(),
            target: head.target.clone(),
            made_at: head.made_at,
            finished: reader.is_finished(),
            torn: reader.is_torn(),
            sendings,
            ..LedgerReport::default()
        };
        let reserved = reader.reserved();
        Ok(Self { reader, sorter, pending: Vec::new(), report, reserved, has_own_ids })
    }

    /// The id, where it may be of the ledger.
    fn id(&self, text: &str) -> Option<Id> {
        match number_of(self.reader.head().run, text) {
            Some(number) => Some(Id::Run(number)),
            None if self.has_own_ids && text.len() <= EventId::MAX_BYTES && !text.is_empty() => {
                Some(Id::Own(text.into()))
            }
            None => None,
        }
    }

    /// Takes a record of the archive or the log.
    pub(in crate::jobs::verify) fn copy(&mut self, copy: &Copy, value: &[u8]) -> io::Result<()> {
        let Some(id) = self.id(&copy.event_id) else { return Ok(()) };
        let &Copy { origin, found, digest, .. } = copy;
        let hash = Sha256::digest(value).into();
        self.sorter.push(Item { id, fact: Fact::Copy { origin, hash, digest, found } })
    }

    /// Takes what the store holds of one origin.
    pub(in crate::jobs::verify) fn outcomes(&mut self, outcomes: &Outcomes) {
        let Outcomes { row, letter, decision } = outcomes;
        let mut add = |id: &str, fact: Fact| {
            if let Some(id) = self.id(id) {
                self.pending.push(Item { id, fact });
            }
        };
        if let Some(row) = row {
            add(&row.event_id, Fact::Row { origin: row.origin, digest: row.digest });
        }
        if let Some(letter) = letter {
            add(&letter.event_id, Fact::Letter { is_open: letter.outcome.is_some() });
        }
        if let Some(decision) = decision
            && let Some(outcome) = decision.outcome
        {
            add(&decision.event_id, Fact::Decision { kind: DecisionKind::of(outcome) });
        }
    }

    pub(in crate::jobs::verify) const fn is_full(&self) -> bool {
        self.pending.len() >= PENDING
    }

    /// Puts what the store holds among what is sorted.
    pub(in crate::jobs::verify) async fn flushed(mut self) -> Result<Self, JobError> {
        let work = move || {
            for item in std::mem::take(&mut self.pending) {
                self.sorter.push(item)?;
            }
            Ok(self)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(unsorted)
    }

    /// Judges every id. `has_archive`: what was accepted must be in the archive or the log.
    pub(in crate::jobs::verify) async fn judged(
        self,
        context: &JobContext,
        objects: &[String],
        findings: Findings,
        (progress, cancel): (&dyn ProgressSink, &CancellationToken),
    ) -> Result<Judged, JobError> {
        let has_archive = context.settings.archive.enabled;
        let objects = objects.to_vec();
        let begin = move || self.begin(has_archive, objects, findings);
        let done = tokio::task::spawn_blocking(begin).await;
        let begun = done.unwrap_or_else(|error| Err(unsorted(io::Error::other(error))));
        let (mut sorted, mut judge) = begun?;
        loop {
            if cancel.is_cancelled() {
                return Err(stopped());
            }
            let done = judge.report().events;
            progress.report(JobProgress { done, total: None, message: "ids of the ledger".into() });
            let step = tokio::task::spawn_blocking(move || {
                let is_over = judge_some(&mut sorted, &mut judge)?;
                Ok((sorted, judge, is_over))
            });
            let step = step.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            let is_over;
            (sorted, judge, is_over) = step.map_err(unsorted)?;
            if is_over {
                return Ok(judge.finish());
            }
        }
    }

    pub(super) fn begin(
        mut self,
        has_archive: bool,
        objects: Vec<String>,
        findings: Findings,
    ) -> Result<(Sorted<Item>, Judge), JobError> {
        // A client at work may have reserved more since, and sent it.
        let first_reserved = self.reserved;
        while self.reader.next_line().map_err(unreadable)?.is_some() {}
        self.report.sort_runs = self.sorter.written();
        let sorted = self.sorter.finish().map_err(unsorted)?;
        let reserved = (first_reserved, self.reader.reserved());
        let run = self.reader.head().run;
        Ok((sorted, Judge::new(self.report, (run, reserved), (has_archive, objects), findings)))
    }
}

/// Whether nothing is left.
fn judge_some(sorted: &mut Sorted<Item>, judge: &mut Judge) -> io::Result<bool> {
    for _ in 0..JUDGED_AT_ONCE {
        match sorted.next_item()? {
            Some(item) => judge.take(item),
            None => return Ok(true),
        }
    }
    Ok(false)
}

fn unsorted(source: io::Error) -> JobError {
    JobError::io("sort the ledger", source)
}

fn stopped() -> JobError {
    JobError::Cancelled("nothing was changed".to_owned())
}
