//! The second look: what an installation at work did while it was audited is no finding; and the
//! sums that must come out.

use std::collections::HashSet;

use super::super::books::{BooksReport, Ends};
use super::super::{JobContext, JobError};
use super::report::{Finding, FindingKind, Findings, OriginCounts};
use crate::model::{Offset, Origin, TopicPartition};
use crate::pipeline::envelope::Envelope;

const AT_ONCE: usize = 2000;

/// Withdraws findings about events that came to their end during the audit.
pub(super) async fn missing(context: &JobContext, findings: &mut Findings) -> Result<(), JobError> {
    let kept = findings.kept.iter().filter(|finding| finding.kind == FindingKind::Missing);
    let missing: Vec<Origin> = kept.filter_map(|finding| finding.origin).collect();
    let mut ended = HashSet::new();
    for origins in missing.chunks(AT_ONCE) {
        let outcomes = context.ports.store.outcomes(origins).await;
        let outcomes = outcomes.map_err(|source| JobError::port("read the store", source))?;
        ended.extend(outcomes.into_iter().map(|outcome| outcome.origin));
    }
    findings.withdraw(|finding| {
        finding.kind == FindingKind::Missing
            && finding.origin.is_some_and(|origin| ended.contains(&origin))
    });
    Ok(())
}

/// Which of these origins were accepted after the audit began.
pub(super) async fn accepted_since(
    context: &JobContext,
    ends: Option<&Ends>,
    wanted: &HashSet<Origin>,
) -> Result<HashSet<Origin>, JobError> {
    let topic = &context.settings.topics.raw;
    let failed = |source| JobError::port(format!("read {topic}"), source);
    let mut late = HashSet::new();
    let info = super::books::describe(context.ports.log.as_ref(), topic).await.map_err(failed)?;
    for partition in info.into_iter().flat_map(|info| info.partitions) {
        let at = TopicPartition::new(topic.clone(), partition.partition);
        let mut next = ends.map_or(Offset(0), |ends| ends.end(partition.partition));
        while next < partition.high {
            let records = context.ports.log.read(&at, next, AT_ONCE).await.map_err(failed)?;
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            let origins = records.iter().map(|record| Envelope::of(record).origin);
            late.extend(origins.filter(|origin| wanted.contains(origin)));
        }
    }
    Ok(late)
}

/// The books, and the store's counts against the outcomes counted one by one.
pub(super) fn counts(
    books: &BooksReport,
    origins: &OriginCounts,
    has_archive: bool,
    is_still: bool,
    findings: &mut Findings,
) {
    // Repeats are known only where all that was accepted was read.
    let repeated = if has_archive { origins.repeated } else { 0 };
    if books.left().saturating_sub(repeated) != books.right() {
        let detail = format!(
            "accepted {} + restored {} - repeated {repeated} is not stored {} + duplicate {} + \
             blocked {} + rate_limited {} + dead_lettered {} + in_flight {}",
            books.accepted,
            books.restored,
            books.stored,
            books.duplicate,
            books.blocked,
            books.rate_limited,
            books.dead_lettered,
            books.in_flight
        );
        findings.add(Finding::new(FindingKind::Books, detail));
    }
    // On an installation at work the counts have moved on since the books were read.
    if !is_still {
        return;
    }
    for (name, counted, kept) in [
        ("stored", origins.stored, books.stored),
        ("duplicate", origins.duplicate, books.duplicate),
        ("blocked", origins.blocked, books.blocked),
        ("rate_limited", origins.rate_limited, books.rate_limited),
        ("dead_lettered", origins.dead_lettered, books.dead_lettered),
    ] {
        if counted != kept {
            let detail = format!("the store counts {kept} {name} and holds {counted}");
            findings.add(Finding::new(FindingKind::OutcomeCount, detail));
        }
    }
    if has_archive && origins.restored > books.restored {
        let detail = format!(
            "{} outcomes come from no archive that is here, and the store counts {} restored",
            origins.restored, books.restored
        );
        findings.add(Finding::new(FindingKind::OutcomeCount, detail));
    }
}
