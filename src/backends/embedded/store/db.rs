//! Opening `store.db`, and what its two sides share: the writer thread, the readers, the positions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::super::Checkpoints;
use super::super::sqlite::{self, Synchronous, Writer};
use super::reader::Readers;
use super::{positions, schema};
use crate::model::{GroupId, Offset, TopicPartition};
use crate::ports::{Clock, Error, Result};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The group whose positions it keeps.
    pub worker_group: GroupId,
    /// Distinct users counted exactly, a count; beyond it a sketch estimates.
    pub exact_uniques: u64,
    /// How long one answer may take. Audits are not bounded.
    pub query_timeout: Duration,
    /// Tells when rows are stored and letters resolved.
    pub clock: Arc<dyn Clock>,
}

/// The store on SQLite: `Sink`, `Store`, and `Checkpoints` of the worker's group.
#[derive(Debug)]
pub struct StoreDb {
    pub(super) writer: Arc<Writer<Connection>>,
    pub(super) readers: Readers,
    pub(super) options: Options,
    /// Something was committed that is not known to be durable.
    pub(super) is_lazy: Arc<AtomicBool>,
}

impl StoreDb {
    /// Opens or creates the file and brings its tables to the newest version. Blocks.
    ///
    /// # Errors
    /// `Unavailable`, `Full`, `Corrupt`; `Conflict` when the file is of a newer evp or no store.
    pub fn open(path: &Path, options: Options) -> Result<Arc<Self>> {
        let mut connection = sqlite::open(path, Synchronous::Normal)?;
        schema::migrate(&mut connection)?;
        let writer = Arc::new(Writer::spawn("evp-store", connection)?);
        let readers = Readers::of_file(path, options.query_timeout);
        Ok(Self::assemble(writer, readers, options))
    }

    /// The same engine without a file, for tests: readers share the writer's connection.
    ///
    /// # Errors
    /// `Unavailable` when the system has no thread left.
    pub fn in_memory(options: Options) -> Result<Arc<Self>> {
        let mut connection = Connection::open_in_memory()
            .map_err(|e| sqlite::port_error("open a store in memory", e))?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection)?;
        let writer = Arc::new(Writer::spawn("evp-store", connection)?);
        let readers = Readers::of_writer(Arc::clone(&writer), options.query_timeout);
        Ok(Self::assemble(writer, readers, options))
    }

    fn assemble(writer: Arc<Writer<Connection>>, readers: Readers, options: Options) -> Arc<Self> {
        // What an earlier process committed may still be in the page cache only.
        let is_lazy = Arc::new(AtomicBool::new(true));
        Arc::new(Self { writer, readers, options, is_lazy })
    }

    /// A group's position, read behind everything applied so far.
    pub(super) fn position(
        &self,
        group: &GroupId,
        at: &TopicPartition,
        make_durable: bool,
    ) -> impl FnOnce(&mut Connection) -> Result<Option<Offset>> + Send + 'static {
        let (group, at) = (group.clone(), at.clone());
        let is_lazy = Arc::clone(&self.is_lazy);
        move |connection| {
            if make_durable && is_lazy.swap(false, Ordering::Relaxed) {
                sync(connection).inspect_err(|_| is_lazy.store(true, Ordering::Relaxed))?;
            }
            positions::read(connection, &group, &at).map_err(|e| failed("read a position from", e))
        }
    }
}

/// Makes everything committed so far durable: a commit that syncs the WAL, and with it all frames
/// before its own.
fn sync(connection: &Connection) -> Result<()> {
    let synced = sqlite::set_synchronous(connection, Synchronous::Full)
        .and_then(|()| connection.execute("UPDATE syncs SET times = times + 1", []));
    let back = sqlite::set_synchronous(connection, Synchronous::Normal);
    synced.and(back).map_err(|e| failed("sync", e))
}

pub(super) fn failed(doing: &str, error: rusqlite::Error) -> Error {
    sqlite::port_error(format!("{doing} store.db"), error)
}

impl Checkpoints for StoreDb {
    fn owns(&self, group: &GroupId) -> bool {
        *group == self.options.worker_group
    }

    fn latest(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        self.writer.run_blocking(self.position(group, at, false))
    }

    /// A no-op: the worker's positions come with its batches.
    fn commit(&self, _group: &GroupId, _positions: &[(TopicPartition, Offset)]) -> Result<()> {
        Ok(())
    }

    fn durable(&self, group: &GroupId, at: &TopicPartition) -> Result<Option<Offset>> {
        self.writer.run_blocking(self.position(group, at, true))
    }
}
