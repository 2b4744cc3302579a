//! `evp status`: what became of one event.

use crate::jobs::status::{Status as Job, StatusRequest};
use crate::model::EventId;
use crate::pipeline::lookup::Lookup;

use super::ask::{ask, or_dash};
use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};

/// Say what became of an event; exit 3 where it was never accepted
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp status 018f4e6a-0000-7000-8000-000000000001
  evp status order-4711 -o json | jq -r .outcome")]
pub(super) struct Status {
    /// The event's id
    #[arg(value_name = "EVENT_ID")]
    event_id: String,
}

impl Status {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let event_id =
            EventId::new(self.event_id).map_err(|error| CmdError::usage(error.to_string()))?;
        let request = StatusRequest { event_id: event_id.clone() };
        let answer = match ask::<Job>(context, "status", request)? {
            Lookup::Found(answer) => answer,
            Lookup::NotFound => {
                let body = serde_json::json!({ "error": "event not found", "event_id": event_id });
                context.ui.show(&body, |ui| {
                    ui.note(format!("{event_id}: event not found"));
                    Ok(())
                })?;
                return Ok(Finish::Negative);
            }
            Lookup::CannotTell => {
                let error = CmdError::new(Kind::Failed, format!("{event_id}: cannot tell yet"));
                return Err(error.hint("too much is in flight; ask again once the lag is smaller"));
            }
        };
        context.ui.show(&answer, |ui| {
            let rows = [
                ("event_id", answer.event_id.to_string()),
                ("outcome", answer.outcome.to_string()),
                ("reason", or_dash(answer.reason.as_deref())),
                ("at", answer.at.to_string()),
                ("origin", answer.origin.to_string()),
                ("duplicates", answer.duplicates.to_string()),
            ];
            ui.table(&["member", "value"], rows.map(|(name, value)| vec![name.to_owned(), value]))
        })?;
        Ok(Finish::Done)
    }
}
