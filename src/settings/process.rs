//! Sections of the process itself: logs, draining.

use serde::{Deserialize, Deserializer, Serialize};

use super::units::Span;

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Logs of the process itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter like `evp::roles=debug,info`.
    #[serde(deserialize_with = "level")]
    pub log_level: String,
    /// Form of log lines.
    pub log_format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log_level: "info".to_owned(), log_format: LogFormat::Auto }
    }
}

/// `warning` is other loggers' word for `warn`; a filter would take it for the name of a module.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_warning = text.trim().eq_ignore_ascii_case("warning");
    Ok(if is_warning { "warn".to_owned() } else { text })
}

/// Draining at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// Time for everything accepted to go on before the process ends all the same.
    pub grace: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Span::from_secs(30) }
    }
}
