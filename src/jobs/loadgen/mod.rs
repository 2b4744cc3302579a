//! Load on a collector, and what it does to it.
//!
//! An open model: when each request is due is fixed before the run ([`schedule`]), and latency counts
//! from then. A server that stalls is charged for everything that was due meanwhile, which a client
//! that waits for its answers would never have sent.
//!
//! A [`Plan`] says everything; [`run`] takes minutes and gives a [`report::Report`]. Threads of load
//! ([`worker`]) share nothing but the numbers of events; nothing here prints.

mod answer;
mod book;
mod measure;
mod numbers;
mod payload;
mod pool;
pub mod report;
mod route;
mod run;
pub mod scenario;
pub mod schedule;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod thresholds;
mod units;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use payload::{Hot, Mix};
pub use route::Route;
pub use run::{LoadError, Now, Observer, check, outline, run, sample};
pub use source::Source;
pub use thresholds::Threshold;

/// A load test.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where connections go.
    pub address: SocketAddr,
    /// The `Host` of requests.
    pub host: String,
    /// The path of requests.
    pub path: String,
    /// Header lines of requests.
    pub headers: Vec<String>,
    /// How events stand in requests, and what answers say of them.
    pub route: Route,
    /// What the rate does over time.
    pub load: schedule::Load,
    /// Events in a request.
    pub batch: usize,
    /// Requests that are due together.
    pub burst: u64,
    /// Connections, over all threads.
    pub connections: usize,
    /// Threads that send.
    pub threads: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Requests that wait for a connection at most, over all threads; what comes on top is dropped.
    /// Where absent, a second's worth at the highest rate, at least 1,000.
    pub max_waiting: Option<usize>,
    /// Where events come from.
    pub source: Source,
    /// How many users `{{user}}` stands for.
    pub users: u64,
    /// Bytes of an event, where it is to be filled up.
    pub size: Option<usize>,
    /// What is not as it should be in them.
    pub mix: Mix,
    /// A text that a 2xx must have in its body.
    pub expect: Option<String>,
    /// Pass marks.
    pub thresholds: Vec<Threshold>,
    /// A ledger to write.
    pub ledger: Option<PathBuf>,
    /// The name of the scenario that it is.
    pub scenario: Option<String>,
}
