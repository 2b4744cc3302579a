//! `evp tail`: the records of a topic, as they come.

use std::time::Duration;

use crate::jobs::tail::{Tail as Job, TailRecord, TailRequest, TailStart};
use crate::model::{Timestamp, Topic};

use super::ask::{instant, or_dash, short};
use super::context::Context;
use super::error::{CmdError, CmdResult, Finish};
use super::session::Session;
use super::ui::{Output, Ui, csv};

/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(300);

/// Show records of a topic, the last ones first asked for, without joining a group
///
/// Nothing is committed and nothing changed. Under -o ndjson a line is what the archive has of the
/// record: topic, partition, offset, key, origin, headers and value.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp tail                                     the last 10 of the raw topic
  evp tail processed-events -f --type click
  evp tail decisions --from 2026-01-31 -o ndjson | jq -r .value")]
pub(super) struct Tail {
    /// The topic; the raw one where absent
    topic: Option<String>,
    /// The last so many records of each partition, before those are left out that are not asked for
    #[arg(short = 'n', long, default_value_t = 10, conflicts_with = "from",
          value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    records: u64,
    /// All that was written from this instant on
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: Option<Timestamp>,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only records of this event
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

const HEADERS: [&str; 4] = ["partition", "offset", "timestamp", "event_id"];

impl Tail {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let settings = context.settings()?;
        let topics = &settings.topics;
        let topic = self.topic.as_deref().map_or_else(|| topics.raw.clone(), Topic::new);
        if !topics.all().contains(&&topic) {
            let names: Vec<String> = topics.all().iter().map(ToString::to_string).collect();
            let text = format!("{topic} is no topic of these settings: {}", names.join(", "));
            return Err(CmdError::usage(text));
        }
        context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let mut start = match self.from {
                Some(at) => TailStart::Since { at },
                None => TailStart::Last { records: self.records },
            };
            let mut printer = Printer { ui: &context.ui, lines: 0 };
            printer.begin()?;
            while !cancel.is_cancelled() {
                let request = TailRequest {
                    topic: topic.clone(),
                    start,
                    event_id: self.event_id.clone(),
                    event_type: self.event_type.clone(),
                };
                let progress = &crate::jobs::NoProgress;
                let answer = session.run::<Job>(request, progress, cancel.clone()).await?;
                printer.print(&answer.records)?;
                start = TailStart::Next { places: answer.places };
                if answer.is_behind {
                    continue;
                }
                if !self.follow {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = cancel.cancelled() => {}
                }
                // Where nothing comes, nothing is written that could fail.
                if !context.ui.is_heard() {
                    session.close().await?;
                    return Ok(Finish::Done);
                }
            }
            printer.end()?;
            session.close().await?;
            Ok(Finish::Done)
        })
    }
}

/// Prints records as they come.
struct Printer<'u> {
    ui: &'u Ui,
    lines: u64,
}

impl Printer<'_> {
    fn begin(&self) -> Result<(), CmdError> {
        match self.ui.output() {
            Output::Csv => {
                self.ui.bytes(csv(&[&HEADERS[..], &["record"][..]].concat(), []).as_bytes())
            }
            Output::Json => self.ui.bytes(b"["),
            Output::Table | Output::Ndjson => Ok(()),
        }
    }

    fn print(&mut self, records: &[TailRecord]) -> Result<(), CmdError> {
        let mut text = String::new();
        for record in records {
            self.lines += 1;
            match self.ui.output() {
                Output::Ndjson => text.extend([&record.line, "\n"]),
                Output::Json => {
                    text.extend([if self.lines == 1 { "\n" } else { ",\n" }, &record.line]);
                }
                Output::Csv => text.push_str(&csv(&[], [cells(record, record.line.clone())])),
                Output::Table => {
                    text.push_str(&cells(record, short(&record.line, 400)).join("  "));
                    text.push('\n');
                }
            }
        }
        self.ui.bytes(text.as_bytes())
    }

    fn end(&self) -> Result<(), CmdError> {
        if self.ui.output() == Output::Json { self.ui.bytes(b"\n]\n") } else { Ok(()) }
    }
}

fn cells(record: &TailRecord, line: String) -> Vec<String> {
    vec![
        record.partition.to_string(),
        record.offset.to_string(),
        record.timestamp.to_string(),
        or_dash(record.event_id.as_deref()),
        line,
    ]
}
