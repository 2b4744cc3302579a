//! `evp config validate`: whether the settings can be used.

use std::path::PathBuf;

use serde_json::json;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::settings::loader::load;

/// Check the settings and say every fault with its place; exit 78 where there is one
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp config validate
  evp config validate config/production.toml
  evp config validate --profile seed-001 --env-file .env")]
pub(super) struct Validate {
    /// The file to check in place of those that would be found
    file: Option<PathBuf>,
}

impl Validate {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let mut request = context.request(Vec::new());
        if let Some(file) = self.file {
            request.config = Some(file);
        }
        let loaded = load(&request)?;
        context.tell_notes(&loaded);
        let verdict = json!({ "status": "right", "profile": loaded.profile });
        context.ui.show(&verdict, |ui| {
            ui.note(format!("the settings are right (profile {})", loaded.profile));
            Ok(())
        })?;
        Ok(Finish::Done)
    }
}
