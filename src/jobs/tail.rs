//! Looking at a topic without a group: records from a place on, each as the archive would write it.
//! Nothing is committed, so nobody who reads for a living notices.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::books::describe;
use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{ConsumedRecord, Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::pipeline::archive_format::line_of;
use crate::pipeline::canonical::canonical;
use crate::pipeline::envelope::Envelope;
use crate::ports;
use crate::runtime::shutdown::CancellationToken;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum TailStart {
    /// With the last so many records of each partition.
    Last {
        /// How many.
        records: u64,
    },
    /// With the first record that was written at that instant or later.
    Since {
        /// That instant.
        at: Timestamp,
    },
    /// Where an earlier answer ended.
    Next {
        /// Those places.
        places: Vec<(Partition, Offset)>,
    },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailRequest {
    /// The topic.
    pub topic: Topic,
    /// Where to begin.
    pub start: TailStart,
    /// Only records of this event.
    pub event_id: Option<String>,
    /// Only records of events of this type.
    pub event_type: Option<String>,
}

/// A record as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailRecord {
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The event, where its id is known.
    pub event_id: Option<String>,
    /// Its line as the archive has it.
    pub line: String,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailResponse {
    /// In the order of their instants.
    pub records: Vec<TailRecord>,
    /// Where to go on.
    pub places: Vec<(Partition, Offset)>,
    /// There is more to be had at once.
    pub is_behind: bool,
}

/// The job `tail`.
#[derive(Debug, Clone, Copy)]
pub struct Tail;

/// Records of one partition that one answer is made from.
const AT_ONCE: usize = 200;

#[async_trait]
impl Job for Tail {
    const NAME: &'static str = "tail";
    type Request = TailRequest;
    type Response = TailResponse;

    async fn run(
        context: &JobContext,
        request: TailRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<TailResponse, JobError> {
        let topic = &request.topic;
        let failed = |source| JobError::port(format!("read {topic}"), source);
        let log = context.ports.log.as_ref();
        let mut answer = TailResponse { records: Vec::new(), places: Vec::new(), is_behind: false };
        let info = describe(log, topic).await.map_err(failed)?;
        for bounds in info.into_iter().flat_map(|info| info.partitions) {
            let at = TopicPartition::new(topic.clone(), bounds.partition);
            let first = match &request.start {
                TailStart::Last { records } => {
                    let back = i64::try_from(*records).unwrap_or(i64::MAX);
                    Offset(bounds.high.0.saturating_sub(back)).max(bounds.low)
                }
                TailStart::Since { at: instant } => {
                    let range = (bounds.low, bounds.high);
                    since(context, &at, range, *instant).await.map_err(failed)?
                }
                TailStart::Next { places } => {
                    let place = places.iter().find(|(partition, _)| *partition == bounds.partition);
                    place.map_or(bounds.low, |(_, next)| (*next).max(bounds.low))
                }
            };
            let mut next = first;
            if first < bounds.high {
                let records = log.read(&at, first, AT_ONCE).await.map_err(failed)?;
                next = records.last().map_or(bounds.high, |record| record.offset.next());
                answer.records.extend(records.iter().filter_map(|record| shown(&request, record)));
            }
            answer.is_behind |= next < bounds.high;
            answer.places.push((bounds.partition, next));
        }
        answer.records.sort_by_key(|record| record.timestamp);
        Ok(answer)
    }
}

/// The first offset whose record was written at that instant or later: instants rise with offsets,
/// more or less.
async fn since(
    context: &JobContext,
    at: &TopicPartition,
    (low, high): (Offset, Offset),
    instant: Timestamp,
) -> ports::Result<Offset> {
    let (mut low, mut high) = (low.0, high.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let record = context.ports.log.read(at, Offset(middle), 1).await?;
        match record.first() {
            Some(record) if record.record.timestamp < instant => low = record.offset.0 + 1,
            _ => high = middle,
        }
    }
    Ok(Offset(low))
}

fn shown(request: &TailRequest, record: &ConsumedRecord) -> Option<TailRecord> {
    let envelope = Envelope::of(record);
    let text = std::str::from_utf8(&record.record.value).unwrap_or_default();
    let event = canonical(text, &envelope).ok();
    let member = |name: &str| {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        value.get(name)?.as_str().map(str::to_owned)
    };
    let event_id = envelope.event_id.as_ref().map(|id| id.as_str().to_owned());
    let event_id = event_id
        .or_else(|| event.as_ref().map(|event| event.event_id.as_str().to_owned()))
        .or_else(|| member("event_id"));
    if request.event_id.is_some() && request.event_id != event_id {
        return None;
    }
    if let Some(wanted) = &request.event_type {
        // What is canonical already says its type by name; a raw event says it in its own shape.
        let is_wanted = member("event_type").as_ref() == Some(wanted)
            || event.is_some_and(|event| event.event_type == *wanted);
        if !is_wanted {
            return None;
        }
    }
    Some(TailRecord {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.record.timestamp,
        event_id,
        line: line_of(record)?,
    })
}
