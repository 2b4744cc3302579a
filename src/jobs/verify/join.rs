//! The audit itself: what was accepted and what became of it, side by side by origin.

use super::super::books::Ends;
use super::super::{JobContext, JobError, JobProgress, ProgressSink};
use super::confirm::accepted_since;
use super::copy::{Copy, Found};
use super::ledger::Witness;
use super::outcomes::{OutcomeStream, Outcomes};
use super::report::{Finding, FindingKind, Findings, OriginCounts};
use super::sorter::Sorted;
use crate::model::{Origin, Outcome};
use crate::runtime::shutdown::CancellationToken;

const ORIGINS_AT_ONCE: usize = 4096;
/// So many seeming ghosts are looked for together in what came in since.
const GHOSTS_AT_ONCE: usize = 50_000;

/// Where the accepted bytes of an altered row can be read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Altered {
    pub(super) origin: Origin,
    pub(super) copy: (Found, crate::model::Offset),
}

/// The join and what it found.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) counts: OriginCounts,
    pub(super) findings: Findings,
    pub(super) altered: Vec<Altered>,
    /// Outcomes without an accepted origin, which may have been accepted since the audit began.
    pub(super) ghosts: Vec<(Origin, String, Option<Outcome>)>,
    /// The raw topic's ends when it began.
    pub(super) ends: Option<Ends>,
    /// An outcome without an accepted origin is a finding: all that was accepted is known.
    pub(super) is_whole: bool,
    /// A ledger, which looks for its ids among the outcomes.
    pub(super) witness: Option<Witness>,
}

impl Join {
    pub(super) async fn run(
        mut self,
        context: &JobContext,
        mut accepted: Sorted<Copy>,
        progress: &dyn ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Self, JobError> {
        let store = context.ports.store.as_ref();
        let failed = |source| JobError::port("read the store", source);
        let mut outcomes = OutcomeStream::new();
        let mut done = 0;
        loop {
            if cancel.is_cancelled() {
                return Err(JobError::Cancelled("nothing was changed".to_owned()));
            }
            let (rest, origins) = next_origins(accepted).await?;
            accepted = rest;
            let is_last = origins.is_empty();
            for copies in origins {
                let Some(origin) = copies.first().map(|copy| copy.origin) else { continue };
                while let Some(next) = outcomes.peek(store).await.map_err(failed)?
                    && next < origin
                {
                    self.unaccepted(next, &outcomes.take(next));
                }
                self.accepted(&copies, &outcomes.take(origin));
                self.relieve(context).await?;
                done += 1;
            }
            progress.report(JobProgress { done, total: None, message: "origins".to_owned() });
            if is_last {
                break;
            }
        }
        while let Some(next) = outcomes.peek(store).await.map_err(failed)? {
            self.unaccepted(next, &outcomes.take(next));
            self.relieve(context).await?;
        }
        self.judge_ghosts(context).await?;
        self.flush_witness().await?;
        Ok(self)
    }

    /// Puts away what has gathered, where it is much.
    async fn relieve(&mut self, context: &JobContext) -> Result<(), JobError> {
        if self.ghosts.len() >= GHOSTS_AT_ONCE {
            self.judge_ghosts(context).await?;
        }
        if self.witness.as_ref().is_some_and(Witness::is_full) {
            self.flush_witness().await?;
        }
        Ok(())
    }

    async fn flush_witness(&mut self) -> Result<(), JobError> {
        if let Some(witness) = self.witness.take() {
            self.witness = Some(witness.flushed().await?);
        }
        Ok(())
    }

    fn count(&mut self, outcome: Option<Outcome>) {
        let counts = &mut self.counts;
        match outcome {
            Some(Outcome::Stored) => counts.stored += 1,
            Some(Outcome::Duplicate) => counts.duplicate += 1,
            Some(Outcome::Blocked) => counts.blocked += 1,
            Some(Outcome::RateLimited) => counts.rate_limited += 1,
            Some(Outcome::DeadLettered) => counts.dead_lettered += 1,
            Some(Outcome::Rejected) | None => {}
        }
    }

    fn unaccepted(&mut self, origin: Origin, outcomes: &Outcomes) {
        self.witness_of(outcomes);
        let outcome = outcomes.outcome();
        if outcomes.is_replayed() {
            self.count(outcome);
            self.counts.restored += 1;
        } else if self.is_whole {
            self.ghosts.push((origin, outcomes.event_id().to_owned(), outcome));
        } else {
            self.count(outcome);
        }
    }

    /// What was accepted since the audit began is none of it; the rest was never accepted.
    async fn judge_ghosts(&mut self, context: &JobContext) -> Result<(), JobError> {
        let ghosts = std::mem::take(&mut self.ghosts);
        if ghosts.is_empty() {
            return Ok(());
        }
        let origins = ghosts.iter().map(|(origin, ..)| *origin).collect();
        let late = accepted_since(context, self.ends.as_ref(), &origins).await?;
        for (origin, event_id, outcome) in ghosts {
            if late.contains(&origin) {
                continue;
            }
            self.count(outcome);
            let what = outcome.map_or("resolved dead letter", Outcome::as_str);
            let detail = format!("{what}, but nothing with this origin was ever accepted");
            let finding = Finding::new(FindingKind::Ghost, detail);
            self.findings.add(finding.of_origin(origin, &event_id));
        }
        Ok(())
    }

    fn witness_of(&mut self, outcomes: &Outcomes) {
        if let Some(witness) = &mut self.witness {
            witness.outcomes(outcomes);
        }
    }

    fn accepted(&mut self, copies: &[Copy], outcomes: &Outcomes) {
        self.witness_of(outcomes);
        let Some(best) = copies.first() else { return };
        self.counts.repeated += repeats(copies);
        let is_own = matches!(best.found, Found::Archive(_) | Found::Log);
        if is_own {
            self.counts.accepted += 1;
        }
        let outcome = outcomes.outcome();
        self.count(outcome);
        if outcome.is_none() {
            if matches!(best.found, Found::OtherArchive(_)) {
                self.counts.not_restored += 1;
                return;
            }
            let detail = match &outcomes.letter {
                Some(_) => "accepted; its dead letter is resolved, but it is no row",
                None => "accepted, but neither row nor dead letter nor decision",
            };
            let finding = Finding::new(FindingKind::Missing, detail);
            self.findings.add(finding.of_origin(best.origin, &best.event_id));
            return;
        }
        if !is_own {
            self.counts.restored += 1;
        }
        if let Some(row) = &outcomes.row
            && row.digest != best.digest
        {
            let detail = "the row is not what was accepted";
            let finding = Finding::new(FindingKind::Altered, detail);
            self.findings.add(finding.of_origin(best.origin, &row.event_id));
            self.altered.push(Altered { origin: best.origin, copy: (best.found, best.offset) });
            self.altered.truncate(MAX_ALTERED);
        }
    }
}

/// Altered rows whose members are named.
const MAX_ALTERED: usize = 100;

/// Further acceptances' records of one origin: the same record in archive and log is one, and what
/// a replay put there again is none.
fn repeats(copies: &[Copy]) -> u64 {
    let mut offsets: Vec<_> = copies
        .iter()
        .filter(|copy| matches!(copy.found, Found::Archive(_) | Found::Log))
        .map(|copy| copy.offset)
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    (offsets.len() as u64).saturating_sub(1)
}

async fn next_origins(
    mut sorted: Sorted<Copy>,
) -> Result<(Sorted<Copy>, Vec<Vec<Copy>>), JobError> {
    let done = tokio::task::spawn_blocking(move || {
        let origins = sorted.next_groups(ORIGINS_AT_ONCE)?;
        Ok((sorted, origins))
    });
    let done = done.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|source| JobError::io("read back what was accepted", source))
}
