//! From a request's body to the records of its events and the answer that names them. Nothing
//! waits here and nothing is appended.

use hyper::header::HeaderValue;

use super::facts::Facts;
use super::problem::Problem;
use super::route::Ingest;
use super::{answer, batch, lines};
use crate::model::{RecordBatch, RecordBatchBuilder, Shape, Timestamp};
use crate::pipeline::envelope::RequestEnvelope;
use crate::pipeline::identity::event_id;
use crate::pipeline::json::check_text;
use crate::pipeline::shape::{Checked, Refused, Rules, check, check_events};
use crate::runtime::http::{StatusCode, is_request_id};
use crate::settings;

/// Bytes of a record beside key and value: origin, times, address and the encoding itself.
pub(super) const RECORD_OVERHEAD: usize = 192;

/// What is to be appended, and what is to be answered once it is.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) batch: RecordBatch,
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// The request's id where the client gave none.
    pub(super) request_id: Option<HeaderValue>,
    /// Events of the body that are refused.
    pub(super) refused: u64,
}

/// How a request's events are judged.
#[derive(Debug)]
pub(super) struct Terms<'r> {
    pub(super) route: Ingest,
    pub(super) facts: &'r Facts<'r>,
    pub(super) rules: Rules,
    pub(super) received_at: Timestamp,
    pub(super) max_depth: usize,
    pub(super) max_events: usize,
}

impl<'r> Terms<'r> {
    pub(super) fn new(
        route: Ingest,
        facts: &'r Facts<'r>,
        settings: &settings::Collector,
        received_at: Timestamp,
    ) -> Self {
        let rules = Rules {
            v1_window: settings.v1_window.then_some(settings.window.0),
            v1_channels: settings.v1_channels,
            strict_channels: settings.strict_channels,
            max_event_bytes: settings.max_event_bytes.as_usize(),
            ..Rules::at_door(received_at)
        };
        Self {
            route,
            facts,
            rules,
            received_at,
            max_depth: settings.max_json_depth,
            max_events: settings.max_batch_events,
        }
    }

    pub(super) fn envelope(&self, shape: Shape) -> RequestEnvelope<'r> {
        let client_ip = Some(&*self.facts.client_ip).filter(|text| !text.is_empty());
        RequestEnvelope::new(self.received_at, client_ip, shape, self.facts.traceparent)
    }

    /// Judges a body.
    pub(super) fn accept(&self, body: &[u8]) -> Result<Accepted, Problem> {
        match self.route {
            Ingest::Single(_) | Ingest::Events => self.single(body),
            Ingest::Lines => lines::accept(self, body),
            _ if self.facts.lines => lines::accept(self, body),
            Ingest::CampaignBatch => batch::campaign(self, body),
            Ingest::NamedBulk => batch::named(self, body),
            Ingest::V1Bulk => batch::v1(self, body),
        }
    }

    fn single(&self, body: &[u8]) -> Result<Accepted, Problem> {
        let shape = self.route.shape().unwrap_or(Shape::Typed);
        let refuse = |refused: Refused| Problem::refused(shape, &refused);
        let text = check_text(body, self.max_depth).map_err(|error| refuse(error.into()))?;
        let (shape, checked) = match self.route.shape() {
            Some(shape) => (shape, check(shape, text, &self.rules).map_err(refuse)?),
            None => check_events(text, &self.rules).map_err(refuse)?,
        };
        let id = event_id(shape, &checked, self.facts.idempotency_key);
        let mut records = RecordBatchBuilder::with_capacity(text.len() + RECORD_OVERHEAD + 64);
        let origin = {
            let value = trim(text).as_bytes();
            self.envelope(shape).push(&mut records, &id, record_key(&checked, &id), value)
        };
        let mut buffer = [0_u8; 36];
        let request_id = match shape {
            Shape::Typed if is_request_id(id.as_bytes()) => id.as_bytes(),
            _ => origin.encode(&mut buffer).as_bytes(),
        };
        Ok(Accepted {
            batch: records.finish(),
            status: StatusCode::ACCEPTED,
            body: answer::single(shape, &id),
            request_id: HeaderValue::from_bytes(request_id).ok(),
            refused: 0,
        })
    }
}

/// The events of one request that are accepted, and those that are not.
#[derive(Debug)]
pub(super) struct Gathered {
    records: RecordBatchBuilder,
    key: String,
    /// The id of each accepted event by its index, where the answer is to name them.
    pub(super) named: Option<Vec<(usize, String)>>,
    pub(super) refused: Vec<(usize, Refused)>,
}

impl Gathered {
    pub(super) fn new(bytes: usize, events: usize, name_all: bool) -> Self {
        Self {
            records: RecordBatchBuilder::with_capacity(bytes + events * RECORD_OVERHEAD),
            key: String::new(),
            named: name_all.then(Vec::new),
            refused: Vec::new(),
        }
    }

    /// Adds an event that was checked.
    pub(super) fn push(
        &mut self,
        envelope: &RequestEnvelope<'_>,
        (index, text): (usize, &str),
        checked: &Checked<'_>,
        facts: &Facts<'_>,
    ) {
        use std::fmt::Write as _;

        let key = facts.idempotency_key.map(|key| {
            self.key.clear();
            // Writing to a string does not fail.
            let _written = write!(self.key, "{key}:{index}");
            self.key.as_str()
        });
        let id = event_id(envelope.shape(), checked, key);
        let value = trim(text).as_bytes();
        envelope.push(&mut self.records, &id, record_key(checked, &id), value);
        if let Some(named) = &mut self.named {
            named.push((index, id.into_owned()));
        }
    }

    pub(super) const fn accepted(&self) -> u32 {
        self.records.count()
    }

    /// The records, under that answer.
    pub(super) fn answered(self, status: StatusCode, body: Vec<u8>) -> Accepted {
        Accepted {
            refused: self.refused.len() as u64,
            batch: self.records.finish(),
            status,
            body,
            request_id: None,
        }
    }
}

/// What chooses the partition: the user, else the event.
fn record_key<'a>(checked: &'a Checked<'_>, id: &'a str) -> &'a str {
    checked.user_id.as_deref().filter(|user| !user.is_empty()).unwrap_or(id)
}

/// Without the white space that JSON allows around a value.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}
