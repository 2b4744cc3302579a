//! The store without a file: the embedded store's engine on SQLite in memory.
//!
//! One engine, so that tests of roles on memory ports meet the very outcomes of embedded mode. Reads
//! and writes share one connection and one thread.

use std::sync::Arc;
use std::time::Duration;

use crate::backends::embedded::{StoreDb, StoreOptions};
use crate::model::GroupId;
use crate::ports::{Clock, Result};

/// An empty store that keeps the positions of that group.
///
/// # Errors
/// `Unavailable` when the system has no thread left.
pub fn store(worker_group: GroupId, clock: Arc<dyn Clock>) -> Result<Arc<StoreDb>> {
    StoreDb::in_memory(StoreOptions {
        worker_group,
        exact_uniques: 1_000_000,
        query_timeout: Duration::from_secs(10),
        clock,
    })
}
