//! Bodies of 2xx and per-item answers, as each seed's clients know them.

use serde_json::{Value, json};

use super::accept::{Accepted, Gathered};
use super::problem::{Problem, Reason, field_values};
use crate::model::Shape;
use crate::pipeline::shape::Refused;
use crate::runtime::http::StatusCode;

/// The answer to one accepted event.
pub(super) fn single(shape: Shape, id: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + 2 * id.len());
    match shape {
        Shape::Campaign | Shape::Job => {
            body.extend_from_slice(b"{\"status\":\"queued\",\"event_id\":");
            push_json(&mut body, id);
            body.push(b'}');
        }
        Shape::NamedV1 => {
            body.extend_from_slice(b"{\"event_id\":");
            push_json(&mut body, id);
            body.extend_from_slice(b",\"status\":\"queued\"}");
        }
        Shape::Typed => {
            body.extend_from_slice(b"{\"id\":");
            push_json(&mut body, id);
            body.extend_from_slice(b",\"status\":\"accepted\"}");
        }
        Shape::Named => {
            body.extend_from_slice(b"{\"status\":\"accepted\",\"id\":");
            push_json(&mut body, id);
            body.extend_from_slice(b",\"event_id\":");
            push_json(&mut body, id);
            body.push(b'}');
        }
    }
    body
}

fn push_json(body: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        body.push(b'"');
        body.extend_from_slice(text.as_bytes());
        body.push(b'"');
    } else {
        body.extend_from_slice(Value::from(text).to_string().as_bytes());
    }
}

/// 000's batch and NDJSON: how many, and what became of those that are named. `place` says where an
/// item stood.
pub(super) fn campaign_batch(
    gathered: Gathered,
    place: impl Fn(usize, &mut Value),
) -> Result<Accepted, Problem> {
    let count = gathered.accepted();
    let mut results: Vec<(usize, Value)> = gathered
        .refused
        .iter()
        .map(|(index, refused)| {
            let mut item = json!({
                "status": "rejected",
                "error": refused.to_string(),
                "code": item_code(refused),
            });
            if !refused.fields().is_empty() {
                item["errors"] = json!(field_values(refused.fields(), ""));
            }
            (*index, item)
        })
        .collect();
    for (index, id) in gathered.named.iter().flatten() {
        results.push((*index, json!({ "status": "queued", "event_id": id })));
    }
    results.sort_by_key(|(index, _)| *index);
    let results: Vec<Value> = results
        .into_iter()
        .map(|(index, mut item)| {
            place(index, &mut item);
            item
        })
        .collect();
    if count == 0 {
        let error = "no event of the batch is valid";
        let body = json!({ "error": error, "code": NONE_VALID, "count": 0, "results": results });
        return Err(all_refused(gathered.refused.len(), error).with_body(body));
    }
    let mut body = json!({ "count": count, "status": "queued" });
    if !results.is_empty() {
        body["results"] = json!(results);
    }
    Ok(gathered.answered(StatusCode::ACCEPTED, body.to_string().into_bytes()))
}

/// 004's bulk, all of which is accepted.
pub(super) fn named_bulk(gathered: Gathered) -> Accepted {
    let mut body = json!({ "status": "accepted" });
    if let Some(named) = &gathered.named {
        body["results"] = named_results(named);
    }
    gathered.answered(StatusCode::ACCEPTED, body.to_string().into_bytes())
}

/// 003's bulk: counts and the errors of those refused.
pub(super) fn v1_bulk(gathered: Gathered) -> Result<Accepted, Problem> {
    let (accepted, refused) = (gathered.accepted(), gathered.refused.len());
    let mut body = json!({ "success_count": accepted, "failed_count": refused });
    if refused > 0 {
        let errors = gathered.refused.iter().map(|(index, refused)| {
            json!({
                "index": index,
                "error": refused.item(),
                "code": item_code(refused),
                "errors": field_values(refused.fields(), &format!("/events/{index}")),
            })
        });
        body["errors"] = errors.collect();
    }
    if accepted == 0 {
        let error = "no event of the batch is valid";
        body["error"] = json!(error);
        body["code"] = json!(NONE_VALID);
        return Err(all_refused(refused, error).with_body(body));
    }
    if let Some(named) = &gathered.named {
        body["results"] = named_results(named);
    }
    let status = if refused == 0 { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok(gathered.answered(status, body.to_string().into_bytes()))
}

fn named_results(named: &[(usize, String)]) -> Value {
    named.iter().map(|(index, id)| json!({ "index": index, "event_id": id })).collect()
}

/// The code of a batch of which no event is right.
const NONE_VALID: &str = "invalid_events";

fn all_refused(events: usize, error: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Reason::Fields, NONE_VALID, error)
        .for_events(events as u64)
}

fn item_code(refused: &Refused) -> &'static str {
    match refused {
        Refused::Json(_) => "invalid_json",
        Refused::WrongKind(_) => "invalid_type",
        Refused::TooLarge { .. } => "event_too_large",
        Refused::Fields(_) => "invalid_event",
    }
}
