//! `evp config show`: the settings as they hold.

use serde::Serialize;
use serde_json::Value;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::settings::loader::{Loaded, Schema};

use super::plain;

/// Print the settings that hold
///
/// Values come from the defaults, the files, the profile, variables and flags, in this order; a
/// later one wins. Secrets are shown as ***.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp config show
  evp config show --origin --changed
  evp config show -o json --profile seed-000")]
pub(super) struct Show {
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
    /// Leave out what is as by default
    #[arg(long)]
    changed: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: Value,
    origin: String,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let loaded = context.loaded()?;
        context.tell_notes(loaded);
        let mut rows = rows(loaded);
        if self.changed {
            rows.retain(|row| loaded.origin(&row.key).is_some());
        }
        let headers: &[&str] =
            if self.origin { &["key", "value", "origin"] } else { &["key", "value"] };
        context.ui.list(headers, &rows, |row| {
            let mut cells = vec![row.key.clone(), plain(&row.value)];
            if self.origin {
                cells.push(row.origin.clone());
            }
            cells
        })?;
        Ok(Finish::Done)
    }
}

fn rows(loaded: &Loaded) -> Vec<Row> {
    let schema = Schema::of_settings();
    let row = |(key, value): (String, Value)| {
        let value = schema.shown(&key, &value);
        let origin = loaded.origin(&key).unwrap_or("default").to_owned();
        Row { key, value, origin }
    };
    Schema::flat(&loaded.settings).into_iter().map(row).collect()
}
