//! Lines of input as events, batch by batch.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use serde_json::value::RawValue;

use crate::cmd::error::{CmdError, Kind};
use crate::jobs::send::{SendLine, SendResponse};

/// Longest line: an event of the largest size that a setting is likely to allow, and its frame.
const MAX_LINE_BYTES: u64 = 16 << 20;
/// Bytes of one batch, below what a collector takes in one body.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// A file of events.
pub(super) struct Input {
    reader: Box<dyn BufRead>,
    name: String,
    ip_field: Option<String>,
    batch: usize,
    line: u64,
    buffer: Vec<u8>,
    /// Why nothing more can be read, while what was read before is sent.
    broken: Option<CmdError>,
}

impl Input {
    pub(super) fn open(
        file: &Path,
        ip_field: Option<String>,
        batch: usize,
    ) -> Result<Self, CmdError> {
        let name = file.display().to_string();
        let reader: Box<dyn BufRead> = if name == "-" {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(file).map_err(|error| {
                CmdError::caused(Kind::Failed, format!("cannot open {name}"), error)
            })?;
            Box::new(BufReader::with_capacity(256 << 10, file))
        };
        Ok(Self { reader, name, ip_field, batch, line: 0, buffer: Vec::new(), broken: None })
    }

    /// The next events; `None` at the end. Lines that are none are counted as rejected. Where the
    /// input breaks off, what was read of it comes first.
    pub(super) fn next(
        &mut self,
        total: &mut SendResponse,
    ) -> Result<Option<Vec<SendLine>>, CmdError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < self.batch && bytes < MAX_BATCH_BYTES {
            let line = match self.fill() {
                Ok(Some(fits)) => {
                    self.line += 1;
                    if fits { self.read_line() } else { Err("over 16 MiB".to_owned()) }
                }
                Ok(None) => return Ok((!lines.is_empty()).then_some(lines)),
                Err(error) => {
                    let what = format!("cannot read {}", self.name);
                    self.broken = Some(CmdError::caused(Kind::Failed, what, error));
                    break;
                }
            };
            match line {
                Ok(Some(line)) => {
                    bytes += line.event.len();
                    lines.push(line);
                }
                Ok(None) => {}
                Err(reason) => total.reject(self.line, reason),
            }
        }
        match self.broken.take_if(|_| lines.is_empty()) {
            Some(error) => Err(error),
            None => Ok(Some(lines)),
        }
    }

    /// Reads a line into the buffer; `None` at the end, else whether it fits. One that does not is
    /// read on to its end and nothing of it is kept.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        let fits = (read as u64) < MAX_LINE_BYTES || self.buffer.ends_with(b"\n");
        if !fits {
            self.buffer = Vec::new();
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(fits))
    }

    /// The line in the buffer; nothing for an empty one.
    fn read_line(&self) -> Result<Option<SendLine>, String> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| "not UTF-8".to_owned())?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let Some(ip_field) = &self.ip_field else {
            let event = text.to_owned();
            return Ok(Some(SendLine { line: self.line, event, client_ip: None, event_id: None }));
        };
        let members: HashMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
        let event = members.get("event").ok_or("the line has no member event")?;
        let client_ip =
            members.get(ip_field).ok_or(format!("the line has no member {ip_field}"))?;
        let client_ip: IpAddr = serde_json::from_str(client_ip.get())
            .map_err(|_| format!("{ip_field} is no IP address"))?;
        let event = event.get().to_owned();
        let client_ip = Some(client_ip);
        Ok(Some(SendLine { line: self.line, event, client_ip, event_id: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(reader: impl BufRead + 'static, batch: usize) -> Input {
        let (reader, name) = (Box::new(reader), "events".to_owned());
        Input { reader, name, ip_field: None, batch, line: 0, buffer: Vec::new(), broken: None }
    }

    /// The numbers of the lines of each batch, and how it ended.
    fn all(mut input: Input, total: &mut SendResponse) -> (Vec<Vec<u64>>, Result<(), CmdError>) {
        let mut batches = Vec::new();
        loop {
            match input.next(total) {
                Ok(Some(lines)) => batches.push(lines.iter().map(|line| line.line).collect()),
                Ok(None) => return (batches, Ok(())),
                Err(error) => return (batches, Err(error)),
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_rejected_by_name_and_those_behind_it_are_read() {
        let long = || io::repeat(b'x').take(MAX_LINE_BYTES + 7);
        let text = BufReader::new((&b"{}\n{}\n{}\n"[..]).chain(long()).chain(&b"\n{}\n"[..]));
        let mut total = SendResponse::default();
        let (batches, ended) = all(input(text, 2), &mut total);
        ended.unwrap();
        assert_eq!(batches, [vec![1, 2], vec![3, 5]]);
        assert_eq!((total.rejected, total.first_rejected[0].line), (1, 4));
        assert_eq!(total.first_rejected[0].reason, "over 16 MiB");
        // Also the last one, which ends without a line feed.
        let (batches, ended) = all(input(BufReader::new(long()), 2), &mut total);
        assert!(batches.concat().is_empty() && ended.is_ok());
        assert_eq!(total.rejected, 2);
    }

    #[test]
    fn what_was_read_before_the_input_broke_off_comes_first() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let text = BufReader::new((&b"{}\n{}\n{}\n"[..]).chain(Broken));
        let (batches, ended) = all(input(text, 2), &mut SendResponse::default());
        assert_eq!(batches, [vec![1, 2], vec![3]]);
        assert_eq!(ended.unwrap_err().chain(), ["cannot read events", "gone"]);
    }
}
