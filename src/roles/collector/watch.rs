//! Asks the log now and then whether it would take an event, so that readiness tells the truth
//! without traffic and comes back by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::state::State;

const EVERY: Duration = Duration::from_millis(500);

/// Watches until the task is ended.
pub(super) async fn watch(state: Arc<State>) {
    loop {
        look(&state).await;
        let events = state.in_flight_events.load(Relaxed);
        state.meters.in_flight(events, state.in_flight_bytes.load(Relaxed));
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(state: &State) {
    match state.log.check().await {
        Ok(()) => {
            if state.refusing.swap(false, Relaxed) {
                tracing::info!("events can be made durable again");
            }
            match state.log.degraded() {
                None => state.component.ready(state.clock.now()),
                Some(reason) => state.component.degraded(reason, state.clock.now()),
            }
        }
        Err(error) => {
            let reason = error.chain();
            if !state.refusing.swap(true, Relaxed) {
                tracing::warn!(reason, "events cannot be made durable; answering 503");
            }
            state.component.not_ready(reason, state.clock.now());
        }
    }
}
