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
                    let id = identity::event_id(shape, &checked, None);
                    let key = checked.user_id.as_deref().unwrap_or(&id);
                    envelope.push(&mut batch, &id, key, line.event.as_bytes());
                    response.accepted += 1;
                }
                Err(refused) => response.reject(line.line, refused.to_string()),
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
