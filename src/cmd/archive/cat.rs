//! `evp archive cat`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish, Kind};
use crate::cmd::session::Session;
use crate::cmd::ui::{Output, Ui};
use crate::jobs::archive::{Archive, ArchiveRequest, ArchiveResponse, ObjectLines};

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

/// What a line has of its value.
#[derive(Deserialize)]
struct Value {
    value: Option<String>,
    value_base64: Option<String>,
}

impl Cat {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        context.block_on(async |cancel| {
            let session = Session::open(context).await?;
            let mut is_whole = true;
            for key in &self.keys {
                let request = ArchiveRequest::Lines { key: key.clone() };
                let progress = context.ui.progress(key);
                let answer = session.run::<Archive>(request, &progress, cancel.clone()).await;
                drop(progress);
                let ArchiveResponse::Lines(object) = answer? else { continue };
                self.print(&context.ui, &object)?;
                if let Some(damage) = &object.damage {
                    is_whole = false;
                    context.ui.warn(format!("{key} is damaged: {damage}"));
                }
            }
            session.close().await?;
            Ok(Finish::from_good(is_whole))
        })
    }

    fn print(&self, ui: &Ui, object: &ObjectLines) -> Result<(), CmdError> {
        let failed = |error: serde_json::Error| {
            CmdError::caused(Kind::Failed, "a line of the archive is no JSON", error)
        };
        if self.values {
            let mut bytes = Vec::new();
            for line in &object.lines {
                let value: Value = serde_json::from_str(line).map_err(failed)?;
                match (value.value, value.value_base64) {
                    (Some(text), _) => bytes.extend_from_slice(text.as_bytes()),
                    (None, Some(text)) => {
                        bytes.extend_from_slice(&STANDARD.decode(text).map_err(CmdError::failed)?);
                    }
                    (None, None) => {}
                }
                bytes.push(b'\n');
            }
            return ui.bytes(&bytes);
        }
        if ui.output() == Output::Json {
            let lines = object.lines.iter().map(|line| serde_json::from_str::<&RawValue>(line));
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            return ui.json(&lines);
        }
        let mut text = object.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        ui.bytes(text.as_bytes())
    }
}
