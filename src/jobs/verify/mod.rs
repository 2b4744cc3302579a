//! `verify`: the pipeline audited against itself, by origin, and against a client's ledger.
//!
//! What was accepted (the archive, and what the log still holds) is sorted by origin on disk and
//! joined with the store's rows, dead letters and decisions, which come in that order. Memory is
//! bounded whatever the number of events. Nothing is changed.
//!
//! Order matters on a running installation: the books are read at lag 0, which fixes the ends of
//! the raw topic; then the log up to there, then the archive, then the store; what seems wrong is
//! looked at once more at the end, so that an event accepted meanwhile is no finding. Where events
//! keep coming in, so that lag 0 never is, what had been accepted at one moment is followed to its
//! end and audited by origin all the same; only the books need a still moment.

mod altered;
mod confirm;
mod copy;
mod digest;
mod join;
mod ledger;
mod outcomes;
pub(super) mod ranges;
pub(super) mod report;
mod scan;
mod sorter;
mod wave;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::books::{self, BooksReport, Ends};
use super::{Job, JobContext, JobError, JobProgress, ProgressSink};
use crate::pipeline::lag::{PartitionLag, total};
use crate::runtime::shutdown::CancellationToken;

use copy::Copy;
use join::Join;
use ledger::Witness;
use report::Findings;
pub use report::{
    Finding, FindingKind, LedgerReport, OriginCounts, SourceCounts, VerifyReport, VerifyStatus,
};
use scan::{Own, Scan};
use sorter::{MEMORY, Sorted, Sorter};
use wave::Wave;

/// How to audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// How long to wait for lag 0, in milliseconds.
    pub wait_ms: u64,
    /// Findings listed at most, against a ledger and without one; all are counted.
    pub limit: usize,
    /// A client's ledger to hold against the installation: a path that the process in which the job
    /// runs can read.
    #[serde(default)]
    pub ledger: Option<PathBuf>,
}

/// The job `verify`.
#[derive(Debug, Clone, Copy)]
pub struct Verify;

#[async_trait]
impl Job for Verify {
    const NAME: &'static str = "verify";
    type Request = VerifyRequest;
    type Response = VerifyReport;

    async fn run(
        context: &JobContext,
        request: VerifyRequest,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<VerifyReport, JobError> {
        let checked_at = context.ports.clock.now();
        let wait = Duration::from_millis(request.wait_ms);
        let watch = Watch { context, progress, cancel: &cancel };
        // First: everything that it says was accepted must then be in the audit.
        let witness = match &request.ledger {
            Some(path) => Some(read_ledger(&watch, path.clone()).await?),
            None => None,
        };
        let settled = settle(&watch, wait).await?;
        let mut report = VerifyReport {
            status: VerifyStatus::Unfinished,
            reason: None,
            checked_at,
            books: settled.books.clone(),
            origins: OriginCounts::default(),
            sources: SourceCounts::default(),
            ledger: None,
            totals: std::collections::BTreeMap::new(),
            findings: Vec::new(),
            truncated: false,
            notes: Vec::new(),
        };
        if let Some(reason) = settled.unsettled {
            report.reason = Some(reason);
            return Ok(report);
        }
        audit(&watch, request.limit, (settled, witness), &mut report).await?;
        Ok(report)
    }
}

/// A moment whose events have all come to their end.
struct Settled {
    books: BooksReport,
    ends: Option<Ends>,
    /// Nothing at all was in flight when the books were read, so that they must balance.
    is_still: bool,
    /// Why there was no such moment.
    unsettled: Option<String>,
}

/// What the audit works on, and who watches it.
struct Watch<'w> {
    context: &'w JobContext,
    progress: &'w dyn ProgressSink,
    cancel: &'w CancellationToken,
}

/// How long a still moment is waited for once everything of the first moment has ended, where events
/// keep coming in.
const STILL_WAIT: Duration = Duration::from_secs(3);

/// Waits for a moment with lag 0 and unmoved ends of the raw topic, or, where events keep coming in,
/// until all that had been accepted when it began has ended.
async fn settle(watch: &Watch<'_>, wait: Duration) -> Result<Settled, JobError> {
    let &Watch { context, progress, cancel } = watch;
    let failed = |source| JobError::port("read the books", source);
    let deadline = Instant::now() + wait;
    let mut wave = Wave::new(raw_ends(context).await?, &context.settings);
    loop {
        let before = books::lags(context).await.map_err(failed)?;
        let (books, ends) = books::read(context).await.map_err(failed)?;
        let after = books::lags(context).await.map_err(failed)?;
        let ends_after = raw_ends(context).await?;
        let behind = total(&before).max(total(&after));
        if behind == 0 && ends == ends_after {
            return Ok(Settled { books, ends, is_still: true, unsettled: None });
        }
        if cancel.is_cancelled() {
            return Err(JobError::Cancelled("nothing was changed".to_owned()));
        }
        wave.follow(&after);
        let is_late = Instant::now() >= deadline;
        let over = wave.over_since().filter(|over| is_late || over.elapsed() >= STILL_WAIT);
        if over.is_some() && wave.ends != ends_after {
            return Ok(Settled { books, ends: wave.ends, is_still: false, unsettled: None });
        }
        if is_late {
            let unsettled = Some(unsettled(&after));
            return Ok(Settled { books, ends, is_still: false, unsettled });
        }
        let message = format!("waiting for {behind} records in flight");
        progress.report(JobProgress { done: 0, total: None, message });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn unsettled(lags: &[PartitionLag]) -> String {
    let behind: Vec<String> = lags
        .iter()
        .filter(|lag| lag.lag() > 0)
        .map(|lag| format!("{} has {} records of {} ahead", lag.group, lag.lag(), lag.topic))
        .collect();
    if behind.is_empty() {
        return "events kept coming in and the books never stood still".to_owned();
    }
    format!("not everything has ended: {}", behind.join(", "))
}

async fn raw_ends(context: &JobContext) -> Result<Option<Ends>, JobError> {
    let topic = &context.settings.topics.raw;
    let info = books::describe(context.ports.log.as_ref(), topic).await;
    let info = info.map_err(|source| JobError::port(format!("describe {topic}"), source))?;
    Ok(info.as_ref().map(Ends::of))
}

/// Where runs are sorted: beside the data, which has room, else where the system keeps such files.
fn sorting_directory(context: &JobContext) -> PathBuf {
    let data = &context.settings.data_dir;
    if data.is_dir() { data.clone() } else { std::env::temp_dir() }
}

async fn read_ledger(watch: &Watch<'_>, path: PathBuf) -> Result<Witness, JobError> {
    let (directory, cancel) = (sorting_directory(watch.context), watch.cancel.clone());
    let message = "reading the ledger".to_owned();
    watch.progress.report(JobProgress { done: 0, total: None, message });
    let reading = move || Witness::read(&path, &directory, MEMORY, &cancel);
    let read = tokio::task::spawn_blocking(reading).await;
    read.unwrap_or_else(|error| Err(JobError::io("read the ledger", std::io::Error::other(error))))
}

async fn sort(sorter: Sorter<Copy>) -> Result<Sorted<Copy>, JobError> {
    let sorted = tokio::task::spawn_blocking(move || sorter.finish()).await;
    let sorted = sorted.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    sorted.map_err(|source| JobError::io("sort what was accepted", source))
}

async fn audit(
    watch: &Watch<'_>,
    limit: usize,
    (settled, witness): (Settled, Option<Witness>),
    report: &mut VerifyReport,
) -> Result<(), JobError> {
    let &Watch { context, progress, cancel } = watch;
    let sorter = Sorter::new(&sorting_directory(context), MEMORY);
    let scan = Scan::new(sorter, Findings::new(limit), witness);
    let scan = read_accepted(watch, &settled, scan).await?;
    let has_archive = scan.counts.archive_enabled;
    if !has_archive {
        report.notes.push(NO_ARCHIVE.to_owned());
    }
    let Scan { sorter, findings, counts, objects, witness } = scan;
    report.sources = counts;
    let sorted = sort(sorter).await?;
    let join = Join {
        counts: OriginCounts::default(),
        findings,
        altered: Vec::new(),
        ghosts: Vec::new(),
        ends: settled.ends.clone(),
        is_whole: has_archive || settled.books.accepted <= counts.log_records,
        witness,
    };
    let mut join = join.run(context, sorted, progress, cancel).await?;
    confirm::missing(context, &mut join.findings).await?;
    altered::name_members(context, &objects, &join.altered, &mut join.findings).await?;
    rollups(context, &mut join.findings).await?;
    if settled.is_still {
        let is_still = raw_ends(context).await? == settled.ends;
        confirm::counts(&settled.books, &join.counts, has_archive, is_still, &mut join.findings);
    } else {
        report.notes.push(NOT_STILL.to_owned());
    }
    report.origins = join.counts;
    if let Some(witness) = join.witness.take() {
        let watching = (progress, cancel);
        let judged = witness.judged(context, &objects, Findings::new(limit), watching).await?;
        report.with_ledger(judged);
    }
    report.with_findings(join.findings);
    Ok(())
}

const NO_ARCHIVE: &str = "there is no archive (archive.enabled = false): only what the log still \
                          holds was compared";

const NOT_STILL: &str = "events kept coming in: what had been accepted when the audit began was \
                         compared, and the books were not, which balance only where nothing is in \
                         flight";

/// Reads what the log and the archive hold of what was accepted.
async fn read_accepted(
    watch: &Watch<'_>,
    settled: &Settled,
    mut scan: Scan,
) -> Result<Scan, JobError> {
    let &Watch { context, cancel, .. } = watch;
    let decisions = &context.settings.topics.decisions;
    let decisions = books::describe(context.ports.log.as_ref(), decisions).await;
    let decisions =
        decisions.map_err(|source| JobError::port("describe the decisions topic", source))?;
    let own = Own {
        raw: settled.ends.as_ref().map(|ends| ends.id),
        decisions: decisions.map(|info| info.id),
    };
    if let Some(ends) = &settled.ends {
        scan = scan.log(context, ends, cancel).await?;
    }
    if context.settings.archive.enabled {
        scan = scan.archive(watch, own, settled.ends.as_ref()).await?;
    }
    Ok(scan)
}

async fn rollups(context: &JobContext, findings: &mut Findings) -> Result<(), JobError> {
    let differences = context.ports.store.audit_rollups(10_000).await;
    let differences =
        differences.map_err(|source| JobError::port("compare the roll-ups", source))?;
    for difference in differences {
        let detail = format!(
            "campaign {} at {}: {} is {}, the rows are {}",
            difference.campaign_id,
            difference.hour_bucket,
            difference.column,
            difference.rollup,
            difference.rows
        );
        findings.add(Finding::new(FindingKind::Rollup, detail));
    }
    Ok(())
}
