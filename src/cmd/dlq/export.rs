//! `evp dlq export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::StageArg;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish, Kind};
use crate::cmd::session::Session;
use crate::cmd::ui::{Output, Ui, csv};
use crate::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, Letter, LetterFilter,
};

/// Letters asked for at once: each may carry an event of the largest size.
const AT_ONCE: u64 = 50;

/// Write dead letters out whole, one JSON line each, with the bytes of their values
///
/// A line has what `evp dlq show -o json` prints: `value` where the bytes are text, else
/// `value_base64`. With -o json they are one array, with -o csv rows under a header line. Nothing is
/// changed.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp dlq export > dead-letters.ndjson
  evp dlq export --stage worker --output-file dead-letters.ndjson
  evp dlq export | jq -r .value")]
pub(super) struct Export {
    /// Only those that failed there
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// Those too whose event has become a row since
    #[arg(long)]
    resolved: bool,
    /// Into this file, which appears once it is complete; else to stdout
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let mut sink = Sink::open(self.output_file.as_deref(), &context.ui)?;
        let mut form = Form { output: context.ui.output(), count: 0 };
        let count = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let progress = context.ui.progress("dead letters");
            let mut after = None;
            loop {
                let filter = LetterFilter {
                    ids: Vec::new(),
                    stage: self.stage.map(StageArg::stage),
                    include_resolved: self.resolved,
                };
                let request = DeadLettersRequest::List { filter, after, limit: AT_ONCE };
                let answer = session.run::<DeadLetters>(request, &progress, cancel.clone()).await?;
                let DeadLettersResponse::Letters { letters, truncated } = answer else { break };
                sink.write(&form.bytes(&letters)?)?;
                after = letters.last().map(|letter| letter.origin);
                if !truncated || after.is_none() {
                    break;
                }
                if cancel.is_cancelled() {
                    return Err(CmdError::failed("stopped before the end; nothing was changed"));
                }
            }
            session.close().await?;
            sink.write(&form.end())?;
            Ok(form.count)
        })?;
        sink.finish()?;
        context.ui.note(format!("{count} dead letters"));
        Ok(Finish::Done)
    }
}

/// Letters in the form that is asked for, as they come, whatever their number.
struct Form {
    output: Output,
    count: u64,
}

const HEADERS: [&str; 15] = [
    "origin",
    "event_id",
    "stage",
    "error_type",
    "reason",
    "attempts",
    "redrives",
    "first_failed_at",
    "last_failed_at",
    "received_at",
    "topic",
    "client_ip",
    "resolved_at",
    "value",
    "value_base64",
];

impl Form {
    fn bytes(&mut self, letters: &[Letter]) -> Result<Vec<u8>, CmdError> {
        let mut bytes = Vec::new();
        for letter in letters {
            self.count += 1;
            if self.output == Output::Csv {
                let headers = if self.count == 1 { &HEADERS[..] } else { &[] };
                bytes.extend_from_slice(csv(headers, [cells(letter)]).as_bytes());
                continue;
            }
            if self.output == Output::Json {
                bytes.extend_from_slice(if self.count == 1 { b"[\n" } else { b",\n" });
            }
            serde_json::to_writer(&mut bytes, letter).map_err(|error| {
                CmdError::caused(Kind::Bug, "a dead letter cannot be written as JSON", error)
            })?;
            if self.output != Output::Json {
                bytes.push(b'\n');
            }
        }
        Ok(bytes)
    }

    /// What stands behind the last one.
    fn end(&self) -> Vec<u8> {
        match self.output {
            Output::Json if self.count == 0 => b"[]\n".to_vec(),
            Output::Json => b"\n]\n".to_vec(),
            Output::Csv if self.count == 0 => csv(&HEADERS, []).into_bytes(),
            _ => Vec::new(),
        }
    }
}

fn cells(letter: &Letter) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        letter.origin.to_string(),
        letter.event_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        letter.stage.as_str().to_owned(),
        letter.error_type.clone(),
        letter.reason.clone(),
        letter.attempts.to_string(),
        letter.redrives.to_string(),
        letter.first_failed_at.to_string(),
        letter.last_failed_at.to_string(),
        letter.received_at.to_string(),
        letter.topic.to_string(),
        text(&letter.client_ip),
        letter.resolved_at.map(|at| at.to_string()).unwrap_or_default(),
        text(&letter.value),
        text(&letter.value_base64),
    ]
}

/// Where they go.
enum Sink<'u> {
    Stdout(&'u Ui),
    File { into: BufWriter<File>, part: PathBuf, path: PathBuf },
}

fn cannot_write(path: &Path, error: std::io::Error) -> CmdError {
    CmdError::caused(Kind::Failed, format!("cannot write {}", path.display()), error)
}

impl<'u> Sink<'u> {
    fn open(path: Option<&Path>, ui: &'u Ui) -> Result<Self, CmdError> {
        let Some(path) = path else { return Ok(Self::Stdout(ui)) };
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let file = File::create(&part).map_err(|error| cannot_write(&part, error))?;
        Ok(Self::File { into: BufWriter::new(file), part, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CmdError> {
        match self {
            Self::Stdout(ui) => ui.bytes(bytes),
            Self::File { into, part, .. } => {
                into.write_all(bytes).map_err(|error| cannot_write(part, error))
            }
        }
    }

    fn finish(self) -> Result<(), CmdError> {
        let Self::File { into, part, path } = self else { return Ok(()) };
        let done = into
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&part, &path));
        done.map_err(|error| cannot_write(&path, error))
    }
}
