//! A role's membership in its group: polling, waiting without losing the membership, committing.

mod stuck;
mod usable;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::model::{GroupId, Offset, Topic};
use crate::ports::{
    Assignment, Consumer, Error, EventLog, Fetched, Kind, Polled, Progress, Result as PortResult,
};
use crate::runtime::metrics as names;
use crate::runtime::shutdown::CancellationToken;

/// Longest time between two polls of a waiting role.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// How a role ends once it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With what it has in hand: somebody else goes on with the rest.
    InHand,
    /// When nothing more comes: the whole pipeline is in this process and its sources are still.
    Drained,
}

/// When a role ends, and how.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Cancelled when it shall end.
    pub shutdown: CancellationToken,
    /// How.
    pub ending: Ending,
}

impl Stop {
    pub(super) fn is_asked(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Whether a role that was told to end does so before reading on.
    pub(super) fn is_now(&self) -> bool {
        self.is_asked() && self.ending == Ending::InHand
    }
}

/// Why a role's work broke off.
#[derive(Debug)]
pub(super) enum Halt {
    /// It was told to end while something that it waited for did not work. What is in hand comes
    /// again.
    Stopped,
    /// Something failed that waiting does not mend.
    Failed(RoleError),
}

impl From<RoleError> for Halt {
    fn from(error: RoleError) -> Self {
        Self::Failed(error)
    }
}

/// How a role ends after its work: to be stopped is no failure.
pub(super) fn ended(worked: Result<(), Halt>) -> Result<(), RoleError> {
    match worked {
        Ok(()) | Err(Halt::Stopped) => Ok(()),
        Err(Halt::Failed(error)) => Err(error),
    }
}

/// What a role's next step is about.
#[derive(Debug)]
pub(super) enum Step {
    /// Records came.
    Records(Vec<Fetched>),
    /// These are about to go: commit what is done.
    Revoking(Vec<Assignment>),
    /// These are gone: forget what is in hand.
    Lost(Vec<Assignment>),
    /// Nothing within the wait.
    Idle,
    /// Nothing within a wait that began after the role was told to end, or no way to ask: all that
    /// stood before the stop has been read, where the sources were still by then.
    End,
}

/// Where a group stands in partitions, and where they end.
type Standing = Vec<(Option<Offset>, Offset)>;

/// One role's membership.
#[derive(Debug)]
pub(super) struct Feed {
    role: Role,
    log: Arc<dyn EventLog>,
    group: GroupId,
    topics: Vec<Topic>,
    consumer: Box<dyn Consumer>,
    stash: VecDeque<Polled>,
    assigned: Vec<Assignment>,
    /// Where reading went on behind gaps that no commit has passed yet.
    passed: Vec<Progress>,
    pub(super) voice: Voice,
    pub(super) stop: Stop,
    moved_at: Instant,
    /// When it was last asked whether what the role writes to can be used.
    asked_at: Instant,
    is_held: bool,
    /// How long records gather after a read that brought few; see [`Feed::gathering`].
    gather: Duration,
    /// Until when they do.
    rests_until: Option<Instant>,
    /// The group has given this member its share, which may be nothing.
    has_joined: bool,
    /// The group's positions at the last look of a member without a share.
    seen: Vec<Option<Offset>>,
    /// Positions and ends at which it joined again, because it seemed stuck, and when.
    joined_in_vain: Option<(Standing, Instant)>,
}

impl Feed {
    /// Joins the group, waiting for the log as long as it takes; `None` when stopped before. The role
    /// is not ready before it has [opened](Feed::open).
    pub(super) async fn join(
        role: Role,
        deps: &RoleDeps,
        mut voice: Voice,
        (group, topics): (GroupId, Vec<Topic>),
        stop: Stop,
    ) -> Result<Option<Self>, RoleError> {
        let log = Arc::clone(&deps.ports.log);
        let consumer = loop {
            match log.consumer(&group, &topics).await {
                Ok(consumer) => break consumer,
                Err(error) => {
                    let wait = wait_or_end(role, &mut voice, "join its group", error)?;
                    if stop.is_asked() || !sleep(wait, &stop).await {
                        return Ok(None);
                    }
                }
            }
        };
        Ok(Some(Self {
            role,
            log,
            group,
            topics,
            consumer,
            stash: VecDeque::new(),
            assigned: Vec::new(),
            passed: Vec::new(),
            voice,
            stop,
            moved_at: Instant::now(),
            asked_at: Instant::now(),
            is_held: false,
            gather: Duration::ZERO,
            rests_until: None,
            has_joined: false,
            seen: Vec::new(),
            joined_in_vain: None,
        }))
    }

    /// Lets so much time pass between a read that brought less than half of what was asked for and
    /// the next one, unless the role is told to end. What a role does once a read, however few
    /// records it brought, costs more than the records where they come one by one: synced writes,
    /// transactions, threads woken. Whoever comes after a pause is not held up.
    pub(super) fn gathering(mut self, gather: Duration) -> Self {
        self.gather = gather;
        self
    }

    /// Whether the next read waits for records to gather: what is in hand should be finished first.
    pub(super) fn is_gathering(&self) -> bool {
        !self.stop.is_asked() && self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Waits until records have gathered.
    async fn rest(&mut self) {
        if let Some(until) = self.rests_until.take() {
            sleep(until.saturating_duration_since(Instant::now()), &self.stop).await;
        }
    }

    /// The next step, within `wait` from when records have gathered. Errors of the log are waited out.
    pub(super) async fn next(&mut self, max: usize, wait: Duration) -> Result<Step, RoleError> {
        loop {
            self.voice.step();
            self.rest().await;
            // An answer to a question from before the stop says nothing of what came until then.
            let was_asked = self.stop.is_asked();
            let polled = match self.stash.pop_front() {
                Some(polled) => Ok(polled),
                None => self.consumer.poll(max, wait).await,
            };
            match polled {
                Ok(polled) => {
                    self.voice.works();
                    match self.step(polled) {
                        Some(Step::Idle) if was_asked => return Ok(Step::End),
                        Some(step) => {
                            self.pace(&step, max);
                            return Ok(step);
                        }
                        None => {}
                    }
                }
                Err(error) => {
                    let wait = wait_or_end(self.role, &mut self.voice, "read its topics", error)?;
                    let goes_on = self.wait_out(wait).await;
                    return Ok(if goes_on { Step::Idle } else { Step::End });
                }
            }
        }
    }

    /// Lets records gather where a read brought few.
    fn pace(&mut self, step: &Step, max: usize) {
        if let Step::Records(fetched) = step {
            let count: usize = fetched.iter().map(|fetched| fetched.records.len()).sum();
            let is_few = count < max / 2 && !self.gather.is_zero();
            self.rests_until = is_few.then(|| Instant::now() + self.gather);
        }
    }

    /// What a poll asks the role to do; `None` where that is nothing and it should poll again.
    fn step(&mut self, polled: Polled) -> Option<Step> {
        Some(match polled {
            Polled::Records(fetched) => {
                self.moved_at = Instant::now();
                Step::Records(fetched)
            }
            Polled::Revoking(gone) => {
                self.forget(&gone);
                Step::Revoking(gone)
            }
            Polled::Lost(gone) => {
                self.forget(&gone);
                Step::Lost(gone)
            }
            Polled::Idle => Step::Idle,
            Polled::Assigned(assigned) => {
                tracing::debug!(role = %self.role, partitions = assigned.len(), "assigned");
                self.has_joined = true;
                self.assigned.extend(assigned);
                return None;
            }
            Polled::Gap { at, from, to } => {
                tracing::error!(
                    role = %self.role, partition = %at, from = from.0, to = to.0,
                    "records are gone that this role has not read: retention or damage passed it"
                );
                let missed = u64::try_from(to.0 - from.0).unwrap_or(0);
                metrics::counter!(names::GAP_RECORDS, "role" => self.role.as_str())
                    .increment(missed);
                let assigned = self.assigned.iter().find(|assignment| assignment.at == at);
                if let Some(assignment) = assigned.cloned() {
                    self.passed.retain(|passed| passed.assignment != assignment);
                    self.passed.push(Progress { assignment, next: to });
                }
                return None;
            }
        })
    }

    fn forget(&mut self, gone: &[Assignment]) {
        self.assigned.retain(|assignment| !gone.contains(assignment));
        self.passed.retain(|passed| !gone.contains(&passed.assignment));
    }

    /// Takes the positions behind gaps that no record has followed. To be committed when nothing is
    /// in hand: at the end of a topic nothing else would bring the group past them.
    pub(super) fn passed(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.passed)
    }

    /// Commits them, for roles whose positions stand alone.
    pub(super) async fn pass_gaps(&mut self) -> Result<(), Halt> {
        let passed = self.passed();
        if passed.is_empty() { Ok(()) } else { self.commit(&passed).await }
    }

    /// Repeats an operation in place until it works, for as long as it takes.
    pub(super) async fn insist<T, F>(
        &mut self,
        doing: &str,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, Halt>
    where
        F: Future<Output = PortResult<T>>,
    {
        loop {
            self.voice.step();
            match operation().await {
                Ok(done) => {
                    self.voice.works();
                    return Ok(done);
                }
                Err(error) => self.pause(doing, error).await?,
            }
        }
    }

    /// Waits after a failure, paused, keeping the membership.
    pub(super) async fn pause(&mut self, doing: &str, error: Error) -> Result<(), Halt> {
        let wait = wait_or_end(self.role, &mut self.voice, doing, error)?;
        let goes_on = !self.stop.is_asked() && self.wait_out(wait).await;
        if goes_on { Ok(()) } else { Err(Halt::Stopped) }
    }

    /// Whether polls bring no more records for now, while the membership is kept.
    pub(super) fn hold(&mut self, is_held: bool) {
        if self.is_held != is_held {
            self.is_held = is_held;
            self.consumer.set_paused(is_held);
        }
    }

    async fn wait_out(&mut self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        let mut goes_on = true;
        while goes_on && Instant::now() < end {
            self.voice.step();
            let slice = end.saturating_duration_since(Instant::now()).min(KEEP_ALIVE);
            goes_on = sleep(slice, &self.stop).await;
            self.glance().await;
        }
        self.moved_at = Instant::now();
        goes_on
    }

    /// Polls without taking records and keeps for later what came. Not where the role has been
    /// offered partitions that go and has not answered yet: the next poll would give them up before
    /// it could commit what it has done. The log's own time for that runs out all the same, and the
    /// membership does not hang on these polls for so long.
    pub(super) async fn glance(&mut self) {
        if self.stash.iter().any(|polled| matches!(polled, Polled::Revoking(_))) {
            return;
        }
        self.consumer.set_paused(true);
        match self.consumer.poll(1, Duration::ZERO).await {
            Ok(Polled::Idle) => {}
            Ok(polled) => self.stash.push_back(polled),
            Err(error) => tracing::debug!(role = %self.role, error = %error.chain(), "poll"),
        }
        self.consumer.set_paused(self.is_held);
    }

    /// Whether this assignment is known to go, or gone, and the role has not heard of it.
    pub(super) fn is_going(&self, assignment: &Assignment) -> bool {
        self.stash.iter().any(|polled| match polled {
            Polled::Revoking(gone) | Polled::Lost(gone) => gone.contains(assignment),
            _ => false,
        })
    }

    /// Commits positions whose effects are durable.
    pub(super) async fn commit(&mut self, progress: &[Progress]) -> Result<(), Halt> {
        self.moved_at = Instant::now();
        while let Err(error) = self.consumer.commit(progress).await {
            self.pause("commit its positions", error).await?;
        }
        self.passed.retain(|passed| {
            let is_past = |done: &Progress| done.next >= passed.next;
            !progress.iter().any(|done| done.assignment == passed.assignment && is_past(done))
        });
        self.voice.works();
        Ok(())
    }

    /// Leaves the group.
    pub(super) async fn close(self) {
        self.voice.rest();
        if let Err(error) = self.consumer.close().await {
            tracing::warn!(role = %self.role, error = %error.chain(), "leaving the group failed");
        }
    }
}

/// How long to wait after a failure; an error where waiting does not mend it.
fn wait_or_end(
    role: Role,
    voice: &mut Voice,
    doing: &str,
    error: Error,
) -> Result<Duration, RoleError> {
    match error.kind() {
        Kind::Closed | Kind::NotFound => Err(RoleError::Port { role, source: error }),
        _ => Ok(voice.waits(doing, &error)),
    }
}

/// Sleeps; `false` as soon as the stop is asked for.
async fn sleep(duration: Duration, stop: &Stop) -> bool {
    tokio::select! {
        () = tokio::time::sleep(duration) => true,
        () = stop.shutdown.cancelled() => false,
    }
}

#[cfg(test)]
mod tests;
