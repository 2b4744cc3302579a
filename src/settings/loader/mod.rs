//! Layers to settings: read every source, check every entry, report every fault at once.
//!
//! Each source gives flat entries (`http.listen`, a value, where it stands); the `config` crate
//! stacks them and reads them into the structs. Nothing here reads the process's own environment.

mod entry;
mod schema;

use std::path::PathBuf;

use super::{Environment, Settings};

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
    /// The directory in which relative files are looked for.
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
    /// What the operator should know, but is no fault.
    pub notes: Vec<String>,
}

/// Loads and checks.
///
/// # Errors
/// Every fault found, with its place.
pub fn load(request: &Request) -> Result<Loaded, LoadError> {
    let schema = Schema::of_settings();
    let mut faults = Vec::new();
    let layers = vec![entry::flags(request, &schema, &mut faults)];
    let settings = entry::stack(&layers, &mut faults);
    match settings {
        Some(settings) if faults.is_empty() => Ok(Loaded { settings, layers, notes: Vec::new() }),
        _ => Err(LoadError(faults)),
    }
}
