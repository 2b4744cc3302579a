//! Reading a ledger line by line, in memory that does not grow with it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Answer, Head, VERSION};
use crate::model::Timestamp;

/// Longest line: an id of 255 bytes, each written as six, and everything else.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Why a ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file itself.
    #[error("cannot read the ledger {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not begin like one.
    #[error("{} is no ledger: {what}", path.display())]
    NoLedger {
        /// Which file.
        path: PathBuf,
        /// What is wrong with its first line.
        what: String,
    },
    /// Something in it is not what a writer writes, and it is not the last line.
    #[error("{}:{line}: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// One line after the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerLine<'a> {
    /// Numbers that may have been sent from here on.
    Reserved(Range<u64>),
    /// One sending of one event.
    Sent(SentEvent<'a>),
}

/// One sending of one event, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEvent<'a> {
    /// Its number in the run.
    pub number: u64,
    /// The id that it carries.
    pub event_id: Cow<'a, str>,
    /// SHA-256 of the event's bytes.
    pub hash: [u8; 32],
    /// When it was sent, by the client's clock.
    pub sent: Timestamp,
    /// When the answer was there.
    pub answered: Option<Timestamp>,
    /// What the client may rely on.
    pub answer: Answer,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
}

/// A ledger from its head to its end.
#[derive(Debug)]
pub struct LedgerReader {
    path: PathBuf,
    file: BufReader<File>,
    head: Head,
    line: u64,
    buffer: Vec<u8>,
    reserved: u64,
    sent: u64,
    is_finished: bool,
    is_torn: bool,
}

#[derive(Deserialize)]
struct HeadLine {
    evp_ledger: u32,
    #[serde(flatten)]
    head: Option<Head>,
}

/// Any line; which one its members say. Unknown members are a later version's and are passed over.
#[derive(Deserialize)]
struct Raw<'a> {
    reserve: Option<Reserve>,
    end: Option<End>,
    n: Option<u64>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hash: Option<&'a str>,
    #[serde(borrow)]
    sent: Option<&'a str>,
    #[serde(borrow)]
    answered: Option<&'a str>,
    answer: Option<Answer>,
    #[serde(default)]
    status: u16,
}

#[derive(Deserialize)]
struct Reserve {
    first: u64,
    count: u64,
}

#[derive(Deserialize)]
struct End {
    lines: u64,
}

impl LedgerReader {
    /// Opens a ledger and reads its head.
    ///
    /// # Errors
    /// The file cannot be read, is none, or is of a later version.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Io { path: path.to_owned(), source };
        let no_ledger = |what: String| LedgerError::NoLedger { path: path.to_owned(), what };
        let mut file = BufReader::with_capacity(256 << 10, File::open(path).map_err(failed)?);
        let mut buffer = Vec::new();
        (&mut file).take(MAX_LINE_BYTES).read_until(b'\n', &mut buffer).map_err(failed)?;
        if buffer.is_empty() {
            return Err(no_ledger("it is empty".to_owned()));
        }
        let line: HeadLine =
            serde_json::from_slice(&buffer).map_err(|error| no_ledger(error.to_string()))?;
        if line.evp_ledger > VERSION {
            let what = format!("version {} is later than this evp's, {VERSION}", line.evp_ledger);
            return Err(no_ledger(what));
        }
        let missing = || no_ledger("its head has no run, made_at, target or maker".to_owned());
        Ok(Self {
            path: path.to_owned(),
            file,
            head: line.head.ok_or_else(missing)?,
            line: 1,
            buffer,
            reserved: 0,
            sent: 0,
            is_finished: false,
            is_torn: false,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Numbers below it were reserved by the lines read so far.
    #[must_use]
    pub const fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Whether the writer ended it: then every event that was sent has a line. Known at the end.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether its last line was cut, as a crash of the writer leaves it. Known at the end.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The next line; `None` at the end. A last line that is cut is none. A writer that is still at
    /// work may add to the file: asked again, it goes on from there.
    ///
    /// # Errors
    /// The file cannot be read, or a line that is not the last is not what a writer writes.
    pub fn next_line(&mut self) -> Result<Option<LedgerLine<'_>>, LedgerError> {
        let Self { path, file, buffer, .. } = self;
        let failed = |source| LedgerError::Io { path: path.clone(), source };
        buffer.clear();
        let read = file.take(MAX_LINE_BYTES).read_until(b'\n', buffer).map_err(failed)?;
        if read == 0 {
            return Ok(None);
        }
        let line = self.line + 1;
        let damaged = |what: String| LedgerError::Damaged { path: path.clone(), line, what };
        let is_whole = buffer.ends_with(b"\n");
        if !is_whole && read as u64 == MAX_LINE_BYTES {
            return Err(damaged("it is over 64 KiB".to_owned()));
        }
        let raw: Raw<'_> = match serde_json::from_slice(buffer) {
            Ok(raw) => raw,
            Err(_) if !is_whole => {
                // Given back: it may be whole another time.
                self.is_torn = true;
                file.seek_relative(-i64::try_from(read).unwrap_or_default()).map_err(failed)?;
                return Ok(None);
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        (self.line, self.is_torn) = (line, false);
        if let Some(reserve) = raw.reserve {
            self.reserved = end_of(&reserve, self.reserved).map_err(damaged)?;
            return Ok(Some(LedgerLine::Reserved(reserve.first..self.reserved)));
        }
        if let Some(end) = raw.end {
            if end.lines != self.sent {
                let (said, sent) = (end.lines, self.sent);
                return Err(damaged(format!("it says {said} events, and {sent} stand before it")));
            }
            self.is_finished = true;
            let is_last = file.fill_buf().map_err(failed)?.is_empty();
            let more = || damaged("it is not the last line".to_owned());
            return if is_last { Ok(None) } else { Err(more()) };
        }
        let sent = sent_event(raw).map_err(damaged)?;
        if sent.number >= self.reserved {
            return Err(damaged(format!("number {} was never reserved", sent.number)));
        }
        self.sent += 1;
        Ok(Some(LedgerLine::Sent(sent)))
    }
}

/// The end of a reservation that goes on where the one before ended.
fn end_of(reserve: &Reserve, reserved: u64) -> Result<u64, String> {
    if reserve.first != reserved {
        return Err(format!("it reserves from {}, not {reserved}", reserve.first));
    }
    reserved.checked_add(reserve.count).ok_or_else(|| "it reserves more than there is".to_owned())
}

fn sent_event(raw: Raw<'_>) -> Result<SentEvent<'_>, String> {
    let at = |text: &str| text.parse().map_err(|_| format!("{text:?} is no instant"));
    Ok(SentEvent {
        number: raw.n.ok_or("it has no number n")?,
        event_id: raw.id.ok_or("it has no id")?,
        hash: raw.hash.and_then(unhex).ok_or("its hash is not 64 hexadecimal digits")?,
        sent: at(raw.sent.ok_or("it does not say when it was sent")?)?,
        answered: raw.answered.map(at).transpose()?,
        answer: raw.answer.ok_or("it has no answer")?,
        status: raw.status,
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
