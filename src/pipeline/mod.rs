//! Decisions without I/O of their own: what to accept, what an event is, what becomes of it.

pub mod archive_format;
pub mod canonical;
pub mod client_ip;
pub mod envelope;
pub mod failed;
pub mod identity;
pub mod json;
pub mod lag;
pub mod lookup;
pub mod offsets;
pub mod reprocessed;
pub mod retry;
pub mod rules;
pub mod shape;
