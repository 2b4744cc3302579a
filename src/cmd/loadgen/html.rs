//! The report as one page: nothing is loaded from elsewhere, plots are drawn as SVG.

use std::fmt::Write as _;

use crate::jobs::loadgen::report::{Report, Second, Summary};

use super::show::float;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
/// Room for the scale on the left and below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 24.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;padding:0 1em;\
color:#1d2430;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}\
table{border-collapse:collapse}td,th{padding:.15em 1em .15em 0;text-align:left;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b3261e;font-weight:600}\
.good{color:#1b6e3c}svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#5a6472}\
.grid{stroke:#e3e7ec}.key{display:inline-block;margin-right:1.5em}.key b{display:inline-block;width:1em;\
height:.25em;vertical-align:middle;margin-right:.4em}@media(prefers-color-scheme:dark){body{color:#e6e9ee;\
background:#14181f}.grid{stroke:#2b323d}svg text{fill:#9aa4b2}.bad{color:#ff8a80}.good{color:#7bd69b}}";

/// A line of a plot.
struct Series {
    name: &'static str,
    color: &'static str,
    values: Vec<f64>,
}

impl Series {
    fn of(
        report: &Report,
        name: &'static str,
        color: &'static str,
        value: impl Fn(&Second) -> f64,
    ) -> Self {
        Self { name, color, values: report.series.iter().map(value).collect() }
    }
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut body = String::new();
    head(report, &mut body);
    thresholds(report, &mut body);
    numbers(report, &mut body);
    let of = |name, color, value: &dyn Fn(&Second) -> f64| Series::of(report, name, color, value);
    plot(
        &mut body,
        "Requests a second",
        report,
        &[
            of("sent", "#5b7cfa", &|second| float(second.sent)),
            of("answered", "#2ba66a", &|second| float(second.answered)),
            of("dropped", "#d6453d", &|second| float(second.dropped)),
        ],
    );
    plot(
        &mut body,
        "Latency from when a request was due, ms",
        report,
        &[
            of("p50", "#2ba66a", &|second| second.p50_ms),
            of("p90", "#5b7cfa", &|second| second.p90_ms),
            of("p99", "#e08a1e", &|second| second.p99_ms),
            of("max", "#d6453d", &|second| second.max_ms),
        ],
    );
    plot(
        &mut body,
        "Events in error a second",
        report,
        &[of("errors", "#d6453d", &|second| float(second.errors))],
    );
    plot(
        &mut body,
        "Requests in flight and waiting",
        report,
        &[
            of("in flight", "#5b7cfa", &|second| float(second.in_flight)),
            of("waiting for a connection", "#e08a1e", &|second| float(second.waiting)),
        ],
    );
    plot(
        &mut body,
        "How late the generator was, p99, ms",
        report,
        &[of("lag", "#8d6bd1", &|second| second.lag_p99_ms)],
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Load test of {}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(&report.target)
    )
}

/// Text as HTML shows it: a target or a threshold is what somebody typed.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

// A `String` takes everything that is written to it.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { write!($out, $($text)*).unwrap_or_default() };
}

fn head(report: &Report, out: &mut String) {
    put!(out, "<h1>Load test of {}</h1>\n", escape(&report.target));
    put!(
        out,
        "<p>Route {}, run {}, from {}, {:.1} s.</p>\n",
        escape(report.route),
        report.run,
        report.started_at,
        report.seconds
    );
    if let Some(scenario) = &report.scenario {
        put!(out, "<p>Scenario {}.</p>\n", escape(scenario));
    }
    if report.interrupted {
        out.push_str("<p class=\"bad\">It was stopped before its end.</p>\n");
    }
    if report.generator.late {
        put!(
            out,
            "<p class=\"bad\">The generator was late by {:.2} ms at the 99th percentile: the schedule \
             was not kept.</p>\n",
            report.schedule_lag_ms.p99
        );
    }
}

fn thresholds(report: &Report, out: &mut String) {
    if report.thresholds.is_empty() {
        return;
    }
    out.push_str("<h2>Thresholds</h2>\n<table>\n");
    for mark in &report.thresholds {
        let (class, word) = if mark.holds { ("good", "holds") } else { ("bad", "crossed") };
        put!(
            out,
            "<tr><td>{}</td><td class=\"{class}\">{word}</td><td class=\"n\">{}</td></tr>\n",
            escape(&mark.threshold),
            escape(&mark.shown)
        );
    }
    out.push_str("</table>\n");
}

fn numbers(report: &Report, out: &mut String) {
    let (requests, events) = (&report.requests, &report.events);
    out.push_str("<h2>Counts</h2>\n<table>\n");
    let mut row = |name: &str, value: String| {
        put!(out, "<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", escape(name), escape(&value));
    };
    row("requests sent", requests.sent.to_string());
    row("requests dropped", requests.dropped.to_string());
    row("requests late", requests.late.to_string());
    row("events sent", events.sent.to_string());
    row("events accepted", events.accepted.to_string());
    row("events accepted a second", format!("{:.1}", report.rate.accepted_per_second));
    row("events rejected", (events.rejected + events.rate_limited).to_string());
    row("events unknown", events.unknown.to_string());
    row("errors", format!("{} ({:.4}%)", events.errors, 100.0 * report.error_share()));
    for (status, count) in &report.statuses {
        row(&format!("status {status}"), count.to_string());
    }
    for (reason, count) in &report.failures {
        row(reason, count.to_string());
    }
    row("processors of the generator", format!("{:.2}", report.generator.cpus));
    if let Some(server) = &report.server {
        row("processors of the server", format!("{:.2}", server.cpus));
    }
    out.push_str("</table>\n<h2>Times, ms</h2>\n<table>\n<tr><th></th>");
    for name in ["min", "avg", "p50", "p90", "p95", "p99", "p99.9", "max"] {
        put!(out, "<th>{name}</th>");
    }
    out.push_str("</tr>\n");
    times("latency from when due", &report.latency_ms, out);
    times("service time from when sent", &report.service_ms, out);
    times("lag of the generator", &report.schedule_lag_ms, out);
    out.push_str("</table>\n");
}

fn times(name: &str, times: &Summary, out: &mut String) {
    put!(out, "<tr><td>{name}</td>");
    let Summary { min, avg, p50, p90, p95, p99, p999, max } = *times;
    for value in [min, avg, p50, p90, p95, p99, p999, max] {
        put!(out, "<td class=\"n\">{value:.2}</td>");
    }
    out.push_str("</tr>\n");
}

/// A plot of lines over the seconds of the run.
fn plot(out: &mut String, title: &str, report: &Report, lines: &[Series]) {
    let highest = lines.iter().flat_map(|line| &line.values).fold(0.0_f64, |a, b| a.max(*b));
    let top = round_up(highest);
    let last = report.series.last().map_or(1, |second| second.second.max(1));
    let x = |second: u64| LEFT + (WIDTH - LEFT - 10.0) * float(second) / float(last);
    let y = |value: f64| HEIGHT - BELOW - (HEIGHT - BELOW - 10.0) * value / top;
    put!(out, "<h2>{}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n", escape(title));
    for part in 0..=4 {
        let value = top * float(part) / 4.0;
        let (at, end) = (y(value), WIDTH - 10.0);
        put!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 8.0,
            at + 4.0,
            label(value)
        );
    }
    for part in 0..=4 {
        let second = last * part / 4;
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>\n",
            x(second),
            HEIGHT - 6.0
        );
    }
    for line in lines {
        out.push_str("<polyline fill=\"none\" stroke-width=\"1.6\" stroke=\"");
        put!(out, "{}\" points=\"", line.color);
        for (second, value) in report.series.iter().zip(&line.values) {
            put!(out, "{:.1},{:.1} ", x(second.second), y(*value));
        }
        out.push_str("\"/>\n");
    }
    out.push_str("</svg>\n<p>");
    for line in lines {
        put!(
            out,
            "<span class=\"key\"><b style=\"background:{}\"></b>{}</span>",
            line.color,
            escape(line.name)
        );
    }
    out.push_str("</p>\n");
}

/// The next number that makes a scale: 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|top| *top >= value)
        .unwrap_or(value)
}

fn label(value: f64) -> String {
    if value >= 10.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_text_and_no_markup() {
        assert_eq!(
            escape("<a href='x'>\"&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;"
        );
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        assert_eq!(
            [round_up(0.0), round_up(3.1), round_up(20_000.0), round_up(0.7)],
            [1.0, 5.0, 20_000.0, 1.0]
        );
    }
}
