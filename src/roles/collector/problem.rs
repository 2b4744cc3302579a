//! Why a request is not accepted, as its own route's clients expect to be told.

use std::borrow::Cow;

use hyper::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use super::decode::{self, DecodeError};
use super::route::Ingest;
use crate::model::Shape;
use crate::pipeline::shape::{FieldError, Refused};
use crate::runtime::http::{Body, BodyError, Response, StatusCode, json_response};
use crate::settings::Compat;

/// Seconds after which a client may try again when nothing durable can be made.
const RETRY_SECONDS: u64 = 5;

/// The closed set of reasons in `evp_collector_rejected_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Reason {
    Json,
    Fields,
    TooLarge,
    Encoding,
    Timeout,
    Incomplete,
    RateLimited,
    Overloaded,
    Unavailable,
}

impl Reason {
    pub(super) const ALL: [Self; 9] = [
        Self::Json,
        Self::Fields,
        Self::TooLarge,
        Self::Encoding,
        Self::Timeout,
        Self::Incomplete,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Fields => "fields",
            Self::TooLarge => "too_large",
            Self::Encoding => "encoding",
            Self::Timeout => "timeout",
            Self::Incomplete => "incomplete",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A request that is not accepted.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) reason: Reason,
    /// How many events it refuses.
    pub(super) events: u64,
    said: Box<Said>,
}

/// What the answer says.
#[derive(Debug)]
struct Said {
    code: &'static str,
    error: Cow<'static, str>,
    detail: Option<String>,
    fields: Vec<Value>,
    retry_after: Option<u64>,
    /// The whole body, where the route's clients know another form.
    body: Option<Value>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        reason: Reason,
        code: &'static str,
        error: impl Into<Cow<'static, str>>,
    ) -> Self {
        let error = error.into();
        let said =
            Said { code, error, detail: None, fields: Vec::new(), retry_after: None, body: None };
        Self { status, reason, events: 1, said: Box::new(said) }
    }

    /// A body that makes no sense, whatever the events in it.
    pub(super) fn request(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::Fields, code, error)
    }

    /// An event, or the body around events, that is refused. `shape` says in whose words.
    pub(super) fn refused(shape: Shape, refused: &Refused) -> Self {
        let (status, reason, code) = match refused {
            Refused::Json(_) => (StatusCode::BAD_REQUEST, Reason::Json, "invalid_json"),
            Refused::WrongKind(_) => (StatusCode::BAD_REQUEST, Reason::Json, "invalid_type"),
            Refused::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge, "event_too_large")
            }
            Refused::Fields(_) => (StatusCode::BAD_REQUEST, Reason::Fields, "invalid_event"),
        };
        let error = refused.summary(shape).into_owned();
        let detail = refused.to_string();
        let mut problem = Self::new(status, reason, code, error);
        problem.said.fields = field_values(refused.fields(), "");
        problem.said.detail = (problem.said.error != detail).then_some(detail);
        problem
    }

    /// Nothing durable can be made now.
    pub(super) fn unavailable(
        reason: Reason,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Self::new(status, reason, code, "failed to queue event");
        problem.said.detail = Some(detail.into());
        problem.said.retry_after = Some(RETRY_SECONDS);
        problem
    }

    /// The token bucket is empty for that many seconds.
    pub(super) fn rate_limited(seconds: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut problem =
            Self::new(status, Reason::RateLimited, "rate_limited", "too many requests");
        problem.said.retry_after = Some(seconds.max(1));
        problem
    }

    /// The same with the errors of its fields.
    pub(super) fn with_fields(mut self, fields: Vec<Value>) -> Self {
        self.said.fields = fields;
        self
    }

    /// The same under another body.
    pub(super) fn with_body(mut self, body: Value) -> Self {
        self.said.body = Some(body);
        self
    }

    /// The same, found in that item of a batch.
    pub(super) fn in_item(mut self, index: usize) -> Self {
        let detail = self.said.detail.unwrap_or_else(|| self.said.error.clone().into_owned());
        self.said.detail = Some(format!("item {index}: {detail}"));
        self
    }

    /// The same for that many events.
    pub(super) const fn for_events(mut self, events: u64) -> Self {
        self.events = events;
        self
    }

    /// The answer on that route.
    pub(super) fn response(self, route: Ingest, compat: Compat) -> Response<Body> {
        let mut response = match plain_line(self.status, route, compat) {
            Some(line) => plain_response(self.status, line),
            None => json_response(self.status, self.json(route).to_string()),
        };
        let headers = response.headers_mut();
        if let Some(seconds) = self.said.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(decode::ACCEPTED));
        }
        response
    }

    fn json(&self, route: Ingest) -> Value {
        if let Some(body) = &self.said.body {
            return body.clone();
        }
        let error = match (self.status, route) {
            (StatusCode::SERVICE_UNAVAILABLE, Ingest::CampaignBatch) => "failed to queue events.",
            (StatusCode::SERVICE_UNAVAILABLE, Ingest::Single(Shape::NamedV1)) => {
                "failed to process event"
            }
            _ => &self.said.error,
        };
        let mut body = json!({ "error": error, "code": self.said.code });
        if let Some(detail) = &self.said.detail {
            body["detail"] = json!(detail);
        }
        if !self.said.fields.is_empty() {
            body["errors"] = json!(self.said.fields);
        }
        body
    }
}

/// 001's own lines, in its profile and on its route.
fn plain_line(status: StatusCode, route: Ingest, compat: Compat) -> Option<&'static str> {
    if compat != Compat::Seed001 || route != Ingest::Events {
        return None;
    }
    match status {
        StatusCode::BAD_REQUEST => Some("Bad Request\n"),
        StatusCode::TOO_MANY_REQUESTS => Some("Too Many Requests\n"),
        StatusCode::SERVICE_UNAVAILABLE => Some("Service Unavailable: Backpressure\n"),
        _ => None,
    }
}

fn plain_response(status: StatusCode, line: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(line));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let name = HeaderName::from_static("x-content-type-options");
    headers.insert(name, HeaderValue::from_static("nosniff"));
    response
}

/// 003's `field`, `code`, `message` and the native `pointer`, `code`, `detail` in one.
pub(super) fn field_values(fields: &[FieldError], under: &str) -> Vec<Value> {
    let value = |error: &FieldError| {
        json!({
            "field": error.field,
            "code": error.code,
            "message": error.message,
            "pointer": format!("{under}{}", error.pointer),
            "detail": error.message,
        })
    };
    fields.iter().map(value).collect()
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, reason, code) = match error {
            BodyError::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge, "body_too_large")
            }
            BodyError::Timeout => (StatusCode::REQUEST_TIMEOUT, Reason::Timeout, "body_timeout"),
            BodyError::Broken => (StatusCode::BAD_REQUEST, Reason::Incomplete, "body_incomplete"),
            BodyError::Refused => {
                return Self::unavailable(Reason::Overloaded, "overloaded", error.to_string());
            }
        };
        Self::new(status, reason, code, error.to_string())
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        let (status, code) = match &error {
            DecodeError::Unsupported(_) | DecodeError::Stacked => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
            }
            DecodeError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            DecodeError::Frames => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_frames"),
            DecodeError::Broken { .. } => (StatusCode::BAD_REQUEST, "invalid_encoding"),
        };
        Self::new(status, Reason::Encoding, code, error.to_string())
    }
}
