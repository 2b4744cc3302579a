//! The port itself.

use std::collections::{HashMap, HashSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::consumer::{EmbeddedConsumer, decode};
use super::maintenance::Maintenance;
use super::space::Space;
use super::topic::{TopicLog, TopicOptions};
use crate::backends::embedded::Checkpoints;
use crate::backends::embedded::log::{Disk, Step, SystemDisk, Wait, io_error};
use crate::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, RecordBatch, Topic, TopicPartition,
};
use crate::ports::{
    Appended, Clock, Consumer, Error, EventLog, Kind, PartitionInfo, Result, TopicInfo, crash,
};
use crate::settings::Log as LogSettings;

/// Bytes after which a [`read`](EventLog::read) ends.
const READ_BYTES: usize = 1 << 20;

/// What an embedded log is made of.
#[derive(Debug)]
pub struct EmbeddedLogOptions {
    /// Where topics lie.
    pub directory: PathBuf,
    /// Sizes and intervals.
    pub settings: LogSettings,
    /// All topics.
    pub topics: Vec<Topic>,
    /// The topic at the door, the only one that is refused while space is short.
    pub door: Topic,
    /// Which configured groups read which topics, running or not: retention waits for them.
    pub readers: Vec<(GroupId, Vec<Topic>)>,
    /// Who keeps the groups' positions.
    pub keepers: Vec<Arc<dyn Checkpoints>>,
    /// The time, for the age of segments.
    pub clock: Arc<dyn Clock>,
}

/// Everything that the port, its consumers and the maintenance thread share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) directory: PathBuf,
    pub(super) settings: LogSettings,
    pub(super) topics: HashMap<Topic, TopicLog>,
    pub(super) door: Topic,
    pub(super) readers: Vec<(GroupId, Vec<Topic>)>,
    pub(super) keepers: Vec<Arc<dyn Checkpoints>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) space: Space,
    pub(super) members: Mutex<HashSet<GroupId>>,
    pub(super) is_closed: AtomicBool,
}

impl Inner {
    pub(super) fn topic(&self, topic: &Topic) -> Result<&TopicLog> {
        let unknown = || Error::new(Kind::NotFound, format!("no topic {topic}"));
        self.topics.get(topic).ok_or_else(unknown)
    }

    pub(super) fn keeper(&self, group: &GroupId) -> Result<&Arc<dyn Checkpoints>> {
        keeper(&self.keepers, group)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

/// Makes the directory of all topics; its name, too, must survive a power cut.
fn make_directory(directory: &Path, disk: &dyn Disk) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    directory.parent().map_or(Ok(()), |parent| disk.sync_directory(parent))
}

fn keeper<'k>(
    keepers: &'k [Arc<dyn Checkpoints>],
    group: &GroupId,
) -> Result<&'k Arc<dyn Checkpoints>> {
    let nobody = || Error::new(Kind::NotFound, format!("nobody keeps positions of group {group}"));
    keepers.iter().find(|keeper| keeper.owns(group)).ok_or_else(nobody)
}

/// The embedded event log. Dropping it closes it.
#[derive(Debug)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
    maintenance: Maintenance,
}

impl EmbeddedLog {
    /// Opens the topics, making those that are missing.
    ///
    /// # Errors
    /// `Unavailable`, `Full`: files; what the keepers say of positions.
    pub fn open(options: EmbeddedLogOptions) -> Result<Self> {
        Self::open_on(options, Arc::new(SystemDisk))
    }

    /// The same on a disk of the caller's.
    pub(super) fn open_on(options: EmbeddedLogOptions, disk: Arc<dyn Disk>) -> Result<Self> {
        let EmbeddedLogOptions { directory, settings, topics, door, readers, keepers, clock } =
            options;
        let topic_options = TopicOptions {
            directory: &directory,
            partitions: settings.partitions,
            segment_bytes: settings.segment_bytes.0,
            max_queue_bytes: usize::try_from(settings.max_queue_bytes.0).unwrap_or(usize::MAX),
        };
        let floor = |at: &TopicPartition| {
            let groups = readers.iter().filter(|(_, topics)| topics.contains(&at.topic));
            let mut floor = 0;
            for (group, _) in groups {
                let latest = keeper(&keepers, group)?.latest(group, at)?;
                floor = floor.max(latest.map_or(0, |offset| offset.0));
            }
            Ok(floor)
        };
        make_directory(&directory, disk.as_ref())
            .map_err(|error| io_error("make", &directory, error))?;
        let mut opened = HashMap::new();
        for topic in topics {
            let log = TopicLog::open(&topic, topic_options, &disk, floor)?;
            opened.insert(topic, log);
        }
        let inner = Arc::new(Inner {
            directory,
            settings,
            topics: opened,
            door,
            readers,
            keepers,
            clock,
            disk,
            space: Space::default(),
            members: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        inner.measure_space();
        let maintenance = Maintenance::start(Arc::clone(&inner))?;
        Ok(Self { inner, maintenance })
    }

    /// Syncs what is queued and ends every thread. Appends and polls after it answer `Closed`.
    pub fn close(&self) {
        self.inner.is_closed.store(true, Ordering::Release);
        self.maintenance.stop();
        for log in self.inner.topics.values().flat_map(|topic| &topic.partitions) {
            log.close();
        }
    }

    /// Bytes and groups synced to a topic since the log was opened.
    #[must_use]
    pub fn synced(&self, topic: &Topic) -> (u64, u64) {
        let logs = self.inner.topics.get(topic).map(|topic| &topic.partitions);
        logs.into_iter().flatten().fold((0, 0), |(bytes, groups), log| {
            (bytes + log.written_bytes(), groups + log.groups())
        })
    }

    /// Bytes of a topic behind these positions; of a partition without one, all.
    #[must_use]
    pub fn bytes_behind(&self, topic: &Topic, done: &[(Partition, Offset)]) -> u64 {
        let partitions = self.inner.topics.get(topic).into_iter().flat_map(TopicLog::numbered);
        let behind = partitions.map(|(partition, log)| {
            let at = done.iter().find(|(known, _)| *known == partition);
            let from = at.map_or(0, |(_, offset)| offset.0);
            if from < log.high() { log.bytes_from(from) } else { 0 }
        });
        behind.sum()
    }

    /// Measures free space and removes what every reader is past, now.
    #[cfg(test)]
    pub(super) fn maintain(&self) -> Result<()> {
        self.inner.measure_space();
        self.inner.retain()
    }

    fn admit(&self, topic: &TopicLog) -> Result<()> {
        if topic.name == self.inner.door { self.inner.check_space() } else { Ok(()) }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended> {
        let topic = self.inner.topic(topic)?;
        self.admit(topic)?;
        match topic.partitions.as_slice() {
            _ if batch.is_empty() => {}
            [only] => {
                let ticket = only.append(&batch)?;
                drop(batch);
                ticket.await?;
            }
            _ => {
                let mut tickets = Vec::new();
                for (log, part) in topic.split(&batch)? {
                    tickets.push(log.append(&part)?);
                }
                for ticket in tickets {
                    ticket.await?;
                }
            }
        }
        crash::point("log.append.after");
        Ok(Appended { durability: Durability::Local })
    }

    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>> {
        if self.inner.is_closed() {
            return Err(Error::new(Kind::Closed, "the log is closed"));
        }
        let consumer = EmbeddedConsumer::join(Arc::clone(&self.inner), group, topics).await?;
        Ok(Box::new(consumer))
    }

    async fn describe(&self, topic: &Topic) -> Result<TopicInfo> {
        let topic = self.inner.topic(topic)?;
        let partitions = topic.numbered().map(|(partition, log)| PartitionInfo {
            partition,
            low: Offset(log.low()),
            high: Offset(log.high()),
        });
        Ok(TopicInfo { id: topic.id, partitions: partitions.collect() })
    }

    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>> {
        let count = self.inner.topic(topic)?.partitions.len();
        let keeper = Arc::clone(self.inner.keeper(group)?);
        let (group, topic) = (group.clone(), topic.clone());
        blocking(move || {
            let mut committed = Vec::new();
            for partition in (0..).map(Partition).take(count) {
                let at = TopicPartition::new(topic.clone(), partition);
                if let Some(offset) = keeper.latest(&group, &at)? {
                    committed.push((partition, offset));
                }
            }
            Ok(committed)
        })
        .await
    }

    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        let inner = Arc::clone(&self.inner);
        let at = at.clone();
        blocking(move || read(&inner, &at, from, max_records)).await
    }

    fn set_overloaded(&self, is_overloaded: bool) {
        let door = self.inner.topics.get(&self.inner.door);
        for log in door.into_iter().flat_map(|topic| &topic.partitions) {
            log.set_gathering(is_overloaded);
        }
    }

    async fn check(&self) -> Result<()> {
        self.inner.check_space()?;
        let mut logs = self.inner.topics.values().flat_map(|topic| &topic.partitions);
        logs.try_for_each(|log| log.check())
    }
}

fn read(
    inner: &Inner,
    at: &TopicPartition,
    from: Offset,
    max_records: usize,
) -> Result<Vec<ConsumedRecord>> {
    let topic = inner.topic(&at.topic)?;
    let log = topic.partition(at.partition);
    let log = log.ok_or_else(|| Error::new(Kind::NotFound, format!("no partition {at}")))?;
    let mut cursor = log.cursor(from.0);
    let mut records = Vec::new();
    let mut bytes = 0;
    while records.len() < max_records && bytes < READ_BYTES {
        match cursor.step(Wait::Disk).map_err(|error| read_error(at, error))? {
            Step::Batch { base, count, payload } => {
                bytes += payload.len();
                let batch = RecordBatch::from_checksummed(payload, count);
                records.extend(decode(at, topic.id, base, from.0, &batch));
            }
            // The offsets of the records tell the gap.
            Step::Gap { .. } => {}
            Step::End => break,
        }
    }
    records.truncate(max_records);
    Ok(records)
}

pub(super) fn read_error(at: &TopicPartition, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot read {at}"))
        .with_source(error)
        .with_retry_after(Duration::from_secs(1))
}

/// Runs a call that may wait for a disk off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(call).await;
    done.unwrap_or_else(|failed| {
        Err(Error::new(Kind::Closed, "call to the log did not end").with_source(failed))
    })
}

impl Inner {
    /// The directory of all topics.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    pub(super) fn leave(&self, group: &GroupId) {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }
}
