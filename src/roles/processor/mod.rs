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

use super::feed::{self, Feed, Halt, Step, Stop};
use super::outbox::Outbox;
use super::suspects::Suspects;
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::model::Stage;
use crate::pipeline::client_ip::TrustedProxies;
use crate::pipeline::reprocessed::Reprocessed;
use crate::pipeline::rules::RuleSet;
use crate::ports::{
    Assignment, DeadLetterTopic, Fetched, Kind, Limits, Ports, Progress, Result as PortResult,
    crash,
};
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
        feed::ended(running.work().await)?;
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

    /// Waits for the state. One that can never keep it is a mistake in the settings and no outage.
    async fn open(&mut self) -> Result<(), Halt> {
        let state = Arc::clone(&self.ports.state);
        let check = async || match state.check().await {
            Err(error) if error.kind() == Kind::Conflict => Ok(Err(error)),
            checked => checked.map(Ok),
        };
        let usable = self.feed.open("reach its state", check).await?;
        usable
            .map_err(|error| RoleError::Setting(format!("processor cannot {}", error.chain())))?;
        self.feed.voice.limps(state.degraded());
        Ok(())
    }

    async fn work(&mut self) -> Result<(), Halt> {
        self.open().await?;
        let batch_size = self.settings.processor.batch_size.max(1);
        loop {
            if self.feed.stop.is_now() {
                return self.finish().await;
            }
            if self.feed.is_gathering() {
                self.finish().await?;
            }
            let wait = self.wait();
            match self.feed.next(batch_size, wait).await? {
                Step::Records(fetched) => {
                    self.mark(&fetched).await?;
                    self.take_all(fetched).await?;
                }
                Step::Revoking(gone) | Step::Lost(gone) => {
                    self.finish().await?;
                    if let Err(error) = self.suspects.release(&*self.ports.state, &gone).await {
                        tracing::debug!(error = %error.chain(), "the processor's markers");
                    }
                }
                Step::Idle => {
                    self.finish().await?;
                    self.feed.pass_gaps().await?;
                    self.idle().await?;
                }
                Step::End => {
                    self.finish().await?;
                    return self.feed.pass_gaps().await;
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

    /// Sets the markers of partitions that are new.
    async fn mark(&mut self, fetched: &[Fetched]) -> Result<(), Halt> {
        for part in self.suspects.unmarked(fetched) {
            let (suspects, state) = (&self.suspects, Arc::clone(&self.ports.state));
            let mark = || suspects.mark(&*state, &part);
            let found = self.feed.insist("write its marker", mark).await?;
            self.suspects.begin(part, found);
        }
        Ok(())
    }

    /// Takes what was fetched, in as many steps as its partitions ask for.
    async fn take_all(&mut self, fetched: Vec<Fetched>) -> Result<(), Halt> {
        for step in self.suspects.steps(fetched) {
            if self.suspects.is_announced(&step) {
                // Many small steps take long: what goes meanwhile is left to its next owner.
                self.feed.glance().await;
                if step.iter().any(|fetched| self.feed.is_going(&fetched.assignment)) {
                    continue;
                }
                // What is on its way must not be taken for what this step does.
                self.finish().await?;
            }
            self.take(step).await?;
        }
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Halt> {
        let state = Arc::clone(&self.ports.state);
        self.feed.ask("reach its state", || state.check()).await?;
        self.feed.voice.limps(state.degraded());
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

    /// Reads one step and has it judged, and passes on what was judged before it. The state judges
    /// this one while the outputs of the one before are on their way: it may be ahead of what is
    /// durable, never behind.
    async fn take(&mut self, step: Vec<Fetched>) -> Result<(), Halt> {
        let state = Arc::clone(&self.ports.state);
        let suspects = &self.suspects;
        let announce = || suspects.announce(&*state, &step);
        let is_condemned = self.feed.insist("write its marker", announce).await?;
        let announced = match &step[..] {
            [fetched] if suspects.is_announced(&step) => {
                Some((fetched.assignment.clone(), fetched.records.len()))
            }
            _ => None,
        };
        let (readable, mut judged) = self.read(step, is_condemned);
        judged.announced = announced;
        let before = self.hear().await?;
        self.begin(readable, judged).await?;
        self.pass_on(before).await?;
        self.sweep().await;
        // An announced step is finished before anything else begins.
        let is_announced = self.judging.as_ref().is_some_and(Judging::is_announced);
        if is_announced { self.finish().await } else { Ok(()) }
    }

    /// Passes on and commits everything in hand.
    async fn finish(&mut self) -> Result<(), Halt> {
        let last = self.hear().await?;
        self.pass_on(last).await?;
        let landed = self.land().await?;
        self.settle(landed).await
    }

    /// Waits for the verdicts on the batch that is judged, where there is one.
    async fn hear(&mut self) -> Result<Option<Judged>, Halt> {
        match self.judging.take() {
            Some(judging) => self.conclude(judging).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends a batch's outputs on their way once those before them are durable, and commits those.
    async fn pass_on(&mut self, judged: Option<Judged>) -> Result<(), Halt> {
        let Some(judged) = judged else { return Ok(()) };
        let landed = self.land().await?;
        let Judged { outputs, progress, reprocessed, announced } = judged;
        let counts = outputs.counts;
        let (dead, clock) = (&self.settings.topics.raw_dlq, &self.ports.clock);
        let dead = DeadLetterTopic::new(dead, Stage::Processor, clock);
        let mut outbox = outputs.into_outbox(Arc::clone(&self.ports.log), dead);
        crash::point("processor.publish.before");
        let append = tasks::spawn("processor.publish", async move {
            let result = outbox.append().await;
            (outbox, result)
        });
        let done = Done { progress, counts, reprocessed, announced };
        self.in_flight = Some(InFlight { append, done });
        self.settle(landed).await
    }

    /// Waits until the outputs on their way are durable, where there are some.
    async fn land(&mut self) -> Result<Option<Done>, Halt> {
        let Some(InFlight { append, done }) = self.in_flight.take() else { return Ok(None) };
        let (mut outbox, mut result) = append
            .await
            .map_err(|error| RoleError::Task { role: Role::Processor, source: error })?;
        while let Err(error) = result {
            self.feed.pause("append what it judged", error).await?;
            result = outbox.append().await;
        }
        crash::point("processor.publish.after");
        self.metrics.add(done.counts);
        self.metrics.dead.increment(outbox.buried);
        Ok(Some(done))
    }

    /// Commits what is durable.
    async fn settle(&mut self, landed: Option<Done>) -> Result<(), Halt> {
        let Some(Done { progress, reprocessed, announced, .. }) = landed else { return Ok(()) };
        if !reprocessed.is_empty() {
            let state = Arc::clone(&self.ports.state);
            let count = || reprocessed.count(&*state);
            self.feed.insist("count reprocessed records", count).await?;
        }
        crash::point("processor.commit.before");
        self.feed.commit(&progress).await?;
        crash::point("processor.commit.after");
        if let Some((assignment, records)) = announced
            && let Err(error) = self.suspects.passed(&*self.ports.state, &assignment, records).await
        {
            tracing::debug!(error = %error.chain(), "the processor's marker");
        }
        Ok(())
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
