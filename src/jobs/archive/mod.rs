//! The archive itself: what is in it, the lines of an object, and whether it is whole.
//!
//! `verify` audits events; this audits objects, without the store: every offset that the archiver
//! has passed is in the archive, once, under a checksum that fits.

mod audit;
mod holes;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{Offset, Partition, TopicId};
use crate::pipeline::archive_format::{ArchiveError, SegmentReader, parse_key};
use crate::ports;
use crate::runtime::shutdown::CancellationToken;

pub use audit::{ArchiveReport, PartitionReport};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum ArchiveRequest {
    /// Objects in the order of their keys.
    List {
        /// Only keys that begin so.
        prefix: String,
        /// Only keys behind this one.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// The lines of one object, as many as are held at once.
    Lines {
        /// Its key.
        key: String,
        /// Only lines behind this offset, the last one of the part before.
        #[serde(default)]
        after: Option<Offset>,
    },
    /// Whether everything is there and whole.
    Audit {
        /// Findings listed at most; all are counted.
        limit: usize,
    },
}

/// An object as its key describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// Its key.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
    /// What the key says; `None` for what is no object of ours.
    pub range: Option<KeyRange>,
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// `events` or `decisions`.
    pub kind: String,
    /// `YYYY/MM/DD` of the first record.
    pub date: String,
    /// The topic's incarnation.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: Partition,
    /// The first offset.
    pub first: Offset,
    /// The last one, where the key says it.
    pub last: Option<Offset>,
}

/// The lines of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLines {
    /// Its lines as they are stored, one JSON object each.
    pub lines: Vec<String>,
    /// Why there may be fewer than there were; `None` for an object that is whole.
    pub damage: Option<String>,
    /// There are more behind this offset.
    #[serde(default)]
    pub more: Option<Offset>,
}

/// Bytes of lines that one answer holds; one line may be longer.
const LINES_BYTES: usize = 4 << 20;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum ArchiveResponse {
    /// Objects.
    Objects {
        /// Them.
        objects: Vec<ObjectRow>,
        /// There are more behind the last one.
        truncated: bool,
    },
    /// The lines of one object.
    Lines(ObjectLines),
    /// The audit.
    Report(ArchiveReport),
}

/// The job `archive`.
#[derive(Debug, Clone, Copy)]
pub struct Archive;

#[async_trait]
impl Job for Archive {
    const NAME: &'static str = "archive";
    type Request = ArchiveRequest;
    type Response = ArchiveResponse;

    async fn run(
        context: &JobContext,
        request: ArchiveRequest,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<ArchiveResponse, JobError> {
        match request {
            ArchiveRequest::List { prefix, after, limit } => {
                list(context, &prefix, after.as_deref(), limit).await
            }
            ArchiveRequest::Lines { key, after } => {
                lines(context, &key, after).await.map(ArchiveResponse::Lines)
            }
            ArchiveRequest::Audit { limit } => {
                let report = audit::audit(context, limit, progress, &cancel).await?;
                Ok(ArchiveResponse::Report(report))
            }
        }
    }
}

async fn list(
    context: &JobContext,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<ArchiveResponse, JobError> {
    let listed = context.ports.objects.list(prefix, after, limit.saturating_add(1)).await;
    let mut listed = listed.map_err(|source| JobError::port("list the archive", source))?;
    let truncated = listed.len() > limit;
    listed.truncate(limit);
    let row = |meta: ports::ObjectMeta| ObjectRow {
        range: parse_key(&meta.key).map(|key| KeyRange {
            kind: key.kind.prefix().to_owned(),
            date: key.date,
            topic_id: key.topic_id,
            partition: key.partition,
            first: key.first,
            last: key.last,
        }),
        key: meta.key,
        size_bytes: meta.size_bytes,
    };
    Ok(ArchiveResponse::Objects { objects: listed.into_iter().map(row).collect(), truncated })
}

async fn lines(
    context: &JobContext,
    key: &str,
    after: Option<Offset>,
) -> Result<ObjectLines, JobError> {
    let content = match context.ports.objects.get(key).await {
        Ok(content) => content,
        Err(error) if error.kind() == ports::Kind::NotFound => {
            return Err(JobError::Request(format!("there is no object {key}")));
        }
        Err(source) => return Err(JobError::port(format!("read {key}"), source)),
    };
    let read = tokio::task::spawn_blocking(move || {
        let mut part = ObjectLines { lines: Vec::new(), damage: None, more: None };
        part.damage = fill(&mut part, &content, after).err().map(|error| error.chain());
        part
    });
    read.await.map_err(|error| JobError::io(format!("read {key}"), std::io::Error::other(error)))
}

fn fill(
    part: &mut ObjectLines,
    content: &Bytes,
    after: Option<Offset>,
) -> Result<(), ArchiveError> {
    let mut reader = SegmentReader::open(content)?;
    let mut bytes = 0;
    while let Some(record) = reader.next() {
        let offset = record?.offset;
        if after.is_some_and(|after| offset <= after) {
            continue;
        }
        let line = String::from_utf8_lossy(reader.line()).into_owned();
        bytes += line.len();
        part.lines.push(line);
        if bytes >= LINES_BYTES {
            part.more = Some(offset);
            return Ok(());
        }
    }
    Ok(())
}
