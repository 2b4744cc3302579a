//! Layers to settings: read every source, check every entry, report every fault at once.
//!
//! Each source gives flat entries (`http.listen`, a value, where it stands); the `config` crate
//! stacks them and reads them into the structs. Nothing here reads the process's own environment.

mod entry;
mod files;
mod schema;
#[cfg(test)]
mod tests;
mod variables;

use std::path::PathBuf;

use super::validate::validate;
use super::{Environment, Settings, profiles};

pub use entry::{Entry, Layer};
pub use schema::Schema;

/// What to load from.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Profile asked for by flag.
    pub profile: Option<String>,
    /// The one settings file instead of those that are looked for.
    pub config: Option<PathBuf>,
    /// A `.env` file asked for by flag.
    pub env_file: Option<PathBuf>,
    /// `--set` texts, `key=value`.
    pub set: Vec<String>,
    /// Settings that a flag of their own gives: key, value, the flag.
    pub flags: Vec<(&'static str, String, &'static str)>,
    /// The environment.
    pub environment: Environment,
    /// The directory in which relative files are looked for; empty is the working directory.
    pub directory: PathBuf,
}

/// One fault of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File with line and column, variable or flag; empty where it belongs to no one place.
    pub origin: String,
    /// What is wrong; never the value of a secret.
    pub text: String,
}

/// Every fault of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults(.0))]
pub struct LoadError(pub Vec<Fault>);

fn faults(faults: &[Fault]) -> String {
    let line = |fault: &Fault| match fault.origin.as_str() {
        "" => fault.text.clone(),
        origin => format!("{origin}: {}", fault.text),
    };
    let lines: Vec<String> = faults.iter().map(line).collect();
    format!("the settings are wrong\n  {}", lines.join("\n  "))
}

/// Settings with all that was said on the way to them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every layer, weakest first.
    pub layers: Vec<Layer>,
    /// The profile they started from.
    pub profile: String,
    /// What the operator should know, but is no fault.
    pub notes: Vec<String>,
}

impl Loaded {
    /// Every entry of a key, weakest first; the last one holds.
    pub fn entries<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.layers.iter().flat_map(|layer| &layer.entries).filter(move |entry| entry.key == key)
    }

    /// Where a key's value comes from; `None` where it is the default.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&str> {
        let mut entries = self.layers.iter().flat_map(|layer| &layer.entries);
        entries.rfind(|entry| entry.key == key).map(|entry| entry.origin.as_str())
    }
}

/// Loads and checks.
///
/// # Errors
/// Every fault found, with its place.
pub fn load(request: &Request) -> Result<Loaded, LoadError> {
    let schema = Schema::of_settings();
    let mut faults = Vec::new();
    let mut notes = Vec::new();
    let variables = variables::collect(request, &mut faults, &mut notes);
    let asked = variables.get("EVP_PROFILE").map(|given| given.value.clone());
    let profile = request.profile.clone().or(asked).unwrap_or_else(|| profiles::DEFAULT.to_owned());

    let mut layers = file_layers(request, &profile, &schema, &mut faults);
    let listen = listen(&layers, request);
    layers.push(variables::seeds(&variables, &listen, &schema, &mut faults, &mut notes));
    layers.push(variables::own(&variables, &schema, &mut faults, &mut notes));
    layers.push(variables::secrets(&variables, &schema, &mut faults));
    layers.push(entry::flags(request, &schema, &mut faults));

    let Some(settings) = entry::stack(&layers, &schema, &mut faults) else {
        return Err(LoadError(faults));
    };
    let loaded = Loaded { settings, layers, profile, notes };
    for (key, text) in validate(&loaded.settings) {
        let origin = loaded.origin(key).unwrap_or("default").to_owned();
        faults.push(Fault { origin, text: format!("{key}: {text}") });
    }
    if faults.is_empty() { Ok(loaded) } else { Err(LoadError(faults)) }
}

/// Files that are looked for, the profile, then the file that was named: what an operator names
/// beats what is found.
fn file_layers(
    request: &Request,
    profile: &str,
    schema: &Schema,
    faults: &mut Vec<Fault>,
) -> Vec<Layer> {
    let mut layers = Vec::new();
    if request.config.is_none() {
        for place in files::places(request) {
            layers.extend(files::optional(&place, schema, faults));
        }
    }
    layers.extend(files::profile(request, profile, schema, faults));
    if let Some(path) = &request.config {
        layers.extend(files::named(path, schema, faults));
    }
    layers
}

/// The collector's address by the files, as text; what is wrong with it is told elsewhere.
fn listen(layers: &[Layer], request: &Request) -> String {
    let variable = request.environment.get("EVP__HTTP__LISTEN").map(str::to_owned);
    let mut entries = layers.iter().flat_map(|layer| &layer.entries);
    let last = entries.rfind(|entry| entry.key == "http.listen");
    let text = last.and_then(|entry| entry.value.clone().into_string().ok());
    text.or(variable).unwrap_or_else(|| Settings::default().http.listen.to_string())
}
