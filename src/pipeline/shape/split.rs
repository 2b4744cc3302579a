//! Batch bodies cut into the texts of their events, without copying and without reading them.
//!
//! The cut goes by brackets and commas; the grammar inside an element is left to the check of that
//! element. A body whose elements all check is JSON as a whole; an element that is no JSON
//! ([`Refused::Json`]) means that the body is none. An element that is JSON but no object is an
//! error of that item alone.
//!
//! At most `max_events` and one more are cut out, so that a body of five million zeros costs no more
//! memory than one of a thousand events; the caller refuses a batch that has the one more. What
//! follows it is not looked at.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::refused::{FieldError, Refused, code};
use super::text;
use crate::pipeline::json::{self, JsonError};

/// The elements of `[…]`, each nested at most `max_depth` levels.
///
/// # Errors
/// When the body is no array, or no JSON between its elements.
pub fn split_array(text: &str, max_depth: usize, max_events: usize) -> Result<Vec<&str>, Refused> {
    let bytes = text.as_bytes();
    let at = json::skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return Err(no_container(text, "the body must be a JSON array"));
    }
    let limits = Limits { max_depth, max_events };
    let (elements, end) = elements(text, at, limits)?;
    if elements.len() <= max_events {
        ensure_end(bytes, end)?;
    }
    Ok(elements)
}

/// The elements of `events` in `{"events":[…]}`; empty where it is absent or null.
///
/// # Errors
/// When the body is no object, is no JSON outside its elements, or `events` is no array, given twice
/// or misspelled.
pub fn split_member_events(
    text: &str,
    max_depth: usize,
    max_events: usize,
) -> Result<Vec<&str>, Refused> {
    let bytes = text.as_bytes();
    let mut at = json::skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return Err(no_container(text, "the body must be a JSON object"));
    }
    let mut found = None;
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    at = json::skip_space(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        at += 1;
    } else {
        loop {
            let (name, value) = member_name(text, at)?;
            at = if name == "events" && bytes.get(value) == Some(&b'[') {
                let (elements, end) = elements(text, value, Limits { max_depth, max_events })?;
                if elements.len() > max_events {
                    return Ok(elements);
                }
                found.get_or_insert(elements);
                end
            } else {
                other_member(text, &name, value, max_depth)?
            };
            // a wrapper has a handful of members: past them, names are not compared but refused
            if names.contains(&name) || names.len() == MAX_WRAPPER_MEMBERS {
                let message = format!("{} is given more than once", excerpt(&name));
                let error = FieldError::new(&excerpt(&name), code::DUPLICATE_MEMBER, message);
                return Err(Refused::Fields(vec![error]));
            }
            names.push(name);
            at = json::skip_space(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = json::skip_space(bytes, at + 1),
                Some(b'}') => break,
                _ => return Err(JsonError::at(bytes, at, "expected `,` or `}`").into()),
            }
        }
        at += 1;
    }
    ensure_end(bytes, at)?;
    Ok(found.unwrap_or_default())
}

/// The lines of an NDJSON body that are not blank, with their numbers from 1. Lines are bytes, so
/// that one line that is no text refuses itself alone.
pub fn split_lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    body.split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.strip_suffix(b"\r").unwrap_or(line)))
        .filter(|(_, line)| !line.iter().copied().all(json::is_space))
}

#[derive(Clone, Copy)]
struct Limits {
    max_depth: usize,
    max_events: usize,
}

const MAX_WRAPPER_MEMBERS: usize = 64;

fn excerpt(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

/// The elements of the array that opens at `at`, and where it ends.
fn elements(text: &str, at: usize, limits: Limits) -> Result<(Vec<&str>, usize), Refused> {
    let bytes = text.as_bytes();
    let mut elements = Vec::new();
    let mut at = json::skip_space(bytes, at + 1);
    if bytes.get(at) == Some(&b']') {
        return Ok((elements, at + 1));
    }
    loop {
        let end = value_end(bytes, at, limits.max_depth)?;
        elements.push(&text[at..end]);
        if elements.len() > limits.max_events {
            return Ok((elements, end));
        }
        at = json::skip_space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = json::skip_space(bytes, at + 1),
            Some(b']') => return Ok((elements, at + 1)),
            Some(_) => return Err(JsonError::at(bytes, at, "expected `,` or `]`").into()),
            None => return Err(JsonError::at(bytes, at, "the body ends inside an array").into()),
        }
    }
}

/// Where the value that starts at `at` ends; its grammar is not looked at.
fn value_end(bytes: &[u8], at: usize, max_depth: usize) -> Result<usize, JsonError> {
    match bytes.get(at) {
        None => Err(JsonError::at(bytes, at, "the body ends where a value is expected")),
        Some(b'{' | b'[') => json::container_end(bytes, at, max_depth),
        Some(b'"') => Ok(json::string_end(bytes, at).min(bytes.len())),
        Some(b',' | b']' | b'}' | b':') => Err(JsonError::at(bytes, at, "expected a value")),
        Some(_) => {
            let stops = |byte: &u8| json::is_space(*byte) || b",]}:\"[{".contains(byte);
            Ok(bytes[at..].iter().position(stops).map_or(bytes.len(), |length| at + length))
        }
    }
}

/// The member's name at `at`, and where its value starts.
fn member_name(text: &str, at: usize) -> Result<(Cow<'_, str>, usize), Refused> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'"') {
        return Err(JsonError::at(bytes, at, "expected the name of a member").into());
    }
    let end = json::string_end(bytes, at);
    let name: &RawValue = serde_json::from_str(text.get(at..end).unwrap_or_default())
        .map_err(|_| JsonError::at(bytes, at, "the name of a member is no JSON string"))?;
    let colon = json::skip_space(bytes, end);
    if bytes.get(colon) != Some(&b':') {
        return Err(JsonError::at(bytes, colon, "expected `:`").into());
    }
    Ok((text::name(name.get()), json::skip_space(bytes, colon + 1)))
}

/// Passes over a member that is not the array `events`, and returns where it ends.
fn other_member(text: &str, name: &str, at: usize, max_depth: usize) -> Result<usize, Refused> {
    let bytes = text.as_bytes();
    let end = value_end(bytes, at, max_depth)?;
    let value: &RawValue = serde_json::from_str(&text[at..end]).map_err(|_| {
        JsonError::at(bytes, at, format!("the value of {} is no JSON", excerpt(name)))
    })?;
    if name == "events" && value.get() != "null" {
        return Err(Refused::Fields(vec![FieldError::wrong_type("events", "an array")]));
    }
    if name != "events" && name.eq_ignore_ascii_case("events") {
        let message = format!("{name} must be spelled events");
        return Err(Refused::Fields(vec![FieldError::new(name, code::LETTER_CASE, message)]));
    }
    Ok(end)
}

/// What is said where the body does not open as asked: no JSON at all, or another kind of value.
fn no_container(text: &str, message: &'static str) -> Refused {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Refused::WrongKind(message),
        Err(error) => Refused::Json(JsonError::of(&error, text)),
    }
}

fn ensure_end(bytes: &[u8], at: usize) -> Result<(), Refused> {
    let end = json::skip_space(bytes, at);
    if end == bytes.len() {
        return Ok(());
    }
    Err(JsonError::at(bytes, end, "there is more after the end of the JSON value").into())
}
