//! Batch bodies: 000's array, 004's all-or-nothing and 003's per-item bulk.

use serde_json::json;

use super::accept::{Accepted, Gathered, Terms};
use super::answer;
use super::problem::{Problem, field_values};
use crate::model::Shape;
use crate::pipeline::json::check_utf8;
use crate::pipeline::shape::{Refused, check, split_array, split_member_events};
use crate::runtime::http::StatusCode;

/// How many of a batch's wrong fields an answer lists.
const MAX_LISTED: usize = 100;

/// 000: every item by itself, the answer names those refused.
pub(super) fn campaign(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let shape = Shape::Campaign;
    let text = check_utf8(body).map_err(|error| Problem::refused(shape, &error.into()))?;
    // Go reads `null` into an empty list.
    let items = match split_array(text, terms.max_depth, terms.max_events) {
        Err(Refused::WrongKind(_)) if super::accept::trim(text) == "null" => Vec::new(),
        split => split.map_err(|refused| Problem::refused(shape, &refused))?,
    };
    if items.is_empty() {
        return Err(Problem::request("empty_batch", "At least one event is required"));
    }
    if items.len() > terms.max_events {
        let error = format!("Maximum {} events per batch", terms.max_events);
        return Err(Problem::request("batch_too_long", error));
    }
    let gathered = gather(terms, shape, text, &items)?;
    answer::campaign_batch(gathered, |index, item| {
        item["index"] = json!(index);
    })
}

/// 004: all or nothing.
pub(super) fn named(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let (text, items) = members(terms, Shape::Named, body)?;
    // An empty list is fine with 004, none at all is not.
    if items.is_empty() && !has_events(text) {
        return Err(Problem::request("invalid_event", "events is required"));
    }
    let gathered = gather(terms, Shape::Named, text, &items)?;
    let Some((first, refused)) = gathered.refused.first() else {
        return Ok(answer::named_bulk(gathered));
    };
    let error = format!("events[{first}]: {refused}");
    let fields = gathered
        .refused
        .iter()
        .flat_map(|(index, refused)| field_values(refused.fields(), &format!("/events/{index}")));
    let fields = fields.take(MAX_LISTED).collect();
    Err(Problem::request("invalid_event", error).with_fields(fields).for_events(items.len() as u64))
}

/// 003: every item by itself, with counts.
pub(super) fn v1(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let (text, items) = members(terms, Shape::NamedV1, body)?;
    if items.is_empty() {
        return Err(Problem::request("empty_batch", "events array cannot be empty"));
    }
    let gathered = gather(terms, Shape::NamedV1, text, &items)?;
    answer::v1_bulk(gathered)
}

fn has_events(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Wrapper {
        events: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str(text).is_ok_and(|wrapper: Wrapper| wrapper.events.is_some())
}

fn members<'b>(
    terms: &Terms<'_>,
    shape: Shape,
    body: &'b [u8],
) -> Result<(&'b str, Vec<&'b str>), Problem> {
    let refuse = |refused: Refused| Problem::refused(shape, &refused);
    let text = check_utf8(body).map_err(|error| refuse(error.into()))?;
    let items = split_member_events(text, terms.max_depth, terms.max_events).map_err(refuse)?;
    if items.len() > terms.max_events {
        let error = format!("events array cannot exceed {} items", terms.max_events);
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            super::problem::Reason::Fields,
            "batch_too_long",
            error,
        ));
    }
    Ok((text, items))
}

/// Checks every item. One that is no JSON makes the body none.
fn gather(
    terms: &Terms<'_>,
    shape: Shape,
    text: &str,
    items: &[&str],
) -> Result<Gathered, Problem> {
    let envelope = terms.envelope(shape);
    let mut gathered = Gathered::new(text.len(), items.len(), terms.facts.representation);
    for (index, item) in items.iter().copied().enumerate() {
        match check(shape, item, &terms.rules) {
            Ok(checked) => {
                gathered.push(&envelope, (index, item), &checked, terms.facts);
            }
            Err(refused @ Refused::Json(_)) => {
                return Err(Problem::refused(shape, &refused).in_item(index));
            }
            Err(refused) => gathered.refused.push((index, refused)),
        }
    }
    Ok(gathered)
}
