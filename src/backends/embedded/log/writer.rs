//! The thread that commits groups: one write and sync for everything that came in while the last
//! one was under way. Who waited for that one is told while the disk works on the next. No timer: a
//! lone append is synced at once. Only while the appenders are overloaded a group begins no sooner
//! than four milliseconds after the one before it: each costs the processor that they have too little
//! of, and the wait for it is nothing beside theirs.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::disk::{self, Disk};
use super::frame::seal_group;
use super::group::{Failure, Group};
use super::pace::{Pace, Urgency};
use super::partition::Shared;
use super::recover::Recovered;
use super::segment::{FIRST_SEGMENT_BYTES, NEXT_NAME, Segment};
use crate::ports::{Kind, crash};

/// A buffer up to this size is kept from group to group while there is traffic.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// From the beginning of one group to that of the next at least, while appends are to gather.
pub(super) const GATHER: Duration = Duration::from_millis(4);

/// After so long without traffic the buffers are given back.
const IDLE: Duration = Duration::from_secs(1);

/// Failed syncs after which the log gives its disk up, until the next start.
const MAX_SYNC_FAILURES: u32 = 2;

/// The segment being written.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) segment: Arc<Segment>,
    pub(super) file: File,
    pub(super) position: u64,
    pub(super) capacity: u64,
}

/// A segment file made ready ahead of its use.
type Prepared = (File, u64);

/// One that is being made ready.
#[derive(Debug)]
struct Preparing {
    thread: JoinHandle<io::Result<Prepared>>,
    pace: Arc<Pace>,
    bytes: u64,
}

impl Preparing {
    /// The segment before it is filled up to `filled` of `capacity`: it is to be ready when seven
    /// eighths are, so that nobody waits for the rest of it.
    fn keep_up(&self, filled: u64, capacity: u64) {
        let since = u128::from(filled.saturating_sub(capacity / 4));
        let allowed = since * u128::from(self.bytes) * 8 / (u128::from(capacity) * 5).max(1);
        self.pace.allow(u64::try_from(allowed).unwrap_or(u64::MAX));
    }

    /// The file, as soon as it can be had.
    fn finish(self) -> Option<io::Result<Prepared>> {
        self.pace.set(Urgency::Urgent);
        self.thread.join().ok()
    }
}

/// A group that has ended, while nobody knows it yet.
#[derive(Debug)]
struct Untold {
    group: Arc<Group>,
    outcome: Result<(), Failure>,
}

impl Untold {
    /// Tells its appenders how it ended, and consumers that there is more.
    fn tell(self, shared: &Shared) {
        if self.outcome.is_ok() {
            shared.notify_subscribers();
        }
        self.group.complete(self.outcome);
    }
}

/// Owns the files.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// `None` before the first append and after a failure: the next group begins a new segment.
    current: Option<Current>,
    next: i64,
    grown_bytes: u64,
    prepared: Option<Preparing>,
    sync_failures: u32,
    /// The group that is being committed.
    in_hand: Option<Arc<Group>>,
    /// The one before it, and how it ended.
    untold: Option<Untold>,
    /// When the last group was taken.
    took: Instant,
}

/// Whoever waits on a thread that broke off would wait for ever: all are told, and the log refuses
/// everything until the next start. What was in hand may be there then; nobody was told so.
impl Drop for Writer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.tell();
        let directory = self.shared.directory.display();
        tracing::error!(log = %directory, "the log's writer broke off: nothing more is accepted");
        let what = format!("the writer of the log {directory} broke off: start again");
        let failure = Failure::new(Kind::Unavailable, what);
        let waiting = {
            let mut queue = self.shared.queue();
            queue.refusal = Some(failure.clone());
            queue.frames = Vec::new();
            queue.in_flight = 0;
            std::mem::take(&mut queue.group)
        };
        for group in self.in_hand.take().into_iter().chain([waiting]) {
            group.complete(Err(failure.clone()));
        }
    }
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        recovered: Recovered,
    ) -> Self {
        shared.high.store(recovered.next, Ordering::Release);
        Self {
            shared,
            disk,
            segment_bytes,
            grown_bytes: recovered.current.as_ref().map_or(0, |current| current.capacity),
            current: recovered.current,
            next: recovered.next,
            prepared: None,
            sync_failures: 0,
            in_hand: None,
            untold: None,
            took: Instant::now(),
        }
    }

    /// Leaves out offsets that were given out once and are not there any more.
    pub(super) fn skip_to(&mut self, floor: i64) -> io::Result<()> {
        if floor <= self.next {
            return Ok(());
        }
        let from = std::mem::replace(&mut self.next, floor);
        tracing::error!(
            log = %self.shared.directory.display(), from, to = floor,
            "consumers had read further than the log reaches: going on behind their positions"
        );
        self.roll(0)?;
        self.shared.high.store(floor, Ordering::Release);
        Ok(())
    }

    /// Commits groups until the log is closed and its queue is empty.
    pub(super) fn run(mut self) {
        let mut frames = Vec::new();
        while let Some(group) = self.take_group(&mut frames) {
            self.in_hand = Some(Arc::clone(&group));
            let outcome = self.commit(&mut frames);
            self.tell();
            self.in_hand = None;
            self.untold = Some(Untold { group, outcome });
            if frames.capacity() > KEPT_BUFFER_BYTES {
                frames = Vec::new();
            }
            frames.clear();
        }
        self.discard_prepared();
    }

    fn tell(&mut self) {
        if let Some(untold) = self.untold.take() {
            untold.tell(&self.shared);
        }
    }

    /// Waits for appends and takes all of them; `None` when the log was closed. Where it has to wait,
    /// the group before is told first.
    fn take_group(&mut self, frames: &mut Vec<u8>) -> Option<Arc<Group>> {
        let shared = Arc::clone(&self.shared);
        let is_gathering = || shared.is_gathering.load(Ordering::Relaxed);
        let mut queue = shared.queue();
        queue.in_flight = 0;
        queue.refusal = self.refusal();
        if queue.frames.is_empty() || is_gathering() {
            drop(queue);
            self.tell();
            queue = shared.queue();
        }
        let mut wait = IDLE;
        while queue.frames.is_empty() {
            if queue.is_closing {
                return None;
            }
            queue.is_writer_waiting = true;
            let waited = shared.work.wait_timeout(queue, wait);
            let (woken, waited) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() && queue.frames.is_empty() {
                *frames = Vec::new();
                queue.frames = Vec::new();
                wait = Duration::MAX;
            }
        }
        queue.is_writer_waiting = false;
        if self.untold.is_none() && is_gathering() && !queue.is_closing {
            let rest = GATHER.saturating_sub(self.took.elapsed());
            // Nobody notifies a writer that does not wait for work, but who closes the log.
            let gathered = shared.work.wait_timeout(queue, rest);
            queue = gathered.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            self.took = Instant::now();
        }
        Some(queue.take(frames))
    }

    /// Makes a group durable and visible.
    ///
    /// After a failed sync the file is never written again: nobody can say which of its pages the
    /// kernel still means to write. The group goes once more, from memory, into a new segment, whose
    /// base tells recovery to ignore what the old file has from there on.
    fn commit(&mut self, frames: &mut [u8]) -> Result<(), Failure> {
        let length = frames.len() as u64;
        let end = seal_group(frames, self.next, self.shared.seed);
        loop {
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            self.make_room(length)?;
            crash::point("log.sync.before");
            match self.write(frames) {
                Ok(()) => break,
                Err(error) => self.abandon_segment(&error)?,
            }
        }
        crash::point("log.sync.after");
        if let Some(current) = &mut self.current {
            current.segment.note(self.next, current.position);
            current.position += length;
            current.segment.publish(current.position);
        }
        self.next = end;
        self.shared.high.store(end, Ordering::Release);
        self.shared.written.fetch_add(length, Ordering::Relaxed);
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Writes to the end of the current segment, durably. While the disk works, the group before is told.
    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        let current = self.current.as_ref().ok_or(io::ErrorKind::NotFound)?;
        self.disk.begin_write(&current.file, frames, current.position)?;
        if let Some(untold) = self.untold.take() {
            untold.tell(&self.shared);
        }
        self.disk.finish_write(&current.file)
    }

    /// Gives the current file up; `Ok` where the group may be tried once more.
    fn abandon_segment(&mut self, error: &io::Error) -> Result<(), Failure> {
        let path = self.current.take().map(|current| current.segment.path.clone());
        let path = path.unwrap_or_default();
        if disk::is_full(error) {
            return Err(full(&path));
        }
        self.sync_failures += 1;
        metrics::counter!("evp_log_sync_failures_total").increment(1);
        tracing::error!(
            segment = %path.display(), %error, failures = self.sync_failures,
            "the log could not be synced: its file is given up"
        );
        // Not ready while the second try is under way; a success takes it back.
        let what = format!("cannot sync {}: {error}", path.display());
        self.shared.queue().refusal = Some(Failure::new(Kind::Unavailable, what));
        Ok(())
    }

    fn refusal(&self) -> Option<Failure> {
        (self.sync_failures >= MAX_SYNC_FAILURES).then(|| {
            let what = format!(
                "the log {} gave up after {} failed syncs: check the disk and start again",
                self.shared.directory.display(),
                self.sync_failures
            );
            Failure::new(Kind::Unavailable, what)
        })
    }

    /// Rolls where the group does not fit, and makes the next segment ready in time.
    fn make_room(&mut self, length: u64) -> Result<(), Failure> {
        let has_room = self
            .current
            .as_ref()
            .is_some_and(|current| current.capacity.saturating_sub(current.position) >= length);
        if !has_room {
            // It may take a while.
            self.tell();
            self.roll(length).map_err(|error| {
                let directory = &self.shared.directory;
                if disk::is_full(&error) {
                    return full(directory);
                }
                let directory = directory.display();
                let what = format!("cannot begin a segment in {directory}: {error}");
                Failure::new(Kind::Unavailable, what)
            })?;
        }
        let Some(current) = &self.current else { return Ok(()) };
        let (filled, capacity) = (current.position.saturating_add(length), current.capacity);
        match &self.prepared {
            None if filled > capacity / 4 => self.prepare_next(),
            Some(preparing) => preparing.keep_up(filled, capacity),
            None => {}
        }
        Ok(())
    }

    /// Begins a segment at the next offset, with room for `length` bytes.
    pub(super) fn roll(&mut self, length: u64) -> io::Result<()> {
        let prepared = self.prepared.take().and_then(|preparing| preparing.finish()?.ok());
        let (file, capacity) = match prepared.filter(|(_, capacity)| *capacity >= length) {
            Some(prepared) => prepared,
            None => self.create(length)?,
        };
        let segment = Segment::new(&self.shared.directory, self.next, 0);
        std::fs::rename(self.shared.directory.join(NEXT_NAME), &segment.path)?;
        self.disk.sync_directory(&self.shared.directory)?;
        crash::point("log.roll.after");
        let segment = Arc::new(segment);
        self.shared.segments.push(Arc::clone(&segment));
        self.grown_bytes = capacity;
        self.current = Some(Current { segment, file, position: 0, capacity });
        Ok(())
    }

    /// The size of the next segment; it takes no more than a small part of what the disk has left.
    fn next_bytes(&self) -> u64 {
        let free = self.disk.free_bytes(&self.shared.directory).unwrap_or(u64::MAX);
        let doubled = self.grown_bytes.saturating_mul(2).min((free / 16) & !4095);
        doubled.max(FIRST_SEGMENT_BYTES).min(self.segment_bytes)
    }

    /// A file for a segment; on a disk that is nearly full one that just fits.
    fn create(&self, length: u64) -> io::Result<Prepared> {
        let path = self.shared.directory.join(NEXT_NAME);
        let wanted = self.next_bytes().max(length);
        let pace = Pace::urgent();
        match create(self.disk.as_ref(), &path, wanted, &pace) {
            Err(error) if disk::is_full(&error) && wanted > length.max(FIRST_SEGMENT_BYTES) => {
                create(self.disk.as_ref(), &path, length.max(FIRST_SEGMENT_BYTES), &pace)
            }
            created => created,
        }
    }

    fn prepare_next(&mut self) {
        let disk = Arc::clone(&self.disk);
        let path = self.shared.directory.join(NEXT_NAME);
        let bytes = self.next_bytes();
        let pace = Arc::new(Pace::default());
        let keeping = Arc::clone(&pace);
        let thread = std::thread::Builder::new()
            .name("evp-log-next".to_owned())
            .stack_size(64 << 10)
            .spawn(move || create(disk.as_ref(), &path, bytes, &keeping));
        // Without the thread the segment is made when it is needed.
        self.prepared = thread.ok().map(|thread| Preparing { thread, pace, bytes });
    }

    fn discard_prepared(&mut self) {
        let Some(Preparing { thread, pace, .. }) = self.prepared.take() else { return };
        pace.set(Urgency::Dropped);
        if let Ok(Ok(_)) = thread.join()
            && let Err(error) = std::fs::remove_file(self.shared.directory.join(NEXT_NAME))
        {
            tracing::debug!(%error, "spare segment left behind; the next start removes it");
        }
    }
}

fn full(path: &Path) -> Failure {
    Failure::new(Kind::Full, format!("no space left for the log at {}", path.display()))
}

fn create(disk: &dyn Disk, path: &Path, bytes: u64, pace: &Pace) -> io::Result<Prepared> {
    match disk.create_zeroed(path, bytes, pace) {
        Ok(file) => Ok((file, bytes)),
        Err(error) => {
            // What was written of it holds space that others need.
            match std::fs::remove_file(path) {
                Err(left) if left.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %left, "cannot remove");
                }
                _ => {}
            }
            Err(error)
        }
    }
}
