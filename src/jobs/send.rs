//! Sending events into a data directory: the collector's rules and its append, without HTTP.

use std::collections::BTreeMap;
use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{RecordBatchBuilder, Shape};
use crate::pipeline::envelope::RequestEnvelope;
use crate::pipeline::identity;
use crate::pipeline::json::check_text;
use crate::pipeline::shape::{Checked, Refused, Rules, check, check_events, code};
use crate::runtime::shutdown::CancellationToken;

/// One event to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendLine {
    /// Its line in the input, from 1.
    pub line: u64,
    /// The event's own text.
    pub event: String,
    /// The address that it came from.
    pub client_ip: Option<IpAddr>,
    /// The id that it gets where it has none of its own, as by an `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

/// A batch of events to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendRequest {
    /// The events.
    pub lines: Vec<SendLine>,
    /// Their shape; told by their members where absent.
    pub shape: Option<Shape>,
}

/// An event that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Its line.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SendResponse {
    /// Events that are durable now.
    pub accepted: u64,
    /// Events that were refused.
    pub rejected: u64,
    /// How many were refused for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// The first of them.
    pub first_rejected: Vec<RejectedLine>,
    /// The lines of all of them, in the answer to one batch; sums do not keep them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_lines: Vec<u64>,
}

impl SendResponse {
    /// Refused lines that are kept by name.
    const KEPT: usize = 20;

    /// Counts one refused line.
    pub fn reject(&mut self, line: u64, reason: String) {
        self.rejected += 1;
        if self.first_rejected.len() < Self::KEPT {
            self.first_rejected.push(RejectedLine { line, reason: reason.clone() });
        }
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// Adds another batch's numbers.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        let room = Self::KEPT.saturating_sub(self.first_rejected.len());
        self.first_rejected.extend(other.first_rejected.into_iter().take(room));
    }
}

/// The job `send`.
#[derive(Debug, Clone, Copy)]
pub struct Send;

#[async_trait]
impl Job for Send {
    const NAME: &'static str = "send";
    type Request = SendRequest;
    type Response = SendResponse;

    async fn run(
        context: &JobContext,
        request: SendRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<SendResponse, JobError> {
        let settings = &context.settings.collector;
        let now = context.ports.clock.now();
        let rules = Rules {
            v1_window: settings.v1_window.then_some(settings.window.0),
            v1_channels: settings.v1_channels,
            strict_channels: settings.strict_channels,
            max_event_bytes: settings.max_event_bytes.as_usize(),
            ..Rules::at_door(now)
        };
        let mut response = SendResponse::default();
        let mut batch = RecordBatchBuilder::with_capacity(64 << 10);
        for line in &request.lines {
            let judged = check_text(line.event.as_bytes(), settings.max_json_depth)
                .map_err(Refused::from)
                .and_then(|text| judge(text, request.shape, &rules));
            match judged {
                Ok((shape, checked)) => {
                    let ip = line.client_ip.map(|ip| ip.to_canonical().to_string());
                    let envelope = RequestEnvelope::new(now, ip.as_deref(), shape, None);
                    let id = identity::event_id(shape, &checked, line.event_id.as_deref());
                    let key = checked.user_id.as_deref().unwrap_or(&id);
                    envelope.push(&mut batch, &id, key, line.event.as_bytes());
                    response.accepted += 1;
                }
                Err(refused) => {
                    response.reject(line.line, refused.to_string());
                    response.rejected_lines.push(line.line);
                }
            }
        }
        if batch.count() > 0 {
            let topic = &context.settings.topics.raw;
            let appended = context.ports.log.append(topic, batch.finish()).await;
            appended.map_err(|source| JobError::port(format!("append to {topic}"), source))?;
        }
        Ok(response)
    }
}

/// What a client can tell of an event's id before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownId {
    /// The event says it.
    Own(String),
    /// It follows from what the event says.
    Derived(String),
    /// The door would make one, or refuse the event.
    None,
}

/// The id that an event has before anybody gives it one; its shape is told as the door tells it.
#[must_use]
pub fn known_id(text: &str, shape: Option<Shape>) -> KnownId {
    let Ok((shape, checked)) = judge(text, shape, &Rules::trusting()) else { return KnownId::None };
    match (&checked.event_id, identity::derived(shape, &checked)) {
        (Some(id), _) => KnownId::Own(id.clone().into_owned()),
        (None, Some(id)) => KnownId::Derived(id),
        (None, None) => KnownId::None,
    }
}

/// The event with an id written into it as its first member; `None` where that would make another
/// event of it: `{}` is one only while it is empty, and a member `event_id` may be there, as `null`.
#[must_use]
pub fn with_event_id(text: &str, id: &str) -> Option<String> {
    let (shape, _) = judge(text, None, &Rules::trusting()).ok()?;
    let members = text.trim_start().strip_prefix('{')?;
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    let written = format!("{{\"event_id\":{}{comma}{members}", serde_json::to_string(id).ok()?);
    let (now, checked) = judge(&written, None, &Rules::trusting()).ok()?;
    let is_it = now == shape && checked.event_id.as_deref() == Some(id);
    is_it.then_some(written)
}

/// The event by its shape; where none is named, the campaign shape if it fits, else what its
/// members say.
fn judge<'a>(
    text: &'a str,
    shape: Option<Shape>,
    rules: &Rules,
) -> Result<(Shape, Checked<'a>), Refused> {
    if let Some(shape) = shape {
        return Ok((shape, check(shape, text, rules)?));
    }
    let refused = match check(Shape::Campaign, text, rules) {
        Ok(checked) => return Ok((Shape::Campaign, checked)),
        Err(refused) => refused,
    };
    let is_unknown =
        |other: &Refused| other.fields().iter().any(|field| field.code == code::UNKNOWN_SHAPE);
    match check_events(text, rules) {
        // What says nothing of another shape is a campaign event with something missing.
        Err(other) if is_unknown(&other) => Err(refused),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_before_the_event_is_sent() {
        let known = |text: &str| known_id(text, None);
        let own = r#"{"event_type":"t","user_id":"u","campaign_id":"c","event_id":"mine"}"#;
        assert_eq!(known(own), KnownId::Own("mine".to_owned()));
        assert_eq!(known(r#"{"type":"t","id":"mine"}"#), KnownId::Own("mine".to_owned()));
        let named = r#"{"event_name":"n","user_id":"u","timestamp":1769850000}"#;
        let KnownId::Derived(id) = known(named) else { panic!("not derived") };
        assert_eq!(id.len(), 64);
        for text in [r#"{"event_type":"t","user_id":"u","campaign_id":"c"}"#, "{}", "{", "[]"] {
            assert_eq!(known(text), KnownId::None, "{text}");
        }
    }

    #[test]
    fn an_id_is_written_into_an_event_only_where_it_stays_that_event() {
        let written = |text: &str| with_event_id(text, "a\"b");
        assert_eq!(
            written(r#" { "event_type":"t","user_id":"u","campaign_id":"c"}"#).as_deref(),
            Some(r#"{"event_id":"a\"b", "event_type":"t","user_id":"u","campaign_id":"c"}"#)
        );
        assert!(written(r#"{"event_name":"n","user_id":"u","timestamp":1769850000}"#).is_some());
        assert!(written(r#"{"type":"t"}"#).is_some());
        for text in ["{}", r#"{"type":"t","event_id":null}"#, r#"{"id":"x","type":"t"}"#, "{", "1"]
        {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
