//! A log in front of another: while the brokers do not take new events, the segment log does, and a
//! drainer carries them over when the brokers are back.
//!
//! Only the raw topic is spilled: what comes behind the door has its source to be read again. New
//! events go straight to the brokers as soon as these answer, past what still waits. An event that
//! was spilled because its acknowledgement took too long may have landed after all: both copies
//! have one origin, so the second is a redelivery and no duplicate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::backends::embedded::EmbeddedLog;
use crate::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, RecordBatch, Topic, TopicPartition,
};
use crate::ports::{
    Appended, Consumer, DeadLetterTopic, Ensured, Error, EventLog, Kind, Polled, Progress, Result,
    TopicInfo, TopicLayout, append_or_bury, crash,
};
use crate::settings::Spill;

/// The group by which the drainer reads the spill log.
pub const DRAINER: &str = "spill-drainer";
/// Records carried over at once.
const CARRIED: usize = 1000;
/// How often brokers that are away are asked whether they are back, and the backlog is measured.
const EVERY: Duration = Duration::from_millis(500);

/// What a spilling log is made of.
#[derive(Debug)]
pub struct SpillOptions {
    /// The log that should have the events.
    pub primary: Arc<dyn EventLog>,
    /// The log that takes them meanwhile; has the raw topic and knows [`DRAINER`].
    pub spill: Arc<EmbeddedLog>,
    /// The only topic that is spilled.
    pub raw: Topic,
    /// Where spilled records go that the brokers refuse for good when they are carried over.
    pub dead: DeadLetterTopic,
    /// Times and marks.
    pub settings: Spill,
}

/// A log that spills. Dropping it ends the drainer; what waits is carried over by the next.
#[derive(Debug)]
pub struct SpillLog {
    shared: Arc<Shared>,
    drainer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    primary: Arc<dyn EventLog>,
    spill: Arc<EmbeddedLog>,
    raw: Topic,
    dead: DeadLetterTopic,
    settings: Spill,
    /// The brokers take nothing now: events are spilled without asking them.
    is_down: AtomicBool,
    /// Records and bytes that wait to be carried over, as last measured.
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    /// The backlog was above the high mark and is not below the low one yet.
    is_over: AtomicBool,
    is_closed: AtomicBool,
    closing: Notify,
}

impl SpillLog {
    /// Starts the drainer.
    ///
    /// # Errors
    /// `Unavailable` where its thread does not start.
    pub fn open(options: SpillOptions) -> Result<Self> {
        let SpillOptions { primary, spill, raw, dead, settings } = options;
        let shared = Arc::new(Shared {
            primary,
            spill,
            raw,
            dead,
            settings,
            is_down: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            waiting_bytes: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            closing: Notify::new(),
        });
        let draining = Arc::clone(&shared);
        let cannot = |error| {
            Error::new(Kind::Unavailable, "cannot start the spill log's drainer").with_source(error)
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(cannot)?;
        let drainer = thread::Builder::new()
            .name("spill-drainer".to_owned())
            .spawn(move || runtime.block_on(drain(&draining)))
            .map_err(cannot)?;
        Ok(Self { shared, drainer: Mutex::new(Some(drainer)) })
    }

    /// Ends the drainer and syncs the spill log. Blocks.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.closing.notify_one();
        let drainer = self.drainer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(drainer) = drainer
            && drainer.join().is_err()
        {
            tracing::error!("the spill log's drainer broke off");
        }
        self.shared.spill.close();
    }

    /// Records that wait to be carried over, as last measured.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for SpillLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether the spill log may take what the primary failed to take for that reason.
const fn is_spilled(kind: Kind) -> bool {
    matches!(kind, Kind::Unavailable | Kind::Full | Kind::Transient)
}

impl Shared {
    async fn append(&self, batch: RecordBatch) -> Result<Appended> {
        if !self.is_down.load(Ordering::Relaxed) {
            let appending = self.primary.append(&self.raw, batch.clone());
            match tokio::time::timeout(self.settings.after.0, appending).await {
                Ok(Ok(appended)) => return Ok(appended),
                Ok(Err(error)) if is_spilled(error.kind()) => {
                    // A full queue empties by itself: only this batch goes the other way.
                    if error.kind() != Kind::Full {
                        self.goes_down(&error.chain());
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => self.goes_down("no acknowledgement in time"),
            }
        }
        // On the heap, for those that come here.
        Box::pin(self.append_spilled(batch)).await
    }

    async fn append_spilled(&self, batch: RecordBatch) -> Result<Appended> {
        let count = u64::from(batch.count());
        let bytes = u64::try_from(batch.encoded().len()).unwrap_or(u64::MAX);
        self.spill.append(&self.raw, batch).await?;
        self.waiting.fetch_add(count, Ordering::Relaxed);
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Appended { durability: Durability::Spilled })
    }

    fn goes_down(&self, reason: &str) {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "the brokers do not take events; they are spilled");
        }
    }

    fn comes_back(&self) {
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the brokers take events again");
        }
    }

    /// Measures what waits, and whether it is too much.
    async fn measure(&self) {
        let group = GroupId::new(DRAINER);
        let Ok(info) = self.spill.describe(&self.raw).await else { return };
        let Ok(done) = self.spill.committed(&group, &self.raw).await else { return };
        let mut waiting = 0_u64;
        for part in info.partitions {
            let at = done.iter().find(|(partition, _)| *partition == part.partition);
            let from = at.map_or(part.low.0, |(_, offset)| offset.0.max(part.low.0));
            waiting = waiting.saturating_add(u64::try_from(part.high.0 - from).unwrap_or(0));
        }
        let bytes = self.spill.bytes_behind(&self.raw, &done);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.waiting_bytes.store(bytes, Ordering::Relaxed);
        self.judge(bytes);
    }

    fn judge(&self, bytes: u64) {
        if bytes >= self.settings.high.0 {
            self.is_over.store(true, Ordering::Relaxed);
        } else if bytes <= self.settings.low.0 {
            self.is_over.store(false, Ordering::Relaxed);
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Waits; `false` when the log is closed meanwhile.
    async fn pause(&self, wait: Duration) -> bool {
        let closing = tokio::time::timeout(wait, self.closing.notified()).await;
        closing.is_err() && !self.is_closed()
    }
}

/// Carries over what was spilled, until the log is closed.
async fn drain(shared: &Shared) {
    let group = GroupId::new(DRAINER);
    while !shared.is_closed() {
        let topics = std::slice::from_ref(&shared.raw);
        let joined = shared.spill.consumer(&group, topics).await;
        match joined {
            Ok(mut consumer) => {
                while !shared.is_closed() {
                    if let Err(error) = step(shared, consumer.as_mut()).await {
                        if error.kind() == Kind::Closed {
                            return;
                        }
                        // What was read and not carried over is read again by a new consumer.
                        tracing::warn!(error = error.chain(), "draining the spill log");
                        break;
                    }
                }
            }
            Err(error) => tracing::warn!(error = error.chain(), "cannot read the spill log"),
        }
        if !shared.pause(EVERY).await {
            return;
        }
    }
}

/// Waits for the brokers, carries over one batch, remembers it.
async fn step(shared: &Shared, consumer: &mut dyn Consumer) -> Result<()> {
    shared.measure().await;
    if shared.is_down.load(Ordering::Relaxed) {
        match shared.primary.check().await {
            Ok(()) => shared.comes_back(),
            Err(error) => {
                tracing::debug!(error = error.chain(), "the brokers are not back");
                shared.pause(EVERY).await;
                return Ok(());
            }
        }
    }
    let fetched = match consumer.poll(CARRIED, EVERY).await? {
        Polled::Records(fetched) => fetched,
        Polled::Gap { at, from, to } => {
            tracing::error!(%at, from = from.0, to = to.0, "spilled events are damaged");
            return Ok(());
        }
        _ => return Ok(()),
    };
    for fetched in fetched {
        let batch = RecordBatch::of_all(fetched.records.iter().map(|record| &record.record));
        let Some(last) = fetched.records.last() else { continue };
        crash::point("spill.carry.before");
        let carried = append_or_bury(&*shared.primary, &shared.raw, batch, &shared.dead).await;
        if let Err(error) = carried {
            if error.kind() != Kind::Full {
                shared.goes_down(&error.chain());
            }
            return Err(error);
        }
        let progress = Progress { assignment: fetched.assignment, next: last.offset.next() };
        crash::point("spill.carry.after");
        consumer.commit(&[progress]).await?;
        crash::point("spill.commit.after");
    }
    Ok(())
}

#[async_trait]
impl EventLog for SpillLog {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended> {
        if *topic == self.shared.raw && !batch.is_empty() {
            self.shared.append(batch).await
        } else {
            self.shared.primary.append(topic, batch).await
        }
    }

    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>> {
        self.shared.primary.consumer(group, topics).await
    }

    async fn describe(&self, topic: &Topic) -> Result<TopicInfo> {
        self.shared.primary.describe(topic).await
    }

    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>> {
        self.shared.primary.committed(group, topic).await
    }

    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        self.shared.primary.read(at, from, max_records).await
    }

    async fn check(&self) -> Result<()> {
        let bytes = self.shared.waiting_bytes.load(Ordering::Relaxed);
        self.shared.judge(bytes);
        if self.shared.is_over.load(Ordering::Relaxed) {
            let (records, low) = (self.waiting(), self.shared.settings.low);
            let what = format!("{records} spilled events wait for the brokers; ready below {low}");
            return Err(Error::new(Kind::Full, what).with_retry_after(Duration::from_secs(5)));
        }
        self.shared.spill.check().await
    }

    fn set_overloaded(&self, is_overloaded: bool) {
        self.shared.primary.set_overloaded(is_overloaded);
        self.shared.spill.set_overloaded(is_overloaded);
    }

    fn max_members(&self) -> usize {
        self.shared.primary.max_members()
    }

    fn degraded(&self) -> Option<String> {
        let waiting = self.waiting();
        if self.shared.is_down.load(Ordering::Relaxed) {
            Some(format!("the brokers do not take events; {waiting} are spilled"))
        } else if waiting > 0 {
            Some(format!("{waiting} spilled events are being carried over"))
        } else {
            self.shared.primary.degraded()
        }
    }

    async fn layout(&self, topic: &Topic) -> Result<Option<TopicLayout>> {
        self.shared.primary.layout(topic).await
    }

    async fn ensure(&self, topic: &Topic, dry_run: bool) -> Result<Ensured> {
        self.shared.primary.ensure(topic, dry_run).await
    }
}

#[cfg(test)]
mod tests;
