//! Requests: which events go into one, and its bytes, rendered into buffers that are used again.
//!
//! A payload is what all workers share; a composer is one worker's own. What is sent follows from
//! the seed and the events' numbers, but for the time in it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::numbers::Numbers;
use super::route::{Framing, Route};
use super::template::{Facts, Random, Template, push_number};
use crate::jobs::ledger::{EVENT_ID_BYTES, encode_event_id};
use crate::model::Timestamp;

/// Events between an event and its second sending.
const DUPLICATE_AFTER: u64 = 97;
/// Blanks for the length of a body, which is known once it is rendered.
const LENGTH_DIGITS: usize = 10;
/// 198.18.0.0/15 is kept for measurements (RFC 2544).
const ORDINARY: u32 = 0xc612_0000;
/// 203.0.113.0/24 is kept for documentation (RFC 5737).
const HOT: u32 = 0xcb00_7100;

/// What is not as it should be in the events, and where they come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Share of the events that are sent for a second time.
    pub duplicates: f64,
    /// Share of the events that a collector must refuse.
    pub bad: f64,
    /// Client addresses of requests; none names no address.
    pub addresses: u32,
    /// A few addresses from which more comes than from the others.
    pub hot: Option<Hot>,
    /// What all that is random follows from.
    pub seed: u64,
}

/// Addresses from which much comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hot {
    /// How many, at most 254.
    pub addresses: u32,
    /// Share of the requests that come from them.
    pub share: f64,
}

impl Mix {
    /// Why the shares cannot be kept; nothing where they can.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        // What is sent twice is sent once before, and is good.
        (2.0 * self.duplicates + self.bad > 1.0)
            .then_some("twice the share of duplicates and the share of bad events are over 1")
    }
}

/// What an event of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    Bad,
    Duplicate,
}

/// An event in a request.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Its number in the run.
    pub(super) number: u64,
    /// Its own bytes in the request.
    pub(super) bytes: Range<usize>,
    pub(super) kind: Kind,
}

/// A request: its bytes, and the events in them.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) events: Vec<Event>,
}

/// What requests are made from.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) run: Uuid,
    pub(super) route: Route,
    pub(super) batch: usize,
    pub(super) mix: Mix,
    /// Taken in turn.
    pub(super) events: Vec<Template>,
    /// An event that is refused.
    pub(super) bad: Template,
    /// Request line and headers up to the length.
    pub(super) head: Vec<u8>,
}

impl Payload {
    /// Request line and headers; `headers` are lines of the user's own.
    pub(super) fn head(host: &str, path: &str, route: Route, headers: &[String]) -> Vec<u8> {
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: evp-loadgen/{}\r\n\
             Content-Type: {}\r\n",
            env!("CARGO_PKG_VERSION"),
            route.content_type()
        );
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("Content-Length: ");
        head.into_bytes()
    }
}

/// Makes one worker's requests.
#[derive(Debug)]
pub(super) struct Composer {
    payload: Arc<Payload>,
    numbers: Arc<Numbers>,
    /// Numbers that are this worker's.
    own: Range<u64>,
    /// Events made so far.
    made: u64,
    /// Events to be sent again: from which event on, the number, the bytes.
    again: VecDeque<(u64, u64, Vec<u8>)>,
    /// Buffers of those that were.
    spare: Vec<Vec<u8>>,
    /// Chances of a new event to be bad, and of a good one to be sent again.
    chances: (f64, f64),
}

impl Composer {
    pub(super) fn new(payload: Arc<Payload>, numbers: Arc<Numbers>) -> Self {
        let Mix { duplicates, bad, .. } = payload.mix;
        let part = |share: f64, of: f64| if of > 0.0 { (share / of).min(1.0) } else { 0.0 };
        let chances = (part(bad, 1.0 - duplicates), part(duplicates, 1.0 - duplicates - bad));
        Self {
            payload,
            numbers,
            own: 0..0,
            made: 0,
            again: VecDeque::new(),
            spare: Vec::new(),
            chances,
        }
    }

    /// Events in a request.
    pub(super) fn batch(&self) -> usize {
        self.payload.batch
    }

    /// Renders the request of that number; `false` where no event numbers are to be had yet.
    pub(super) fn compose(&mut self, index: u64, now: Timestamp, request: &mut Request) -> bool {
        request.bytes.clear();
        request.events.clear();
        if !self.has_numbers() {
            return false;
        }
        let payload = Arc::clone(&self.payload);
        request.bytes.extend_from_slice(&payload.head);
        let digits = request.bytes.len();
        request.bytes.extend_from_slice(&[b' '; LENGTH_DIGITS]);
        request.bytes.extend_from_slice(b"\r\n");
        push_address(&payload.mix, index, &mut request.bytes);
        request.bytes.extend_from_slice(b"\r\n");
        let body = request.bytes.len();
        let (before, between, after): (&[u8], &[u8], &[u8]) = match payload.route.framing() {
            Framing::Single => (b"", b"", b""),
            Framing::Array => (b"[", b",", b"]"),
            Framing::Events => (b"{\"events\":[", b",", b"]}"),
            Framing::Lines => (b"", b"\n", b"\n"),
        };
        request.bytes.extend_from_slice(before);
        for place in 0..payload.batch {
            if place > 0 {
                request.bytes.extend_from_slice(between);
            }
            let start = request.bytes.len();
            let at = (place as u64, index);
            let (number, kind) = self.event(at, now, &mut request.bytes);
            request.events.push(Event { number, bytes: start..request.bytes.len(), kind });
        }
        request.bytes.extend_from_slice(after);
        let length = (request.bytes.len() - body) as u64;
        put_length(&mut request.bytes[digits..digits + LENGTH_DIGITS], length);
        true
    }

    /// Sees to it that there is a number for each event of a request.
    fn has_numbers(&mut self) -> bool {
        let batch = self.payload.batch as u64;
        if self.own.end - self.own.start < batch {
            match self.numbers.take(batch) {
                // What is left of the old ones is never used: a number names at most one event.
                Some(range) => self.own = range,
                None => return false,
            }
        }
        true
    }

    /// Appends an event: one that was sent before, or a new one.
    fn event(
        &mut self,
        (place, request): (u64, u64),
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> (u64, Kind) {
        self.made += 1;
        if self.again.front().is_some_and(|(from, ..)| *from <= self.made)
            && let Some((_, number, bytes)) = self.again.pop_front()
        {
            out.extend_from_slice(&bytes);
            self.spare.push(bytes);
            return (number, Kind::Duplicate);
        }
        let number = self.own.start;
        self.own.start += 1;
        let payload = &self.payload;
        let mut random = Random::of(payload.mix.seed, number);
        let is_bad = random.is_hit(self.chances.0);
        let is_again = random.is_hit(self.chances.1);
        let mut text = [0; EVENT_ID_BYTES];
        let id = encode_event_id(payload.run, number, &mut text);
        let facts = Facts { id, number, place, request, now, random };
        if is_bad {
            payload.bad.render(&facts, out);
            return (number, Kind::Bad);
        }
        let start = out.len();
        let templates = &payload.events;
        let at = usize::try_from(number % templates.len().max(1) as u64).unwrap_or(0);
        if let Some(template) = templates.get(at) {
            template.render(&facts, out);
        }
        if is_again {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(&out[start..]);
            self.again.push_back((self.made + DUPLICATE_AFTER, number, bytes));
        }
        (number, Kind::Good)
    }
}

/// The header with the client's address, where requests have one.
fn push_address(mix: &Mix, index: u64, out: &mut Vec<u8>) {
    if mix.addresses == 0 && mix.hot.is_none() {
        return;
    }
    let mut random = Random::of(!mix.seed, index);
    let hot = mix.hot.filter(|hot| random.is_hit(hot.share));
    let below = |random: &mut Random, limit: u32| {
        u32::try_from(random.below(u64::from(limit))).unwrap_or(0)
    };
    let address = match hot {
        Some(hot) => HOT + 1 + below(&mut random, hot.addresses),
        None if mix.addresses == 0 => return,
        None => ORDINARY + below(&mut random, mix.addresses),
    };
    out.extend_from_slice(b"X-Forwarded-For: ");
    for (at, part) in Ipv4Addr::from_bits(address).octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        push_number(out, u64::from(part));
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the digits of a length at the right end of the blanks kept for them.
fn put_length(blanks: &mut [u8], mut length: u64) {
    for digit in blanks.iter_mut().rev() {
        *digit = b'0' + u8::try_from(length % 10).unwrap_or(0);
        length /= 10;
        if length == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(route: Route, batch: usize, mix: Mix) -> Arc<Payload> {
        Arc::new(Payload {
            run: Uuid::from_u128(7),
            route,
            batch,
            mix,
            events: vec![Template::parse(route.template(), 100).unwrap()],
            bad: Template::parse(super::super::source::BAD, 1).unwrap(),
            head: Payload::head("h:1", route.path(), route, &["X-A: b".to_owned()]),
        })
    }

    const CLEAN: Mix = Mix { duplicates: 0.0, bad: 0.0, addresses: 0, hot: None, seed: 1 };

    fn requests(payload: &Arc<Payload>, count: u64) -> Vec<Request> {
        let mut composer = Composer::new(Arc::clone(payload), Arc::new(Numbers::unlimited()));
        let now = Timestamp::from_millis(1_769_860_800_000).unwrap();
        (0..count)
            .map(|index| {
                let mut request = Request::default();
                assert!(composer.compose(index, now, &mut request));
                request
            })
            .collect()
    }

    fn parts(request: &Request) -> (String, String) {
        let text = String::from_utf8(request.bytes.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn a_request_is_whole_and_its_length_is_right() {
        for route in Route::ALL {
            let batch = if route.is_single() { 1 } else { 3 };
            for request in requests(&payload(route, batch, CLEAN), 3) {
                let (head, body) = parts(&request);
                let start = format!("POST {} HTTP/1.1\r\nHost: h:1\r\n", route.path());
                assert!(head.starts_with(&start) && head.contains("\r\nX-A: b\r\n"), "{head}");
                let length = head.split("Content-Length:").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
                assert_eq!(length, body.len());
                assert_eq!(request.events.len(), batch);
                for event in &request.events {
                    let bytes = &request.bytes[event.bytes.clone()];
                    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                    let id = value[route.id_member()].as_str().unwrap();
                    assert_eq!(id, crate::jobs::ledger::event_id(Uuid::from_u128(7), event.number));
                }
            }
        }
    }

    #[test]
    fn duplicates_are_the_same_bytes_under_the_same_number_and_shares_are_kept() {
        let mix = Mix { duplicates: 0.1, bad: 0.05, ..CLEAN };
        let all = requests(&payload(Route::Batch, 10, mix), 2000);
        let mut first = std::collections::HashMap::new();
        let (mut duplicates, mut bad) = (0, 0);
        for request in &all {
            for event in &request.events {
                let bytes = request.bytes[event.bytes.clone()].to_vec();
                match event.kind {
                    Kind::Good => assert!(first.insert(event.number, bytes).is_none()),
                    Kind::Bad => bad += 1,
                    Kind::Duplicate => {
                        duplicates += 1;
                        assert_eq!(first[&event.number], bytes);
                    }
                }
            }
        }
        assert!((1900..2100).contains(&duplicates), "{duplicates} of 20000");
        assert!((900..1100).contains(&bad), "{bad} of 20000");
    }

    #[test]
    fn addresses_are_spread_and_hot_ones_get_their_share() {
        let hot = Some(Hot { addresses: 2, share: 0.25 });
        let all = requests(&payload(Route::Event, 1, Mix { addresses: 50, hot, ..CLEAN }), 4000);
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        for request in &all {
            let (head, _) = parts(request);
            let address = head.split("X-Forwarded-For: ").nth(1).unwrap().lines().next().unwrap();
            *counts.entry(address.to_owned()).or_default() += 1;
        }
        assert_eq!(counts.len(), 52);
        let hot: u32 = ["203.0.113.1", "203.0.113.2"].iter().map(|a| counts[*a]).sum();
        assert!((900..1100).contains(&hot), "{hot} of 4000");
        assert!(!parts(&requests(&payload(Route::Event, 1, CLEAN), 1)[0]).0.contains("Forwarded"));
    }

    #[test]
    fn shares_that_cannot_be_kept_are_refused() {
        assert!(Mix { duplicates: 0.5, bad: 0.1, ..CLEAN }.fault().is_some());
        assert!(Mix { duplicates: 0.4, bad: 0.2, ..CLEAN }.fault().is_none());
    }
}
