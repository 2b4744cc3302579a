//! Where archived records come from: objects of the archive, or files.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::super::{JobContext, JobError};
use super::ReplaySource;
use crate::model::{ConsumedRecord, Offset, Partition, TopicId};
use crate::pipeline::archive_format::{ArchiveError, Kind, SegmentReader, parse_key, read_footer};

/// One archive object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Its key or path.
    pub(super) name: String,
    kind: Kind,
    place: (TopicId, Partition, Offset),
    is_file: bool,
}

const LIST_AT_ONCE: usize = 1000;
const SUFFIX: &str = ".ndjson.zst";

/// The objects of raw events and those of decisions, each in the order of acceptance.
///
/// All of them, whatever range is asked for: a key has the day of its object's first record, and
/// that says nothing of the others. What was spilled while the brokers were away is carried over
/// hours later, between what is live by then and under the time at which it was received, and a
/// clock may step.
pub(super) async fn objects(
    context: &JobContext,
    source: &ReplaySource,
) -> Result<(Vec<Object>, Vec<Object>), JobError> {
    let mut all = match source {
        ReplaySource::Archive { .. } => archived(context).await?,
        ReplaySource::Files { paths } => {
            let paths = paths.clone();
            let decisions = context.settings.topics.decisions.clone();
            let found = tokio::task::spawn_blocking(move || in_files(&paths, decisions.as_str()));
            found.await.map_err(|error| JobError::io("read the files", error.into()))??
        }
    };
    // Not by key: a clock that stepped back must not put a later acceptance first.
    all.sort_by_key(Object::place);
    let (mut events, decisions): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|object| object.kind == Kind::Events);
    if let ReplaySource::Archive { prefix: Some(prefix) } = source {
        events.retain(|object| object.name.starts_with(prefix.as_str()));
    }
    Ok((events, decisions))
}

async fn archived(context: &JobContext) -> Result<Vec<Object>, JobError> {
    let mut found = Vec::new();
    for kind in [Kind::Events, Kind::Decisions] {
        let prefix = format!("{}/", kind.prefix());
        let mut after: Option<String> = None;
        loop {
            let listed = context.ports.objects.list(&prefix, after.as_deref(), LIST_AT_ONCE).await;
            let listed = listed.map_err(|source| JobError::port("list the archive", source))?;
            let Some(last) = listed.last() else { break };
            after = Some(last.key.clone());
            found.extend(listed.into_iter().filter_map(|meta| {
                let key = parse_key(&meta.key)?;
                let place = (key.topic_id, key.partition, key.first);
                Some(Object { name: meta.key, kind: key.kind, place, is_file: false })
            }));
        }
    }
    Ok(found)
}

fn in_files(paths: &[PathBuf], decisions: &str) -> Result<Vec<Object>, JobError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, true, &mut files)?;
    }
    files.sort();
    files.dedup();
    files.iter().map(|path| file(path, decisions)).collect()
}

fn collect(path: &Path, is_named: bool, into: &mut Vec<PathBuf>) -> Result<(), JobError> {
    let failed = |source| JobError::io(format!("read {}", path.display()), source);
    if fs::metadata(path).map_err(failed)?.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            collect(&entry.map_err(failed)?.path(), false, into)?;
        }
    } else if is_named || path.to_string_lossy().ends_with(SUFFIX) {
        into.push(path.to_owned());
    }
    Ok(())
}

/// A file by its footer; what it holds is told by its folder, else by its topic's name.
fn file(path: &Path, decisions: &str) -> Result<Object, JobError> {
    let name = path.to_string_lossy().into_owned();
    let content = fs::read(path).map_err(|source| JobError::io(format!("read {name}"), source))?;
    let refuse =
        |error: ArchiveError| JobError::Request(format!("{name} is no archive object: {error}"));
    let footer = read_footer(&content).map_err(refuse)?;
    let parts: Vec<&str> = name.rsplitn(6, '/').collect();
    let tail = parts.get(..5).map(|parts| {
        let mut parts = parts.to_vec();
        parts.reverse();
        parts.join("/")
    });
    let by_name = tail.as_deref().and_then(parse_key).map(|key| key.kind);
    let by_topic = || {
        if footer.topic.as_str() == decisions { Kind::Decisions } else { Kind::Events }
    };
    let kind = by_name.unwrap_or_else(by_topic);
    let place = (footer.topic_id, footer.partition, footer.first);
    Ok(Object { name, kind, place, is_file: true })
}

/// Why an object gives no records.
pub(super) enum Unread {
    /// It is damaged; why.
    Damaged(String),
    /// It could not be had.
    Failed(JobError),
}

/// An object's records, batch by batch, after its checksum was compared once.
pub(super) struct Batches {
    reader: Option<SegmentReader>,
}

impl Object {
    /// Its place in the order of acceptance.
    pub(super) const fn place(&self) -> (TopicId, Partition, Offset) {
        self.place
    }

    /// The incarnation of the topic that it was archived from.
    pub(super) const fn topic_id(&self) -> TopicId {
        self.place.0
    }

    async fn content(&self, context: &JobContext) -> Result<Bytes, JobError> {
        if self.is_file {
            let read = tokio::fs::read(&self.name).await;
            let failed = |source| JobError::io(format!("read {}", self.name), source);
            return Ok(read.map_err(failed)?.into());
        }
        let got = context.ports.objects.get(&self.name).await;
        got.map_err(|source| JobError::port(format!("read {}", self.name), source))
    }

    /// Opens it. Nothing of a damaged object is replayed: what it holds may not be what was
    /// accepted.
    pub(super) async fn open(&self, context: &JobContext) -> Result<Batches, Unread> {
        let content = self.content(context).await.map_err(Unread::Failed)?;
        let (topic_id, _, first) = self.place;
        let checked = tokio::task::spawn_blocking(move || {
            let mut reader = SegmentReader::open(&content)?;
            let footer = reader.footer();
            if footer.topic_id != topic_id || footer.first != first {
                return Err(ArchiveError::Mismatch("its footer is not that of its key".to_owned()));
            }
            for record in &mut reader {
                record?;
            }
            SegmentReader::open(&content)
        });
        match checked.await {
            Ok(Ok(reader)) => Ok(Batches { reader: Some(reader) }),
            Ok(Err(error)) => Err(Unread::Damaged(error.to_string())),
            Err(error) => Err(Unread::Failed(JobError::io("read an object", error.into()))),
        }
    }
}

impl Batches {
    /// The next records, at most `limit` and about 4 MiB; empty at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<ConsumedRecord>, JobError> {
        const BYTES: usize = 4 << 20;
        let Some(mut reader) = self.reader.take() else { return Ok(Vec::new()) };
        let reading = tokio::task::spawn_blocking(move || {
            let (mut records, mut bytes) = (Vec::new(), 0);
            while records.len() < limit && bytes < BYTES {
                match reader.next() {
                    Some(Ok(record)) => {
                        bytes += record.record.value.len();
                        records.push(record);
                    }
                    // Its checksum was right a moment ago.
                    Some(Err(error)) => return Err(std::io::Error::other(error)),
                    None => return Ok((None, records)),
                }
            }
            Ok((Some(reader), records))
        });
        let read = reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (reader, records) = read.map_err(|source| JobError::io("read an object", source))?;
        self.reader = reader;
        Ok(records)
    }
}
