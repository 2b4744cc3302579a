//! `/events/{event_id}`: where one event stands.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use super::answer::Refusal;
use super::role::Shared;
use crate::model::EventId;
use crate::pipeline::lookup::{EventAnswer, Lookup, lookup};

pub(super) async fn status(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<EventAnswer>, Refusal> {
    let refuse = |detail: String| Refusal::Parameter { name: "event_id", detail };
    let Ok(Path(id)) = id else {
        return Err(refuse("must be percent-encoded UTF-8".to_owned()));
    };
    let id = EventId::new(id).map_err(|error| {
        let text = error.to_string();
        refuse(text.strip_prefix("event_id ").unwrap_or(&text).to_owned())
    })?;
    match shared.in_time(lookup(&shared.ports, &shared.plan, &id)).await? {
        Lookup::Found(answer) => Ok(Json(answer)),
        Lookup::NotFound => Err(Refusal::NotFound("event not found")),
        Lookup::CannotTell => Err(Refusal::CannotTell),
    }
}
