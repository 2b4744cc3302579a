//! `evp archive cat`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish, Kind};
use crate::cmd::session::Session;
use crate::cmd::ui::{Output, Ui, csv};
use crate::jobs::archive::{Archive, ArchiveRequest, ArchiveResponse, ObjectLines};
use crate::model::{Offset, Partition};

/// Print the records of objects, one JSON line each; exit 3 where one is damaged
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp archive cat events/2015/05/17/….ndjson.zst | jq -r .origin
  evp archive cat events/2015/05/17/….ndjson.zst --values > events.ndjson")]
pub(super) struct Cat {
    /// Keys, as `evp archive ls` prints them
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Print only what the clients sent, byte for byte, with a line feed behind each
    #[arg(long)]
    values: bool,
}

/// What is looked at of a line.
#[derive(Deserialize)]
struct Line {
    topic: String,
    partition: Partition,
    offset: Offset,
    timestamp: String,
    origin: String,
    value: Option<String>,
    value_base64: Option<String>,
}

const HEADERS: [&str; 6] = ["topic", "partition", "offset", "timestamp", "origin", "value"];

impl Cat {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let mut printer = Printer { values: self.values, ui: &context.ui, lines: 0 };
            let mut is_whole = true;
            for key in &self.keys {
                let mut after = None;
                loop {
                    let request = ArchiveRequest::Lines { key: key.clone(), after };
                    let progress = context.ui.progress(key);
                    let answer = session.run::<Archive>(request, &progress, cancel.clone()).await;
                    drop(progress);
                    let ArchiveResponse::Lines(part) = answer? else { break };
                    printer.print(&part)?;
                    if let Some(damage) = &part.damage {
                        is_whole = false;
                        context.ui.warn(format!("{key} is damaged: {damage}"));
                    }
                    after = part.more;
                    if after.is_none() {
                        break;
                    }
                }
            }
            session.close().await?;
            printer.end()?;
            Ok(Finish::from_good(is_whole))
        })
    }
}

/// Prints lines as they come, whatever their number.
struct Printer<'u> {
    values: bool,
    ui: &'u Ui,
    lines: u64,
}

impl Printer<'_> {
    fn print(&mut self, part: &ObjectLines) -> Result<(), CmdError> {
        let mut bytes = Vec::new();
        for line in &part.lines {
            self.lines += 1;
            match self.ui.output() {
                _ if self.values => {
                    bytes.extend_from_slice(&value_of(&read(line)?)?);
                    bytes.push(b'\n');
                }
                Output::Json => {
                    bytes.extend_from_slice(if self.lines == 1 { b"[\n" } else { b",\n" });
                    bytes.extend_from_slice(line.as_bytes());
                }
                Output::Csv => {
                    let Line { topic, partition, offset, timestamp, origin, .. } = &read(line)?;
                    let value = value_of(&read(line)?)?;
                    let cells = vec![
                        topic.clone(),
                        partition.to_string(),
                        offset.to_string(),
                        timestamp.clone(),
                        origin.clone(),
                        String::from_utf8(value).unwrap_or_else(|error| {
                            format!("base64:{}", STANDARD.encode(error.as_bytes()))
                        }),
                    ];
                    let headers = if self.lines == 1 { &HEADERS[..] } else { &[] };
                    bytes.extend_from_slice(csv(headers, [cells]).as_bytes());
                }
                Output::Table | Output::Ndjson => {
                    bytes.extend_from_slice(line.as_bytes());
                    bytes.push(b'\n');
                }
            }
        }
        self.ui.bytes(&bytes)
    }

    fn end(&self) -> Result<(), CmdError> {
        match self.ui.output() {
            _ if self.values => Ok(()),
            Output::Json if self.lines == 0 => self.ui.bytes(b"[]\n"),
            Output::Json => self.ui.bytes(b"\n]\n"),
            Output::Csv if self.lines == 0 => self.ui.bytes(csv(&HEADERS, []).as_bytes()),
            _ => Ok(()),
        }
    }
}

fn read(line: &str) -> Result<Line, CmdError> {
    serde_json::from_str(line)
        .map_err(|error| CmdError::caused(Kind::Failed, "a line of the archive is no JSON", error))
}

/// What the client sent.
fn value_of(line: &Line) -> Result<Vec<u8>, CmdError> {
    match (&line.value, &line.value_base64) {
        (Some(text), _) => Ok(text.clone().into_bytes()),
        (None, Some(text)) => STANDARD.decode(text).map_err(CmdError::failed),
        (None, None) => Ok(Vec::new()),
    }
}
