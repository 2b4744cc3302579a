//! SQLite files as the embedded backends use them: how they are opened, what their errors ask of
//! the caller, and the one thread that writes to each.
//!
//! Knows no table; `state` and `store` bring their own.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::ports::{Error, Kind, Result};

/// How long a statement waits for another process that holds the file, before it is `Unavailable`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pages in the WAL at which a commit copies it into the file (4 KiB each): 4 MiB. More would spare
/// copies of hot pages; but WAL and file are each synced at once then, and the log, whose answers
/// wait for the same disk, stands behind all of it: 5 to 12 ms at a time with 16 MiB.
const CHECKPOINT_PAGES: i64 = 1024;
/// Page cache of a reading connection in KiB (negative is SQLite's way to say KiB, not pages).
const CACHE_KIB: i64 = -32 * 1024;
/// The same of a writing one. A commit of a transaction that split a page of an index walks over
/// all cached pages while the file is under 1 GiB (the split borrows a page number up there, and
/// the commit cuts the cache off at the file's end), each in no cache of the processor: with 32 MiB
/// an eighth of a loaded pipeline's time. The pages themselves are in the system's cache anyway.
const WRITER_CACHE_KIB: i64 = -8 * 1024;

/// When a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// At checkpoints only: a power cut takes the newest commits, never the file.
    Normal,
    /// At every commit.
    Full,
}

impl Synchronous {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

/// Opens a database for writing, creating it where it does not exist, in WAL mode. SQLite makes the
/// names of its files durable itself (`tests/crash/syncs`).
///
/// # Errors
/// `Unavailable`, `Full`, `Corrupt`.
pub fn open(path: &Path, synchronous: Synchronous) -> Result<Connection> {
    let what = || format!("open {}", path.display());
    let connection = Connection::open(path).map_err(|e| port_error(what(), e))?;
    configure(&connection, synchronous).map_err(|e| port_error(what(), e))?;
    Ok(connection)
}

/// Opens an existing database for reading; each transaction of it sees one snapshot.
///
/// # Errors
/// `Unavailable`, `Corrupt`.
pub fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    });
    opened.map_err(|e| port_error(format!("open {} for reading", path.display()), e))
}

fn configure(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    set_synchronous(connection, synchronous)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    // A WAL that a slow reader let grow shrinks again.
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
    // A transaction's pages stay until its commit, however many: written early, most would be
    // written twice.
    connection.pragma_update(None, "cache_spill", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Changes when commits wait for the disk; works between transactions only.
///
/// # Errors
/// SQLite's own.
pub fn set_synchronous(connection: &Connection, to: Synchronous) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", to.as_str())
}

/// Copies the whole WAL into the file, both synced: everything committed is durable then.
///
/// # Errors
/// SQLite's own; `DatabaseBusy` where a reader is in the way.
pub fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        let busy = ffi::Error::new(ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, Some("a reader holds the log".into())));
    }
    Ok(())
}

/// What an SQLite failure asks of the caller; `what` names what failed on what.
#[must_use]
pub fn port_error(what: impl Into<String>, error: rusqlite::Error) -> Error {
    Error::new(kind_of(&error), what).with_source(error)
}

fn kind_of(error: &rusqlite::Error) -> Kind {
    let Some(code) = error.sqlite_error_code() else {
        // The library's own conversions: this value does not fit, whatever the file's state.
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::NulError(_)
            | rusqlite::Error::ToSqlConversionFailure(_) => Kind::Data,
            rusqlite::Error::QueryReturnedNoRows => Kind::NotFound,
            _ => Kind::Unavailable,
        };
    };
    match code {
        ErrorCode::DiskFull => Kind::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Corrupt,
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => Kind::Data,
        _ => Kind::Unavailable,
    }
}

/// What a [`Writer`]'s thread owns: a connection, and what must change together with it.
pub trait Owned: Send + 'static {
    /// The connection.
    fn connection(&mut self) -> &mut Connection;
}

impl Owned for Connection {
    fn connection(&mut self) -> &mut Connection {
        self
    }
}

/// Gets `None` where the WAL is not to be trusted and nothing may be written; says whether it is
/// suspect now.
type Work<S> = Box<dyn FnOnce(Option<&mut S>) -> bool + Send>;

/// The one thread that writes to a database. It owns the connection and does what it is sent, one
/// after the other; dropping the writer waits for what was sent before.
///
/// Callers wait for their answers, so what is queued is bounded by the number of callers.
pub struct Writer<S: Owned> {
    sender: Option<mpsc::Sender<Work<S>>>,
    thread: Option<JoinHandle<()>>,
    name: String,
}

impl<S: Owned> Debug for Writer<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: Owned> Writer<S> {
    /// Starts the thread under that name.
    ///
    /// # Errors
    /// `Unavailable` when the system has no thread left.
    pub fn spawn(name: &str, mut owned: S) -> Result<Self> {
        let (sender, receiver) = mpsc::channel::<Work<S>>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut is_suspect = false;
                for work in receiver {
                    if is_suspect {
                        is_suspect = repair(&mut owned);
                    }
                    is_suspect |= work((!is_suspect).then_some(&mut owned));
                }
            })
            .map_err(|e| {
                Error::new(Kind::Unavailable, format!("start thread {name}")).with_source(e)
            })?;
        Ok(Self { sender: Some(sender), thread: Some(thread), name: name.to_owned() })
    }

    /// Runs `work` on the thread. Dropping the future does not stop the work. A panic of `work`
    /// goes on in the caller; the thread lives.
    ///
    /// # Errors
    /// What `work` returns; `Closed` when the thread is gone.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.send(Box::new(move |owned| {
            let (result, is_suspect) = attempt(owned, work);
            // A caller that went away does not want the answer.
            drop(reply.send(result));
            is_suspect
        }))?;
        unwind(answer.await.map_err(|_| self.closed())?)
    }

    /// The same for callers that may block.
    ///
    /// # Errors
    /// As [`run`](Writer::run).
    pub fn run_blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Box::new(move |owned| {
            let (result, is_suspect) = attempt(owned, work);
            drop(reply.send(result));
            is_suspect
        }))?;
        unwind(answer.recv().map_err(|_| self.closed())?)
    }

    fn send(&self, work: Work<S>) -> Result<()> {
        let sender = self.sender.as_ref().ok_or_else(|| self.closed())?;
        sender.send(work).map_err(|_| self.closed())
    }

    fn closed(&self) -> Error {
        Error::new(Kind::Closed, format!("thread {} has ended", self.name))
    }
}

impl<S: Owned> Drop for Writer<S> {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It cannot have panicked: all work is caught.
            drop(thread.join());
        }
    }
}

type Attempt<T> = std::result::Result<Result<T>, Box<dyn Any + Send>>;

fn attempt<S, T, F>(owned: Option<&mut S>, work: F) -> (Attempt<T>, bool)
where
    F: FnOnce(&mut S) -> Result<T>,
{
    let Some(owned) = owned else {
        let refusal = Error::new(Kind::Unavailable, "the database file failed to sync");
        return (Ok(Err(refusal)), true);
    };
    let result = catch_unwind(AssertUnwindSafe(|| work(owned)));
    let is_suspect = matches!(&result, Ok(Err(error)) if is_failed_sync(error));
    (result, is_suspect)
}

fn unwind<T>(attempt: Attempt<T>) -> Result<T> {
    attempt.unwrap_or_else(|panic| resume_unwind(panic))
}

/// After a failed sync the kernel may have dropped what it could not write and call it clean, so
/// that the next sync of the WAL succeeds over a hole.
fn is_failed_sync(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<rusqlite::Error>());
    matches!(
        cause,
        Some(rusqlite::Error::SqliteFailure(
            ffi::Error { extended_code: ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC, .. },
            _
        ))
    )
}

/// Writes everything anew into the file and empties the WAL; whether the WAL is still suspect.
fn repair<S: Owned>(owned: &mut S) -> bool {
    match checkpoint(owned.connection()) {
        Ok(()) => false,
        Err(error) => {
            tracing::error!(%error, "the WAL failed to sync and cannot be emptied yet");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn failures_ask_the_right_thing_of_the_caller() {
        for (number, kind) in [
            (ffi::SQLITE_BUSY, Kind::Unavailable),
            (ffi::SQLITE_LOCKED, Kind::Unavailable),
            (ffi::SQLITE_IOERR_WRITE, Kind::Unavailable),
            (ffi::SQLITE_CANTOPEN, Kind::Unavailable),
            (ffi::SQLITE_READONLY, Kind::Unavailable),
            (ffi::SQLITE_FULL, Kind::Full),
            (ffi::SQLITE_CORRUPT, Kind::Corrupt),
            (ffi::SQLITE_NOTADB, Kind::Corrupt),
            (ffi::SQLITE_CONSTRAINT_NOTNULL, Kind::Data),
        ] {
            assert_eq!(port_error("x", code(number)).kind(), kind, "code {number}");
        }
    }

    #[test]
    fn only_a_failed_sync_makes_the_wal_suspect() {
        assert!(is_failed_sync(&port_error("x", code(ffi::SQLITE_IOERR_FSYNC))));
        assert!(!is_failed_sync(&port_error("x", code(ffi::SQLITE_IOERR_WRITE))));
        assert!(!is_failed_sync(&Error::new(Kind::Unavailable, "x")));
    }

    #[test]
    fn a_file_of_something_else_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        assert_eq!(open(&path, Synchronous::Normal).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn a_lock_held_elsewhere_is_unavailable_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let ours = open(&path, Synchronous::Normal).unwrap();
        ours.execute_batch("CREATE TABLE t (a)").unwrap();
        ours.busy_timeout(Duration::ZERO).unwrap();
        let theirs = open(&path, Synchronous::Normal).unwrap();
        theirs.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = ours.execute("INSERT INTO t VALUES (1)", []).unwrap_err();
        assert_eq!(port_error("insert", error).kind(), Kind::Unavailable);
        theirs.execute_batch("COMMIT").unwrap();
        ours.execute("INSERT INTO t VALUES (1)", []).unwrap();
    }

    #[test]
    fn the_thread_outlives_a_panic_and_ends_with_the_writer() {
        let connection = Connection::open_in_memory().unwrap();
        let writer = Writer::spawn("test", connection).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            writer.run_blocking(|_| -> Result<()> { panic!("poison") })
        }));
        assert!(panicked.is_err());
        let one: i64 = writer
            .run_blocking(|c| {
                c.query_row("SELECT 1", [], |r| r.get(0)).map_err(|e| port_error("select", e))
            })
            .unwrap();
        assert_eq!(one, 1);
    }
}
