//! The ledger of what is sent: `evp verify FILE` holds it against the installation later.

use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cmd::error::{CmdError, Kind};
use crate::jobs::ledger::{Answer, Entry, Head, LedgerWriter, event_id};
use crate::jobs::send::{KnownId, SendLine, known_id, with_event_id};
use crate::model::{Shape, Timestamp};
use crate::ports::{Clock, SystemClock};

/// Numbers reserved at a time: one sync of the ledger for so many events.
const RESERVED_AT_ONCE: u64 = 10_000;

/// A ledger that is being written.
#[derive(Debug)]
pub(super) struct Ledger {
    writer: LedgerWriter,
    name: String,
    run: Uuid,
    numbers: Range<u64>,
    shape: Option<Shape>,
}

/// An event that is about to be sent.
#[derive(Debug)]
pub(super) struct Pending {
    number: u64,
    event_id: String,
    hash: [u8; 32],
    sent: Timestamp,
}

/// How an event that has no id gets one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming<'k> {
    /// Beside its bytes, which stay as they are.
    Beside,
    /// In its bytes; where that cannot be, by its place in a request with this `Idempotency-Key`.
    Inside(&'k str),
}

impl Ledger {
    pub(super) fn create(
        path: &Path,
        target: &str,
        shape: Option<Shape>,
    ) -> Result<Self, CmdError> {
        let name = path.display().to_string();
        let head = Head {
            run: Uuid::now_v7(),
            made_at: SystemClock.now(),
            target: target.to_owned(),
            maker: "evp send".to_owned(),
        };
        let run = head.run;
        let writer = LedgerWriter::create(path, &head).map_err(|error| {
            CmdError::caused(Kind::Failed, format!("cannot make the ledger {name}"), error)
        })?;
        Ok(Self { writer, name, run, numbers: 0..0, shape })
    }

    /// Gives each event its number and an id where it has none; they may be sent then.
    pub(super) fn begin(
        &mut self,
        lines: &mut [SendLine],
        naming: Naming<'_>,
    ) -> Result<Vec<Pending>, CmdError> {
        let mut pending = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter_mut().enumerate() {
            let number = self.next_number()?;
            let id = self.named(number, index, line, naming);
            let hash = Sha256::digest(line.event.as_bytes()).into();
            let sent = SystemClock.now();
            pending.push(Pending { number, event_id: id, hash, sent });
        }
        Ok(pending)
    }

    fn next_number(&mut self) -> Result<u64, CmdError> {
        if self.numbers.is_empty() {
            let reserved = self.writer.reserve(RESERVED_AT_ONCE);
            self.numbers = reserved.map_err(|error| self.failed(error))?;
        }
        self.numbers.next().ok_or_else(|| CmdError::failed("no numbers are left in the ledger"))
    }

    /// The id that the event has, or gets now.
    fn named(&self, number: u64, index: usize, line: &mut SendLine, naming: Naming<'_>) -> String {
        let id = match known_id(&line.event, self.shape) {
            KnownId::Own(id) => return id,
            KnownId::Derived(id) => id,
            KnownId::None => event_id(self.run, number),
        };
        match naming {
            Naming::Beside => line.event_id = Some(id.clone()),
            Naming::Inside(key) => match with_event_id(&line.event, &id) {
                Some(event) => line.event = event,
                None => return format!("{key}:{index}"),
            },
        }
        id
    }

    /// Writes down what became of each.
    pub(super) fn record(
        &mut self,
        pending: &[Pending],
        answered: Option<Timestamp>,
        answer: impl Fn(usize) -> (Answer, u16),
    ) -> Result<(), CmdError> {
        for (at, one) in pending.iter().enumerate() {
            let (answer, status) = answer(at);
            let entry = Entry {
                number: one.number,
                event_id: &one.event_id,
                hash: one.hash,
                sent: one.sent,
                answered,
                answer,
                status,
            };
            self.writer.record(&entry).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Every event that was sent is written down.
    pub(super) fn finish(self) -> Result<(), CmdError> {
        let what = format!("cannot write the ledger {}", self.name);
        self.writer.finish().map_err(|error| CmdError::caused(Kind::Failed, what, error))
    }

    fn failed(&self, error: std::io::Error) -> CmdError {
        CmdError::caused(Kind::Failed, format!("cannot write the ledger {}", self.name), error)
    }
}
