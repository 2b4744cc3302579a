//! Shutdown is an argument: a token that roles watch, cancelled once by a signal.

pub use tokio_util::sync::CancellationToken;
