//! Writing a ledger: reservations are durable before they are used, lines are buffered.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use super::{Entry, Head, VERSION};
use crate::model::Timestamp;

const BUFFER_BYTES: usize = 256 << 10;

/// Writes one run's ledger.
///
/// A writer that is dropped without [`LedgerWriter::finish`] leaves what a crash leaves: a ledger
/// without an end, whose reserved numbers without a line are `unknown`. So does one of which a write
/// failed: nothing is added to it any more.
#[derive(Debug)]
pub struct LedgerWriter {
    file: BufWriter<File>,
    /// Numbers below it are reserved.
    reserved: u64,
    lines: u64,
    /// A write failed: what is in the file is not known any more.
    is_broken: bool,
}

impl LedgerWriter {
    /// Begins a ledger; its head is on disk when this returns.
    ///
    /// # Errors
    /// `AlreadyExists` where the file exists: a ledger is never written over. Else what the file
    /// system says.
    pub fn create(path: &Path, head: &Head) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut writer = Self { file, reserved: 0, lines: 0, is_broken: false };
        write!(
            writer.file,
            r#"{{"evp_ledger":{VERSION},"run":"{}","made_at":"{}","#,
            head.run, head.made_at
        )?;
        writer.text("target", &head.target)?;
        writer.file.write_all(b",")?;
        writer.text("maker", &head.maker)?;
        writer.file.write_all(b"}\n")?;
        writer.sync()?;
        // The name, too, must outlive the machine.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(writer)
    }

    /// Takes the next so many numbers. They are on disk, with all lines before, when this returns:
    /// from then on an event with one of them may be sent.
    ///
    /// # Errors
    /// What the file system says; nothing is reserved then. `InvalidInput` past the last number.
    pub fn reserve(&mut self, count: u64) -> io::Result<Range<u64>> {
        let first = self.reserved;
        let end = first.checked_add(count).ok_or_else(|| invalid("no numbers are left"))?;
        self.guarded(|writer| {
            writeln!(writer.file, r#"{{"reserve":{{"first":{first},"count":{count}}}}}"#)?;
            writer.sync()
        })?;
        self.reserved = end;
        Ok(first..end)
    }

    /// Adds one sending. Buffered, and no allocation: a crash of the client loses the last lines,
    /// whose events are `unknown` then.
    ///
    /// # Errors
    /// `InvalidInput` for a number that was not reserved; else what the file system says.
    pub fn record(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if entry.number >= self.reserved {
            return Err(invalid("the number was not reserved"));
        }
        self.guarded(|writer| writer.line(entry))?;
        self.lines += 1;
        Ok(())
    }

    /// Ends the ledger: it says from now on that **every** event that was sent has a line, so that a
    /// reserved number without one was never sent. Give up on an event by an `unknown` line first.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self) -> io::Result<()> {
        self.guarded(|writer| {
            writeln!(writer.file, r#"{{"end":{{"lines":{}}}}}"#, writer.lines)?;
            writer.sync()
        })
    }

    /// Writes, where every write before succeeded.
    fn guarded(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(io::Error::other("an earlier write failed, and the ledger ends there"));
        }
        write(self)?;
        self.is_broken = false;
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        write!(self.file, r#"{{"n":{},"#, entry.number)?;
        self.text("id", entry.event_id)?;
        let (mut hash, mut time) = ([0; 64], [0; 24]);
        self.file.write_all(br#","hash":""#)?;
        self.file.write_all(hex(&entry.hash, &mut hash))?;
        self.file.write_all(br#"","sent":""#)?;
        self.file.write_all(entry.sent.encode(&mut time).as_bytes())?;
        self.file.write_all(br#"","answered":"#)?;
        self.optional(entry.answered)?;
        writeln!(self.file, r#","answer":"{}","status":{}}}"#, entry.answer.as_str(), entry.status)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    fn text(&mut self, name: &str, value: &str) -> io::Result<()> {
        write!(self.file, r#""{name}":"#)?;
        serde_json::to_writer(&mut self.file, value).map_err(io::Error::from)
    }

    fn optional(&mut self, at: Option<Timestamp>) -> io::Result<()> {
        match at {
            Some(at) => write!(self.file, r#""{}""#, at.encode(&mut [0; 24])),
            None => self.file.write_all(b"null"),
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn hex<'t>(bytes: &[u8; 32], into: &'t mut [u8; 64]) -> &'t [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (at, byte) in bytes.iter().enumerate() {
        into[2 * at] = DIGITS[usize::from(byte >> 4)];
        into[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    into
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_in_the_file_before_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (run, made_at) = (uuid::Uuid::nil(), Timestamp::default());
        let head = Head { run, made_at, target: "t".to_owned(), maker: "m".to_owned() };
        let mut writer = LedgerWriter::create(&path, &head).unwrap();
        writer.reserve(7).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("{\"reserve\":{\"first\":0,\"count\":7}}\n"), "{text}");
    }

    #[test]
    fn nothing_is_added_after_a_write_that_failed() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = BufWriter::new(full);
        let mut writer = LedgerWriter { file, reserved: 0, lines: 0, is_broken: false };
        assert_eq!(writer.reserve(1).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(writer.reserve(1).unwrap_err().to_string().contains("an earlier write failed"));
        assert!(writer.finish().unwrap_err().to_string().contains("an earlier write failed"));
    }
}
