//! What is typed for a load test, and the plan that it makes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use hyper::Uri;

use crate::cmd::ask::span;
use crate::cmd::error::{CmdError, Kind};
use crate::jobs::loadgen::scenario::Scenario;
use crate::jobs::loadgen::schedule::{Load, Spike, Stage};
use crate::jobs::loadgen::{Hot, Mix, Plan, Route, Source};
use crate::settings::Span;

/// Events a second where nothing is asked for.
const RATE: f64 = 1000.0;
const LENGTH: Duration = Duration::from_secs(30);
/// Events in a request on a route of several.
const BATCH: usize = 100;
/// Ordinary addresses beside hot ones.
const ADDRESSES: u32 = 10_000;

/// Where load goes.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// A collector; a path in it is taken in place of the route's
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Start the whole embedded server for the run, on a port of its own: on --data-dir, else on a
    /// directory that is removed afterwards
    #[arg(long, conflicts_with = "url")]
    pub(super) embedded: bool,
    /// Where events go, and so their shape [default: event, with --batch batch]
    #[arg(long, value_name = "ROUTE", value_parser = routes())]
    route: Option<Route>,
    /// A header line of each request (can be repeated)
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<String>,
    /// Connections [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    connections: Option<u32>,
    /// Threads that send; one is enough for some tens of thousands of requests a second
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// How long an answer may take [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = span)]
    timeout: Option<Span>,
    /// Requests that wait for a connection at most; more are dropped [default: a second's worth]
    #[arg(long, value_name = "N")]
    max_waiting: Option<usize>,
    /// A text that an accepting answer must have in its body
    #[arg(long, value_name = "TEXT")]
    expect: Option<String>,
}

/// How much load.
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// Events a second; with --stage, at the start [default: 1000, with --stage 0]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<f64>,
    /// How long [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = span, conflicts_with = "stages")]
    duration: Option<Span>,
    /// Stages: the rate goes in a straight line to RATE within DURATION, one after the other; at 0s
    /// it jumps
    #[arg(long = "stage", value_name = "RATE:DURATION", value_delimiter = ',', value_parser = stage)]
    stages: Vec<Stage>,
    /// Another rate in the middle of the run, for that long: it jumps there and back
    #[arg(long, value_name = "RATE:DURATION", value_parser = spike)]
    spike: Option<Spike>,
    /// Events in a request; the rate still counts events [default: 1, or 100 on a route of several]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: Option<u16>,
    /// Requests that are due at the same instant
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    burst: Option<u64>,
    /// A ready load test, whose parts other flags replace
    #[arg(long, visible_alias = "load-profile", value_name = "NAME", value_parser = scenarios())]
    pub(super) scenario: Option<&'static Scenario>,
}

/// What is sent.
#[derive(Debug, clap::Args)]
pub(super) struct EventArgs {
    /// An event with gaps such as {{id}}, {{user}}, {{now}}; @FILE reads it from a file
    #[arg(long, value_name = "JSON|@FILE", conflicts_with = "file")]
    template: Option<String>,
    /// Real events, one a line, taken in turn; their ids are replaced by the run's own
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// With --file: send the ids that the events have, so that a second round is duplicates
    #[arg(long, requires = "file")]
    keep_ids: bool,
    /// Fill each event up to so many bytes
    #[arg(long, value_name = "BYTES", conflicts_with = "file")]
    size: Option<usize>,
    /// How many users {{user}} stands for [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    users: Option<u64>,
    /// Share of events that are sent a second time
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    duplicates: f64,
    /// Share of events that must be refused
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    bad: f64,
    /// Spread requests over so many client addresses (X-Forwarded-For) [default: 0, none is named]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=131_072))]
    addresses: Option<u32>,
    /// A share of the requests comes from a few addresses
    #[arg(long, value_name = "N:SHARE", value_parser = hot)]
    hot_addresses: Option<Hot>,
    /// What all that is random follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl LoadArgs {
    fn load(&self) -> Load {
        let scenario = self.scenario;
        let mut load = match (scenario, self.stages.is_empty()) {
            (_, false) => Load {
                start_rate: self.rate.unwrap_or(0.0),
                stages: self.stages.clone(),
                spike: None,
            },
            (Some(scenario), true) if self.rate.is_none() && self.duration.is_none() => {
                scenario.load()
            }
            (scenario, true) => {
                let rate = self.rate.or_else(|| scenario.map(|scenario| scenario.start_rate));
                let length = self.duration.map_or(LENGTH, |length| length.0);
                Load::flat(rate.unwrap_or(RATE), length)
            }
        };
        load.spike = self.spike;
        load
    }
}

/// The plan of what was typed, over that of a scenario.
pub(super) fn plan(
    target: &TargetArgs,
    load: &LoadArgs,
    events: &EventArgs,
) -> Result<Plan, CmdError> {
    let scenario = load.scenario;
    let wanted = load.batch.map(usize::from);
    let several = wanted.is_some_and(|batch| batch > 1);
    let default = if several { Route::Batch } else { Route::Event };
    let own = scenario.filter(|scenario| target.route.is_none_or(|route| route == scenario.route));
    let route = target.route.or(own.map(|scenario| scenario.route)).unwrap_or(default);
    let batch = if route.is_single() { 1 } else { own.map_or(BATCH, |scenario| scenario.batch) };
    let (host, path) = host_and_path(&target.url, route)?;
    let seconds = |scenario: &Scenario| Duration::from_secs(scenario.timeout);
    let timeout = target.timeout.map(|span| span.0).or(scenario.map(seconds));
    let connections = target.connections.and_then(|count| usize::try_from(count).ok());
    Ok(Plan {
        address: address(&host, target.embedded)?,
        host,
        path,
        headers: target.headers.clone(),
        route,
        load: load.load(),
        batch: wanted.unwrap_or(batch),
        burst: load.burst.or(scenario.map(|scenario| scenario.burst)).unwrap_or(1),
        connections: connections.or(scenario.map(|one| one.connections)).unwrap_or(256),
        threads: usize::from(target.threads),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        max_waiting: target.max_waiting,
        source: events.source(own)?,
        users: events.users.or(own.map(|scenario| scenario.users)).unwrap_or(100_000),
        size: events.size,
        mix: events.mix(),
        expect: target.expect.clone().or(own.and_then(|own| own.expect).map(str::to_owned)),
        thresholds: Vec::new(),
        ledger: None,
        scenario: scenario.map(|scenario| scenario.name.to_owned()),
    })
}

impl EventArgs {
    fn source(&self, scenario: Option<&Scenario>) -> Result<Source, CmdError> {
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path).map_err(|error| {
                CmdError::caused(Kind::Failed, format!("cannot read {}", path.display()), error)
            })
        };
        if let Some(path) = &self.file {
            return Ok(Source::Lines { text: read(path)?, keep_ids: self.keep_ids });
        }
        let template = match &self.template {
            Some(text) => Some(match text.strip_prefix('@') {
                Some(path) => read(path.as_ref())?,
                None => text.clone(),
            }),
            None => scenario.map(|scenario| scenario.template.to_owned()),
        };
        Ok(Source::Template(template))
    }

    fn mix(&self) -> Mix {
        let beside = if self.hot_addresses.is_some() { ADDRESSES } else { 0 };
        Mix {
            duplicates: self.duplicates,
            bad: self.bad,
            addresses: self.addresses.unwrap_or(beside),
            hot: self.hot_addresses,
            seed: self.seed,
        }
    }
}

/// Host with port, and path, of an URL.
fn host_and_path(url: &str, route: Route) -> Result<(String, String), CmdError> {
    let refuse = || {
        let error = CmdError::no_url(url);
        if url.starts_with("https:") {
            error.hint("loadgen speaks plain HTTP; put it behind what ends TLS")
        } else {
            error
        }
    };
    let uri: Uri = url.parse().map_err(|_| refuse())?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(refuse)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path == "/" { route.path() } else { path };
    Ok((format!("{host}:{}", uri.port_u16().unwrap_or(80)), path.to_owned()))
}

/// The first address of a host; where a server is started for the run it says its own.
fn address(host: &str, embedded: bool) -> Result<SocketAddr, CmdError> {
    if embedded {
        return Ok(SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    let unknown = |error: std::io::Error| {
        let what = format!("cannot find the address of {host}");
        CmdError::caused(Kind::Unavailable, what, error)
    };
    let mut found: Vec<SocketAddr> = host.to_socket_addrs().map_err(unknown)?.collect();
    // A collector on a laptop listens on 127.0.0.1, and `localhost` may be ::1 first.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| CmdError::usage(format!("{host} has no address")))
}

/// The routes by name, known to help and completions.
fn routes() -> impl TypedValueParser<Value = Route> {
    PossibleValuesParser::new(Route::ALL.map(Route::as_str)).try_map(|name| name.parse::<Route>())
}

fn scenarios() -> impl TypedValueParser<Value = &'static Scenario> {
    let values = Scenario::ALL.map(|one| PossibleValue::new(one.name).help(one.about));
    let unknown = || "there is no such scenario".to_owned();
    PossibleValuesParser::new(values).try_map(move |name| Scenario::find(&name).ok_or_else(unknown))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn rate(text: &str) -> Result<f64, String> {
    let digits = text.trim_end_matches("/s").replace('_', "");
    number(&digits)
        .filter(|rate| *rate <= 10_000_000.0)
        .ok_or_else(|| format!("{text:?} is no rate like 20000, events a second"))
}

fn rate_for(text: &str) -> Result<(f64, Duration), String> {
    let (events, length) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is not RATE:DURATION like 20000:30s"))?;
    Ok((rate(events)?, span(length)?.0))
}

fn stage(text: &str) -> Result<Stage, String> {
    rate_for(text).map(|(rate, length)| Stage { rate, length })
}

fn spike(text: &str) -> Result<Spike, String> {
    let (rate, length) = rate_for(text)?;
    if length.is_zero() {
        Err("a spike lasts some time".to_owned())
    } else {
        Ok(Spike { rate, length })
    }
}

/// A share from 0 to 1, or in per cent.
fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => number(percent.trim()).map(|percent| percent / 100.0),
        None => number(text),
    };
    value
        .filter(|share| *share <= 1.0)
        .ok_or_else(|| format!("{text:?} is no share like 0.01 or 1%"))
}

fn hot(text: &str) -> Result<Hot, String> {
    let refuse = || format!("{text:?} is not N:SHARE like 3:0.2, with N up to 254");
    let (count, part) = text.split_once(':').ok_or_else(refuse)?;
    let addresses = count.parse().ok().filter(|count| (1..=254).contains(count));
    Ok(Hot { addresses: addresses.ok_or_else(refuse)?, share: share(part)? })
}

fn header(text: &str) -> Result<String, String> {
    let refuse = || format!("{text:?} is no header like 'Authorization: Bearer x'");
    let (name, _) = text.split_once(':').ok_or_else(refuse)?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let framing = ["content-length", "transfer-encoding", "host", "connection"];
    if framing.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        return Err(format!("the header {name} is made by the generator"));
    }
    if is_name && !text.bytes().any(|byte| byte < b' ') {
        Ok(text.to_owned())
    } else {
        Err(refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_or_refused() {
        assert_eq!(rate("20_000/s"), Ok(20_000.0));
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(
            stage("500:1m").unwrap(),
            Stage { rate: 500.0, length: Duration::from_secs(60) }
        );
        assert_eq!(hot("3:0.2").unwrap(), Hot { addresses: 3, share: 0.2 });
        assert!(rate("fast").is_err() && rate("-1").is_err() && share("2").is_err());
        assert!(spike("5:0s").is_err() && hot("300:0.1").is_err() && stage("5").is_err());
        assert!(header("Content-Length: 5").is_err() && header("X-A: b\r\nX: y").is_err());
        assert!(header("X-A: b").is_ok());
    }

    #[test]
    fn an_url_has_its_own_path_or_the_routes() {
        let read = |url| host_and_path(url, Route::V1).unwrap();
        assert_eq!(read("http://h"), ("h:80".to_owned(), "/api/v1/events".to_owned()));
        assert_eq!(read("http://h:8080/x?y"), ("h:8080".to_owned(), "/x?y".to_owned()));
        assert!(host_and_path("https://h", Route::V1).is_err());
        assert!(host_and_path("h:8080", Route::V1).is_err());
    }
}
