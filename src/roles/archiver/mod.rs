//! Writes raw events and decisions to the archive: one object in the making a partition, created
//! once, committed only when it stands (design, rule 7). Never in the processor's way: it is a
//! group of its own.

mod pending;
mod place;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;

use pending::{Made, Pending};
use place::{Placed, place};

use super::feed::{self, Feed, Halt, Step, Stop};
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError};
use crate::model::{Topic, TopicPartition};
use crate::pipeline::archive_format::{ArchiveError, Kind, Segment, SegmentWriter};
use crate::ports::{Assignment, Fetched, ObjectStore, Progress, crash};
use crate::runtime::metrics as names;
use crate::settings::Settings;

const IDLE_WAIT: Duration = Duration::from_millis(100);
const DRAIN_WAIT: Duration = Duration::from_millis(20);
const POLL_RECORDS: usize = 4096;
/// How long records gather: objects are made in seconds, and each read costs a thread's turn.
const GATHER: Duration = Duration::from_millis(50);
/// Bytes of memory that objects in the making may have together; past it the largest is written. It
/// costs no more objects: partitions that begin together fill in turn after a while, and half of
/// each is held on average.
const MAX_HELD: usize = 16 << 20;

/// The role; see the module.
#[derive(Debug)]
pub struct Archiver {
    deps: RoleDeps,
    voice: Voice,
}

impl Archiver {
    /// Prepares the role; nothing is read yet.
    ///
    /// # Errors
    /// When the compression level is none of zstd's.
    pub fn build(deps: &RoleDeps) -> Result<Self, RoleError> {
        let level = deps.settings.archive.compression_level;
        SegmentWriter::new(Kind::Events, level).map_err(|_| {
            RoleError::Setting(format!("archive.compression_level {level} is none"))
        })?;
        Ok(Self { deps: deps.clone(), voice: Voice::new(Role::Archiver, deps) })
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// When a port fails in a way that waiting does not mend.
    pub async fn run(self, stop: Stop) -> Result<(), RoleError> {
        let settings = Arc::clone(&self.deps.settings);
        let reads = (settings.groups.archiver.clone(), settings.archiver_topics());
        let feed = Feed::join(Role::Archiver, &self.deps, self.voice, reads, stop).await?;
        let Some(feed) = feed.map(|feed| feed.gathering(GATHER)) else { return Ok(()) };
        let mut running = Running {
            feed,
            objects: Arc::clone(&self.deps.ports.objects),
            settings,
            pending: BTreeMap::new(),
            metrics: Metrics::new(),
        };
        feed::ended(running.work().await)?;
        running.feed.close().await;
        Ok(())
    }
}

struct Running {
    feed: Feed,
    objects: Arc<dyn ObjectStore>,
    settings: Arc<Settings>,
    pending: BTreeMap<TopicPartition, Pending>,
    metrics: Metrics,
}

impl Running {
    async fn work(&mut self) -> Result<(), Halt> {
        let objects = Arc::clone(&self.objects);
        self.feed.open("reach the archive", || objects.check()).await?;
        loop {
            if self.feed.stop.is_now() {
                return self.flush_all().await;
            }
            match self.feed.next(POLL_RECORDS, self.wait()).await? {
                Step::Records(fetched) => self.add(fetched).await?,
                Step::Revoking(gone) => {
                    for assignment in &gone {
                        self.flush(&assignment.at).await?;
                    }
                    self.forget(&gone);
                }
                Step::Lost(gone) => self.forget(&gone),
                Step::End => {
                    self.flush_all().await?;
                    return self.pass_gaps().await;
                }
                Step::Idle if self.pending.values().all(Pending::is_empty) => {
                    self.pass_gaps().await?;
                    self.feed.ask("reach the archive", || objects.check()).await?;
                    self.feed.watch().await?;
                }
                Step::Idle => {}
            }
            while let Some(at) = self.due() {
                self.flush_once(&at).await?;
            }
        }
    }

    fn wait(&self) -> Duration {
        if self.feed.stop.is_asked() {
            return DRAIN_WAIT;
        }
        let open = self.pending.values().filter(|pending| !pending.is_empty());
        open.map(|pending| pending.due_in(&self.settings.archive)).fold(IDLE_WAIT, Duration::min)
    }

    /// Takes records in; they are compressed, so not here but on a thread for work.
    async fn add(&mut self, fetched: Vec<Fetched>) -> Result<(), RoleError> {
        let (mut all, settings) = (std::mem::take(&mut self.pending), Arc::clone(&self.settings));
        let (all, added) = blocking(move || {
            let added = fetched.into_iter().try_for_each(|Fetched { assignment, records }| {
                let at = assignment.at.clone();
                let kind = kind(&settings, &at.topic);
                let pending =
                    all.entry(at.clone()).or_insert_with(|| Pending::new(assignment.clone(), kind));
                if pending.assignment != assignment {
                    *pending = Pending::new(assignment, kind);
                }
                pending.add(&records, &settings.archive).map_err(|error| unmakable(&at, &error))
            });
            (all, added)
        })
        .await?;
        self.pending = all;
        added
    }

    fn forget(&mut self, gone: &[Assignment]) {
        self.pending.retain(|_, pending| !gone.contains(&pending.assignment));
    }

    /// A partition whose object is due, or the largest one where all together hold too much.
    fn due(&self) -> Option<TopicPartition> {
        let archive = &self.settings.archive;
        let open = || self.pending.iter().filter(|(_, pending)| !pending.is_empty());
        let due = open().find(|(_, pending)| pending.due_in(archive).is_zero());
        let held: usize = open().map(|(_, pending)| pending.held_bytes()).sum();
        let largest = || open().max_by_key(|(_, pending)| pending.held_bytes());
        due.or_else(|| (held > MAX_HELD).then(largest).flatten()).map(|(at, _)| at.clone())
    }

    /// Moves past what can no longer be read, once everything before it is in objects.
    async fn pass_gaps(&mut self) -> Result<(), Halt> {
        if self.pending.values().all(Pending::is_empty) {
            self.feed.pass_gaps().await?;
        }
        Ok(())
    }

    async fn flush_all(&mut self) -> Result<(), Halt> {
        let all: Vec<_> = self.pending.keys().cloned().collect();
        for at in all {
            self.flush(&at).await?;
        }
        Ok(())
    }

    /// Writes everything of a partition.
    async fn flush(&mut self, at: &TopicPartition) -> Result<(), Halt> {
        while self.pending.get(at).is_some_and(|pending| !pending.is_empty()) {
            self.flush_once(at).await?;
        }
        Ok(())
    }

    /// Writes one object and commits.
    async fn flush_once(&mut self, at: &TopicPartition) -> Result<(), Halt> {
        let Some(pending) = self.pending.get_mut(at) else { return Ok(()) };
        let Some(open) = pending.take() else { return Ok(()) };
        let assignment = pending.assignment.clone();
        let made = blocking(move || open.finish()).await?.map_err(|error| unmakable(at, &error))?;
        let Some(made) = made else { return Ok(()) };
        let objects = Arc::clone(&self.objects);
        let try_place = || place(&*objects, &made.segment);
        let placed = self.feed.insist("write the archive", try_place).await?;
        self.metrics.add(&made.segment, &placed);
        if let Some(key) = &placed.damaged {
            self.feed.voice.remarks(format!(
                "archive object {key} is damaged or not ours; its records stand beside it, and \
                 `evp archive verify` names it"
            ));
        }
        self.reached(at, made, &placed).await?;
        let progress = [Progress { assignment, next: placed.next }];
        self.feed.commit(&progress).await?;
        crash::point("archiver.commit.after");
        Ok(())
    }

    async fn reached(
        &mut self,
        at: &TopicPartition,
        made: Made,
        placed: &Placed,
    ) -> Result<(), RoleError> {
        if !placed.adopted {
            if let Some(pending) = self.pending.get_mut(at) {
                pending.reach(placed.next);
            }
            return Ok(());
        }
        let Some(mut pending) = self.pending.remove(at) else { return Ok(()) };
        let (settings, next) = (Arc::clone(&self.settings), placed.next);
        let (pending, adopted) = blocking(move || {
            let adopted = pending.adopt(made, next, &settings.archive);
            (pending, adopted)
        })
        .await?;
        self.pending.insert(at.clone(), pending);
        adopted.map_err(|error| unmakable(at, &error))
    }
}

fn kind(settings: &Settings, topic: &Topic) -> Kind {
    if *topic == settings.topics.decisions { Kind::Decisions } else { Kind::Events }
}

fn unmakable(at: &TopicPartition, error: &ArchiveError) -> RoleError {
    RoleError::Setting(format!("cannot make an archive object of {at}: {error}"))
}

/// Compresses or reads off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RoleError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|source| RoleError::Task { role: Role::Archiver, source })
}

#[derive(Debug)]
struct Metrics {
    objects: Counter,
    records: Counter,
    bytes: Counter,
    adopted: Counter,
    damaged: Counter,
}

impl Metrics {
    fn new() -> Self {
        Self {
            objects: metrics::counter!(names::ARCHIVER_OBJECTS),
            records: metrics::counter!(names::ARCHIVER_RECORDS),
            bytes: metrics::counter!(names::ARCHIVER_BYTES),
            adopted: metrics::counter!(names::ARCHIVER_ADOPTED),
            damaged: metrics::counter!(names::ARCHIVER_DAMAGED),
        }
    }

    fn add(&self, segment: &Segment, placed: &Placed) {
        self.damaged.increment(u64::from(placed.damaged.is_some()));
        if placed.adopted {
            self.adopted.increment(1);
            return;
        }
        self.objects.increment(1);
        self.records.increment(segment.footer.count);
        self.bytes.increment(segment.bytes.len() as u64);
    }
}
