//! `evp send`: events from a file or stdin, into a data directory or to a collector.

mod http;
mod input;
mod ledger;

use std::path::PathBuf;

use crate::jobs::NoProgress;
use crate::jobs::ledger::Answer;
use crate::jobs::send::{Send as Job, SendLine, SendRequest, SendResponse};
use crate::jobs::{JobProgress, ProgressSink};
use crate::model::Shape;
use crate::ports::{Clock, SystemClock};
use crate::runtime::shutdown::CancellationToken;

use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};
use super::session::Session;
use super::ui::{Progress, Ui};
use http::{Collector, Place};
use input::Input;
use ledger::{Ledger, Naming};

/// Send events, one JSON object a line; exit 3 where some were rejected
///
/// Goes into the data directory, through the server that works on it where there is one, or to a
/// collector with --url. On a directory that no server works on, the pipeline runs afterwards until
/// everything has ended.
///
/// With --ledger it writes down what it sent and what it was answered, for `evp verify FILE`. An event
/// without an id gets one then, the one that its shape derives where it derives one: beside its bytes
/// into a data directory, as a member `event_id` in them to a collector (docs/ledger.md).
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp send events.ndjson
  zcat events.ndjson.gz | evp send -
  evp send web-events.ndjson --ip-field ip      lines of {\"ip\":…,\"event\":{…}}
  evp send events.ndjson --url http://localhost:8080
  evp send events.ndjson --ledger sent.ledger && evp verify sent.ledger")]
pub(super) struct Send {
    /// A file of one event a line; - is stdin
    file: PathBuf,
    /// Send to this collector instead of the data directory; a path in it is taken in place of the
    /// route's, /events/ndjson
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The lines are objects; this member is the client's address, and `event` the event
    #[arg(long, value_name = "NAME")]
    ip_field: Option<String>,
    /// The shape of the events; told by their members where absent
    #[arg(long, value_enum)]
    shape: Option<ShapeArg>,
    /// Events sent together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1000))]
    batch: u64,
    /// Write a ledger into this file, which must not exist
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// On a stopped directory: do not run the pipeline afterwards
    #[arg(long)]
    no_drain: bool,
}

/// Client contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum ShapeArg {
    /// `event_type`, `user_id`, `campaign_id`
    Campaign,
    /// `type`, `payload`
    Typed,
    /// `event_name`, `timestamp` in seconds
    NamedV1,
    /// `event_name`, `timestamp` in seconds or milliseconds
    Named,
}

impl ShapeArg {
    const fn shape(self) -> Shape {
        match self {
            Self::Campaign => Shape::Campaign,
            Self::Typed => Shape::Typed,
            Self::NamedV1 => Shape::NamedV1,
            Self::Named => Shape::Named,
        }
    }
}

impl Send {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        if self.url.is_some() && self.shape.is_some() {
            return Err(CmdError::usage("--shape is for the data directory; a collector tells it"));
        }
        let total = context.block_on(async |cancel| {
            let progress = context.ui.progress("send");
            match &self.url {
                Some(url) => {
                    let at = Place::of(url)?;
                    let ledger = self.ledger(&at.target())?;
                    let mut collector = Collector::new(at, ledger);
                    let total = self.to_collector(&mut collector, &progress, &cancel).await;
                    finished(collector.ledger, total)
                }
                None => self.to_directory(context, &progress, &cancel).await,
            }
        })?;
        print(&context.ui, &total)?;
        Ok(Finish::from_good(total.rejected == 0))
    }

    fn input(&self) -> Result<Input, CmdError> {
        Input::open(&self.file, self.ip_field.clone(), usize::try_from(self.batch).unwrap_or(1000))
    }

    async fn to_directory(
        &self,
        context: &Context,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<SendResponse, CmdError> {
        let mut input = self.input()?;
        let session = Session::open(context).await?;
        let target = context.settings()?.data_dir.display().to_string();
        let mut ledger = self.ledger(&target)?;
        let mut total = SendResponse::default();
        let failed = loop {
            let lines = match input.next(&mut total) {
                Ok(Some(lines)) => lines,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            match self.send_some(&session, lines, ledger.as_mut(), cancel).await {
                Ok(answer) => total.add(answer),
                Err(error) => break Some(error),
            }
            report(progress, &total);
            if cancel.is_cancelled() {
                break None;
            }
        };
        let drained = if failed.is_none() && !self.no_drain && !cancel.is_cancelled() {
            session.drain(cancel.clone()).await
        } else {
            Ok(())
        };
        session.close().await?;
        drained?;
        finished(ledger, ended(total, failed, cancel))
    }

    /// Sends a batch into the data directory, and writes down what became of it.
    async fn send_some(
        &self,
        session: &Session,
        mut lines: Vec<SendLine>,
        ledger: Option<&mut Ledger>,
        cancel: &CancellationToken,
    ) -> Result<SendResponse, CmdError> {
        let shape = self.shape.map(ShapeArg::shape);
        let Some(ledger) = ledger else {
            let request = SendRequest { lines, shape };
            return session.run::<Job>(request, &NoProgress, cancel.clone()).await;
        };
        let pending = ledger.begin(&mut lines, Naming::Beside)?;
        let numbers: Vec<u64> = lines.iter().map(|line| line.line).collect();
        let request = SendRequest { lines, shape };
        let answer = session.run::<Job>(request, &NoProgress, cancel.clone()).await;
        let answered = answer.is_ok().then(|| SystemClock.now());
        ledger.record(&pending, answered, |at| match &answer {
            // The lines come in their order.
            Ok(answer) if answer.rejected_lines.binary_search(&numbers[at]).is_ok() => {
                (Answer::Rejected, 400)
            }
            Ok(_) => (Answer::Accepted, 202),
            Err(_) => (Answer::Unknown, 0),
        })?;
        answer
    }

    fn ledger(&self, target: &str) -> Result<Option<Ledger>, CmdError> {
        let shape = self.shape.map(ShapeArg::shape);
        self.ledger.as_deref().map(|path| Ledger::create(path, target, shape)).transpose()
    }

    async fn to_collector(
        &self,
        collector: &mut Collector,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<SendResponse, CmdError> {
        let mut input = self.input()?;
        let mut total = SendResponse::default();
        let failed = loop {
            let lines = match input.next(&mut total) {
                Ok(Some(lines)) => lines,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            if let Err(error) = collector.send(lines, &mut total, cancel).await {
                break Some(error);
            }
            report(progress, &total);
            if cancel.is_cancelled() {
                break None;
            }
        };
        ended(total, failed, cancel)
    }
}

/// The result, with the ledger ended: whatever was sent is in it, also where sending failed.
fn finished<T>(ledger: Option<Ledger>, result: Result<T, CmdError>) -> Result<T, CmdError> {
    let ended = ledger.map_or(Ok(()), Ledger::finish);
    result.and_then(|value| ended.map(|()| value))
}

fn report(progress: &Progress, total: &SendResponse) {
    let done = total.accepted + total.rejected;
    progress.report(JobProgress { done, total: None, message: "events".to_owned() });
}

/// The numbers, or why it ended early, with what was accepted before.
fn ended(
    total: SendResponse,
    failed: Option<CmdError>,
    cancel: &CancellationToken,
) -> Result<SendResponse, CmdError> {
    let hint = format!("{} events were accepted before", total.accepted);
    match failed {
        Some(error) => Err(error.hint(hint)),
        None if cancel.is_cancelled() => {
            Err(CmdError::new(Kind::Interrupted, "interrupted").hint(hint))
        }
        None => Ok(total),
    }
}

fn print(ui: &Ui, total: &SendResponse) -> Result<(), CmdError> {
    ui.show(total, |ui| {
        let mut rows = vec![
            vec!["accepted".to_owned(), total.accepted.to_string()],
            vec!["rejected".to_owned(), total.rejected.to_string()],
        ];
        for (reason, count) in &total.reasons {
            rows.push(vec![format!("rejected: {reason}"), count.to_string()]);
        }
        ui.table(&["events", "count"], rows)?;
        for line in &total.first_rejected {
            ui.warn(format!("line {}: {}", line.line, line.reason));
        }
        Ok(())
    })
}
