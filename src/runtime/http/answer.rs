//! Bodies of answers, and the few answers that every listener gives alike.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::Connection;

/// An answer's body: bytes at hand, or a stream from a router.
#[derive(Debug)]
pub struct Body(Inner);

#[derive(Debug)]
enum Inner {
    Full(Bytes),
    Streamed { body: axum::body::Body, connection: Option<Arc<Connection>> },
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Full(Bytes::new()))
    }

    /// What a router answers.
    #[must_use]
    pub const fn streamed(body: axum::body::Body) -> Self {
        Self(Inner::Streamed { body, connection: None })
    }

    /// Tells the connection when a stream's end was handed to the socket; `true` for bytes at
    /// hand, which need no such word.
    pub(super) fn track(&mut self, to: &Arc<Connection>) -> bool {
        match &mut self.0 {
            Inner::Full(_) => true,
            Inner::Streamed { connection, .. } => {
                *connection = Some(Arc::clone(to));
                false
            }
        }
    }

    /// The bytes, where they are at hand; nothing of a stream.
    pub(super) fn at_hand(mut self) -> Bytes {
        match &mut self.0 {
            Inner::Full(bytes) => std::mem::take(bytes),
            Inner::Streamed { .. } => Bytes::new(),
        }
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Self(Inner::Full(bytes.into()))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Inner::Streamed { connection: Some(connection), .. } = &self.0 {
            connection.answered();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.0 {
            Inner::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Streamed { body, .. } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Full(bytes) => bytes.is_empty(),
            Inner::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Streamed { body, .. } => body.size_hint(),
        }
    }
}

/// An answer with a JSON body.
#[must_use]
pub fn json_response(status: StatusCode, json: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(json.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{"error":…,"code":…}` under that status.
#[must_use]
pub fn error_response(status: StatusCode, code: &str, error: &str) -> Response<Body> {
    let json = serde_json::json!({ "error": error, "code": code }).to_string();
    json_response(status, json)
}
