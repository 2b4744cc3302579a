//! Judges raw events: passes on, decides, or dead-letters each, and commits after that is durable.
//!
//! Three batches are under way at once: one whose outputs are being synced, one that the state is
//! judging, and one that is being read. A crash between is harmless: what was judged and not
//! published is read again, and its own marks let it pass.

mod judging;
mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use judging::{Judged, Judging};
pub(super) use read::panic_text;
use write::Counts;

use super::feed::{Feed, Step, Stop};
use super::outbox::Outbox;
use super::suspects::Suspects;
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::pipeline::client_ip::TrustedProxies;
use crate::pipeline::reprocessed::Reprocessed;
use crate::pipeline::rules::RuleSet;
use crate::ports::{Assignment, Fetched, Limits, Ports, Progress, Result as PortResult, crash};
use crate::runtime::metrics as names;
use crate::runtime::tasks;
use crate::settings::Settings;

const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Wait for more while the last batch's outputs are being synced.
const BUSY_WAIT: Duration = Duration::from_millis(10);
/// One being read, one judged, one appended.
const BATCHES_IN_HAND: usize = 3;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The role; see the module.
#[derive(Debug)]
pub struct Processor {
    deps: RoleDeps,
    voice: Voice,
}

impl Processor {
    /// Prepares the role; nothing is read yet.
    ///
    /// # Errors
    /// None at present; the other roles' builders have some.
    pub fn build(deps: &RoleDeps) -> Result<Self, RoleError> {
        Self::build_member(deps, 0)
    }

    /// Prepares one of several of this process, counted from 0.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_member(deps: &RoleDeps, number: usize) -> Result<Self, RoleError> {
        let voice = Voice::of_member(Role::Processor, number, deps);
        Ok(Self { deps: deps.clone(), voice })
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// When a port fails in a way that waiting does not mend.
    pub async fn run(self, stop: Stop) -> Result<(), RoleError> {
        let settings = Arc::clone(&self.deps.settings);
        let reads = (settings.groups.processor.clone(), vec![settings.topics.raw.clone()]);
        let feed = Feed::join(Role::Processor, &self.deps, self.voice, reads, stop).await?;
        let Some(feed) = feed.map(|feed| feed.gathering(settings.processor.linger.0)) else {
            return Ok(());
        };
        let suspects = Suspects::new(settings.processor.batch_size.saturating_mul(BATCHES_IN_HAND));
        let mut running = Running::new(&self.deps, feed, suspects);
        running.work().await?;
        if let Err(error) = running.suspects.end(&*running.ports.state).await {
            tracing::warn!(error = %error.chain(), "the processor's markers stay");
        }
        running.feed.close().await;
        Ok(())
    }
}

/// Outputs on their way.
struct InFlight {
    append: JoinHandle<(Outbox, PortResult<()>)>,
    done: Done,
}

/// What follows once a batch's outputs are durable.
struct Done {
    progress: Vec<Progress>,
    counts: Counts,
    reprocessed: Reprocessed,
    /// The partition of an announced step, and how many records it has.
    announced: Option<(Assignment, usize)>,
}

struct Running {
    feed: Feed,
    ports: Ports,
    settings: Arc<Settings>,
    proxies: TrustedProxies,
    limits: Limits,
    rules: RuleSet,
    rules_read_at: Option<Instant>,
    swept_at: Instant,
    suspects: Suspects,
    judging: Option<Judging>,
    in_flight: Option<InFlight>,
    metrics: Metrics,
}

impl Running {
    fn new(deps: &RoleDeps, feed: Feed, suspects: Suspects) -> Self {
        let settings = Arc::clone(&deps.settings);
        let section = &settings.processor;
        let limits = Limits {
            mark_ttl: section.dedup_ttl.0,
            per_minute: (section.ip_rate_limit_per_min > 0)
                .then_some(section.ip_rate_limit_per_min),
            ban: (!section.ban.0.is_zero()).then_some(section.ban.0),
        };
        Self {
            feed,
            ports: deps.ports.clone(),
            proxies: TrustedProxies::new(&settings.http.trusted_proxies),
            limits,
            rules: RuleSet::default(),
            rules_read_at: None,
            swept_at: Instant::now(),
            suspects,
            judging: None,
            in_flight: None,
            metrics: Metrics::new(),
            settings,
        }
    }

    async fn work(&mut self) -> Result<(), RoleError> {
        let batch_size = self.settings.processor.batch_size.max(1);
        loop {
            if self.feed.stop.is_now() {
                return self.finish().await.map(|_| ());
            }
            if self.feed.is_gathering() && !self.finish().await? {
                return Ok(());
            }
            let wait = self.wait();
            match self.feed.next(batch_size, wait).await? {
                Step::Records(fetched) => {
                    if !self.mark(&fetched).await? || !self.take_all(fetched).await? {
                        return Ok(());
                    }
                }
                Step::Revoking(gone) | Step::Lost(gone) => {
                    if !self.finish().await? {
                        return Ok(());
                    }
                    if let Err(error) = self.suspects.release(&*self.ports.state, &gone).await {
                        tracing::debug!(error = %error.chain(), "the processor's markers");
                    }
                }
                Step::Idle => {
                    if !self.finish().await? || !self.feed.pass_gaps().await? {
                        return Ok(());
                    }
                    self.idle().await?;
                }
                Step::End => {
                    if self.finish().await? {
                        self.feed.pass_gaps().await?;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// How long to wait for records: not at all where a batch is judged that could be passed on.
    fn wait(&self) -> Duration {
        if self.judging.is_some() {
            Duration::ZERO
        } else if self.in_flight.is_some() || self.feed.stop.is_asked() {
            BUSY_WAIT
        } else {
            IDLE_WAIT
        }
    }

    /// Sets the markers of partitions that are new; `false` when stopped meanwhile.
    async fn mark(&mut self, fetched: &[Fetched]) -> Result<bool, RoleError> {
        for part in self.suspects.unmarked(fetched) {
            let (suspects, state) = (&self.suspects, Arc::clone(&self.ports.state));
            let mark = || suspects.mark(&*state, &part);
            let Some(found) = self.feed.insist("write its marker", mark).await? else {
                return Ok(false);
            };
            self.suspects.begin(part, found);
        }
        Ok(true)
    }

    /// Takes what was fetched, in as many steps as its partitions ask for; `false` when stopped.
    async fn take_all(&mut self, fetched: Vec<Fetched>) -> Result<bool, RoleError> {
        for step in self.suspects.steps(fetched) {
            if self.suspects.is_announced(&step) {
                // Many small steps take long: what goes meanwhile is left to its next owner.
                self.feed.glance().await;
                if step.iter().any(|fetched| self.feed.is_going(&fetched.assignment)) {
                    continue;
                }
                // What is on its way must not be taken for what this step does.
                if !self.finish().await? {
                    return Ok(false);
                }
            }
            if !self.take(step).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn idle(&mut self) -> Result<(), RoleError> {
        self.feed.watch().await?;
        if self.suspects.is_careful()
            && let Err(error) = self.suspects.all_passed(&*self.ports.state).await
        {
            tracing::debug!(error = %error.chain(), "the processor's marker");
        }
        self.sweep().await;
        Ok(())
    }

    /// Drops what ended, now and then; a failure here waits for the next time.
    async fn sweep(&mut self) {
        if self.swept_at.elapsed() < SWEEP_EVERY {
            return;
        }
        self.swept_at = Instant::now();
        let now = self.ports.clock.now();
        if let Err(error) = self.ports.state.sweep(now, self.limits.mark_ttl).await {
            tracing::debug!(error = %error.chain(), "sweeping the state");
        }
    }

    /// Reads one step and has it judged, and passes on what was judged before it; `false` when
    /// stopped meanwhile. The state judges this one while the outputs of the one before are on their
    /// way: it may be ahead of what is durable, never behind.
    async fn take(&mut self, step: Vec<Fetched>) -> Result<bool, RoleError> {
        let state = Arc::clone(&self.ports.state);
        let suspects = &self.suspects;
        let announce = || suspects.announce(&*state, &step);
        let Some(is_condemned) = self.feed.insist("write its marker", announce).await? else {
            return Ok(false);
        };
        let announced = match &step[..] {
            [fetched] if suspects.is_announced(&step) => {
                Some((fetched.assignment.clone(), fetched.records.len()))
            }
            _ => None,
        };
        let (readable, mut judged) = self.read(step, is_condemned);
        judged.announced = announced;
        let Some(before) = self.hear().await? else { return Ok(false) };
        if !self.begin(readable, judged).await? || !self.pass_on(before).await? {
            return Ok(false);
        }
        self.sweep().await;
        // An announced step is finished before anything else begins.
        let is_announced = self.judging.as_ref().is_some_and(Judging::is_announced);
        if is_announced { self.finish().await } else { Ok(true) }
    }

    /// Passes on and commits everything in hand; `false` when stopped before that worked.
    async fn finish(&mut self) -> Result<bool, RoleError> {
        let Some(last) = self.hear().await? else { return Ok(false) };
        if !self.pass_on(last).await? {
            return Ok(false);
        }
        let Some(landed) = self.land().await? else { return Ok(false) };
        self.settle(landed).await
    }

    /// Waits for the verdicts on the batch that is judged, where there is one; `None` when stopped
    /// meanwhile.
    async fn hear(&mut self) -> Result<Option<Option<Judged>>, RoleError> {
        match self.judging.take() {
            Some(judging) => Ok(self.conclude(judging).await?.map(Some)),
            None => Ok(Some(None)),
        }
    }

    /// Sends a batch's outputs on their way once those before them are durable, and commits those;
    /// `false` when stopped meanwhile.
    async fn pass_on(&mut self, judged: Option<Judged>) -> Result<bool, RoleError> {
        let Some(judged) = judged else { return Ok(true) };
        let Some(landed) = self.land().await? else { return Ok(false) };
        let Judged { outputs, progress, reprocessed, announced } = judged;
        let counts = outputs.counts;
        let mut outbox = outputs.into_outbox(Arc::clone(&self.ports.log));
        crash::point("processor.publish.before");
        let append = tasks::spawn("processor.publish", async move {
            let result = outbox.append().await;
            (outbox, result)
        });
        let done = Done { progress, counts, reprocessed, announced };
        self.in_flight = Some(InFlight { append, done });
        self.settle(landed).await
    }

    /// Waits for the outputs on their way, where there are some; `None` when stopped before they are
    /// durable.
    async fn land(&mut self) -> Result<Option<Option<Done>>, RoleError> {
        let Some(InFlight { append, done }) = self.in_flight.take() else { return Ok(Some(None)) };
        let (mut outbox, mut result) = append
            .await
            .map_err(|error| RoleError::Task { role: Role::Processor, source: error })?;
        while let Err(error) = result {
            if !self.feed.pause("append what it judged", error).await? {
                return Ok(None);
            }
            result = outbox.append().await;
        }
        crash::point("processor.publish.after");
        self.metrics.add(done.counts);
        Ok(Some(Some(done)))
    }

    /// Commits what is durable; `false` when stopped before that worked.
    async fn settle(&mut self, landed: Option<Done>) -> Result<bool, RoleError> {
        let Some(Done { progress, reprocessed, announced, .. }) = landed else { return Ok(true) };
        if !reprocessed.is_empty() {
            let state = Arc::clone(&self.ports.state);
            let count = || reprocessed.count(&*state);
            if self.feed.insist("count reprocessed records", count).await?.is_none() {
                return Ok(false);
            }
        }
        crash::point("processor.commit.before");
        if !self.feed.commit(&progress).await? {
            return Ok(false);
        }
        crash::point("processor.commit.after");
        if let Some((assignment, records)) = announced
            && let Err(error) = self.suspects.passed(&*self.ports.state, &assignment, records).await
        {
            tracing::debug!(error = %error.chain(), "the processor's marker");
        }
        Ok(true)
    }
}

#[derive(Debug)]
struct Metrics {
    passed: Counter,
    duplicate: Counter,
    blocked: Counter,
    rate_limited: Counter,
    dead: Counter,
    bans: Counter,
    unjudged: Counter,
}

impl Metrics {
    fn new() -> Self {
        let judged = |verdict: &'static str| metrics::counter!(names::PROCESSOR_JUDGED, "verdict" => verdict);
        Self {
            passed: judged("passed"),
            duplicate: judged("duplicate"),
            blocked: judged("blocked"),
            rate_limited: judged("rate_limited"),
            dead: judged("dead_lettered"),
            bans: metrics::counter!(names::PROCESSOR_BANS),
            unjudged: metrics::counter!(names::PROCESSOR_UNJUDGED),
        }
    }

    fn add(&self, counts: Counts) {
        self.passed.increment(counts.passed);
        self.duplicate.increment(counts.duplicate);
        self.blocked.increment(counts.blocked);
        self.rate_limited.increment(counts.rate_limited);
        self.dead.increment(counts.dead);
    }
}
