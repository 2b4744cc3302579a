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
        Ok(Self { reader, name, ip_field, batch, line: 0, buffer: Vec::new() })
    }

    /// The next events; `None` at the end. Lines that are none are counted as rejected.
    pub(super) fn next(
        &mut self,
        total: &mut SendResponse,
    ) -> Result<Option<Vec<SendLine>>, CmdError> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < self.batch && bytes < MAX_BATCH_BYTES {
            self.buffer.clear();
            let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|error| {
                CmdError::caused(Kind::Failed, format!("cannot read {}", self.name), error)
            })?;
            if read == 0 {
                return Ok((!lines.is_empty()).then_some(lines));
            }
            self.line += 1;
            if read as u64 == MAX_LINE_BYTES {
                let said = format!("line {} of {} is over 16 MiB", self.line, self.name);
                return Err(CmdError::failed(said));
            }
            match self.read_line() {
                Ok(Some(line)) => {
                    bytes += line.event.len();
                    lines.push(line);
                }
                Ok(None) => {}
                Err(reason) => total.reject(self.line, reason),
            }
        }
        Ok(Some(lines))
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
