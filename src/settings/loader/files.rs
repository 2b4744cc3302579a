//! Settings files: TOML in which every value knows its line and column.

use std::io;
use std::path::{Path, PathBuf};

use config::{Value, ValueKind};
use toml_edit::{Document, Item};

use crate::settings::profiles;

use super::{Entry, Fault, Layer, Request, Schema};

/// The files that are looked for, weakest first: the machine's, the user's, the directory's.
pub(super) fn places(request: &Request) -> Vec<PathBuf> {
    let environment = &request.environment;
    let user = environment
        .get("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| environment.get("HOME").map(|home| Path::new(home).join(".config")));
    let mut places = vec![PathBuf::from("/etc/evp/evp.toml")];
    places.extend(user.map(|directory| directory.join("evp/evp.toml")));
    places.push(request.directory.join("config/default.toml"));
    places
}

/// The layer of a file that must be there.
pub(super) fn named(path: &Path, schema: &Schema, faults: &mut Vec<Fault>) -> Option<Layer> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(layer(&path.display().to_string(), &text, schema, faults)),
        Err(error) => {
            let text = format!("cannot be read: {error}");
            faults.push(Fault { origin: path.display().to_string(), text });
            None
        }
    }
}

/// The layer of a file that may be missing.
pub(super) fn optional(path: &Path, schema: &Schema, faults: &mut Vec<Fault>) -> Option<Layer> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => None,
        _ => named(path, schema, faults),
    }
}

/// The layer of a profile: `config/<name>.toml` of the directory, else the one compiled in.
pub(super) fn profile(
    request: &Request,
    name: &str,
    schema: &Schema,
    faults: &mut Vec<Fault>,
) -> Option<Layer> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let path = request.directory.join("config").join(format!("{name}.toml"));
    if plain && let Some(layer) = optional(&path, schema, faults) {
        return Some(layer);
    }
    if let Some(text) = profiles::text(name) {
        return Some(layer(&format!("profile {name}"), text, schema, faults));
    }
    let names: Vec<_> = profiles::names().collect();
    let text = format!("there is no profile {name:?}; there are {}", names.join(", "));
    faults.push(Fault { origin: String::new(), text });
    None
}

/// Reads one file's text.
pub(super) fn layer(name: &str, text: &str, schema: &Schema, faults: &mut Vec<Fault>) -> Layer {
    let mut reader = Reader { name, text, schema, faults, entries: Vec::new() };
    match Document::parse(text) {
        Ok(document) => reader.table("", document.as_table()),
        Err(error) => {
            let origin = reader.origin(error.span());
            let text = error.message().trim().replace('\n', ", ");
            reader.faults.push(Fault { origin, text });
        }
    }
    Layer { name: name.to_owned(), entries: reader.entries }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    schema: &'a Schema,
    faults: &'a mut Vec<Fault>,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &dyn toml_edit::TableLike) {
        for (name, item) in table.iter() {
            let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let span = table.key(name).and_then(toml_edit::Key::span);
            if let Some(inner) = item.as_table_like()
                && self.has_section(&key)
            {
                self.table(&key, inner);
            } else if self.schema.default_of(&key).is_none() {
                let origin = self.origin(span);
                self.faults.push(Fault { origin, text: self.unknown(&key) });
            } else {
                let origin = self.origin(item.span().or(span));
                let value = value(item, &origin);
                self.entries.push(Entry { key, value, origin });
            }
        }
    }

    fn has_section(&self, key: &str) -> bool {
        self.schema.keys().any(|(known, _)| known.strip_prefix(key).is_some_and(starts_member))
    }

    fn unknown(&self, key: &str) -> String {
        let sections = self.schema.keys().filter_map(|(known, _)| known.split_once('.'));
        let near = super::schema::nearest(key, sections.map(|(section, _)| section));
        match near.filter(|_| !key.contains('.')) {
            Some(section) => format!("unknown section {key}; did you mean {section}?"),
            None => self.schema.unknown(key),
        }
    }

    /// File, line and column, counted from one.
    fn origin(&self, span: Option<std::ops::Range<usize>>) -> String {
        let before = span.and_then(|span| self.text.get(..span.start));
        let Some(before) = before else { return self.name.to_owned() };
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

fn starts_member(rest: &str) -> bool {
    rest.starts_with('.')
}

pub(super) fn value(item: &Item, origin: &str) -> Value {
    let origin = origin.to_owned();
    let kind = match item {
        Item::Value(toml_edit::Value::Integer(number)) => ValueKind::I64(*number.value()),
        Item::Value(toml_edit::Value::Float(number)) => ValueKind::Float(*number.value()),
        Item::Value(toml_edit::Value::Boolean(truth)) => ValueKind::Boolean(*truth.value()),
        Item::Value(toml_edit::Value::String(text)) => ValueKind::String(text.value().clone()),
        Item::Value(toml_edit::Value::Array(items)) => {
            let items = items.iter().map(|item| value(&Item::Value(item.clone()), &origin));
            ValueKind::Array(items.collect())
        }
        Item::Value(toml_edit::Value::Datetime(time)) => ValueKind::String(time.to_string()),
        _ => ValueKind::Table(config::Map::new()),
    };
    Value::new(Some(&origin), kind)
}
