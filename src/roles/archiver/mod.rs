//! Writes raw events and decisions to the archive: one object in the making a partition, created
//! once, committed only when it stands (design, rule 7). Never in the processor's way: it is a
//! group of its own.

mod pending;
mod place;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;

use pending::Pending;
use place::{Placed, place};

use super::feed::{Feed, Step, Stop};
use super::voice::Voice;
use super::{Role, RoleDeps, RoleError, is_replayed};
use crate::model::{ConsumedRecord, Topic, TopicPartition};
use crate::pipeline::archive_format::{ArchiveError, Kind, Segment, SegmentWriter};
use crate::ports::{Assignment, Fetched, ObjectStore, Progress, crash};
use crate::runtime::metrics as names;
use crate::settings::Settings;

const IDLE_WAIT: Duration = Duration::from_millis(100);
const DRAIN_WAIT: Duration = Duration::from_millis(20);
const POLL_RECORDS: usize = 4096;
/// All partitions together hold at most so many full objects' records.
const FULL_OBJECTS: usize = 4;

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
        let Some(feed) = feed else { return Ok(()) };
        let mut running = Running {
            feed,
            objects: Arc::clone(&self.deps.ports.objects),
            settings,
            pending: BTreeMap::new(),
            metrics: Metrics::new(),
        };
        running.work().await?;
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
    async fn work(&mut self) -> Result<(), RoleError> {
        loop {
            if self.feed.stop.is_now() {
                return self.flush_all().await;
            }
            match self.feed.next(POLL_RECORDS, self.wait()).await? {
                Step::Records(fetched) => self.add(fetched),
                Step::Revoking(gone) => {
                    for assignment in &gone {
                        if !self.flush(&assignment.at).await? {
                            return Ok(());
                        }
                    }
                    self.forget(&gone);
                }
                Step::Lost(gone) => self.forget(&gone),
                Step::Idle if self.feed.stop.is_asked() => {
                    self.flush_all().await?;
                    return self.pass_gaps().await.map(|_| ());
                }
                Step::Idle if self.pending.values().all(Pending::is_empty) => {
                    if !self.pass_gaps().await? {
                        return Ok(());
                    }
                    self.feed.watch().await?;
                }
                Step::Idle => {}
            }
            while let Some(at) = self.due() {
                if !self.flush_once(&at).await? {
                    return Ok(());
                }
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

    fn add(&mut self, fetched: Vec<Fetched>) {
        for Fetched { assignment, records } in fetched {
            let kind = self.kind(&assignment.at.topic);
            let pending = self
                .pending
                .entry(assignment.at.clone())
                .or_insert_with(|| Pending::new(assignment.clone(), kind));
            if pending.assignment != assignment {
                *pending = Pending::new(assignment, kind);
            }
            pending.add(records);
        }
    }

    fn kind(&self, topic: &Topic) -> Kind {
        if *topic == self.settings.topics.decisions { Kind::Decisions } else { Kind::Events }
    }

    fn forget(&mut self, gone: &[Assignment]) {
        self.pending.retain(|_, pending| !gone.contains(&pending.assignment));
    }

    /// A partition whose object is due, or the largest one where all together hold too much.
    fn due(&self) -> Option<TopicPartition> {
        let archive = &self.settings.archive;
        let open = || self.pending.iter().filter(|(_, pending)| !pending.is_empty());
        let due = open().find(|(_, pending)| pending.due_in(archive).is_zero());
        let held: usize = open().map(|(_, pending)| pending.bytes()).sum();
        let is_too_much = held > archive.flush_bytes.as_usize().saturating_mul(FULL_OBJECTS);
        let largest = || open().max_by_key(|(_, pending)| pending.bytes());
        due.or_else(|| is_too_much.then(largest).flatten()).map(|(at, _)| at.clone())
    }

    /// Moves past what can no longer be read, once everything before it is in objects.
    async fn pass_gaps(&mut self) -> Result<bool, RoleError> {
        if self.pending.values().all(Pending::is_empty) {
            return self.feed.pass_gaps().await;
        }
        Ok(true)
    }

    async fn flush_all(&mut self) -> Result<(), RoleError> {
        let all: Vec<_> = self.pending.keys().cloned().collect();
        for at in all {
            if !self.flush(&at).await? {
                break;
            }
        }
        Ok(())
    }

    /// Writes everything of a partition; `false` when stopped before that worked.
    async fn flush(&mut self, at: &TopicPartition) -> Result<bool, RoleError> {
        while self.pending.get(at).is_some_and(|pending| !pending.is_empty()) {
            if !self.flush_once(at).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes one object and commits; `false` when stopped before that worked.
    async fn flush_once(&mut self, at: &TopicPartition) -> Result<bool, RoleError> {
        let Some(pending) = self.pending.get_mut(at) else { return Ok(true) };
        let (kind, assignment) = (pending.kind, pending.assignment.clone());
        let taken = pending.take(&self.settings.archive);
        let level = self.settings.archive.compression_level;
        let built = tokio::task::spawn_blocking(move || {
            let segment = build(kind, level, &taken);
            (segment, taken)
        });
        let (segment, taken) =
            built.await.map_err(|source| RoleError::Task { role: Role::Archiver, source })?;
        let segment = segment.map_err(|error| {
            RoleError::Setting(format!("cannot make an archive object of {at}: {error}"))
        })?;
        let Some(segment) = segment else { return Ok(true) };
        let objects = Arc::clone(&self.objects);
        let try_place = || place(&*objects, &segment);
        let Some(placed) = self.feed.insist("write the archive", try_place).await? else {
            return Ok(false);
        };
        self.metrics.add(&segment, &placed);
        if let Some(key) = &placed.damaged {
            self.feed.voice.remarks(format!(
                "archive object {key} is damaged or not ours; its records stand beside it, and \
                 `evp archive verify` names it"
            ));
        }
        if let Some(pending) = self.pending.get_mut(at) {
            pending.covered(taken, placed.next);
        }
        let progress = [Progress { assignment, next: placed.next }];
        let is_committed = self.feed.commit(&progress).await?;
        crash::point("archiver.commit.after");
        Ok(is_committed)
    }
}

fn build(
    kind: Kind,
    level: i32,
    records: &[ConsumedRecord],
) -> Result<Option<Segment>, ArchiveError> {
    let mut writer = SegmentWriter::new(kind, level)?;
    for record in records {
        if kind == Kind::Events && is_replayed(&record.record) {
            writer.skip(record)?;
        } else {
            writer.push(record)?;
        }
    }
    writer.finish()
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
