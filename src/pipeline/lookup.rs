//! What became of one event: the store's word, and before it a bounded look into the topics.
//!
//! An event only moves forward, so the topics are read from upstream to downstream and the store is
//! asked once more at the end: whatever moved on while we looked is found further down. What is
//! found is ranked by the contract: stored, dead-lettered, retrying, in flight, a decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::canonical::canonical;
use super::envelope::Envelope;
use crate::model::{
    ConsumedRecord, Decision, EventId, GroupId, HeaderName, Offset, Origin, Outcome, Status,
    Timestamp, Topic, TopicPartition,
};
use crate::ports::{EventLog, EventStatus, Kind, Ports, Result};

/// The topics to look into and who reads each.
#[derive(Debug, Clone)]
pub struct LookupPlan {
    /// Upstream first: the raw topic, the processed one, decisions, retry, dead letters.
    pub sources: Vec<LookupSource>,
    /// Records looked at before giving up.
    pub max_records: usize,
    /// Time before giving up.
    pub max_time: Duration,
}

impl LookupPlan {
    /// The plan of an installation. `topics` in the order raw, processed, decisions, retry, the
    /// processed events' dead letters, the raw events' dead letters; `groups` in the order
    /// processor, worker, retrier.
    #[must_use]
    pub fn new(topics: [&Topic; 6], groups: [&GroupId; 3]) -> Self {
        let [raw, processed, decisions, retry, processed_dlq, raw_dlq] = topics;
        let [processor, worker, retrier] = groups;
        let source = |topic: &Topic, group: &GroupId, holds| LookupSource {
            topic: topic.clone(),
            group: group.clone(),
            holds,
        };
        Self {
            sources: vec![
                source(raw, processor, Holds::InFlight),
                source(retry, retrier, Holds::Retrying),
                source(processed, worker, Holds::InFlight),
                // The one step back: what failed alone goes from `processed` to retry again.
                source(retry, retrier, Holds::Retrying),
                source(decisions, worker, Holds::Decisions),
                source(raw_dlq, worker, Holds::DeadLetters),
                source(processed_dlq, worker, Holds::DeadLetters),
            ],
            max_records: 1_000_000,
            max_time: Duration::from_secs(2),
        }
    }
}

/// One topic of a [`LookupPlan`].
#[derive(Debug, Clone)]
pub struct LookupSource {
    /// The topic.
    pub topic: Topic,
    /// Who reads it: what lies behind this group is in the store's hands.
    pub group: GroupId,
    /// What a record of this topic means for its event.
    pub holds: Holds,
}

/// What lies in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Events on their way.
    InFlight,
    /// Events that wait for their next attempt.
    Retrying,
    /// Decisions.
    Decisions,
    /// Dead letters.
    DeadLetters,
}

/// What is known of an event; the body of `GET /events/{event_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAnswer {
    /// The event.
    pub event_id: EventId,
    /// Where it stands.
    pub outcome: Status,
    /// Why, where there is a why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it was stored, dead-lettered, decided or, before that, received.
    pub at: Timestamp,
    /// The acceptance that this is said of.
    pub origin: Origin,
    /// Other acceptances of the same id that ended as `duplicate`.
    pub duplicates: u64,
}

/// The end of a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "found", content = "event")]
pub enum Lookup {
    /// Known.
    Found(EventAnswer),
    /// Never accepted.
    NotFound,
    /// More is under way than could be looked at in time.
    CannotTell,
}

/// What became of an event (contract, "Native routes").
///
/// # Errors
/// The store's and the log's, `Unavailable` first of all.
pub async fn lookup(ports: &Ports, plan: &LookupPlan, id: &EventId) -> Result<Lookup> {
    let first = ports.store.event_status(id).await?;
    if let Some(status) = first.as_ref().filter(|status| !status.outcome.is_decision()) {
        return Ok(Lookup::Found(answer_of(status)));
    }
    let mut budget = Budget { records: plan.max_records, until: Instant::now() + plan.max_time };
    let mut best: Option<EventAnswer> = None;
    let mut is_whole = true;
    for source in &plan.sources {
        match scan(ports.log.as_ref(), source, id, &mut budget).await? {
            Scanned::Whole(found) => best = better(best, found),
            Scanned::Stopped => is_whole = false,
        }
    }
    // What was in flight at the first look may be a row by now.
    let last = ports.store.event_status(id).await?;
    if !is_whole && last.as_ref().is_none_or(|status| status.outcome.is_decision()) {
        return Ok(Lookup::CannotTell);
    }
    let duplicates = last.as_ref().map_or(0, |status| status.duplicates);
    let best = better(best, last.as_ref().map(answer_of));
    Ok(best.map_or(Lookup::NotFound, |answer| Lookup::Found(EventAnswer { duplicates, ..answer })))
}

fn answer_of(status: &EventStatus) -> EventAnswer {
    EventAnswer {
        event_id: status.event_id.clone(),
        outcome: Status::Final(status.outcome),
        reason: status.reason.clone(),
        at: status.at,
        origin: status.origin,
        duplicates: status.duplicates,
    }
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::Final(Outcome::Stored) => 4,
        Status::Final(Outcome::DeadLettered) => 3,
        Status::Retrying => 2,
        Status::InFlight => 1,
        Status::Final(_) => 0,
    }
}

/// The one that says more; of two decisions the later one.
fn better(left: Option<EventAnswer>, right: Option<EventAnswer>) -> Option<EventAnswer> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let key = |answer: &EventAnswer| (rank(answer.outcome), answer.at);
            Some(if key(&right) >= key(&left) { right } else { left })
        }
        (left, right) => left.or(right),
    }
}

struct Budget {
    records: usize,
    until: Instant,
}

enum Scanned {
    Whole(Option<EventAnswer>),
    Stopped,
}

const READ_AT_ONCE: usize = 4096;

async fn scan(
    log: &dyn EventLog,
    source: &LookupSource,
    id: &EventId,
    budget: &mut Budget,
) -> Result<Scanned> {
    // A topic that nobody has written to yet may not exist.
    let info = match log.describe(&source.topic).await {
        Ok(info) => info,
        Err(error) if error.kind() == Kind::NotFound => return Ok(Scanned::Whole(None)),
        Err(error) => return Err(error),
    };
    let committed = log.committed(&source.group, &source.topic).await?;
    let mut best = None;
    for partition in info.partitions {
        let at = TopicPartition::new(source.topic.clone(), partition.partition);
        let position = committed.iter().find(|(one, _)| *one == partition.partition);
        let mut next = position.map_or(partition.low, |(_, offset)| *offset).max(partition.low);
        while next < partition.high {
            if budget.records == 0 || Instant::now() >= budget.until {
                return Ok(Scanned::Stopped);
            }
            let records = log.read(&at, next, READ_AT_ONCE.min(budget.records)).await?;
            let Some(end) = records.last().map(|record| record.offset.next()) else { break };
            budget.records = budget.records.saturating_sub(records.len());
            for record in records.iter().filter(|record| is_of(record, id)) {
                best = better(best, meaning(source.holds, record, id));
            }
            next = Offset(end.0.max(next.0 + 1));
        }
    }
    Ok(Scanned::Whole(best))
}

/// Whether a record is of that event. Only a foreign producer's record has no id beside it; its
/// body is read for it.
fn is_of(record: &ConsumedRecord, id: &EventId) -> bool {
    if let Some(header) = record.record.headers.get(&HeaderName::EventId) {
        return header == id.as_str().as_bytes();
    }
    let Ok(text) = std::str::from_utf8(&record.record.value) else { return false };
    if let Ok(decision) = serde_json::from_str::<Decision>(text) {
        return decision.event_id == *id;
    }
    canonical(text, &Envelope::of(record)).is_ok_and(|event| event.event_id == *id)
}

fn meaning(holds: Holds, record: &ConsumedRecord, id: &EventId) -> Option<EventAnswer> {
    let envelope = Envelope::of(record);
    let answer = |outcome, reason, at| EventAnswer {
        event_id: id.clone(),
        outcome,
        reason,
        at,
        origin: envelope.origin,
        duplicates: 0,
    };
    let text = |name| record.record.headers.text(name).map(str::to_owned);
    match holds {
        Holds::InFlight => Some(answer(Status::InFlight, None, envelope.received_at)),
        Holds::Retrying => {
            let reason = text(&HeaderName::ErrorMessage);
            Some(answer(Status::Retrying, reason, envelope.received_at))
        }
        Holds::DeadLetters => {
            let reason = text(&HeaderName::ErrorMessage);
            let outcome = Status::Final(Outcome::DeadLettered);
            Some(answer(outcome, reason, record.record.timestamp))
        }
        Holds::Decisions => {
            let decision: Decision = serde_json::from_slice(&record.record.value).ok()?;
            let outcome = Status::Final(decision.outcome);
            Some(answer(outcome, Some(decision.reason), decision.decided_at))
        }
    }
}
