//! What the headers of a request say about its events.

use std::borrow::Cow;

use super::problem::{Problem, Reason};
use crate::model::EventId;
use crate::pipeline::client_ip::TrustedProxies;
use crate::runtime::http::{Connection, Headers, StatusCode};

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_REAL_IP: &str = "x-real-ip";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const PREFER: &str = "prefer";
const TRACEPARENT: &str = "traceparent";
const CONTENT_TYPE: &str = "content-type";

/// What counts for every event of a request.
#[derive(Debug)]
pub(super) struct Facts<'r> {
    /// The client's address by the trusted proxies.
    pub(super) client_ip: Cow<'r, str>,
    /// The client's key for the whole request.
    pub(super) idempotency_key: Option<&'r str>,
    /// Whether the answer is to name every event.
    pub(super) representation: bool,
    /// Whether the body is one event a line.
    pub(super) lines: bool,
    /// The trace to go on.
    pub(super) traceparent: Option<&'r str>,
}

impl<'r> Facts<'r> {
    pub(super) fn of(
        headers: &'r impl Headers,
        connection: &'r Connection,
        proxies: &TrustedProxies,
    ) -> Result<Self, Problem> {
        Ok(Self {
            client_ip: client_ip(headers, connection, proxies),
            idempotency_key: idempotency_key(headers)?,
            representation: wants_representation(headers),
            lines: headers.first(CONTENT_TYPE).is_some_and(is_lines),
            traceparent: headers.first(TRACEPARENT).and_then(traceparent),
        })
    }
}

fn client_ip<'r>(
    headers: &impl Headers,
    connection: &'r Connection,
    proxies: &TrustedProxies,
) -> Cow<'r, str> {
    let peer = connection.peer_ip();
    let forwarded = headers.all(X_FORWARDED_FOR);
    // the last line: those before it may be the client's own, passed on by a proxy that appends
    let real = headers.all(X_REAL_IP).next_back();
    let client = proxies.client(peer, forwarded, real);
    if client == peer { connection.peer_text().into() } else { client.to_string().into() }
}

fn idempotency_key(headers: &impl Headers) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.first(IDEMPOTENCY_KEY) else { return Ok(None) };
    let refuse = |why: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            Reason::Fields,
            "invalid_idempotency_key",
            format!("Idempotency-Key {why}"),
        )
    };
    let text = std::str::from_utf8(value).map_err(|_| refuse("must be UTF-8"))?;
    // The header's draft standard quotes the key, and everybody else does not.
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    // Room for `:index` of a batch.
    if key.len() > EventId::MAX_BYTES - 8 {
        return Err(refuse("must be at most 247 bytes"));
    }
    EventId::check(key).map_err(|_| refuse("must have characters, and no control characters"))?;
    Ok(Some(key))
}

fn wants_representation(headers: &impl Headers) -> bool {
    headers.all(PREFER).filter_map(printable).any(|value| {
        value.split(',').any(|one| {
            let preference = one.split(';').next().unwrap_or_default().trim();
            preference.eq_ignore_ascii_case("return=representation")
        })
    })
}

fn is_lines(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    essence.eq_ignore_ascii_case(b"application/x-ndjson")
        || essence.eq_ignore_ascii_case(b"application/ndjson")
}

/// A W3C trace context; anything else is left behind.
fn traceparent(value: &[u8]) -> Option<&str> {
    let text = printable(value)?;
    let dashes = [2, 35, 52];
    let is_valid = text.len() == 55
        && text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => dashes.contains(&at),
            b'0'..=b'9' | b'a'..=b'f' => !dashes.contains(&at),
            _ => false,
        });
    is_valid.then_some(text)
}

/// A value of visible ASCII characters and blanks.
fn printable(value: &[u8]) -> Option<&str> {
    let is_printable = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\t';
    value.iter().all(is_printable).then(|| std::str::from_utf8(value).ok())?
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        headers
    }

    #[test]
    fn keys_lose_their_quotes_and_are_checked() {
        assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, "\"k-1\"")).unwrap(), Some("k-1"));
        assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, "k-1")).unwrap(), Some("k-1"));
        assert!(idempotency_key(&headers(IDEMPOTENCY_KEY, "")).is_err());
        assert!(idempotency_key(&headers(IDEMPOTENCY_KEY, &"k".repeat(248))).is_err());
    }

    #[test]
    fn preferences_and_types_are_read_in_their_own_syntax() {
        assert!(wants_representation(&headers(PREFER, "wait=5, return=representation; x=1")));
        assert!(!wants_representation(&headers(PREFER, "return=minimal")));
        assert!(is_lines(b"Application/X-NDJSON; charset=utf-8"));
        assert!(!is_lines(b"application/json"));
    }

    #[test]
    fn only_well_formed_traces_are_passed_on() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(good.as_bytes()), Some(good));
        assert_eq!(traceparent(b"00-short-01"), None);
    }
}
