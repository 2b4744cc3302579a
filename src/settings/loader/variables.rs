//! Variables: the process's own, those of a `.env` file, and secrets in files.

use std::collections::BTreeMap;
use std::path::Path;

use config::ValueKind;

use crate::settings::seed_variables::{Reading, SEED_VARIABLES, SeedVariable, WITHOUT_EFFECT};

use super::schema::nearest;
use super::{Entry, Fault, Layer, Request, Schema};

/// Prefix of the variables that name a key: `EVP__HTTP__LISTEN`.
const PREFIX: &str = "EVP__";

/// Variables of ours that are no settings.
const OWN: &[&str] = &["EVP_PROFILE", "EVP_ENV_FILE", "EVP_CRASH_POINT"];

/// A variable's value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: String,
    pub(super) origin: String,
}

/// All variables by name; what the process was given beats a `.env` file.
pub(super) type Variables = BTreeMap<String, Given>;

/// Collects them, and says what lies there unread.
pub(super) fn collect(
    request: &Request,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<String>,
) -> Variables {
    let mut variables = Variables::new();
    let named = request.environment.get("EVP_ENV_FILE").map(Path::new);
    if let Some(path) = request.env_file.as_deref().or(named) {
        match std::fs::read_to_string(path) {
            Ok(text) => env_file(&path.display().to_string(), &text, &mut variables, faults),
            Err(error) => faults.push(Fault {
                origin: path.display().to_string(),
                text: format!("cannot be read: {error}"),
            }),
        }
    } else if request.directory.join(".env").exists() {
        notes.push("a file .env lies here unread; --env-file .env reads it".to_owned());
    }
    for (name, value) in request.environment.iter() {
        let origin = format!("variable {name}");
        variables.insert(name.to_owned(), Given { value: value.to_owned(), origin });
    }
    variables
}

/// `NAME=value` lines, as docker and the seeds' `.env` files have them: `export`, quotes and
/// comments allowed, nothing expanded.
fn env_file(name: &str, text: &str, into: &mut Variables, faults: &mut Vec<Fault>) {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}", at + 1);
        match line.split_once('=') {
            Some((variable, value)) if !variable.trim().is_empty() => {
                let variable = variable.trim().to_owned();
                let origin = format!("{place} {variable}");
                let value = unquoted(value.trim()).to_owned();
                if !value.is_empty() {
                    into.insert(variable, Given { value, origin });
                }
            }
            // Not the line itself: what is broken here may be a secret.
            _ => faults.push(Fault { origin: place, text: "is not NAME=value".to_owned() }),
        }
    }
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        if let Some((inner, _)) = inner {
            return inner;
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

/// The seeds' variables. `listen` is the collector's address by the layers below, of which a port
/// variable replaces the port.
pub(super) fn seeds(
    variables: &Variables,
    listen: &str,
    schema: &Schema,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<String>,
) -> Layer {
    let mut entries: Vec<Entry> = Vec::new();
    for seed in SEED_VARIABLES {
        let Some(given) = variables.get(seed.name) else { continue };
        let Some(text) = reading(seed, given, listen, faults) else { continue };
        let entry = Entry::from_text(schema, seed.key, &text, &given.origin);
        if let Some(other) = entries.iter().find(|other| other.key == seed.key)
            && other.value.kind != entry.value.kind
        {
            let text = format!("{} and {} both set it and disagree", other.origin, given.origin);
            faults.push(Fault { origin: String::new(), text: format!("{}: {text}", seed.key) });
        }
        entries.push(entry);
    }
    let idle: Vec<&str> =
        WITHOUT_EFFECT.iter().copied().filter(|name| variables.contains_key(*name)).collect();
    if !idle.is_empty() {
        notes.push(format!("{}: set, but without effect in embedded mode", idle.join(", ")));
    }
    Layer { name: "seed variables".to_owned(), entries }
}

fn reading(
    seed: &SeedVariable,
    given: &Given,
    listen: &str,
    faults: &mut Vec<Fault>,
) -> Option<String> {
    let mut refuse = |text: String| {
        faults.push(Fault { origin: given.origin.clone(), text });
        None
    };
    match seed.reading {
        Reading::Text => Some(given.value.trim().to_owned()),
        Reading::OnlyItem => {
            let items: Vec<&str> = given.value.split(',').map(str::trim).collect();
            match items.as_slice() {
                [only] => Some((*only).to_owned()),
                _ => refuse(format!("names {} topics where one can be read", items.len())),
            }
        }
        Reading::Port => {
            let text = given.value.trim().trim_start_matches(':');
            let host = listen.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            match text.parse::<u16>() {
                Ok(port) => Some(format!("{host}:{port}")),
                Err(_) => refuse(format!("{text:?} is not a port")),
            }
        }
    }
}

/// The variables `EVP__SECTION__KEY`.
pub(super) fn own(
    variables: &Variables,
    schema: &Schema,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<String>,
) -> Layer {
    let mut entries = Vec::new();
    for (name, given) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else {
            if name.starts_with("EVP_") && !OWN.contains(&name.as_str()) {
                let near = schema.keys().map(|(key, _)| Schema::variable(key));
                let near: Vec<String> = near.collect();
                let meant = nearest(name, near.iter().map(String::as_str));
                let meant = meant.map(|meant| format!("; {meant} is a setting"));
                notes.push(format!("{name} is not read{}", meant.unwrap_or_default()));
            }
            continue;
        };
        let key = path.replace("__", ".").to_lowercase();
        if schema.default_of(&key).is_some() {
            entries.push(Entry::from_text(schema, &key, given.value.trim(), &given.origin));
        } else if !key.strip_suffix("_file").is_some_and(|secret| schema.is_secret(secret)) {
            let near = schema.nearest(&key).map(Schema::variable);
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            let text = format!("there is no setting {key}{near}");
            faults.push(Fault { origin: given.origin.clone(), text });
        }
    }
    Layer { name: "variables EVP__".to_owned(), entries }
}

/// Secrets in files of their own: `EVP__SECTION__KEY_FILE`, then what systemd hands over in
/// `$CREDENTIALS_DIRECTORY` as `section_key`.
pub(super) fn secrets(variables: &Variables, schema: &Schema, faults: &mut Vec<Fault>) -> Layer {
    let mut entries = Vec::new();
    for key in schema.secrets() {
        let variable = format!("{}_FILE", Schema::variable(key));
        let named = variables.get(&variable).map(|given| Path::new(&given.value).to_owned());
        let handed = variables
            .get("CREDENTIALS_DIRECTORY")
            .map(|given| Path::new(&given.value).join(key.replace('.', "_")))
            .filter(|path| path.exists());
        for path in [named, handed].into_iter().flatten() {
            let origin = format!("file {}", path.display());
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let kind = ValueKind::String(text.trim_end_matches(['\n', '\r']).to_owned());
                    let value = config::Value::new(Some(&origin), kind);
                    entries.push(Entry { key: key.to_owned(), value, origin });
                }
                Err(error) => {
                    faults.push(Fault { origin, text: format!("cannot be read: {error}") });
                }
            }
        }
    }
    Layer { name: "secrets".to_owned(), entries }
}
