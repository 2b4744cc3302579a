//! Making a request's events durable, and what is said when that cannot be done.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::problem::{Problem, Reason};
use super::state::{Held, State};
use crate::model::{Durability, RecordBatch};
use crate::ports::crash;
use crate::ports::{Appended, Error, Kind};
use crate::runtime::http::{Connection, StatusCode};
use crate::runtime::tasks;
use crate::settings::DurabilityMode;

impl State {
    /// Appends the batch and says what it stands on. The append goes on when this future is dropped
    /// or its time is over: the port promises so, and then nobody knows whether the events are
    /// there.
    pub(super) async fn publish(
        self: &Arc<Self>,
        connection: &Connection,
        batch: RecordBatch,
        held: Held<'_>,
    ) -> Result<Durability, Problem> {
        let mode = self.settings.collector.durability;
        if batch.is_empty() {
            return Ok(self.promised());
        }
        if mode == DurabilityMode::Memory {
            self.publish_later(batch, held);
            return Ok(Durability::Memory);
        }
        let events = batch.count();
        let counted = InFlight::new(self, events);
        crash::point("collector.publish.before");
        let append = self.log.append(&self.settings.topics.raw, batch);
        let limit = self.settings.collector.ack_timeout.0;
        let appended = connection.within(limit, append).await;
        crash::point("collector.publish.after");
        drop(counted);
        match appended {
            Some(Ok(Appended { durability })) => {
                self.meters.published(events);
                if mode == DurabilityMode::Replicated && durability != Durability::Replicated {
                    let detail = format!("events are {} only", durability.as_str());
                    return Err(Problem::unavailable(
                        Reason::Unavailable,
                        "not_replicated",
                        detail,
                    ));
                }
                Ok(durability)
            }
            Some(Err(error)) => {
                self.meters.failed(events);
                Err(self.unpublished(&error).for_events(u64::from(events)))
            }
            None => {
                self.meters.failed(events);
                let detail = format!("events were not durable within {limit:?}");
                self.refuse(&detail);
                Err(Problem::unavailable(Reason::Unavailable, "ack_timeout", detail)
                    .for_events(u64::from(events)))
            }
        }
    }

    /// What an answer without an event stands on.
    fn promised(&self) -> Durability {
        match self.settings.collector.durability {
            DurabilityMode::Memory => Durability::Memory,
            DurabilityMode::Replicated => Durability::Replicated,
            DurabilityMode::Durable => Durability::Local,
        }
    }

    fn publish_later(self: &Arc<Self>, batch: RecordBatch, held: Held<'_>) {
        let state = Arc::clone(self);
        let bytes = held.leave();
        self.background.fetch_add(1, Relaxed);
        drop(tasks::spawn("collector-append", async move {
            let events = batch.count();
            match state.log.append(&state.settings.topics.raw, batch).await {
                Ok(_) => state.meters.published(events),
                Err(error) => {
                    state.meters.failed(events);
                    drop(state.unpublished(&error));
                }
            }
            state.in_flight_bytes.fetch_sub(bytes, Relaxed);
            if state.background.fetch_sub(1, Relaxed) == 1 {
                state.background_changed.notify_waiters();
            }
        }));
    }

    fn unpublished(&self, error: &Error) -> Problem {
        let code = match error.kind() {
            Kind::Data => {
                // Not the log's failure: these bytes fit no record.
                return Problem::new(
                    StatusCode::BAD_REQUEST,
                    Reason::Fields,
                    "unstorable_event",
                    error.to_string(),
                );
            }
            Kind::Transient | Kind::Conflict | Kind::NotFound => "unavailable",
            Kind::Full => "full",
            Kind::Unavailable => "unavailable",
            Kind::Closed => "stopping",
            Kind::Corrupt => "corrupt",
        };
        self.refuse(&error.chain());
        // The chain may name files and hosts: it is for the operator's log, not for clients.
        Problem::unavailable(Reason::Unavailable, code, error.to_string())
    }

    /// Says once that the log takes nothing; the watch says when it does again.
    fn refuse(&self, reason: &str) {
        if !self.refusing.swap(true, Relaxed) {
            tracing::warn!(reason, "events cannot be made durable; answering 503");
            self.component.not_ready(reason, self.clock.now());
        }
    }
}

/// Counts events under way, however the wait for them ends.
struct InFlight<'s> {
    state: &'s State,
    events: usize,
}

impl<'s> InFlight<'s> {
    fn new(state: &'s State, events: u32) -> Self {
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        state.in_flight_events.fetch_add(events, Relaxed);
        Self { state, events }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.state.in_flight_events.fetch_sub(self.events, Relaxed);
    }
}
