//! The envelope: what travels beside an event in record headers, read and written in one place.
//!
//! Headers are text, so that any Kafka tool can read them (contract, "Topics, keys, files, tables").

use bytes::Bytes;

use crate::model::{
    ConsumedRecord, EventId, HeaderName, Headers, MintTime, Origin, RecordBatchBuilder, Shape,
    Timestamp,
};

/// Everything about one acceptance that is not in the client's own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Identity of the acceptance.
    pub origin: Origin,
    /// Identity of the event; absent on a foreign producer's record until it is derived.
    pub event_id: Option<EventId>,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The client's address.
    pub client_ip: Option<String>,
    /// How it was sent; absent on a foreign producer's record.
    pub shape: Option<Shape>,
    /// W3C trace context of the request, passed on.
    pub traceparent: Option<String>,
    /// Attempts in the worker so far.
    pub attempts: u32,
    /// On retries: not before then.
    pub not_before: Option<Timestamp>,
    /// On replays: which.
    pub replay_id: Option<String>,
    /// How often an operator put it back.
    pub redrives: u32,
}

impl Envelope {
    /// Reads a record's headers. A record without `evp-origin` gets the origin of where it lies; one
    /// without `evp-received-at` was received when it was made.
    #[must_use]
    pub fn of(record: &ConsumedRecord) -> Self {
        let headers = &record.record.headers;
        let text = |name: &HeaderName| headers.text(name);
        let number = |name: &HeaderName| text(name).and_then(|t| t.parse().ok()).unwrap_or(0);
        let instant = |name: &HeaderName| text(name).and_then(|t| t.parse().ok());
        Self {
            origin: text(&HeaderName::Origin).and_then(|t| t.parse().ok()).unwrap_or_else(|| {
                Origin::of_foreign(record.topic_id, record.partition, record.offset)
            }),
            event_id: text(&HeaderName::EventId).and_then(|t| EventId::new(t).ok()),
            received_at: instant(&HeaderName::ReceivedAt).unwrap_or(record.record.timestamp),
            client_ip: text(&HeaderName::ClientIp).map(str::to_owned),
            shape: text(&HeaderName::Shape).and_then(|t| t.parse().ok()),
            traceparent: text(&HeaderName::Traceparent).map(str::to_owned),
            attempts: number(&HeaderName::Attempts),
            not_before: instant(&HeaderName::NotBefore),
            replay_id: text(&HeaderName::ReplayId).map(str::to_owned),
            redrives: number(&HeaderName::Redrives),
        }
    }

    /// The headers of a record of this envelope; members without a value are absent.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        let mut set = |name: HeaderName, value: Option<String>| {
            if let Some(value) = value {
                headers.set(name, Bytes::from(value));
            }
        };
        set(HeaderName::Origin, Some(self.origin.to_string()));
        set(HeaderName::EventId, self.event_id.as_ref().map(|id| id.as_str().to_owned()));
        set(HeaderName::ReceivedAt, Some(self.received_at.to_string()));
        set(HeaderName::ClientIp, self.client_ip.clone());
        set(HeaderName::Shape, self.shape.map(|shape| shape.as_str().to_owned()));
        set(HeaderName::Traceparent, self.traceparent.clone());
        set(HeaderName::Attempts, (self.attempts > 0).then(|| self.attempts.to_string()));
        set(HeaderName::NotBefore, self.not_before.map(|at| at.to_string()));
        set(HeaderName::ReplayId, self.replay_id.clone());
        set(HeaderName::Redrives, (self.redrives > 0).then(|| self.redrives.to_string()));
        headers
    }
}

/// The parts of an envelope that all events of one request share, with their header texts made
/// once: the collector's hot path.
#[derive(Debug)]
pub struct RequestEnvelope<'r> {
    received_at: Timestamp,
    received_text: [u8; 24],
    minted_at: MintTime,
    client_ip: Option<&'r str>,
    shape: Shape,
    traceparent: Option<&'r str>,
}

impl<'r> RequestEnvelope<'r> {
    /// For the events of one request.
    #[must_use]
    pub fn new(
        received_at: Timestamp,
        client_ip: Option<&'r str>,
        shape: Shape,
        traceparent: Option<&'r str>,
    ) -> Self {
        let mut received_text = [0; 24];
        received_at.encode(&mut received_text);
        let minted_at = MintTime::now();
        Self { received_at, received_text, minted_at, client_ip, shape, traceparent }
    }

    /// How its events were sent.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Adds one accepted event to the batch under a freshly minted origin, which it returns.
    /// `key` is the record key (`user_id`, else `event_id`), `value` the client's own bytes.
    pub fn push(
        &self,
        batch: &mut RecordBatchBuilder,
        event_id: &str,
        key: &str,
        value: &[u8],
    ) -> Origin {
        let origin = Origin::mint_at(self.minted_at);
        let mut buffer = [0_u8; 36];
        let origin_text = origin.encode(&mut buffer);
        let mut headers: [(&HeaderName, &[u8]); 6] = [(&HeaderName::Origin, &[]); 6];
        headers[0] = (&HeaderName::Origin, origin_text.as_bytes());
        headers[1] = (&HeaderName::EventId, event_id.as_bytes());
        headers[2] = (&HeaderName::ReceivedAt, &self.received_text);
        headers[3] = (&HeaderName::Shape, self.shape.as_str().as_bytes());
        let mut count = 4;
        if let Some(client_ip) = self.client_ip {
            headers[count] = (&HeaderName::ClientIp, client_ip.as_bytes());
            count += 1;
        }
        if let Some(traceparent) = self.traceparent {
            headers[count] = (&HeaderName::Traceparent, traceparent.as_bytes());
            count += 1;
        }
        batch.push(key.as_bytes(), value, self.received_at, &headers[..count]);
        origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Offset, Partition, TopicId};

    #[test]
    fn a_pushed_event_reads_back_as_its_envelope() {
        let at = Timestamp::from_millis(1_431_857_103_000).unwrap();
        let request = RequestEnvelope::new(at, Some("203.0.113.7"), Shape::Campaign, None);
        let mut builder = RecordBatchBuilder::with_capacity(256);
        let origin = request.push(&mut builder, "e-1", "u-1", b"{}");
        let batch = builder.finish();
        let record = batch.iter().next().unwrap().unwrap();
        let consumed = ConsumedRecord {
            topic: "raw-events".into(),
            topic_id: TopicId::mint(),
            partition: Partition(0),
            offset: Offset(0),
            record,
        };
        let envelope = Envelope::of(&consumed);
        assert_eq!(envelope.origin, origin);
        assert_eq!(envelope.event_id.as_ref().unwrap().as_str(), "e-1");
        assert_eq!(envelope.client_ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(envelope.received_at, at);
        assert_eq!(
            Envelope::of(&ConsumedRecord {
                record: crate::model::Record {
                    headers: envelope.headers(),
                    ..consumed.record.clone()
                },
                ..consumed
            }),
            envelope
        );
    }
}
