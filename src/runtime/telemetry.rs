//! Logs and counters of the process: lines on stderr, JSON or text, and Prometheus text on demand.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::metrics::{INGEST_LATENCY_BUCKETS, INGEST_LATENCY_MS};
use super::shutdown::CancellationToken;
use super::tasks;
use crate::settings::{LogFormat, Telemetry};

/// Buckets of histograms in seconds.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How often histograms fold in what was observed.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts logging; `color` counts for text only. A second call changes nothing.
///
/// # Errors
/// Where the level is no filter; settings are checked for that before.
pub fn start_logs(
    settings: &Telemetry,
    color: bool,
) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(&settings.log_level)?;
    let text = match settings.log_format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Only a second start fails, and then the first one's choice stands.
    if text {
        drop(builder.with_ansi(color).with_target(false).try_init());
    } else {
        drop(builder.event_format(JsonLine).try_init());
    }
    Ok(())
}

/// Starts counting; the handle renders Prometheus text.
///
/// # Errors
/// Where counting was started before.
pub fn start_metrics(shutdown: CancellationToken) -> Result<PrometheusHandle, MetricsError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full(INGEST_LATENCY_MS.to_owned()),
            &INGEST_LATENCY_BUCKETS,
        )?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Twice)?;
    let shown = handle.clone();
    crate::runtime::metrics::set_render(move || shown.render());
    let kept = handle.clone();
    drop(tasks::spawn("metrics-upkeep", async move {
        while shutdown.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            kept.run_upkeep();
        }
    }));
    Ok(handle)
}

/// Why counting could not start.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The process counts already.
    #[error("metrics were started twice")]
    Twice,
    /// The buckets are wrong.
    #[error("cannot set up metrics")]
    Build(#[from] BuildError),
}

/// One JSON object a line, `time`, `level`, `msg` first.
#[derive(Debug, Clone, Copy)]
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let line = json_line(&time, event);
        writeln!(writer, "{line}")
    }
}

/// Written by hand: three members stand first, whatever the order of a map.
fn json_line(time: &str, event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let mut line = String::with_capacity(160);
    let mut member = |name: &str, value: Value| {
        line.push(if line.is_empty() { '{' } else { ',' });
        line.push_str(&Value::from(name).to_string());
        line.push(':');
        line.push_str(&value.to_string());
    };
    member("time", Value::from(time));
    member("level", Value::from(metadata.level().as_str()));
    member("msg", Value::from(fields.message));
    member("target", Value::from(metadata.target()));
    for (name, value) in fields.others {
        member(&name, value);
    }
    line.push('}');
    line
}

#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => {
                self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            }
            // The names at the top are taken.
            name @ ("time" | "level" | "msg" | "target") => {
                self.others.insert(format!("{name}_"), value);
            }
            name => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let first: &(dyn std::error::Error + 'static) = value;
        let chain = std::iter::successors(Some(first), |error| error.source());
        let text = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        self.put(field, Value::from(text));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_starts_with_time_level_and_msg() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLine)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(count = 3, level = "odd", address = %"10.0.0.1", "a \"word\"");
        });
        let line = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(line.starts_with("{\"time\":\"20"), "{line}");
        let body: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(body["level"], "WARN");
        assert_eq!(body["msg"], "a \"word\"");
        assert_eq!(body["count"], 3);
        assert_eq!(body["level_"], "odd");
        assert_eq!(body["address"], "10.0.0.1");
    }
}
