//! From verdicts to the records that the processor appends.

use std::sync::Arc;

use super::read::{Readable, Unreadable};
use crate::model::{
    ConsumedRecord, Decision, HeaderName, Headers, Outcome, Rule, Stage, Timestamp,
};
use crate::pipeline::failed::{Cause, dead_letter_record};
use crate::ports::{DeadLetterTopic, EventLog, Verdict};
use crate::roles::outbox::{Lane, Outbox};
use crate::settings::Topics;

/// What one batch appends: passed events, decisions, dead letters.
#[derive(Debug)]
pub(super) struct Outputs {
    processed: Lane,
    decisions: Lane,
    dead: Lane,
    now: Timestamp,
    scratch: Vec<u8>,
    pub(super) counts: Counts,
}

/// How a batch was judged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) duplicate: u64,
    pub(super) blocked: u64,
    pub(super) rate_limited: u64,
    pub(super) dead: u64,
}

impl Outputs {
    /// For a batch whose passed events take about so many bytes.
    pub(super) fn new(topics: &Topics, now: Timestamp, bytes: usize) -> Self {
        Self {
            processed: Lane::new(&topics.processed, bytes),
            decisions: Lane::new(&topics.decisions, 0),
            dead: Lane::new(&topics.raw_dlq, 0),
            now,
            scratch: Vec::with_capacity(1024),
            counts: Counts::default(),
        }
    }

    pub(super) fn dead(&mut self, record: &ConsumedRecord, why: &Unreadable) {
        self.counts.dead += 1;
        let cause = Cause {
            stage: Stage::Processor,
            error_type: why.error_type,
            reason: &why.reason,
            at: self.now,
        };
        self.dead.push_record(&dead_letter_record(record, &cause));
    }

    /// Writes what a verdict asks for; the rule that it made, where it made one.
    pub(super) fn judged(&mut self, event: &Readable, verdict: Verdict) -> Option<Rule> {
        let (outcome, reason, ban) = match verdict {
            Verdict::Pass => {
                self.pass(event);
                return None;
            }
            Verdict::Duplicate { first } => {
                self.counts.duplicate += 1;
                (Outcome::Duplicate, format!("accepted before as {first}"), None)
            }
            Verdict::Blocked { reason } => {
                self.counts.blocked += 1;
                (Outcome::Blocked, reason, None)
            }
            Verdict::RateLimited { count, ban } => {
                self.counts.rate_limited += 1;
                let reason = format!("event {count} of its address in the minute");
                (Outcome::RateLimited, reason, ban)
            }
        };
        let decision = Decision {
            origin: event.event.origin,
            event_id: event.event.event_id.clone(),
            outcome,
            reason,
            client_ip: event.event.ip_address.clone(),
            received_at: event.event.received_at,
            decided_at: self.now,
        };
        if self.serialise(&decision, event) {
            push(&mut self.decisions, event, &self.scratch, self.now);
        }
        ban.map(|rule| *rule)
    }

    fn pass(&mut self, event: &Readable) {
        self.counts.passed += 1;
        if self.serialise(&event.event, event) {
            push(&mut self.processed, event, &self.scratch, self.now);
        }
    }

    /// Writes a value as JSON into the scratch. Nothing in our types can fail to be written; if it
    /// did, the event would be a dead letter and not lost.
    fn serialise(&mut self, value: &impl serde::Serialize, event: &Readable) -> bool {
        self.scratch.clear();
        match serde_json::to_writer(&mut self.scratch, value) {
            Ok(()) => true,
            Err(error) => {
                let why = Unreadable { error_type: "data_error", reason: error.to_string() };
                self.dead(&event.record, &why);
                false
            }
        }
    }

    pub(super) fn into_outbox(self, log: Arc<dyn EventLog>, dead: DeadLetterTopic) -> Outbox {
        Outbox::new(log, [self.processed, self.decisions, self.dead], dead)
    }
}

/// Passes the record's own headers on where the envelope is complete in them, without a copy each.
fn push(lane: &mut Lane, event: &Readable, value: &[u8], now: Timestamp) {
    let headers = &event.record.record.headers;
    let key = key_of(event);
    let has = |name: &HeaderName| headers.get(name).is_some();
    if has(&HeaderName::Origin) && has(&HeaderName::EventId) && has(&HeaderName::Shape) {
        let mut borrowed: Vec<(&HeaderName, &[u8])> = Vec::with_capacity(headers.len());
        borrowed.extend(headers.iter().map(|(name, value)| (name, value.as_ref())));
        lane.push(key, value, now, &borrowed);
    } else {
        let completed = completed_headers(event);
        let borrowed: Vec<(&HeaderName, &[u8])> =
            completed.iter().map(|(name, value)| (name, value.as_ref())).collect();
        lane.push(key, value, now, &borrowed);
    }
}

/// A foreign producer's headers with what it left out.
fn completed_headers(event: &Readable) -> Headers {
    let mut headers = event.record.record.headers.clone();
    let mut envelope = event.envelope.clone();
    envelope.event_id = Some(event.event.event_id.clone());
    envelope.shape = Some(event.event.shape);
    for (name, value) in envelope.headers().iter() {
        headers.set(name.clone(), value.clone());
    }
    headers
}

fn key_of(event: &Readable) -> &[u8] {
    let key = &event.record.record.key;
    if key.is_empty() {
        event.event.user_id.as_deref().unwrap_or(event.event.event_id.as_str()).as_bytes()
    } else {
        key
    }
}
