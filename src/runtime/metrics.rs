//! Names of all metrics, in one place (contract, "Prometheus").
//!
//! Who counts fetches its handles once; nothing looks a name up per event.

use std::sync::OnceLock;

/// Events accepted at the door (seed 001).
pub const EVENTS_RECEIVED: &str = "events_received_total";
/// Events that a topic holds durably (seed 001).
pub const EVENTS_PUBLISHED: &str = "events_published_total";
/// Events that could not be made durable (seed 001).
pub const EVENTS_FAILED: &str = "events_failed_total";
/// Events whose append is under way (seed 001).
pub const INGEST_QUEUE_SIZE: &str = "ingest_queue_size";
/// Milliseconds from a request's body to its durable answer (seed 001).
pub const INGEST_LATENCY_MS: &str = "ingest_latency_ms";
/// Buckets of [`INGEST_LATENCY_MS`], as seed 001 has them.
pub const INGEST_LATENCY_BUCKETS: [f64; 10] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Answers of the collector by `status` (seed 001).
pub const HTTP_REQUESTS: &str = "http_requests_total";

/// Events refused at the door by `reason`.
pub const COLLECTOR_REJECTED: &str = "evp_collector_rejected_total";
/// Bytes of accepted events as the clients sent them.
pub const COLLECTOR_ACCEPTED_BYTES: &str = "evp_collector_accepted_bytes_total";
/// Bytes of requests being answered.
pub const COLLECTOR_IN_FLIGHT_BYTES: &str = "evp_collector_in_flight_bytes";
/// 2xx answers by what they stand on, `durability`.
pub const COLLECTOR_ACKNOWLEDGED: &str = "evp_collector_acknowledged_total";

/// Makes the Prometheus text of everything counted so far.
type Render = Box<dyn Fn() -> String + Send + Sync>;

static RENDER: OnceLock<Render> = OnceLock::new();

/// Tells once in a process how metrics are rendered; later calls change nothing.
pub fn set_render(render: impl Fn() -> String + Send + Sync + 'static) {
    // A second recorder cannot be installed either: the first one stays.
    let _first_stays = RENDER.set(Box::new(render));
}

/// The Prometheus text; `None` where nobody records.
#[must_use]
pub fn render() -> Option<String> {
    RENDER.get().map(|render| render())
}
