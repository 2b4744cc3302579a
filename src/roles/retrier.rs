//! Brings events that failed alone back to their topic when they are due (design, rule 10).
//!
//! One that is not due does not hold up those behind it: up to [`MOST_WAITING`] records are held
//! by due time, and positions are committed only below the first one still held.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge};
use tokio::time::Instant;

use super::feed::{self, Feed, Halt, Step, Stop};
use super::outbox::{Lane, Outbox};
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::model::{ConsumedRecord, HeaderName, Stage, Topic};
use crate::pipeline::failed::{due_record, retry_topic};
use crate::pipeline::offsets::OpenOffsets;
use crate::ports::{Assignment, Clock, DeadLetterTopic, EventLog, Fetched, Progress};
use crate::runtime::metrics as names;
use crate::settings::Settings;

const IDLE_WAIT: Duration = Duration::from_millis(100);
const POLL_RECORDS: usize = 1024;
/// Records held at once, and with them their bytes; past it, those behind wait in the topic.
const MOST_WAITING: usize = 10_000;
const MOST_BYTES: usize = 64 << 20;

/// The role; see the module.
#[derive(Debug)]
pub struct Retrier {
    deps: RoleDeps,
    voice: Voice,
}

impl Retrier {
    /// Prepares the role; nothing is read yet.
    ///
    /// # Errors
    /// None at present; the other roles' builders have some.
    pub fn build(deps: &RoleDeps) -> Result<Self, RoleError> {
        Ok(Self { deps: deps.clone(), voice: Voice::new(Role::Retrier, deps) })
    }

    /// Runs until told to stop. What is not due yet stays in its topic.
    ///
    /// # Errors
    /// When a port fails in a way that waiting does not mend.
    pub async fn run(self, stop: Stop) -> Result<(), RoleError> {
        let settings = Arc::clone(&self.deps.settings);
        let reads = (settings.groups.retrier.clone(), vec![settings.topics.retry.clone()]);
        let feed = Feed::join(Role::Retrier, &self.deps, self.voice, reads, stop).await?;
        let Some(mut feed) = feed else { return Ok(()) };
        // It writes where it reads.
        feed.voice.ready();
        let mut running = Running {
            feed,
            log: Arc::clone(&self.deps.ports.log),
            clock: Arc::clone(&self.deps.ports.clock),
            settings,
            waiting: BinaryHeap::new(),
            bytes: 0,
            open: HashMap::new(),
            republished: metrics::counter!(names::RETRIER_REPUBLISHED),
            held: metrics::gauge!(names::RETRIER_WAITING),
        };
        feed::ended(running.work().await)?;
        running.feed.close().await;
        Ok(())
    }
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    assignment: Assignment,
    record: ConsumedRecord,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |waiting: &Self| (waiting.due, waiting.record.partition, waiting.record.offset);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

struct Running {
    feed: Feed,
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    settings: Arc<Settings>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    open: HashMap<Assignment, OpenOffsets>,
    republished: Counter,
    held: Gauge,
}

impl Running {
    async fn work(&mut self) -> Result<(), Halt> {
        while !self.feed.stop.is_asked() {
            self.republish().await?;
            let is_full = self.waiting.len() >= MOST_WAITING || self.bytes >= MOST_BYTES;
            self.feed.hold(is_full);
            match self.feed.next(POLL_RECORDS, self.wait()).await? {
                Step::Records(fetched) => self.take(fetched),
                Step::Revoking(gone) | Step::Lost(gone) => self.forget(&gone),
                Step::Idle | Step::End if self.waiting.is_empty() => {
                    self.feed.pass_gaps().await?;
                    self.feed.watch().await?;
                }
                Step::Idle | Step::End => {}
            }
        }
        Ok(())
    }

    fn wait(&self) -> Duration {
        let first = self.waiting.peek().map(|Reverse(first)| first.due);
        let until = first.map(|due| due.saturating_duration_since(Instant::now()));
        until.map_or(IDLE_WAIT, |until| until.min(IDLE_WAIT).max(Duration::from_millis(1)))
    }

    fn take(&mut self, fetched: Vec<Fetched>) {
        let (now, at) = (self.clock.now(), Instant::now());
        for Fetched { assignment, records } in fetched {
            let open = self.open.entry(assignment.clone()).or_default();
            for record in records {
                open.take(record.offset);
                let due = record.record.headers.text(&HeaderName::NotBefore);
                // The wait runs on the monotonic clock and has a bound: a clock that steps, or a
                // header that lies, cannot park a record.
                let wait = due.and_then(|text| text.parse().ok()).map_or(Duration::ZERO, |due| {
                    crate::model::Timestamp::since(due, now).min(self.settings.retry.max_delay.0)
                });
                self.bytes += record.record.value.len();
                let assignment = assignment.clone();
                self.waiting.push(Reverse(Waiting { due: at + wait, assignment, record }));
            }
        }
        self.say_held();
    }

    fn forget(&mut self, gone: &[Assignment]) {
        self.waiting.retain(|Reverse(waiting)| !gone.contains(&waiting.assignment));
        self.bytes =
            self.waiting.iter().map(|Reverse(waiting)| waiting.record.record.value.len()).sum();
        self.open.retain(|assignment, _| !gone.contains(assignment));
        self.say_held();
    }

    fn say_held(&self) {
        self.held.set(f64::from(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)));
    }

    /// Puts back what is due and commits.
    async fn republish(&mut self) -> Result<(), Halt> {
        let mut due = Vec::new();
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse(first)| first.due <= now) {
            if let Some(Reverse(first)) = self.waiting.pop() {
                self.bytes -= first.record.record.value.len();
                due.push(first);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let made_at = self.clock.now();
        let mut lanes: HashMap<Topic, Lane> = HashMap::new();
        for waiting in &due {
            let topic = self.target(&waiting.record);
            let lane = lanes.entry(topic.clone()).or_insert_with(|| Lane::new(&topic, 0));
            lane.push_record(&due_record(&waiting.record.record, made_at));
        }
        let dead = &self.settings.topics.processed_dlq;
        let dead = DeadLetterTopic::new(dead, Stage::Worker, &self.clock);
        let mut outbox = Outbox::new(Arc::clone(&self.log), lanes.into_values(), dead);
        while let Err(error) = outbox.append().await {
            self.feed.pause("put events back", error).await?;
        }
        self.republished.increment(due.len() as u64);
        let mut progress = Vec::new();
        for waiting in due {
            if let Some(open) = self.open.get_mut(&waiting.assignment) {
                open.done(waiting.record.offset);
            }
        }
        for (assignment, open) in &self.open {
            if let Some(next) = open.committable() {
                progress.push(Progress { assignment: assignment.clone(), next });
            }
        }
        self.say_held();
        self.feed.commit(&progress).await
    }

    /// The topic in which it failed, where that is one of the worker's; else the processed one.
    fn target(&self, record: &ConsumedRecord) -> Topic {
        let named = retry_topic(&record.record.headers);
        let known = self.settings.worker_topics();
        known
            .into_iter()
            .find(|topic| Some(topic.as_str()) == named)
            .unwrap_or_else(|| self.settings.topics.processed.clone())
    }
}
