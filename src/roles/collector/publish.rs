//! Making a request's events durable, and what is said when that cannot be done.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::problem::{Problem, Reason};
use super::state::{Held, State};
use crate::model::{Durability, RecordBatch};
use crate::ports::{Appended, Error, Kind, Result as PortResult, crash};
use crate::runtime::http::{Connection, StatusCode};
use crate::runtime::tasks;
use crate::settings::DurabilityMode;

/// What waits for an append.
type Appending<'s> = Pin<Box<dyn Future<Output = PortResult<Appended>> + Send + 's>>;

/// A request's events, ready for the log. It is kept for as long as its answer takes, by every request
/// under way, so it is small.
#[must_use = "nothing is appended before it is waited for"]
pub(super) struct Publishing<'s> {
    state: &'s State,
    /// `None` where there is nothing to wait for.
    append: Option<Appending<'s>>,
    events: u32,
    /// The bytes of the request, to the end.
    _held: Option<Held<'s>>,
}

impl Publishing<'_> {
    /// How many there are.
    pub(super) const fn events(&self) -> u32 {
        self.events
    }

    /// Appends them, waits until they are durable and says what they stand on. The append goes on when
    /// this future is dropped or its time is over: the port promises so, and then nobody knows whether
    /// the events are there.
    ///
    /// # Panics
    /// When it is waited for once more: an append is not taken out, so that the second time cannot be
    /// taken for one that needed no append.
    pub(super) async fn wait(&mut self, connection: &Connection) -> Result<Durability, Problem> {
        let Some(append) = &mut self.append else { return Ok(self.state.promised()) };
        let counted = InFlight::new(self.state, self.events);
        crash::point("collector.publish.before");
        let limit = self.state.settings.collector.ack_timeout.0;
        let appended = connection.within(limit, append).await;
        crash::point("collector.publish.after");
        drop(counted);
        self.state.published(self.events, appended)
    }
}

impl State {
    /// Makes the batch ready to be appended, once it is waited for. Where the setting is that nobody
    /// waits, it is being appended from now on.
    pub(super) fn publish<'s>(
        self: &'s Arc<Self>,
        batch: RecordBatch,
        held: Held<'s>,
    ) -> Publishing<'s> {
        let mode = self.settings.collector.durability;
        let events = batch.count();
        let (append, held) = if batch.is_empty() {
            (None, Some(held))
        } else if mode == DurabilityMode::Memory {
            self.publish_later(batch, held);
            (None, None)
        } else {
            (Some(self.log.append(&self.settings.topics.raw, batch)), Some(held))
        };
        Publishing { state: self, append, events, _held: held }
    }

    /// What an append came to; `None` is that its time is over.
    fn published(
        &self,
        events: u32,
        appended: Option<PortResult<Appended>>,
    ) -> Result<Durability, Problem> {
        let mode = self.settings.collector.durability;
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
                let limit = self.settings.collector.ack_timeout.0;
                let detail = format!("events were not durable within {limit:?}");
                self.refuse(&detail);
                Err(Problem::unavailable(Reason::Unavailable, "ack_timeout", detail)
                    .for_events(u64::from(events)))
            }
        }
    }

    /// What an answer stands on that waits for nothing.
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
