//! Which keys there are, found from the structs themselves, and what is said of each in
//! `config/default.toml`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::settings::Settings;
use crate::settings::masked::{self, HIDDEN};
use crate::settings::seed_variables::SEED_VARIABLES;

/// The settings file with every key in comments: one line of words above each key.
const DOCUMENTED: &str = include_str!("../../../config/default.toml");

/// Keys whose values are never shown, and may come from files of their own.
const SECRETS: &[&str] = &[
    "kafka.sasl.password",
    "kafka.tls.key_password",
    "redis.password",
    "postgres.url",
    "postgres.password",
    "s3.secret_key",
    "s3.session_token",
];

/// Settings of librdkafka, of which some are secrets.
const PROPERTIES: &str = "kafka.properties";

/// Addresses, in which a password may stand although it does not belong there.
const ADDRESSES: &[&str] = &["redis.addr", "s3.endpoint"];

/// The words that a key may take.
const CHOICES: &[(&str, &[&str])] = &[
    ("backend.log", &["embedded", "kafka"]),
    ("backend.state", &["embedded", "redis"]),
    ("backend.objects", &["directory", "s3"]),
    ("backend.store", &["embedded", "postgres"]),
    ("processor.without_state", &["pause", "pass"]),
    ("kafka.compression", &["none", "gzip", "snappy", "lz4", "zstd"]),
    ("kafka.group_protocol", &["classic", "consumer"]),
    ("kafka.assignor", &["range", "roundrobin", "cooperative-sticky"]),
    ("kafka.security", &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
    ("kafka.sasl.mechanism", &["plain", "scram-sha-256", "scram-sha-512"]),
    ("http.compat", &["native", "seed-000", "seed-001", "seed-003"]),
    ("collector.durability", &["durable", "replicated", "memory"]),
    ("telemetry.log_format", &["auto", "json", "text"]),
];

/// Every key with its default, as JSON.
#[derive(Debug, Clone)]
pub struct Schema {
    defaults: BTreeMap<String, Value>,
    secrets: Vec<String>,
}

impl Schema {
    /// The keys of [`Settings`].
    #[must_use]
    pub fn of_settings() -> Self {
        let defaults = Self::flat(&Settings::default());
        Self { defaults, secrets: SECRETS.iter().map(|key| (*key).to_owned()).collect() }
    }

    /// Settings as dotted keys.
    #[must_use]
    pub fn flat(settings: &Settings) -> BTreeMap<String, Value> {
        let mut flat = BTreeMap::new();
        if let Ok(value) = serde_json::to_value(settings) {
            flatten("", &value, &mut flat);
        }
        flat
    }

    /// The same keys, one of them a secret.
    #[cfg(test)]
    pub(super) fn with_secret(key: &str) -> Self {
        Self { secrets: vec![key.to_owned()], ..Self::of_settings() }
    }

    /// Every key with its default.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.defaults.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The default of a key; `None` where there is no such key.
    #[must_use]
    pub fn default_of(&self, key: &str) -> Option<&Value> {
        self.defaults.get(key)
    }

    /// Whether the key holds a list.
    #[must_use]
    pub fn is_list(&self, key: &str) -> bool {
        self.defaults.get(key).is_some_and(Value::is_array)
    }

    /// Whether the key's value is never shown.
    #[must_use]
    pub fn is_secret(&self, key: &str) -> bool {
        self.secrets.iter().any(|secret| secret == key)
    }

    /// Whether a message must not repeat the key's value: it is a secret, or may have one within it.
    #[must_use]
    pub fn may_hold_secret(&self, key: &str) -> bool {
        self.is_secret(key) || key == PROPERTIES || ADDRESSES.contains(&key)
    }

    /// What may be shown of a key's value.
    #[must_use]
    pub fn shown(&self, key: &str, value: &Value) -> Value {
        match value {
            _ if self.is_secret(key) => Value::from(HIDDEN),
            Value::String(text) if key == PROPERTIES => Value::from(masked::property(text)),
            Value::String(text) if ADDRESSES.contains(&key) => Value::from(masked::address(text)),
            Value::Array(items) => items.iter().map(|item| self.shown(key, item)).collect(),
            other => other.clone(),
        }
    }

    /// Every key whose value is never shown.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// The words that a key may take; empty where it is not a choice.
    #[must_use]
    pub fn choices(&self, key: &str) -> &'static [&'static str] {
        CHOICES.iter().find(|(known, _)| *known == key).map_or(&[], |(_, choices)| choices)
    }

    /// What to say of a key that does not exist, with the nearest that does.
    #[must_use]
    pub fn unknown(&self, key: &str) -> String {
        match self.nearest(key) {
            Some(known) => format!("unknown key {key}; did you mean {known}?"),
            None => format!("unknown key {key}"),
        }
    }

    /// The key nearest to one that does not exist: in its section or in another of a like name.
    #[must_use]
    pub fn nearest(&self, key: &str) -> Option<&str> {
        nearest(key, self.defaults.keys().map(String::as_str))
    }

    /// The variable that sets a key, beside those of the seeds.
    #[must_use]
    pub fn variable(key: &str) -> String {
        format!("EVP__{}", key.to_uppercase().replace('.', "__"))
    }

    /// The seeds' variables that set a key.
    pub fn seed_variables(key: &str) -> impl Iterator<Item = &'static str> {
        SEED_VARIABLES.iter().filter(move |seed| seed.key == key).map(|seed| seed.name)
    }

    /// The line of words that `config/default.toml` has above a key.
    #[must_use]
    pub fn words(key: &str) -> Option<&'static str> {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut at = "";
        let mut above = "";
        for line in DOCUMENTED.lines() {
            if let Some(header) = line.strip_prefix('[') {
                at = header.trim_end_matches(']');
            } else if let Some((known, _)) = setting_of(line) {
                if at == section && known == name {
                    return Some(above);
                }
            } else {
                above = line.trim_start_matches("##").trim();
            }
        }
        None
    }
}

/// Key and value of a commented line `# key = value`.
pub(super) fn setting_of(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("# ")?.split_once(" = ")?;
    Some((key.trim(), value.trim()))
}

/// The name most like `wanted`, where one is like it at all.
pub(super) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(name, wanted), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.6)
        .map(|(_, name)| name)
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, member, into);
            }
        }
        leaf => {
            into.insert(prefix.to_owned(), leaf.clone());
        }
    }
}
