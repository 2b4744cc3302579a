//! The [`EventLog`](crate::ports::EventLog) port on the segment log: topics and partitions, consumer
//! groups of one process, retention, and space kept in reserve.

mod consumer;
mod maintenance;
mod port;
mod space;
#[cfg(test)]
mod tests;
mod topic;

pub use port::{EmbeddedLog, EmbeddedLogOptions};
