//! `evp config explain`: one key, every layer that speaks of it, and who wins.

use serde::Serialize;
use serde_json::Value;

use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish};
use crate::settings::loader::{Loaded, Schema};

use super::plain;

/// Explain one setting: what it is for, its default, its variables, and each place that sets it
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp config explain http.listen
  PORT=9000 evp config explain http.listen -o json")]
pub(super) struct Explain {
    /// The setting, like http.listen
    key: String,
}

#[derive(Debug, Serialize)]
struct Explanation {
    key: String,
    about: String,
    value: Value,
    default: Value,
    one_of: Vec<String>,
    variable: String,
    seed_variables: Vec<String>,
    /// Every place that sets it, weakest first; the last one holds.
    set_by: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    layer: String,
    origin: String,
    value: String,
    holds: bool,
}

impl Explain {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let schema = Schema::of_settings();
        let Some(default) = schema.default_of(&self.key).cloned() else {
            return Err(CmdError::usage(schema.unknown(&self.key)));
        };
        let loaded = context.loaded()?;
        let value = Schema::flat(&loaded.settings).remove(&self.key).unwrap_or_default();
        let explanation = Explanation {
            about: Schema::words(&self.key).unwrap_or_default().to_owned(),
            value: schema.shown(&self.key, &value),
            default,
            one_of: schema.choices(&self.key).iter().map(ToString::to_string).collect(),
            variable: Schema::variable(&self.key),
            seed_variables: Schema::seed_variables(&self.key).map(str::to_owned).collect(),
            set_by: places(loaded, &self.key, &schema),
            key: self.key,
        };
        context.ui.show(&explanation, |ui| ui.bytes(text(&explanation).as_bytes()))?;
        Ok(Finish::Done)
    }
}

fn places(loaded: &Loaded, key: &str, schema: &Schema) -> Vec<Place> {
    let mut places = Vec::new();
    for layer in &loaded.layers {
        for entry in layer.entries.iter().filter(|entry| entry.key == key) {
            // What cannot be read was refused before.
            let value = entry.value.clone().try_deserialize::<Value>().unwrap_or_default();
            let value = plain(&schema.shown(key, &value));
            let (layer, origin) = (layer.name.clone(), entry.origin.clone());
            places.push(Place { layer, origin, value, holds: false });
        }
    }
    if let Some(last) = places.last_mut() {
        last.holds = true;
    }
    places
}

fn text(explanation: &Explanation) -> String {
    let shown = |value: &Value| match plain(value) {
        text if text.is_empty() => "(unset)".to_owned(),
        text => text,
    };
    let mut lines = vec![
        format!("{} = {}", explanation.key, shown(&explanation.value)),
        format!("  {}", explanation.about),
        format!("  default    {}", shown(&explanation.default)),
    ];
    if !explanation.one_of.is_empty() {
        lines.push(format!("  one of     {}", explanation.one_of.join(", ")));
    }
    let mut variables = vec![explanation.variable.clone()];
    variables.extend(explanation.seed_variables.iter().cloned());
    lines.push(format!("  variables  {}", variables.join(", ")));
    for place in &explanation.set_by {
        let holds = if place.holds { "   <- holds" } else { "" };
        lines.push(format!("  set by     {}: {}{holds}", place.origin, place.value));
    }
    if explanation.set_by.is_empty() {
        lines.push("  set by     nothing: the default holds".to_owned());
    }
    lines.join("\n") + "\n"
}
