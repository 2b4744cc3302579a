//! The ledger's side of a run: a thread that reserves numbers ahead, hashes what was sent and writes
//! what was answered, so that neither a sync nor a hash delays a request.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::answer::Class;
use super::numbers::Numbers;
use super::payload::Request;
use crate::jobs::ledger::{Answer, EVENT_ID_BYTES, Entry, Head, LedgerWriter, encode_event_id};
use crate::model::Timestamp;

/// Requests that wait to be written, before a worker has to wait for the disk.
const WAITING: usize = 16 << 10;
/// How often it looks whether numbers run out where nothing is to be written.
const LOOK: Duration = Duration::from_millis(50);

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) request: Request,
    pub(super) sent: Timestamp,
    pub(super) answered: Option<Timestamp>,
    /// 0 where there was none.
    pub(super) status: u16,
    pub(super) class: Class,
    /// Places of those events that a 2xx refuses, in order.
    pub(super) refused: Vec<usize>,
    /// Takes the request's buffers back.
    pub(super) back: Sender<Request>,
}

/// A ledger that is being written.
#[derive(Debug)]
pub(super) struct Book {
    sender: SyncSender<Done>,
    thread: JoinHandle<io::Result<LedgerWriter>>,
}

impl Book {
    /// Begins a ledger, reserves the first numbers, and starts to write. `ahead` is how many numbers
    /// are reserved at once; `failed` is set where it can write no more.
    ///
    /// # Errors
    /// Where the file cannot be made or written.
    pub(super) fn open(
        path: &Path,
        head: &Head,
        ahead: u64,
        numbers: Arc<Numbers>,
        failed: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let mut writer = LedgerWriter::create(path, head)?;
        numbers.add(writer.reserve(ahead)?);
        let (sender, done) = sync_channel(WAITING);
        let run = head.run;
        let work = move || {
            let ended = keep(writer, run, ahead, &numbers, &done);
            if ended.is_err() {
                failed.store(true, Relaxed);
            }
            ended
        };
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(work)?;
        Ok(Self { sender, thread })
    }

    /// Where a worker hands in what has ended.
    pub(super) fn sender(&self) -> SyncSender<Done> {
        self.sender.clone()
    }

    /// Writes the rest; every worker has let go of its sender before. Ends the ledger where
    /// `is_whole`: a worker that broke off has sent events of which there is no line, and an end
    /// would say that there is none.
    ///
    /// # Errors
    /// Where it could not be written, now or before.
    pub(super) fn finish(self, is_whole: bool) -> io::Result<()> {
        drop(self.sender);
        let panicked = |_| Err(io::Error::other("the ledger's thread panicked"));
        let writer = self.thread.join().unwrap_or_else(panicked)?;
        if is_whole { writer.finish() } else { Ok(()) }
    }
}

fn keep(
    mut writer: LedgerWriter,
    run: Uuid,
    ahead: u64,
    numbers: &Numbers,
    done: &Receiver<Done>,
) -> io::Result<LedgerWriter> {
    use std::sync::mpsc::RecvTimeoutError;
    loop {
        if numbers.left() < ahead {
            numbers.add(writer.reserve(ahead)?);
        }
        match done.recv_timeout(LOOK) {
            Ok(done) => {
                write(&mut writer, run, &done)?;
                // The worker may be gone.
                drop(done.back.send(done.request));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(writer),
        }
    }
}

fn write(writer: &mut LedgerWriter, run: Uuid, done: &Done) -> io::Result<()> {
    let mut text = [0; EVENT_ID_BYTES];
    for (place, event) in done.request.events.iter().enumerate() {
        let is_refused =
            done.class == Class::Accepted && done.refused.binary_search(&place).is_ok();
        let (answer, status) = match done.class {
            Class::Accepted if is_refused => (Answer::Rejected, 400),
            Class::Accepted => (Answer::Accepted, done.status),
            Class::Rejected | Class::Limited => (Answer::Rejected, done.status),
            Class::Unknown => (Answer::Unknown, done.status),
        };
        let bytes = done.request.bytes.get(event.bytes.clone()).unwrap_or_default();
        writer.record(&Entry {
            number: event.number,
            event_id: encode_event_id(run, event.number, &mut text),
            hash: Sha256::digest(bytes).into(),
            sent: done.sent,
            answered: done.answered,
            answer,
            status,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ledger::LedgerReader;

    #[test]
    fn only_a_ledger_that_has_every_line_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        for is_whole in [true, false] {
            let path = folder.path().join(is_whole.to_string());
            let head = Head {
                run: Uuid::nil(),
                made_at: Timestamp::default(),
                target: String::new(),
                maker: String::new(),
            };
            let numbers = Arc::new(Numbers::none());
            let book = Book::open(&path, &head, 10, numbers, Arc::default()).unwrap();
            book.finish(is_whole).unwrap();
            let mut reader = LedgerReader::open(&path).unwrap();
            while reader.next_line().unwrap().is_some() {}
            assert_eq!((reader.is_finished(), reader.reserved()), (is_whole, 10));
        }
    }
}
