//! A whole log behind one type: open, append, read, forget, close.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use super::cursor::Cursor;
use super::disk::{self, Disk};
use super::frame::Header;
use super::group::{Failure, Group, Ticket};
use super::recover;
use super::segment::{Segment, Segments};
use super::writer::Writer;
use crate::model::{RecordBatch, Timestamp};
use crate::ports::{Error, Kind, Result, crash};

/// How a log is kept.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    /// Bytes of a full-grown segment.
    pub(crate) segment_bytes: u64,
    /// Bytes waiting for their sync, past which appends are refused.
    pub(crate) max_queue_bytes: usize,
    /// Tells this log's frames from all others'; the same at every open.
    pub(crate) seed: u32,
    /// Offsets below this one were given out once: the log goes on behind them whatever it finds.
    pub(crate) floor: i64,
}

/// What writer, readers and appenders have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) seed: u32,
    pub(super) segments: Segments,
    /// The offset after the last synced record.
    pub(super) high: AtomicI64,
    /// Frame bytes synced since the log was opened.
    pub(super) written: AtomicU64,
    /// Groups synced since the log was opened.
    pub(super) groups: AtomicU64,
    pub(super) queue: Mutex<Queue>,
    /// Whether groups are to be few rather than soon.
    pub(super) is_gathering: AtomicBool,
    /// Wakes the writer.
    pub(super) work: Condvar,
    subscribers: Mutex<Vec<Arc<Notify>>>,
}

/// Appends that wait for the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Their frames, without offsets.
    pub(super) frames: Vec<u8>,
    pub(super) group: Arc<Group>,
    pub(super) appends: u64,
    /// Bytes that the writer is syncing now.
    pub(super) in_flight: usize,
    pub(super) is_writer_waiting: bool,
    pub(super) is_closing: bool,
    /// Why every append is refused from now on, or for now.
    pub(super) refusal: Option<Failure>,
}

impl Queue {
    /// Takes what waits for the writer; `frames` gets their bytes and gives its room for the next.
    pub(super) fn take(&mut self, frames: &mut Vec<u8>) -> Arc<Group> {
        std::mem::swap(&mut self.frames, frames);
        self.in_flight = frames.len();
        self.appends = 0;
        std::mem::take(&mut self.group)
    }
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells consumers that more is synced.
    pub(super) fn notify_subscribers(&self) {
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        for subscriber in subscribers.iter() {
            subscriber.notify_one();
        }
    }
}

/// One log in one directory, with its writer's thread. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    max_queue_bytes: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl PartitionLog {
    /// Opens the log in a directory, which is made where it is missing, and mends what a crash left.
    ///
    /// # Errors
    /// `Unavailable` and `Full` where the directory or the last segment cannot be read or synced.
    pub(crate) fn open(path: &Path, options: LogOptions, disk: Arc<dyn Disk>) -> Result<Self> {
        let failed = |error| io_error("open", path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        if let Some(parent) = path.parent() {
            disk.sync_directory(parent).map_err(failed)?;
        }
        let shared = Arc::new(Shared {
            directory: path.to_path_buf(),
            seed: options.seed,
            segments: recover::list(path).map_err(failed)?,
            high: AtomicI64::new(0),
            written: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            queue: Mutex::default(),
            is_gathering: AtomicBool::new(false),
            work: Condvar::new(),
            subscribers: Mutex::default(),
        });
        let recovered = recover::last_segment(&shared, disk.as_ref()).map_err(failed)?;
        let max_queue_bytes = options.max_queue_bytes;
        let is_damaged = recovered.is_damaged;
        let mut writer =
            Writer::new(Arc::clone(&shared), Arc::clone(&disk), options.segment_bytes, recovered);
        if is_damaged {
            writer.roll(0).map_err(failed)?;
        }
        writer.skip_to(options.floor).map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("evp-log".to_owned())
            .stack_size(256 << 10)
            .spawn(move || writer.run())
            .map_err(failed)?;
        Ok(Self { shared, disk, max_queue_bytes, writer: Mutex::new(Some(thread)) })
    }

    /// Queues a batch; the ticket resolves when it is durable.
    ///
    /// # Errors
    /// `Full` where the queue has no room, `Unavailable` where the log refuses, `Closed`.
    pub(crate) fn append(&self, batch: &RecordBatch) -> Result<Ticket> {
        crash::point("log.append.before");
        let payload = batch.encoded();
        let too_long = |_| Error::new(Kind::Data, "batch is too long for a frame of the log");
        let header = Header {
            payload_bytes: u32::try_from(payload.len()).map_err(too_long)?,
            base: 0,
            count: batch.count(),
            group_distance: 0,
            payload_crc: crc32c::crc32c(payload),
        };
        let header_bytes = header.encode(self.shared.seed);
        let mut queue = self.shared.queue();
        if queue.is_closing {
            return Err(Error::new(Kind::Closed, "the log is closed"));
        }
        if let Some(refusal) = &queue.refusal {
            return Err(refusal.to_error());
        }
        let waiting = queue.frames.len() + queue.in_flight;
        if waiting > 0 && waiting + header_bytes.len() + payload.len() > self.max_queue_bytes {
            let what = format!("queue of the log {} is full", self.shared.directory.display());
            return Err(Error::new(Kind::Full, what).with_retry_after(Duration::from_secs(1)));
        }
        queue.frames.extend_from_slice(&header_bytes);
        queue.frames.extend_from_slice(payload);
        queue.appends += 1;
        let ticket = Ticket::new(Arc::clone(&queue.group), queue.appends);
        if std::mem::take(&mut queue.is_writer_waiting) {
            self.shared.work.notify_one();
        }
        Ok(ticket)
    }

    /// From now on groups are to be few rather than soon, or soon again.
    pub(crate) fn set_gathering(&self, is_gathering: bool) {
        self.shared.is_gathering.store(is_gathering, Ordering::Relaxed);
    }

    /// Why appends are refused, where they are.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) fn check(&self) -> Result<()> {
        let queue = self.shared.queue();
        queue.refusal.as_ref().map_or(Ok(()), |refusal| Err(refusal.to_error()))
    }

    /// The earliest offset that can be read.
    pub(crate) fn low(&self) -> i64 {
        self.shared.segments.low().unwrap_or_else(|| self.high())
    }

    /// The offset after the last synced record.
    pub(crate) fn high(&self) -> i64 {
        self.shared.high.load(Ordering::Acquire)
    }

    /// Frame bytes synced since the log was opened.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Groups synced since the log was opened.
    pub(crate) fn groups(&self) -> u64 {
        self.shared.groups.load(Ordering::Relaxed)
    }

    /// Bytes from an offset to the end, about.
    pub(crate) fn bytes_from(&self, offset: i64) -> u64 {
        self.shared.segments.bytes_from(offset)
    }

    /// A reader from `next` on.
    pub(crate) fn cursor(&self, next: i64) -> Cursor {
        Cursor::new(Arc::clone(&self.shared), next)
    }

    /// Notifies `subscriber` whenever more is synced, until [`unsubscribe`](Self::unsubscribe).
    pub(crate) fn subscribe(&self, subscriber: &Arc<Notify>) {
        let mut list = self.shared.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Arc::clone(subscriber));
    }

    /// Ends that.
    pub(crate) fn unsubscribe(&self, subscriber: &Arc<Notify>) {
        let mut list = self.shared.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|known| !Arc::ptr_eq(known, subscriber));
    }

    /// Whether a whole segment lies below `offset`.
    pub(crate) fn has_segment_below(&self, offset: i64) -> bool {
        self.shared.segments.first_below(offset).is_some()
    }

    /// Deletes segments that lie wholly below `offset` and were last written before `written_before`.
    /// The caller has made durable before that nobody needs them.
    ///
    /// # Errors
    /// `Unavailable` where a file cannot be deleted.
    pub(crate) fn delete_below(&self, offset: i64, written_before: Timestamp) -> Result<u64> {
        let mut deleted = 0;
        while let Some(segment) = self.shared.segments.first_below(offset) {
            let failed = |error| io_error("delete", &segment.path, error);
            if !is_older(&segment, written_before).map_err(failed)? {
                break;
            }
            crash::point("log.unlink.before");
            self.shared.segments.remove_first(segment.base);
            std::fs::remove_file(&segment.path).map_err(failed)?;
            crash::point("log.unlink.after");
            deleted += 1;
        }
        if deleted > 0 {
            let directory = &self.shared.directory;
            let synced = self.disk.sync_directory(directory);
            synced.map_err(|error| io_error("sync", directory, error))?;
        }
        Ok(deleted)
    }

    /// Writes what is queued, refuses everything after it, and ends the writer's thread.
    pub(crate) fn close(&self) {
        self.shared.queue().is_closing = true;
        self.shared.work.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!(log = %self.shared.directory.display(), "the log's writer panicked");
        }
    }
}

impl Drop for PartitionLog {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_older(segment: &Segment, than: Timestamp) -> io::Result<bool> {
    let modified = std::fs::metadata(&segment.path)?.modified()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).is_ok_and(|millis| millis <= than.as_millis()))
}

/// A failure of a file as the port's error.
pub(crate) fn io_error(verb: &str, path: &Path, error: io::Error) -> Error {
    let kind = if disk::is_full(&error) { Kind::Full } else { Kind::Unavailable };
    Error::new(kind, format!("cannot {verb} {}", path.display())).with_source(error)
}
