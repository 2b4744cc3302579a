//! Entries of a layer, and stacking layers into settings.

use std::fmt::Debug;

use config::{Config, ConfigError, Map, Source, Value, ValueKind};

use crate::settings::Settings;

use super::{Fault, Request, Schema};

/// One key's value in one place.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Dotted key.
    pub key: String,
    /// Its value; may be a secret.
    pub value: Value,
    /// File with line and column, variable or flag.
    pub origin: String,
}

impl Entry {
    /// A value given as text, as variables and flags do; a list is parted by commas.
    pub(super) fn from_text(schema: &Schema, key: &str, text: &str, origin: &str) -> Self {
        let origin = origin.to_owned();
        let kind = if schema.is_list(key) {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            ValueKind::Array(items.map(|item| Value::new(Some(&origin), item)).collect())
        } else {
            ValueKind::String(text.to_owned())
        };
        Self { key: key.to_owned(), value: Value::new(Some(&origin), kind), origin }
    }
}

/// All entries of one source; a later one of a key wins.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What it is, for people.
    pub name: String,
    /// What it says.
    pub entries: Vec<Entry>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let pair = |entry: &Entry| (entry.key.clone(), entry.value.clone());
        Ok(self.entries.iter().map(pair).collect())
    }
}

/// The flags of the command line: those of a setting's own, then `--set`.
pub(super) fn flags(request: &Request, schema: &Schema, faults: &mut Vec<Fault>) -> Layer {
    let mut entries = Vec::new();
    for (key, value, flag) in &request.flags {
        entries.push(Entry::from_text(schema, key, value, flag));
    }
    for text in &request.set {
        let origin = format!("--set {}", text.split('=').next().unwrap_or_default());
        match text.split_once('=') {
            None => faults.push(Fault {
                origin: format!("--set {text}"),
                text: "is not of the form key=value".to_owned(),
            }),
            Some((key, _)) if schema.default_of(key.trim()).is_none() => {
                faults.push(Fault { origin, text: schema.unknown(key.trim()) });
            }
            Some((key, value)) => {
                entries.push(Entry::from_text(schema, key.trim(), value.trim(), &origin));
            }
        }
    }
    Layer { name: "flags".to_owned(), entries }
}

/// Checks every entry alone, so that each fault is told with its place, then reads all together.
pub(super) fn stack(
    layers: &[Layer],
    schema: &Schema,
    faults: &mut Vec<Fault>,
) -> Option<Settings> {
    for entry in layers.iter().flat_map(|layer| &layer.entries) {
        if let Some(text) = loose(schema, entry) {
            faults.push(Fault { origin: entry.origin.clone(), text });
            continue;
        }
        let alone = Layer { name: String::new(), entries: vec![entry.clone()] };
        if let Err(error) = read(&[alone]) {
            let text = format!("{}: {}", entry.key, why(schema, &entry.key, &error));
            faults.push(Fault { origin: entry.origin.clone(), text });
        }
    }
    if !faults.is_empty() {
        return None;
    }
    read(layers)
        .map_err(|error| faults.push(Fault { origin: String::new(), text: reason(&error) }))
        .ok()
}

/// What the `config` crate would let pass: a truth for a number and a number for a truth.
fn loose(schema: &Schema, entry: &Entry) -> Option<String> {
    let default = schema.default_of(&entry.key)?;
    let expected = match &entry.value.kind {
        ValueKind::Boolean(_) if !default.is_boolean() => "something else than true or false",
        ValueKind::I64(_) | ValueKind::Float(_) if default.is_boolean() => "true or false",
        ValueKind::Float(_) if default.is_i64() || default.is_u64() => "a whole number",
        _ => return None,
    };
    Some(format!("{}: expected {expected}", entry.key))
}

fn read(layers: &[Layer]) -> Result<Settings, ConfigError> {
    let builder = layers.iter().fold(Config::builder(), |b, layer| b.add_source(layer.clone()));
    builder.build()?.try_deserialize()
}

/// Why a key's value cannot be read; of what may hold a secret nothing of the value is repeated.
pub(super) fn why(schema: &Schema, key: &str, error: &ConfigError) -> String {
    if schema.may_hold_secret(key) {
        return "cannot be read as what it should be (its value is not shown)".to_owned();
    }
    match schema.choices(key) {
        [] => reason(error),
        choices => format!("expected one of {}", choices.join(", ")),
    }
}

/// The standard library's words about addresses, with what one looks like.
fn plain(text: &str) -> &str {
    match text {
        "invalid socket address syntax" => "not an address and port like 127.0.0.1:8080",
        "invalid IP address syntax" => "not a network like 10.0.0.0/8 or 192.0.2.7/32",
        other => other,
    }
}

fn reason(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => reason(error),
        ConfigError::Type { unexpected, expected, .. } => {
            format!("expected {expected}, found {unexpected}")
        }
        ConfigError::Message(text) => plain(text).to_owned(),
        other => other.to_string(),
    }
}
