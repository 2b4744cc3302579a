//! Answers: where one ends, and what it says of the events that it answers.

use std::ops::Range;

use serde::Deserialize;

use super::route::Route;

/// Headers that are read; an answer with more is malformed.
const HEADERS: usize = 64;
/// Longest answer that is read.
const MAX_BYTES: usize = 16 << 20;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// Its body; of one in several chunks the bytes between the first chunk's and the last's.
    pub(super) body: &'a [u8],
    /// Whether the connection ends with it.
    pub(super) closes: bool,
}

/// Where a whole answer stands in the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    status: u16,
    body: Range<usize>,
    /// Bytes of the answer.
    length: usize,
    closes: bool,
}

impl Found {
    /// The answer in those bytes. More of them than were asked for: nobody knows what comes next, so
    /// the connection ends with it.
    pub(super) fn of(self, bytes: &[u8]) -> Answer<'_> {
        let closes = self.closes || self.length < bytes.len();
        Answer { status: self.status, body: &bytes[self.body], closes }
    }

    fn behind(self, head: usize) -> Self {
        let body = self.body.start + head..self.body.end + head;
        Self { body, length: self.length + head, ..self }
    }
}

/// Not HTTP, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

enum Length {
    Known(usize),
    Chunked,
    /// To the end of the connection.
    Rest,
}

/// Reads an answer; `None` while it is not whole. `ended` says that no more will come.
pub(super) fn read(bytes: &[u8], ended: bool) -> Result<Option<Found>, Malformed> {
    if bytes.len() > MAX_BYTES {
        return Err(Malformed);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(|_| Malformed)? else {
        return Ok(None);
    };
    let status = response.code.ok_or(Malformed)?;
    let mut closes = response.version == Some(0);
    let mut length = if matches!(status, 204 | 304) { Length::Known(0) } else { Length::Rest };
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value.trim_ascii();
        if is("content-length") {
            let text = std::str::from_utf8(value).map_err(|_| Malformed)?;
            length = Length::Known(text.parse().map_err(|_| Malformed)?);
        } else if is("transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            length = Length::Chunked;
        } else if is("connection") {
            closes |= value.eq_ignore_ascii_case(b"close");
        }
    }
    if (100..200).contains(&status) {
        // Something interim: the answer comes after it.
        let rest = read(&bytes[head..], ended)?;
        return Ok(rest.map(|found| found.behind(head)));
    }
    let rest = &bytes[head..];
    let (body, length) = match length {
        Length::Known(length) if length > MAX_BYTES => return Err(Malformed),
        Length::Known(length) if length > rest.len() => return Ok(None),
        Length::Known(length) => (0..length, length),
        Length::Chunked => match chunked(rest)? {
            Some(found) => found,
            None => return Ok(None),
        },
        Length::Rest if !ended => return Ok(None),
        Length::Rest => {
            closes = true;
            (0..rest.len(), rest.len())
        }
    };
    Ok(Some(Found { status, body, length, closes }.behind(head)))
}

/// The body in chunks and how long it is with all that is around it.
fn chunked(bytes: &[u8]) -> Result<Option<(Range<usize>, usize)>, Malformed> {
    let (mut at, mut body) = (0, None::<(usize, usize)>);
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| Malformed)?;
        let httparse::Status::Complete((head, size)) = parsed else { return Ok(None) };
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BYTES).ok_or(Malformed)?;
        let start = at + head;
        if size == 0 {
            // Trailers are not read: the answers' ends are an empty line.
            let end = bytes[start..].windows(2).position(|pair| pair == b"\r\n");
            let (from, to) = body.unwrap_or((0, 0));
            return Ok(end.map(|end| (from..to, start + end + 2)));
        }
        if bytes.len() < start + size + 2 {
            return Ok(None);
        }
        body = Some((body.map_or(start, |(from, _)| from), start + size));
        at = start + size + 2;
    }
}

/// What a client may rely on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A 2xx: durable, but for the events that it names.
    Accepted,
    /// A 4xx: nothing of it was taken.
    Rejected,
    /// 429: too much, nothing of it was taken.
    Limited,
    /// Anything else, or nothing: it may have been taken or not.
    Unknown,
}

/// What an answer to `events` events says; the places of those that are refused in a 2xx go into
/// `refused`. An answer that does not account for every event says nothing.
pub(super) fn judge(
    route: Route,
    answer: &Answer<'_>,
    events: usize,
    refused: &mut Vec<usize>,
) -> Class {
    refused.clear();
    match answer.status {
        429 => return Class::Limited,
        // The server gave up on the body: whether it has the events is not said.
        408 => return Class::Unknown,
        400..=499 => return Class::Rejected,
        200..=299 => {}
        _ => return Class::Unknown,
    }
    if route.is_single() {
        return Class::Accepted;
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(answer.body) else {
        // Somebody else's 2xx.
        return Class::Accepted;
    };
    let named = body.results.iter().filter(|item| item.status == Some("rejected"));
    let named = named
        .chain(&body.errors)
        .filter_map(|item| item.index.or_else(|| item.line.and_then(|line| line.checked_sub(1))));
    refused.extend(named.filter(|place| *place < events));
    refused.sort_unstable();
    refused.dedup();
    match body.count.or(body.success_count) {
        Some(count) if count + refused.len() != events => Class::Unknown,
        _ => Class::Accepted,
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    success_count: Option<usize>,
    #[serde(default, borrow)]
    results: Vec<Item<'a>>,
    #[serde(default, borrow)]
    errors: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default, borrow)]
    status: Option<&'a str>,
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    line: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";

    fn whole(bytes: &[u8], ended: bool) -> Answer<'_> {
        read(bytes, ended).unwrap().unwrap().of(bytes)
    }

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        for end in 0..OK.len() {
            assert_eq!(read(&OK.as_bytes()[..end], false), Ok(None), "{end}");
        }
        let wanted = Answer { status: 202, body: b"{}", closes: false };
        assert_eq!(whole(OK.as_bytes(), false), wanted);
        let twice = format!("{OK}HTTP");
        assert!(whole(twice.as_bytes(), false).closes, "more than was asked for");
    }

    #[test]
    fn other_ways_to_end_are_understood() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        for end in 0..chunked.len() {
            assert_eq!(read(&chunked.as_bytes()[..end], false), Ok(None), "{end}");
        }
        let answer = whole(chunked.as_bytes(), false);
        assert_eq!((answer.body, answer.closes), (&b"{}"[..], false));
        let rest = b"HTTP/1.0 200 OK\r\n\r\nbody";
        assert_eq!(read(rest, false), Ok(None));
        let answer = whole(rest, true);
        assert_eq!((answer.body, answer.closes), (&b"body"[..], true));
        let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{OK}");
        let wanted = Answer { status: 202, body: b"{}", closes: false };
        assert_eq!(whole(interim.as_bytes(), false), wanted);
        let close = "HTTP/1.1 400 X\r\nConnection: close\r\ncontent-length:0\r\n\r\n";
        assert!(whole(close.as_bytes(), false).closes);
        assert_eq!(read(b"SSH-2.0-x\r\n", false), Err(Malformed));
    }

    fn judged(route: Route, status: u16, body: &str) -> (Class, Vec<usize>) {
        let mut refused = Vec::new();
        let answer = Answer { status, body: body.as_bytes(), closes: false };
        let class = judge(route, &answer, 3, &mut refused);
        (class, refused)
    }

    #[test]
    fn every_event_of_a_batch_is_accounted_for() {
        use Class::{Accepted, Limited, Rejected, Unknown};
        let batch = |body: &str| judged(Route::Batch, 202, body);
        assert_eq!(batch(r#"{"count":3,"status":"queued"}"#), (Accepted, vec![]));
        let one = r#"{"count":2,"results":[{"index":1,"status":"rejected","error":"a\"b"}]}"#;
        assert_eq!(batch(one), (Accepted, vec![1]));
        assert_eq!(batch(r#"{"count":2}"#), (Unknown, vec![]));
        let lines = r#"{"count":2,"results":[{"line":3,"status":"rejected"}]}"#;
        assert_eq!(judged(Route::Ndjson, 202, lines), (Accepted, vec![2]));
        let v1 = r#"{"success_count":1,"failed_count":2,"errors":[{"index":0},{"index":2}]}"#;
        assert_eq!(judged(Route::V1Bulk, 207, v1), (Accepted, vec![0, 2]));
        assert_eq!(judged(Route::Bulk, 202, r#"{"status":"accepted"}"#).0, Accepted);
        assert_eq!(judged(Route::Bulk, 400, r#"{"error":"events[1]"}"#).0, Rejected);
        assert_eq!(judged(Route::Event, 429, "").0, Limited);
        assert_eq!(judged(Route::Event, 503, "").0, Unknown);
        assert_eq!(judged(Route::Event, 408, "").0, Unknown);
    }
}
