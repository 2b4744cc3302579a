//! `evp dlq export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::StageArg;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish, Kind};
use crate::cmd::session::Session;
use crate::cmd::ui::Ui;
use crate::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, Letter, LetterFilter,
};

/// Letters asked for at once: each may carry an event of the largest size.
const AT_ONCE: u64 = 50;

/// Write dead letters out whole, one JSON line each, with the bytes of their values
///
/// A line has what `evp dlq show -o json` prints: `value` where the bytes are text, else
/// `value_base64`. Nothing is changed.
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
        let count = context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let progress = context.ui.progress("dead letters");
            let (mut after, mut count) = (None, 0_u64);
            loop {
                let filter = LetterFilter {
                    ids: Vec::new(),
                    stage: self.stage.map(StageArg::stage),
                    include_resolved: self.resolved,
                };
                let request = DeadLettersRequest::List { filter, after, limit: AT_ONCE };
                let answer = session.run::<DeadLetters>(request, &progress, cancel.clone()).await?;
                let DeadLettersResponse::Letters { letters, truncated } = answer else { break };
                sink.write(&letters)?;
                count += letters.len() as u64;
                after = letters.last().map(|letter| letter.origin);
                if !truncated || after.is_none() {
                    break;
                }
                if cancel.is_cancelled() {
                    return Err(CmdError::failed("stopped before the end; nothing was changed"));
                }
            }
            session.close().await?;
            Ok(count)
        })?;
        sink.finish()?;
        context.ui.note(format!("{count} dead letters"));
        Ok(Finish::Done)
    }
}

/// Where the lines go.
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

    fn write(&mut self, letters: &[Letter]) -> Result<(), CmdError> {
        match self {
            Self::Stdout(ui) => ui.ndjson(letters),
            Self::File { into, part, .. } => {
                let mut write = || -> std::io::Result<()> {
                    for letter in letters {
                        serde_json::to_writer(&mut *into, letter)?;
                        into.write_all(b"\n")?;
                    }
                    Ok(())
                };
                write().map_err(|error| cannot_write(part, error))
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
