//! Stores, events and batches to test stores with.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{
    CanonicalEvent, DeadLetter, Decision, EventId, Failure, Offset, Origin, Outcome, Partition,
    Shape, Stage, Timestamp, Topic, TopicPartition,
};
use crate::ports::{Applied, Result, Sink, SinkBatch, Store, StoreEvent};

/// A store's two sides, empty; distinct users are exact up to [`EXACT_UNIQUES`].
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Its writing side.
    pub sink: Arc<dyn Sink>,
    /// Its reading side.
    pub store: Arc<dyn Store>,
}

/// The limit with which fixtures are opened.
pub const EXACT_UNIQUES: u64 = 100;

/// The value, or a panic that names the behaviour.
pub fn must<T>(result: Result<T>, behaviour: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{behaviour}: {}", error.chain()),
    }
}

/// An origin by number: they sort by it.
pub fn origin(number: u32) -> Origin {
    let mut bytes = *b"\x01\x90\x00\x00\x00\x00\x70\x00\x80\x00\x00\x00\x00\x00\x00\x00";
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Origin::from_bytes(bytes)
}

/// An event id.
pub fn id(text: &str) -> EventId {
    match EventId::new(text) {
        Ok(id) => id,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

/// An instant.
pub fn at(text: &str) -> Timestamp {
    match text.parse() {
        Ok(at) => at,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

/// An event of campaign `c-1` at 2026-01-02T03:04:05.678Z.
pub fn event(event_id: &str, number: u32) -> CanonicalEvent {
    CanonicalEvent {
        event_id: id(event_id),
        origin: origin(number),
        shape: Shape::Campaign,
        event_type: "click".to_owned(),
        user_id: Some("u-1".to_owned()),
        campaign_id: Some("c-1".to_owned()),
        geo_country: Some("DE".to_owned()),
        device_type: Some("mobile".to_owned()),
        channel: None,
        tags: None,
        created_at: at("2026-01-02T03:04:05.678Z"),
        received_at: at("2026-01-02T03:04:06.001Z"),
        ip_address: Some("203.0.113.7".to_owned()),
        meta_data: None,
    }
}

/// The event on its way, brought by no replay.
pub fn stored(event: CanonicalEvent) -> StoreEvent {
    StoreEvent { event, replay_id: None, restored: false }
}

/// A decision of that outcome on that origin.
pub fn decision(event_id: &str, number: u32, outcome: Outcome) -> Decision {
    Decision {
        origin: origin(number),
        event_id: id(event_id),
        outcome,
        reason: "by rule".to_owned(),
        client_ip: Some("203.0.113.7".to_owned()),
        received_at: at("2026-01-02T03:04:06.001Z"),
        decided_at: at("2026-01-02T03:04:07.002Z"),
    }
}

/// A dead letter of the worker, with bytes that are no text.
pub fn letter(event_id: &str, number: u32) -> DeadLetter {
    DeadLetter {
        origin: origin(number),
        event_id: Some(id(event_id)),
        shape: Some(Shape::Campaign),
        failure: Failure {
            stage: Stage::Worker,
            error_type: "data_error".to_owned(),
            reason: "no store can keep it".to_owned(),
            attempts: 1,
            first_failed_at: at("2026-01-02T03:05:00.000Z"),
            last_failed_at: at("2026-01-02T03:05:00.000Z"),
        },
        original: TopicPartition::new(Topic::new("processed-events"), Partition(0)),
        original_offset: Offset(7),
        received_at: at("2026-01-02T03:04:06.001Z"),
        client_ip: None,
        redrives: 0,
        replay_id: None,
        restored: false,
        key: Bytes::from_static(b"u-1"),
        value: Bytes::from_static(b"{\"raw\":\"\xff\x00bytes\"}"),
    }
}

/// A batch of events.
pub fn rows(events: impl IntoIterator<Item = CanonicalEvent>) -> SinkBatch {
    SinkBatch { events: events.into_iter().map(stored).collect(), ..SinkBatch::default() }
}

/// A batch of decisions.
pub fn decisions(all: impl IntoIterator<Item = Decision>) -> SinkBatch {
    let decisions = all.into_iter().map(|d| (d, None, false)).collect();
    SinkBatch { decisions, ..SinkBatch::default() }
}

/// A batch of dead letters.
pub fn letters(all: impl IntoIterator<Item = DeadLetter>) -> SinkBatch {
    SinkBatch { dead_letters: all.into_iter().collect(), ..SinkBatch::default() }
}

/// Plans and applies the batch.
pub async fn apply(fixture: &Fixture, batch: &SinkBatch, behaviour: &str) -> Applied {
    must(fixture.sink.plan(batch).await, behaviour);
    must(fixture.sink.apply(&Arc::new(batch.clone())).await, behaviour)
}

/// A small generator, so that a failing run is the same run again.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        u32::try_from((self.0 >> 33) % u64::from(end)).unwrap_or(0)
    }
}
