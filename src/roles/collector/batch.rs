//! Batch bodies: 000's array, 004's all-or-nothing and 003's per-item bulk.

use serde_json::json;

use super::accept::{Accepted, Gathered, RECORD_OVERHEAD, Terms};
use super::answer;
use super::problem::{Problem, field_values};
use crate::model::Shape;
use crate::pipeline::json::check_utf8;
use crate::pipeline::shape::{PlainBatch, Refused, check, split_array, split_member_events};
use crate::runtime::http::StatusCode;

/// How many of a batch's wrong fields an answer lists.
const MAX_LISTED: usize = 100;

/// 000: every item by itself, the answer names those refused.
pub(super) fn campaign(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let shape = Shape::Campaign;
    let text = utf8(shape, body)?;
    if let Some(gathered) = gather_plain(terms, shape, PlainBatch::of_array(text)) {
        return answered_campaign(gathered);
    }
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
    answered_campaign(gather(terms, shape, text, &items)?)
}

fn answered_campaign(gathered: Gathered) -> Result<Accepted, Problem> {
    answer::campaign_batch(gathered, |index, item| {
        item["index"] = json!(index);
    })
}

/// 004: all or nothing.
pub(super) fn named(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let text = utf8(Shape::Named, body)?;
    if let Some(gathered) = gather_plain(terms, Shape::Named, PlainBatch::of_member_events(text)) {
        return answered_named(gathered);
    }
    let items = members(terms, Shape::Named, text)?;
    // An empty list is fine with 004, none at all is not.
    if items.is_empty() && !has_events(text) {
        return Err(Problem::request("invalid_event", "events is required"));
    }
    answered_named(gather(terms, Shape::Named, text, &items)?)
}

fn answered_named(gathered: Gathered) -> Result<Accepted, Problem> {
    let Some((first, refused)) = gathered.refused.first() else {
        return Ok(answer::named_bulk(gathered));
    };
    let error = format!("events[{first}]: {refused}");
    let fields = gathered
        .refused
        .iter()
        .flat_map(|(index, refused)| field_values(refused.fields(), &format!("/events/{index}")));
    let fields = fields.take(MAX_LISTED).collect();
    let events = u64::from(gathered.accepted()) + gathered.refused.len() as u64;
    Err(Problem::request("invalid_event", error).with_fields(fields).for_events(events))
}

/// 003: every item by itself, with counts.
pub(super) fn v1(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let text = utf8(Shape::NamedV1, body)?;
    if let Some(gathered) = gather_plain(terms, Shape::NamedV1, PlainBatch::of_member_events(text))
    {
        return answer::v1_bulk(gathered);
    }
    let items = members(terms, Shape::NamedV1, text)?;
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

fn utf8(shape: Shape, body: &[u8]) -> Result<&str, Problem> {
    check_utf8(body).map_err(|error| Problem::refused(shape, &error.into()))
}

fn members<'b>(terms: &Terms<'_>, shape: Shape, text: &'b str) -> Result<Vec<&'b str>, Problem> {
    let refuse = |refused: Refused| Problem::refused(shape, &refused);
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
    Ok(items)
}

/// The events of a body that is plain from end to end, which almost every body is.
fn gather_plain(
    terms: &Terms<'_>,
    shape: Shape,
    batch: Option<PlainBatch<'_>>,
) -> Option<Gathered> {
    let batch = batch?;
    let envelope = terms.envelope(shape);
    let bytes = batch.text().len();
    // Events are seldom smaller than what a record adds to them.
    let mut gathered =
        Gathered::new(bytes, bytes / RECORD_OVERHEAD + 1, terms.facts.representation);
    let limits = (terms.max_depth, terms.max_events);
    batch.check(shape, limits, &terms.rules, |index, text, checked| match checked {
        Ok(checked) => gathered.push(&envelope, (index, text), checked, terms.facts),
        Err(refused) => gathered.refused.push((index, refused)),
    })?;
    Some(gathered)
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
