//! Pass marks of a run: `p99<10ms`, `errors<1%`, `rate>=19000`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::report::Report;
use super::units::float;
use crate::settings::Span;

/// What a threshold looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// A percentile of the latency from when a request was due.
    Percentile(f64),
    Max,
    Min,
    Average,
    /// A percentile of the time from when a request was sent.
    Service(f64),
    /// The 99th percentile of how late the generator itself was.
    Lag,
    /// Accepted events a second.
    Rate,
    /// Events that did not get the answer they ought to get.
    Errors,
    Rejected,
    Unknown,
    /// Requests that were not sent.
    Dropped,
    /// Requests that started over 1 ms after they were due.
    Late,
}

/// The sort of value that a metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Time,
    Number,
    /// A count; with `%` a share.
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A pass mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    metric: Metric,
    sign: Sign,
    /// Milliseconds, a number, or per cent where `is_share`.
    limit: f64,
    is_share: bool,
}

/// How a run stands to a threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    /// What the run has: milliseconds, a number, or per cent.
    pub(super) value: f64,
    /// With its unit.
    pub(super) shown: String,
    /// Whether the threshold holds.
    pub(super) holds: bool,
}

const METRICS: &str = "p50, p90, p95, p99, p99.9, max, min, avg, service-p99, lag, rate, errors, \
                       rejected, unknown, dropped, late";

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        // k6's p(95) is p95.
        let percent = |text: &str| -> Option<f64> {
            let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
            let percent: f64 = inside.unwrap_or(text).parse().ok()?;
            (0.0..=100.0).contains(&percent).then_some(percent)
        };
        Some(match name {
            "max" => Self::Max,
            "min" => Self::Min,
            "avg" => Self::Average,
            "lag" => Self::Lag,
            "rate" => Self::Rate,
            "errors" => Self::Errors,
            "rejected" => Self::Rejected,
            "unknown" => Self::Unknown,
            "dropped" => Self::Dropped,
            "late" => Self::Late,
            _ => {
                if let Some(text) = name.strip_prefix("service-p") {
                    return percent(text).map(Self::Service);
                }
                return percent(name.strip_prefix('p')?).map(Self::Percentile);
            }
        })
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Percentile(_)
            | Self::Service(_)
            | Self::Max
            | Self::Min
            | Self::Average
            | Self::Lag => Unit::Time,
            Self::Rate => Unit::Number,
            _ => Unit::Count,
        }
    }

    /// The value, and of how many it is a part.
    fn value(self, report: &Report, measured: &dyn Percentiles) -> (f64, u64) {
        let (requests, events) = (&report.requests, &report.events);
        let count = |part: u64, all: u64| (float(part), all);
        match self {
            Self::Percentile(percent) => (measured.latency(percent), 0),
            Self::Service(percent) => (measured.service(percent), 0),
            Self::Max => (report.latency_ms.max, 0),
            Self::Min => (report.latency_ms.min, 0),
            Self::Average => (report.latency_ms.avg, 0),
            Self::Lag => (report.schedule_lag_ms.p99, 0),
            Self::Rate => (report.rate.accepted_per_second, 0),
            Self::Errors => count(events.errors, events.sent),
            Self::Rejected => count(events.rejected + events.rate_limited, events.sent),
            Self::Unknown => count(events.unknown, events.sent),
            Self::Dropped => count(requests.dropped, requests.dropped + requests.sent),
            Self::Late => count(requests.late, requests.sent),
        }
    }
}

/// Any percentile of a run, in milliseconds; a report has a few of them only.
pub(super) trait Percentiles {
    fn latency(&self, percent: f64) -> f64;
    fn service(&self, percent: f64) -> f64;
}

impl Threshold {
    /// How a run stands to it.
    pub(super) fn judge(&self, report: &Report, measured: &dyn Percentiles) -> Judgement {
        let (mut value, all) = self.metric.value(report, measured);
        if self.is_share {
            value = if all == 0 { 0.0 } else { 100.0 * value / float(all) };
        }
        // Where nothing was sent no time is known, and nothing is shown to hold.
        let is_known = report.requests.answered > 0 || self.metric.unit() != Unit::Time;
        let holds = is_known
            && match self.sign {
                Sign::Below => value < self.limit,
                Sign::AtMost => value <= self.limit,
                Sign::Above => value > self.limit,
                Sign::AtLeast => value >= self.limit,
            };
        let shown = match self.metric.unit() {
            Unit::Time if !is_known => "no answers".to_owned(),
            Unit::Time => format!("{value:.3}ms"),
            Unit::Number => format!("{value:.1}"),
            Unit::Count if self.is_share => format!("{value:.4}%"),
            Unit::Count => format!("{value:.0}"),
        };
        Judgement { value, shown, holds }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse =
            |why: &str| format!("{text:?} is no threshold like p99<10ms or errors<1%: {why}");
        let at = text.find(['<', '>']).ok_or_else(|| refuse("there is no < or >"))?;
        let (name, rest) = text.split_at(at);
        let (sign, value) = match rest.as_bytes() {
            [b'<', b'=', ..] => (Sign::AtMost, &rest[2..]),
            [b'>', b'=', ..] => (Sign::AtLeast, &rest[2..]),
            [b'<', ..] => (Sign::Below, &rest[1..]),
            _ => (Sign::Above, &rest[1..]),
        };
        let (name, value) = (name.trim(), value.trim());
        let metric =
            Metric::parse(name).ok_or_else(|| refuse(&format!("{name:?} is none of {METRICS}")))?;
        let number = |value: &str| -> Result<f64, String> {
            let number: f64 =
                value.parse().map_err(|_| refuse(&format!("{value:?} is no number")))?;
            if number.is_finite() && number >= 0.0 {
                Ok(number)
            } else {
                Err(refuse("it cannot be less than nothing"))
            }
        };
        let (limit, is_share) = match metric.unit() {
            Unit::Time => {
                (millis(value).ok_or_else(|| refuse("a time is like 10ms or 1s"))?, false)
            }
            Unit::Number => (number(value.trim_end_matches("/s"))?, false),
            Unit::Count => match value.strip_suffix('%') {
                Some(percent) => (number(percent.trim())?, true),
                // k6's rate<0.01; a whole number is a count.
                None if value.contains('.') => (number(value)? * 100.0, true),
                None => (number(value)?, false),
            },
        };
        Ok(Self { text: text.to_owned(), metric, sign, limit, is_share })
    }
}

/// A time in milliseconds; a bare number is milliseconds, as in k6.
fn millis(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return (number.is_finite() && number >= 0.0).then_some(number);
    }
    let Span(length): Span = text.replace('µ', "u").parse().ok()?;
    Some(length.as_secs_f64() * 1e3).filter(|_| length < Duration::MAX)
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    struct Fixed;

    impl Percentiles for Fixed {
        fn latency(&self, percent: f64) -> f64 {
            percent / 10.0
        }
        fn service(&self, percent: f64) -> f64 {
            percent / 100.0
        }
    }

    fn holds(text: &str) -> bool {
        let mut report = report();
        report.requests.sent = 1000;
        report.requests.answered = 1000;
        report.requests.dropped = 10;
        report.events.sent = 1000;
        report.events.errors = 10;
        report.latency_ms.max = 12.5;
        report.rate.accepted_per_second = 990.0;
        text.parse::<Threshold>().unwrap().judge(&report, &Fixed).holds
    }

    #[test]
    fn thresholds_hold_or_do_not() {
        for good in [
            "p99<10ms",
            "p99 < 10",
            "p(95)<100",
            "p99.9<=9.99ms",
            "p50>4900us",
            "service-p99<1ms",
            "max<=12.5ms",
            "errors<=1%",
            "errors<0.02",
            "errors<11",
            "rate>=990/s",
            "dropped<1%",
            "late<1",
        ] {
            assert!(holds(good), "{good}");
        }
        for bad in ["p99<9.9ms", "p99<1us", "errors<1%", "errors<0.01", "rate>990", "dropped<10"] {
            assert!(!holds(bad), "{bad}");
        }
    }

    #[test]
    fn without_an_answer_no_time_holds() {
        let judgement = "p99<10ms".parse::<Threshold>().unwrap().judge(&report(), &Fixed);
        assert!(!judgement.holds);
        assert_eq!(judgement.shown, "no answers");
    }

    #[test]
    fn what_is_no_threshold_says_why() {
        for (text, why) in [
            ("p99", "there is no < or >"),
            ("p101<1ms", "none of p50"),
            ("latency<1ms", "none of p50"),
            ("p99<fast", "a time is like"),
            ("p99<-1ms", "a time is like"),
            ("errors<x", "no number"),
            ("errors<-1%", "less than nothing"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
