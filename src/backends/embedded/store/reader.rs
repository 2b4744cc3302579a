//! Reading connections: a few, opened when needed; each answer is one transaction, so one snapshot,
//! and has a time limit.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::sqlite::{self, Writer};
use super::db::failed;
use crate::ports::{Error, Kind, Result};

/// Answers at once; more wait. Each holds a page cache.
const CONNECTIONS: usize = 4;
/// Steps of SQLite's machine between two looks at the clock: well under a millisecond.
const STEPS: i32 = 10_000;

/// The reading side's connections.
#[derive(Debug)]
pub(super) struct Readers {
    source: Source,
    timeout: Duration,
    permits: Semaphore,
}

#[derive(Debug)]
enum Source {
    File { path: PathBuf, idle: Arc<Mutex<Vec<Connection>>> },
    Writer(Arc<Writer<Connection>>),
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The query time-out.
    Query,
    /// As long as its caller waits.
    Caller,
}

impl Readers {
    pub(super) fn of_file(path: &Path, timeout: Duration) -> Self {
        Self::new(Source::File { path: path.to_owned(), idle: Arc::default() }, timeout)
    }

    pub(super) fn of_writer(writer: Arc<Writer<Connection>>, timeout: Duration) -> Self {
        Self::new(Source::Writer(writer), timeout)
    }

    fn new(source: Source, timeout: Duration) -> Self {
        Self { source, timeout, permits: Semaphore::new(CONNECTIONS) }
    }

    /// Runs `work` on one snapshot. `what` says in an error what was asked. When the caller goes
    /// away, so does the query.
    pub(super) async fn read<T, F>(&self, what: &'static str, bound: Bound, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let caller = Caller::default();
        let limit = Limit {
            deadline: (bound == Bound::Query).then(|| Instant::now() + self.timeout),
            is_gone: Arc::clone(&caller.0),
        };
        // Waiting for a connection counts too: a query past its deadline ends as it starts.
        let _permit = self.permits.acquire().await.map_err(|e| {
            Error::new(Kind::Closed, format!("{what} store.db: closed")).with_source(e)
        })?;
        match &self.source {
            Source::Writer(writer) => writer.run(move |c| answer(c, what, limit, work)).await,
            Source::File { path, idle } => {
                let (path, idle) = (path.clone(), Arc::clone(idle));
                let task = tokio::task::spawn_blocking(move || {
                    let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let mut connection = match pooled {
                        Some(connection) => connection,
                        None => open(&path)?,
                    };
                    let answered = answer(&mut connection, what, limit, work)?;
                    idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                    Ok(answered)
                });
                task.await.map_err(|e| {
                    Error::new(Kind::Closed, format!("{what} store.db: stopped")).with_source(e)
                })?
            }
        }
    }
}

/// A reader whose large intermediate results go to temporary files and not into memory.
fn open(path: &Path) -> Result<Connection> {
    let connection = sqlite::open_reader(path)?;
    let spilling = connection.pragma_update(None, "temp_store", "FILE");
    spilling.map_err(|e| failed("set up a reader of", e))?;
    Ok(connection)
}

/// Tells a query that nobody waits for it any more.
#[derive(Debug, Default)]
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Limit {
    deadline: Option<Instant>,
    is_gone: Arc<AtomicBool>,
}

impl Limit {
    fn is_over(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

fn answer<T, F>(connection: &mut Connection, what: &str, limit: Limit, work: F) -> Result<T>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T>,
{
    let failed = |error| failed(what, error);
    connection.progress_handler(STEPS, Some(move || limit.is_over())).map_err(failed)?;
    // A transaction that only reads ends with its guard.
    let answered = connection.transaction().and_then(|snapshot| work(&snapshot));
    connection.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
    answered.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Error::new(Kind::Unavailable, format!("{what} store.db: over the query time-out"))
                .with_source(error)
        }
        // What stands in the file cannot be read as what was written there.
        None if !matches!(error, rusqlite::Error::ToSqlConversionFailure(_)) => {
            Error::new(Kind::Corrupt, format!("{what} store.db")).with_source(error)
        }
        _ => failed(error),
    })
}
