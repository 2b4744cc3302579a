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

/// Events by what finally became of them, `outcome`.
pub const EVENTS: &str = "evp_events_total";
/// Copies of events that had their outcome already.
pub const REDELIVERED: &str = "evp_redelivered_total";
/// The books by `outcome`, as the store keeps them, with `accepted` and `in_flight` as the log does.
pub const BOOKS: &str = "evp_books";
/// Records that a `group` has not finished in a `topic`.
pub const LAG: &str = "evp_lag_records";
/// Records that retention or damage took before a `role` read them; all that are gone where its group
/// had no position.
pub const GAP_RECORDS: &str = "evp_gap_records_total";
/// Times a `role` joined its group again because nothing moved.
pub const STUCK: &str = "evp_stuck_consumers_total";
/// Events judged by `verdict`.
pub const PROCESSOR_JUDGED: &str = "evp_processor_judged_total";
/// Events that passed unjudged while the state was away.
pub const PROCESSOR_UNJUDGED: &str = "evp_processor_unjudged_total";
/// Addresses banned because they crossed the limit.
pub const PROCESSOR_BANS: &str = "evp_processor_bans_total";
/// Objects that the archiver created.
pub const ARCHIVER_OBJECTS: &str = "evp_archiver_objects_total";
/// Records in objects that the archiver created.
pub const ARCHIVER_RECORDS: &str = "evp_archiver_records_total";
/// Bytes of objects that the archiver created.
pub const ARCHIVER_BYTES: &str = "evp_archiver_bytes_total";
/// Objects found under their key and taken over.
pub const ARCHIVER_ADOPTED: &str = "evp_archiver_adopted_total";
/// Damaged objects found under a key that the archiver needed.
pub const ARCHIVER_DAMAGED: &str = "evp_archiver_damaged_total";
/// Transactions of the worker.
pub const WORKER_BATCHES: &str = "evp_worker_batches_total";
/// Events that failed alone, by `reason`: `data` or `transient`.
pub const WORKER_FAILED: &str = "evp_worker_failed_total";
/// Dead letters that the store could not index and that only their topic holds.
pub const WORKER_UNINDEXED: &str = "evp_worker_unindexed_total";
/// Events that the retrier put back.
pub const RETRIER_REPUBLISHED: &str = "evp_retrier_republished_total";
/// Events that wait in the retrier.
pub const RETRIER_WAITING: &str = "evp_retrier_waiting";

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
