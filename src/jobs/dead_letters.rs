//! Dead letters: listing them, looking at one, and putting them back.
//!
//! A letter goes back to the topic in which it failed, under its own origin, so that doing it twice
//! is the same as once: the store knows the origin. The letter itself stays until its event has
//! become a row; where it fails again it is the same letter with one redrive more. The letter of a
//! decision stays even where the store takes the decision: an open letter beats it (design, rule 5).

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, JobProgress, ProgressSink};
use crate::model::{
    DeadLetter, EventId, HeaderName, Headers, Origin, RESTORED, Record, Stage, Timestamp, Topic,
    VALUE_LEFT_OUT,
};
use crate::pipeline::envelope::Envelope;
use crate::ports::{DeadLetterFilter, DeadLetterRow};
use crate::runtime::shutdown::CancellationToken;
use crate::settings::Topics;

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LetterFilter {
    /// Only these: an event id or an origin each.
    pub ids: Vec<String>,
    /// Only this stage.
    pub stage: Option<Stage>,
    /// Resolved ones too.
    pub include_resolved: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum DeadLettersRequest {
    /// Letters, oldest first.
    List {
        /// Which.
        filter: LetterFilter,
        /// After this origin.
        after: Option<Origin>,
        /// At most so many.
        limit: u64,
    },
    /// Put letters back.
    Redrive {
        /// Which.
        filter: LetterFilter,
        /// Go on behind the letter at which an earlier run of this name stopped.
        id: String,
        /// Change nothing, only say what would be put back.
        dry_run: bool,
    },
}

/// A letter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The acceptance.
    pub origin: Origin,
    /// The event, where its id could be read.
    pub event_id: Option<EventId>,
    /// Where it failed.
    pub stage: Stage,
    /// A short machine word.
    pub error_type: String,
    /// The cause in words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it was put back.
    pub redrives: u32,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The topic in which it failed.
    pub topic: Topic,
    /// The client's address.
    pub client_ip: Option<String>,
    /// When it came to its end after all.
    pub resolved_at: Option<Timestamp>,
    /// The value, where it is UTF-8.
    pub value: Option<String>,
    /// The value in base64, where it is not.
    pub value_base64: Option<String>,
}

/// What was found or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum DeadLettersResponse {
    /// The letters.
    Letters {
        /// Oldest first.
        letters: Vec<Letter>,
        /// There are more.
        truncated: bool,
    },
    /// Letters were put back, or would be.
    Redriven {
        /// How many.
        redriven: u64,
        /// Ids asked for that are no open letter.
        unknown: Vec<String>,
        /// Letters left where they are, since their record was too large for the dead-letter topic: they
        /// have no value to put back.
        #[serde(default)]
        without_value: u64,
        /// Nothing was changed.
        dry_run: bool,
    },
}

/// The job `dlq`.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetters;

const AT_ONCE: u64 = 500;
/// Bytes of values put back with one append.
const BYTES_AT_ONCE: usize = 4 << 20;

#[async_trait]
impl Job for DeadLetters {
    const NAME: &'static str = "dlq";
    type Request = DeadLettersRequest;
    type Response = DeadLettersResponse;

    async fn run(
        context: &JobContext,
        request: DeadLettersRequest,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<DeadLettersResponse, JobError> {
        match request {
            DeadLettersRequest::List { filter, after, limit } => {
                list(context, &filter, after, limit).await
            }
            DeadLettersRequest::Redrive { filter, id, dry_run } => {
                let mut redrive = Redrive {
                    context,
                    id,
                    dry_run,
                    cancel: &cancel,
                    after: None,
                    redriven: 0,
                    unknown: Vec::new(),
                    without_value: 0,
                };
                redrive.run(&filter, progress).await?;
                let Redrive { redriven, unknown, without_value, .. } = redrive;
                Ok(DeadLettersResponse::Redriven { redriven, unknown, without_value, dry_run })
            }
        }
    }
}

fn letter_of(row: DeadLetterRow) -> Letter {
    let DeadLetterRow { letter, resolved_at } = row;
    let text = std::str::from_utf8(&letter.value).ok().map(str::to_owned);
    let value_base64 = text.is_none().then(|| STANDARD.encode(&letter.value));
    Letter {
        origin: letter.origin,
        event_id: letter.event_id,
        stage: letter.failure.stage,
        error_type: letter.failure.error_type,
        reason: letter.failure.reason,
        attempts: letter.failure.attempts,
        redrives: letter.redrives,
        first_failed_at: letter.failure.first_failed_at,
        last_failed_at: letter.failure.last_failed_at,
        received_at: letter.received_at,
        topic: letter.original.topic,
        client_ip: letter.client_ip,
        resolved_at,
        value: text,
        value_base64,
    }
}

/// The store's filters for what was typed: one that walks all, or one for each id.
fn filters(filter: &LetterFilter) -> Result<Vec<(String, DeadLetterFilter)>, JobError> {
    let base = DeadLetterFilter {
        stage: filter.stage,
        include_resolved: filter.include_resolved,
        ..DeadLetterFilter::default()
    };
    if filter.ids.is_empty() {
        return Ok(vec![(String::new(), base)]);
    }
    let one = |id: &String| {
        let event_id = EventId::new(id.as_str())
            .map_err(|error| JobError::Request(format!("{id:?}: {error}")))?;
        Ok(match id.parse::<Origin>() {
            Ok(origin) => DeadLetterFilter { origins: vec![origin], ..base.clone() },
            Err(_) => DeadLetterFilter { event_id: Some(event_id), ..base.clone() },
        })
    };
    filter.ids.iter().map(|id| Ok((id.clone(), one(id)?))).collect()
}

async fn list(
    context: &JobContext,
    filter: &LetterFilter,
    after: Option<Origin>,
    limit: u64,
) -> Result<DeadLettersResponse, JobError> {
    let mut letters = Vec::new();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    for (_, filter) in filters(filter)? {
        let filter = DeadLetterFilter { after, limit: limit.saturating_add(1), ..filter };
        letters.extend(rows(context, &filter).await?.into_iter().map(letter_of));
    }
    let truncated = letters.len() > most;
    letters.truncate(most);
    Ok(DeadLettersResponse::Letters { letters, truncated })
}

async fn rows(
    context: &JobContext,
    filter: &DeadLetterFilter,
) -> Result<Vec<DeadLetterRow>, JobError> {
    let rows = context.ports.store.dead_letters(filter).await;
    rows.map_err(|source| JobError::port("read the dead letters", source))
}

struct Redrive<'c> {
    context: &'c JobContext,
    id: String,
    dry_run: bool,
    cancel: &'c CancellationToken,
    after: Option<Origin>,
    redriven: u64,
    unknown: Vec<String>,
    without_value: u64,
}

impl Redrive<'_> {
    fn state_key(&self) -> String {
        format!("redrive/{}", self.id)
    }

    async fn run(
        &mut self,
        filter: &LetterFilter,
        progress: &dyn ProgressSink,
    ) -> Result<(), JobError> {
        let state = &self.context.ports.state;
        let saved = state.job_state(&self.state_key()).await;
        let saved = saved.map_err(|source| JobError::port("read where it stopped", source))?;
        self.after = saved.and_then(|text| text.parse().ok());
        // What is resolved has its row: nothing to put back.
        let filter = LetterFilter { include_resolved: false, ..filter.clone() };
        for (id, store_filter) in filters(&filter)? {
            let found = |redrive: &Self| redrive.redriven + redrive.without_value;
            let before = found(self);
            // A position is one of the walk over all; named letters are few and done again.
            let mut after = if id.is_empty() { self.after } else { None };
            loop {
                let filter = DeadLetterFilter { after, limit: AT_ONCE, ..store_filter.clone() };
                let page = rows(self.context, &filter).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.letter.origin);
                self.put_back(page).await?;
                if id.is_empty() {
                    self.remember(after).await?;
                }
                let (done, message) = (self.redriven, "dead letters".to_owned());
                progress.report(JobProgress { done, total: None, message });
                if self.cancel.is_cancelled() {
                    let said = format!("{done} put back, --resume {} goes on", self.id);
                    return Err(JobError::Cancelled(said));
                }
            }
            if !id.is_empty() && found(self) == before {
                self.unknown.push(id);
            }
        }
        self.remember(None).await
    }

    async fn remember(&self, after: Option<Origin>) -> Result<(), JobError> {
        if self.dry_run {
            return Ok(());
        }
        let text = after.map(|origin| origin.to_string());
        let state = &self.context.ports.state;
        let saved = state.put_job_state(&self.state_key(), text.as_deref()).await;
        saved.map_err(|source| JobError::port("remember how far it is", source))
    }

    async fn put_back(&mut self, mut page: Vec<DeadLetterRow>) -> Result<(), JobError> {
        let letters = page.len();
        page.retain(|row| row.letter.failure.error_type != VALUE_LEFT_OUT);
        self.without_value += (letters - page.len()) as u64;
        let topics = &self.context.settings.topics;
        for topic in [&topics.raw, &topics.processed, &topics.decisions] {
            let mut records = Vec::new();
            let mut bytes = 0;
            for row in page.iter().filter(|row| topic_of(&row.letter, topics) == topic) {
                let record = record_of(&row.letter, &self.id);
                bytes += record.value.len();
                records.push(record);
                self.redriven += 1;
                if bytes >= BYTES_AT_ONCE {
                    self.append(topic, &std::mem::take(&mut records)).await?;
                    bytes = 0;
                }
            }
            self.append(topic, &records).await?;
        }
        Ok(())
    }

    async fn append(&self, topic: &Topic, records: &[Record]) -> Result<(), JobError> {
        if self.dry_run {
            return Ok(());
        }
        super::publish(self.context, topic, records, self.cancel).await
    }
}

/// The topic in which a letter failed. The worker reads two that an event may fail in, and what the
/// processor made may have been refused by one of them; a letter that names neither, as one of a
/// foreign hand, goes by its stage.
fn topic_of<'t>(letter: &DeadLetter, topics: &'t Topics) -> &'t Topic {
    match letter.failure.stage {
        Stage::Processor if letter.original.topic == topics.processed => &topics.processed,
        Stage::Processor if letter.original.topic == topics.decisions => &topics.decisions,
        Stage::Processor => &topics.raw,
        Stage::Worker if letter.original.topic == topics.decisions => &topics.decisions,
        Stage::Worker => &topics.processed,
    }
}

/// The record as it goes back. In the raw topic it must not count as accepted a second time nor be
/// archived again, which is what a replay's mark says.
fn record_of(letter: &DeadLetter, id: &str) -> Record {
    let is_raw = letter.failure.stage == Stage::Processor;
    let replay_id = letter.replay_id.clone().or_else(|| is_raw.then(|| format!("redrive-{id}")));
    let envelope = Envelope {
        origin: letter.origin,
        event_id: letter.event_id.clone(),
        received_at: letter.received_at,
        client_ip: letter.client_ip.clone(),
        shape: letter.shape,
        traceparent: None,
        attempts: 0,
        not_before: None,
        replay_id,
        redrives: letter.redrives.saturating_add(1),
    };
    let mut headers: Headers = envelope.headers();
    if letter.restored {
        headers.set(HeaderName::Other(RESTORED.into()), Bytes::from_static(b"1"));
    }
    Record {
        key: letter.key.clone(),
        value: letter.value.clone(),
        timestamp: letter.received_at,
        headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConsumedRecord, Offset, Partition, TopicId};
    use crate::pipeline::failed::dead_letter_of;

    /// What the processor made of an event is none that it reads.
    #[test]
    fn a_letter_goes_back_to_the_topic_in_which_it_failed() {
        let topics = Topics::default();
        let back = |stage: &'static str, original: &Topic| {
            let mut headers = Headers::new();
            headers.set(HeaderName::Stage, stage);
            headers.set(HeaderName::OriginalTopic, original.to_string());
            let (key, value) = (Bytes::new(), Bytes::new());
            let letter = dead_letter_of(&ConsumedRecord {
                topic: topics.raw_dlq.clone(),
                topic_id: TopicId::mint(),
                partition: Partition(0),
                offset: Offset(0),
                record: Record { key, value, timestamp: Timestamp::default(), headers },
            });
            topic_of(&letter, &topics).clone()
        };
        for stage in ["processor", "worker"] {
            for own in [&topics.processed, &topics.decisions] {
                assert_eq!(back(stage, own), *own, "{stage}");
            }
        }
        assert_eq!(back("processor", &topics.raw), topics.raw);
        assert_eq!(back("processor", &topics.raw_dlq), topics.raw);
        assert_eq!(back("worker", &topics.processed_dlq), topics.processed);
    }
}
