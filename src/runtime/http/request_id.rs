//! `X-Request-ID`, which every answer of every listener carries: the client's own, or a new one.

use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

use super::Headers;

/// The header.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id taken from a client, in bytes.
const MAX_BYTES: usize = 128;

/// The client's own request id, where it is printable and short.
#[must_use]
pub fn client_request_id(headers: &impl Headers) -> Option<HeaderValue> {
    let given = headers.first("x-request-id").filter(|value| is_request_id(value))?;
    HeaderValue::from_bytes(given).ok()
}

/// Whether bytes can be a request id.
#[must_use]
pub fn is_request_id(bytes: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// A request id that was never given before.
#[must_use]
pub fn fresh_request_id() -> Option<HeaderValue> {
    let mut buffer = Uuid::encode_buffer();
    let id = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(id).ok()
}
