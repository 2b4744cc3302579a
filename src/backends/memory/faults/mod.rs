//! Failures on demand: a decorator for every port, and the handle that says what fails.
//!
//! ```text
//! let faults = Faults::new();
//! let sink = Arc::new(Faulty::new(sink, &faults));
//! faults.go_down(Kind::Unavailable); … faults.come_up();
//! ```
//!
//! A decorator knows nothing of what it wraps; one handle may serve several.

mod event_log;
mod object_store;
mod sink;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::EventId;
use crate::ports::{Error, Kind, Result};

/// Says what fails from now on; clones share one plan.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    down: Option<Kind>,
    next: VecDeque<Fault>,
    delay: Duration,
    on_event: HashMap<EventId, OnEvent>,
    calls: u64,
    failed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The call is not made.
    Before(Kind),
    /// The call is made and its answer lost.
    After(Kind),
    /// The call goes through.
    None,
}

#[derive(Debug, Clone, Copy)]
enum OnEvent {
    Fail { kind: Kind, times: u64 },
    Panic,
}

impl Faults {
    /// Nothing fails.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every call fails until [`come_up`](Faults::come_up).
    pub fn go_down(&self, kind: Kind) {
        self.lock().down = Some(kind);
    }

    /// Calls go through again.
    pub fn come_up(&self) {
        self.lock().down = None;
    }

    /// The next `calls` calls fail and do nothing; after those that were planned before.
    pub fn fail_next(&self, calls: usize, kind: Kind) {
        self.lock().next.extend(std::iter::repeat_n(Fault::Before(kind), calls));
    }

    /// The next `calls` calls have their effect and fail all the same, as when an answer is lost.
    pub fn lose_answer_of_next(&self, calls: usize, kind: Kind) {
        self.lock().next.extend(std::iter::repeat_n(Fault::After(kind), calls));
    }

    /// The next `calls` calls go through, before whatever is planned after this.
    pub fn pass_next(&self, calls: usize) {
        self.lock().next.extend(std::iter::repeat_n(Fault::None, calls));
    }

    /// Every call waits that long first; zero is not at all.
    pub fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Every call with that event fails, so many times (`u64::MAX`: for ever).
    pub fn fail_on(&self, event: &EventId, kind: Kind, times: u64) {
        self.lock().on_event.insert(event.clone(), OnEvent::Fail { kind, times });
    }

    /// Every call with that event panics.
    pub fn panic_on(&self, event: &EventId) {
        self.lock().on_event.insert(event.clone(), OnEvent::Panic);
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        let mut plan = self.lock();
        let (calls, failed) = (plan.calls, plan.failed);
        *plan = Plan { calls, failed, ..Plan::default() };
    }

    /// Calls so far, failed ones too.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Calls that were made to fail.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes through one call: the delay, then the plan, then the call. `events` are those that it
    /// concerns.
    async fn pass<'e, T>(
        &self,
        call: &'static str,
        events: impl IntoIterator<Item = &'e EventId>,
        made: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let fault = self.lock().draw(call, events);
        let kind = match fault {
            Fault::None => return made.await,
            Fault::Before(kind) => kind,
            Fault::After(kind) => {
                made.await?;
                kind
            }
        };
        Err(Error::new(kind, format!("{call} fails by plan")))
    }
}

impl Plan {
    fn draw<'e>(
        &mut self,
        call: &'static str,
        events: impl IntoIterator<Item = &'e EventId>,
    ) -> Fault {
        self.calls += 1;
        let fault = self.fault(call, events);
        if !matches!(fault, Fault::None) {
            self.failed += 1;
        }
        fault
    }

    fn fault<'e>(
        &mut self,
        call: &'static str,
        events: impl IntoIterator<Item = &'e EventId>,
    ) -> Fault {
        if let Some(kind) = self.down {
            return Fault::Before(kind);
        }
        if let Some(fault) = self.next.pop_front() {
            return fault;
        }
        if self.on_event.is_empty() {
            return Fault::None;
        }
        for event in events {
            match self.on_event.get_mut(event) {
                None | Some(OnEvent::Fail { times: 0, .. }) => {}
                Some(OnEvent::Panic) => panic!("{call} panics on event {event} by plan"),
                Some(OnEvent::Fail { kind, times }) => {
                    *times -= 1;
                    return Fault::Before(*kind);
                }
            }
        }
        Fault::None
    }
}

/// A port that fails by plan.
#[derive(Debug)]
pub struct Faulty<P: ?Sized> {
    inner: Arc<P>,
    faults: Faults,
}

impl<P: ?Sized> Faulty<P> {
    /// A port in front of `inner` that obeys that handle.
    #[must_use]
    pub fn new(inner: Arc<P>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }
}
