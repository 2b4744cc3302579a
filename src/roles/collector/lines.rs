//! NDJSON: one event a line, of the route's shape or of any; the answer names each refused line.

use serde_json::json;

use super::accept::{Accepted, Gathered, Terms};
use super::answer;
use super::problem::Problem;
use crate::model::Shape;
use crate::pipeline::envelope::RequestEnvelope;
use crate::pipeline::json::check_text;
use crate::pipeline::shape::{Checked, Refused, Rules, check, check_events, code, split_lines};

/// Judges a body line by line.
pub(super) fn accept(terms: &Terms<'_>, body: &[u8]) -> Result<Accepted, Problem> {
    let mut gathered = Gathered::new(body.len(), 64, terms.facts.representation);
    let mut envelopes: [Option<RequestEnvelope<'_>>; Shape::ALL.len()] = Default::default();
    let mut numbers = Vec::new();
    for (index, (number, line)) in split_lines(body).enumerate() {
        if index == terms.max_events {
            let error = format!("Maximum {} events per batch", terms.max_events);
            return Err(Problem::request("batch_too_long", error));
        }
        numbers.push(number);
        match read(terms, line) {
            Ok((text, shape, checked)) => {
                let envelope =
                    envelopes[shape as usize].get_or_insert_with(|| terms.envelope(shape));
                gathered.push(envelope, (index, text), &checked, terms.facts);
            }
            Err(refused) => gathered.refused.push((index, refused)),
        }
    }
    if numbers.is_empty() {
        return Err(Problem::request("empty_batch", "At least one event is required"));
    }
    answer::campaign_batch(gathered, |index, item| {
        item["index"] = json!(index);
        item["line"] = json!(numbers.get(index));
    })
}

fn read<'b>(terms: &Terms<'_>, line: &'b [u8]) -> Result<(&'b str, Shape, Checked<'b>), Refused> {
    let text = check_text(line, terms.max_depth)?;
    let (shape, checked) = match terms.route.shape() {
        Some(shape) => (shape, check(shape, text, &terms.rules)?),
        None => check_any(text, &terms.rules)?,
    };
    Ok((text, shape, checked))
}

/// An event whose members alone tell its shape. 000's, the likeliest, is tried first, and only
/// where its name stands somewhere in the text.
fn check_any<'b>(text: &'b str, rules: &Rules) -> Result<(Shape, Checked<'b>), Refused> {
    let mut as_campaign = None;
    if text.contains("\"event_type\"") {
        match check(Shape::Campaign, text, rules) {
            Ok(checked) => return Ok((Shape::Campaign, checked)),
            Err(refused) => as_campaign = Some(refused),
        }
    }
    check_events(text, rules).map_err(|refused| {
        let shapeless = refused.fields().iter().any(|field| field.code == code::UNKNOWN_SHAPE);
        if shapeless { as_campaign.unwrap_or(refused) } else { refused }
    })
}
