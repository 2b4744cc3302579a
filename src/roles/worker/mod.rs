//! Writes the store: rows, decisions and dead letters in batches, the position with them.
//!
//! While one batch is applied the next one is read. Errors by kind (design, rule 10): what waiting
//! mends is waited out in place; a batch that is refused is halved down to the items that fail, and
//! those go to the retry or the dead-letter topic before the position moves.
//!
//! A panic in reading or in the sink is caught and isolated like a refusal. An event that ends the
//! whole process here (an abort, memory that runs out) is not looked for with markers as in the
//! processor: each event of these topics was read by the processor before, by the same bounded
//! parser, and what the worker adds is rows of bounded size and a client of the store. If it did
//! happen, the position stays before that event and nothing is lost or passed over: the restarts,
//! the lag and the log's last lines show it.

mod books;
mod isolate;
mod meters;
mod read;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use isolate::{Item, Refusal};
use meters::Metrics;
use read::{Content, Unreadable};

use super::feed::{self, Feed, Halt, Step, Stop};
use super::outbox::Lane;
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::model::{ConsumedRecord, HeaderName, Stage};
use crate::pipeline::failed::{Cause, dead_letter_record};
use crate::ports::{
    Applied, Assignment, Fetched, Kind, Ports, Progress, Result as PortResult, Sink, SinkBatch,
    crash,
};
use crate::runtime::tasks;
use crate::settings::Settings;

const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Bytes of values after which a batch is written whatever its settings: it is held as it was read,
/// parsed, and once more while it is written.
const BATCH_BYTES: usize = 16 << 20;
/// Wait for more while the last batch is being applied, or while draining.
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// The role; see the module.
#[derive(Debug)]
pub struct Worker {
    deps: RoleDeps,
    voice: Voice,
    number: usize,
}

impl Worker {
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
        let voice = Voice::of_member(Role::Worker, number, deps);
        Ok(Self { deps: deps.clone(), voice, number })
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// When a port fails in a way that waiting does not mend.
    pub async fn run(self, stop: Stop) -> Result<(), RoleError> {
        let settings = Arc::clone(&self.deps.settings);
        let reads = (settings.groups.worker.clone(), settings.worker_topics());
        let feed = Feed::join(Role::Worker, &self.deps, self.voice, reads, stop).await?;
        let Some(mut feed) = feed else { return Ok(()) };
        let sink = &self.deps.ports.sink;
        // Before the first batch, so that whoever waits for the tables need not wait for an event.
        match feed.open("write the store", || sink.check()).await {
            Ok(()) => {}
            Err(Halt::Failed(error)) => return Err(error),
            Err(Halt::Stopped) => {
                feed.close().await;
                return Ok(());
            }
        }
        // One a process: its gauges are of the whole installation.
        let books = (self.number == 0).then(|| books::Books::start(&self.deps));
        let mut running = Running {
            feed,
            ports: self.deps.ports.clone(),
            settings,
            in_flight: None,
            metrics: Metrics::new(),
        };
        let result = running.work().await;
        if let Some(books) = books {
            books.end().await;
        }
        feed::ended(result)?;
        running.feed.close().await;
        Ok(())
    }
}

/// What was fetched for one transaction.
#[derive(Debug, Default)]
struct Work {
    fetched: Vec<Fetched>,
    count: usize,
    bytes: usize,
    /// The role was told to end, and nothing follows.
    is_last: bool,
}

/// A batch that is being applied, and the records it was read from.
struct InFlight {
    apply: JoinHandle<PortResult<Applied>>,
    batch: Arc<SinkBatch>,
    fetched: Vec<Fetched>,
}

struct Running {
    feed: Feed,
    ports: Ports,
    settings: Arc<Settings>,
    in_flight: Option<InFlight>,
    metrics: Metrics,
}

impl Running {
    async fn work(&mut self) -> Result<(), Halt> {
        loop {
            let work = self.collect().await?;
            if work.count > 0 {
                self.take(work).await?;
                continue;
            }
            self.settle().await?;
            self.pass_gaps().await?;
            if work.is_last {
                return Ok(());
            }
            let sink = Arc::clone(&self.ports.sink);
            self.feed.ask("write the store", || sink.check()).await?;
            self.feed.watch().await?;
        }
    }

    /// Records for one batch: as many as fit, or what came within the batch's time, which a backlog
    /// does not stretch.
    async fn collect(&mut self) -> Result<Work, Halt> {
        let section = &self.settings.worker;
        let (batch_size, timeout) = (section.batch_size.max(1), section.batch_timeout.0);
        let mut work = Work::default();
        let mut due: Option<Instant> = None;
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= Instant::now());
        while work.count < batch_size
            && work.bytes < BATCH_BYTES
            && !(is_due(due) || self.feed.stop.is_now())
        {
            let is_drain = self.feed.stop.is_asked();
            let is_busy = self.in_flight.is_some() || is_drain;
            let idle = if is_busy { BUSY_WAIT } else { IDLE_WAIT };
            let left = due.map_or(idle, |due| due.saturating_duration_since(Instant::now()));
            let wait = if is_drain { left.min(BUSY_WAIT) } else { left };
            match self.feed.next(batch_size - work.count, wait).await? {
                Step::Records(fetched) => {
                    work.add(fetched);
                    due.get_or_insert_with(|| Instant::now() + timeout);
                }
                Step::Revoking(gone) | Step::Lost(gone) => {
                    work.forget(&gone);
                    self.settle().await?;
                }
                Step::Idle => {
                    if due.is_none() || is_due(due) {
                        break;
                    }
                }
                Step::End => {
                    work.is_last = true;
                    break;
                }
            }
        }
        work.is_last |= self.feed.stop.is_now();
        Ok(work)
    }

    /// Reads a batch, waits for the one before, begins to apply, and commits the one before meanwhile.
    async fn take(&mut self, work: Work) -> Result<(), Halt> {
        let mut batch =
            SinkBatch { group: Some(self.settings.groups.worker.clone()), ..SinkBatch::default() };
        batch.events.reserve_exact(work.count);
        let mut dead = Lane::new(&self.settings.topics.processed_dlq, 0);
        let mut has_dead = false;
        for Fetched { assignment, records } in &work.fetched {
            for record in records {
                match read::read(record, &self.settings.topics) {
                    Ok(content) => content.add_to(&mut batch),
                    Err(why) => {
                        has_dead = true;
                        self.dead(&mut dead, record, &why);
                    }
                }
            }
            note(&mut batch.progress, assignment, records);
        }
        let landed = self.land().await?;
        if has_dead {
            self.publish([dead]).await?;
        }
        crash::point("worker.apply.before");
        let batch = Arc::new(batch);
        let apply = spawn_apply(&self.ports.sink, &batch);
        self.in_flight = Some(InFlight { apply, batch, fetched: work.fetched });
        self.commit(landed).await
    }

    fn dead(&self, lane: &mut Lane, record: &ConsumedRecord, why: &Unreadable) {
        self.metrics.data.increment(1);
        tracing::warn!(
            topic = %record.topic, partition = record.partition.0, offset = record.offset.0,
            error_type = why.error_type, reason = why.reason,
            "unreadable record dead-lettered by the worker"
        );
        let cause = Cause {
            stage: Stage::Worker,
            error_type: why.error_type,
            reason: &why.reason,
            at: self.ports.clock.now(),
        };
        lane.push_record(&dead_letter_record(record, &cause));
    }

    /// Waits for the batch in flight and commits.
    async fn settle(&mut self) -> Result<(), Halt> {
        let landed = self.land().await?;
        self.commit(landed).await
    }

    /// Waits for the batch in flight, where there is one; its positions.
    async fn land(&mut self) -> Result<Vec<Progress>, Halt> {
        let Some(InFlight { apply, batch, fetched }) = self.in_flight.take() else {
            return Ok(Vec::new());
        };
        let refusal = match joined(apply.await) {
            Ok(Ok(applied)) => {
                self.feed.voice.works();
                self.metrics.add(applied);
                None
            }
            Ok(Err(error)) if matches!(error.kind(), Kind::Data | Kind::Transient) => {
                Some(Refusal::of(&error))
            }
            Ok(Err(error)) => {
                self.feed.pause("write the store", error).await?;
                self.apply_patiently(Arc::clone(&batch)).await?.err()
            }
            Err(panic) => Some(Refusal::panic(panic)),
        };
        if let Some(refusal) = refusal {
            self.part(&batch, fetched, refusal).await?;
        }
        self.metrics.batches.increment(1);
        Ok(batch.progress.clone())
    }

    /// Commits what is in the store.
    async fn commit(&mut self, landed: Vec<Progress>) -> Result<(), Halt> {
        if landed.is_empty() {
            return Ok(());
        }
        self.feed.commit(&landed).await?;
        crash::point("worker.commit.after");
        Ok(())
    }

    /// A refused batch in parts, then its position alone.
    async fn part(
        &mut self,
        batch: &SinkBatch,
        fetched: Vec<Fetched>,
        refusal: Refusal,
    ) -> Result<(), Halt> {
        let topics = &self.settings.topics;
        let records = fetched.into_iter().flat_map(|fetched| fetched.records);
        // Those that cannot be read were dead-lettered before the batch was tried.
        let items: Vec<Item> = records
            .filter_map(|record| {
                let content: Content = read::read(&record, topics).ok()?;
                Some(Item { record, content })
            })
            .collect();
        self.isolate(items, refusal).await?;
        self.write_position(batch.progress.clone()).await
    }

    /// Moves past what can no longer be read, where nothing readable has followed it.
    async fn pass_gaps(&mut self) -> Result<(), Halt> {
        let passed = self.feed.passed();
        if passed.is_empty() {
            return Ok(());
        }
        self.write_position(passed.clone()).await?;
        self.feed.commit(&passed).await
    }

    /// A position without rows.
    async fn write_position(&mut self, progress: Vec<Progress>) -> Result<(), Halt> {
        let group = Some(self.settings.groups.worker.clone());
        let position = SinkBatch { group, progress, ..SinkBatch::default() };
        if self.apply_patiently(Arc::new(position)).await?.is_err() {
            // Nothing in it can be refused; the items are safe and come again after a restart.
            tracing::error!("the store refuses the worker's position");
        }
        Ok(())
    }
}

impl Work {
    fn forget(&mut self, gone: &[Assignment]) {
        let mut left = std::mem::take(&mut self.fetched);
        left.retain(|fetched| !gone.contains(&fetched.assignment));
        (self.count, self.bytes) = (0, 0);
        self.add(left);
    }

    fn add(&mut self, fetched: Vec<Fetched>) {
        for record in fetched.iter().flat_map(|fetched| &fetched.records) {
            self.count += 1;
            self.bytes += record.record.value.len();
        }
        self.fetched.extend(fetched);
    }
}

/// Moves a partition's position past these records.
fn note(progress: &mut Vec<Progress>, assignment: &Assignment, records: &[ConsumedRecord]) {
    let Some(next) = records.last().map(|record| record.offset.next()) else { return };
    match progress.iter_mut().find(|known| known.assignment == *assignment) {
        Some(known) => known.next = next,
        None => progress.push(Progress { assignment: assignment.clone(), next }),
    }
}

/// How often the worker tried this record before.
fn attempts(record: &ConsumedRecord) -> u32 {
    let text = record.record.headers.text(&HeaderName::Attempts);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn spawn_apply(sink: &Arc<dyn Sink>, batch: &Arc<SinkBatch>) -> JoinHandle<PortResult<Applied>> {
    let (sink, batch) = (Arc::clone(sink), Arc::clone(batch));
    tasks::spawn("worker.apply", async move {
        sink.plan(&batch).await?;
        sink.apply(&batch).await
    })
}

/// Plans and applies in a task of its own, so that a panic in a sink is an answer like others.
async fn apply_once(
    sink: &Arc<dyn Sink>,
    batch: &Arc<SinkBatch>,
) -> Result<PortResult<Applied>, String> {
    joined(spawn_apply(sink, batch).await)
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, String> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(payload) => super::processor::panic_text(&*payload),
        Err(error) => error.to_string(),
    })
}
