//! A topic's directory: its identity and its partitions.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backends::embedded::log::{Disk, LogOptions, PartitionLog, io_error};
use crate::model::{Partition, RecordBatch, RecordBatchBuilder, Topic, TopicId, TopicPartition};
use crate::ports::{Error, Kind, Result};

/// Name of the file that holds a topic's identity.
const IDENTITY: &str = "topic.json";

/// What a topic is, for ever.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    id: TopicId,
    partitions: i32,
}

/// How the partitions of a topic are opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicOptions<'o> {
    /// The directory of all topics.
    pub(super) directory: &'o Path,
    /// Partitions of a topic that is made now.
    pub(super) partitions: i32,
    /// Bytes of a full-grown segment.
    pub(super) segment_bytes: u64,
    /// Bytes waiting for their sync.
    pub(super) max_queue_bytes: usize,
}

/// A topic and its partitions.
#[derive(Debug)]
pub(super) struct TopicLog {
    pub(super) name: Topic,
    pub(super) id: TopicId,
    pub(super) partitions: Vec<Arc<PartitionLog>>,
}

impl TopicLog {
    /// Opens a topic, making it where it is missing. `floor` tells the offset behind which a
    /// partition goes on, whatever is found.
    pub(super) fn open(
        name: &Topic,
        options: TopicOptions<'_>,
        disk: &Arc<dyn Disk>,
        floor: impl Fn(&TopicPartition) -> Result<i64>,
    ) -> Result<Self> {
        if name.as_str().is_empty() || name.as_str().starts_with('.') || name.as_str().contains('/')
        {
            return Err(Error::new(Kind::Data, format!("{name:?} cannot be a topic's name")));
        }
        let path = options.directory.join(name.as_str());
        let identity = identity(&path, options.partitions, disk.as_ref())
            .map_err(|error| io_error("open topic", &path, error))?;
        let mut partitions = Vec::new();
        for partition in 0..identity.partitions.max(1) {
            let partition = Partition(partition);
            let log = LogOptions {
                segment_bytes: options.segment_bytes,
                max_queue_bytes: options.max_queue_bytes,
                seed: crc32c::crc32c(identity.id.as_bytes()),
                floor: floor(&TopicPartition::new(name.clone(), partition))?,
            };
            let directory = path.join(partition.to_string());
            partitions.push(Arc::new(PartitionLog::open(&directory, log, Arc::clone(disk))?));
        }
        Ok(Self { name: name.clone(), id: identity.id, partitions })
    }

    /// The partitions with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (Partition, &Arc<PartitionLog>)> {
        (0..).map(Partition).zip(&self.partitions)
    }

    /// That partition.
    pub(super) fn partition(&self, partition: Partition) -> Option<&Arc<PartitionLog>> {
        self.partitions.get(usize::try_from(partition.0).ok()?)
    }

    /// A batch's records by the partitions of their keys.
    pub(super) fn split(
        &self,
        batch: &RecordBatch,
    ) -> Result<Vec<(&Arc<PartitionLog>, RecordBatch)>> {
        let mut builders: Vec<_> =
            self.partitions.iter().map(|log| (log, RecordBatchBuilder::default())).collect();
        for record in batch.iter() {
            let record = record.map_err(|malformed| {
                Error::new(Kind::Data, "cannot split batch").with_source(malformed)
            })?;
            let hash = usize::try_from(crc32c::crc32c(&record.key)).unwrap_or_default();
            let partition = hash % builders.len();
            builders[partition].1.push_record(&record);
        }
        let parts = builders.into_iter().filter(|(_, builder)| builder.count() > 0);
        Ok(parts.map(|(log, builder)| (log, builder.finish())).collect())
    }
}

fn identity(path: &Path, partitions: i32, disk: &dyn Disk) -> io::Result<Identity> {
    let file = path.join(IDENTITY);
    match std::fs::read(&file) {
        Ok(text) => return serde_json::from_slice(&text).map_err(io::Error::other),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let identity = Identity { id: TopicId::mint(), partitions };
    let temporary = path.join("topic.json.tmp");
    let mut output = File::create(&temporary)?;
    output.write_all(&serde_json::to_vec(&identity)?)?;
    output.sync_all()?;
    std::fs::rename(&temporary, &file)?;
    disk.sync_directory(path)?;
    if let Some(parent) = path.parent() {
        disk.sync_directory(parent)?;
    }
    Ok(identity)
}
