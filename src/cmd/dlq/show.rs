//! `evp dlq show`.

use crate::cmd::ask::{ask, or_dash};
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::cmd::ui::Ui;
use crate::jobs::dead_letters::{
    DeadLetters, DeadLettersRequest, DeadLettersResponse, Letter, LetterFilter,
};

/// Show a dead letter whole; exit 3 where there is none
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp dlq show order-4711
  evp dlq show order-4711 -o json | jq -r .value")]
pub(super) struct Show {
    /// An event id or an origin
    id: String,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let filter =
            LetterFilter { ids: vec![self.id.clone()], stage: None, include_resolved: true };
        let request = DeadLettersRequest::List { filter, after: None, limit: 100 };
        let answer = ask::<DeadLetters>(context, "dead letters", request)?;
        let DeadLettersResponse::Letters { letters, .. } = answer else {
            return Ok(Finish::Done);
        };
        if letters.is_empty() {
            let body = serde_json::json!({ "error": "no dead letter", "id": self.id });
            context.ui.show(&body, |ui| {
                ui.note(format!("{}: no dead letter", self.id));
                Ok(())
            })?;
            return Ok(Finish::Negative);
        }
        for letter in &letters {
            context.ui.show(letter, |ui| print(ui, letter))?;
        }
        Ok(Finish::Done)
    }
}

fn print(ui: &Ui, letter: &Letter) -> Result<(), CmdError> {
    let value = letter
        .value
        .clone()
        .or_else(|| letter.value_base64.as_ref().map(|text| format!("base64:{text}")));
    let rows = [
        ("origin", letter.origin.to_string()),
        ("event_id", or_dash(letter.event_id.as_ref())),
        ("stage", letter.stage.as_str().to_owned()),
        ("topic", letter.topic.to_string()),
        ("error_type", letter.error_type.clone()),
        ("reason", letter.reason.clone()),
        ("attempts", letter.attempts.to_string()),
        ("redrives", letter.redrives.to_string()),
        ("received_at", letter.received_at.to_string()),
        ("first_failed_at", letter.first_failed_at.to_string()),
        ("last_failed_at", letter.last_failed_at.to_string()),
        ("resolved_at", or_dash(letter.resolved_at)),
        ("client_ip", or_dash(letter.client_ip.as_deref())),
        ("value", or_dash(value)),
    ];
    ui.table(&["member", "value"], rows.map(|(name, value)| vec![name.to_owned(), value]))
}
