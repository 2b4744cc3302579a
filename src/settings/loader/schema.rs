//! Which keys there are, found from the structs themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::settings::Settings;

/// Every key with its default, as JSON.
#[derive(Debug, Clone)]
pub struct Schema {
    defaults: BTreeMap<String, Value>,
}

impl Schema {
    /// The keys of [`Settings`].
    #[must_use]
    pub fn of_settings() -> Self {
        let mut defaults = BTreeMap::new();
        if let Ok(value) = serde_json::to_value(Settings::default()) {
            flatten("", &value, &mut defaults);
        }
        Self { defaults }
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

    /// What to say of a key that does not exist, with the nearest that does.
    #[must_use]
    pub fn unknown(&self, key: &str) -> String {
        let near = self
            .defaults
            .keys()
            .map(|known| (strsim::jaro_winkler(known, key), known))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(likeness, _)| *likeness > 0.85);
        match near {
            Some((_, known)) => format!("unknown key {key}; did you mean {known}?"),
            None => format!("unknown key {key}"),
        }
    }
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
