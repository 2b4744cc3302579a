//! Ready scenarios: the load tests that came with the systems whose clients we serve.

use std::time::Duration;

use super::route::Route;
use super::schedule::{Load, Stage};

/// A load test by name; everything in it can be overridden by a flag.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Where it sends to.
    pub route: Route,
    /// Events in a request.
    pub batch: usize,
    /// Requests that are due together.
    pub burst: u64,
    /// Connections.
    pub connections: usize,
    /// Events a second at the start.
    pub start_rate: f64,
    /// (events a second, seconds).
    pub stages: &'static [(f64, u64)],
    /// An event.
    pub template: &'static str,
    /// How many users there are.
    pub users: u64,
    /// Its pass marks.
    pub thresholds: &'static [&'static str],
    /// What a 2xx must have in its body.
    pub expect: Option<&'static str>,
    /// How long an answer may take, in seconds.
    pub timeout: u64,
}

/// `scripts/loadtest.go` of event-ingestion-system-ddd: 100 workers, each a request of 200 events
/// once a second, all at the same instant. It has no pass mark; README's 20,000 events a second is
/// one here, with 1 in 100 for the last second that is cut.
const SEED_003: Scenario = Scenario {
    name: "seed-003",
    about: "20,000 events a second for a minute, 100 requests of 200 events at a time",
    route: Route::V1Bulk,
    batch: 200,
    burst: 100,
    connections: 100,
    start_rate: 20_000.0,
    stages: &[(20_000.0, 60)],
    template: r#"{"campaign_id":"cmp_{{n:100}}","channel":"{{cycle:web,mobile_app,api}}","event_name":"{{cycle:product_view,add_to_cart,purchase,page_view,signup}}","metadata":{"currency":"TRY","price":{{i:100:99}}.99,"product_id":"prod_{{i:1000}}","worker_id":{{r:100}}},"tags":["test","loadtest","worker_{{r:100}}"],"timestamp":{{past_s}},"user_id":"user_{{n:10000}}"}"#,
    users: 10_000,
    thresholds: &["rate>=19800", "errors<1%"],
    expect: None,
    timeout: 10,
};

/// `loadtest/script.js` of event-ingestion-system: k6, `sustained_load` and after it `spike_test`.
const SEED_004: Scenario = Scenario {
    name: "seed-004",
    about: "up to 2,000 requests a second, held, then a spike to 20,000; 5m10s",
    route: Route::Events,
    batch: 1,
    burst: 1,
    connections: 1000,
    start_rate: 100.0,
    stages: &[
        (500.0, 30),
        (1000.0, 30),
        (2000.0, 60),
        (2000.0, 120),
        (500.0, 30),
        (2000.0, 0),
        (10_000.0, 10),
        (20_000.0, 20),
        (2000.0, 10),
    ],
    template: r#"{"event_name":"{{pick:page_view,product_view,add_to_cart,checkout_start,purchase,search,login,signup,share,favorite}}","channel":"{{pick:web,mobile,api,email,push}}","campaign_id":"campaign_{{int:0:99}}","user_id":"user_{{user}}","timestamp":{{now_s}},"tags":["source:loadtest","env:test"],"metadata":{"session_id":"session_{{hex:9}}","page_url":"/products/item-{{int:0:999}}","referrer":"https://example.com"}}"#,
    users: 100_000,
    thresholds: &["p(95)<100", "p(99)<200", "errors<0.01"],
    expect: Some("\"status\":\"accepted\""),
    timeout: 60,
};

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 2] = [SEED_003, SEED_004];

    /// The scenario of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        const ALL: &[Scenario] = &Scenario::ALL;
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// What its rate does over time.
    #[must_use]
    pub fn load(&self) -> Load {
        let stage = |(rate, seconds): &(f64, u64)| Stage {
            rate: *rate,
            length: Duration::from_secs(*seconds),
        };
        Load {
            start_rate: self.start_rate,
            stages: self.stages.iter().map(stage).collect(),
            spike: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Schedule;
    use super::super::template::Template;
    use super::super::thresholds::Threshold;
    use super::*;

    #[test]
    fn scenarios_are_those_of_the_scripts() {
        for scenario in Scenario::ALL {
            Template::parse(scenario.template, scenario.users).unwrap();
            for threshold in scenario.thresholds {
                threshold.parse::<Threshold>().unwrap();
            }
            assert_eq!(Scenario::find(scenario.name).unwrap().about, scenario.about);
        }
        let of = |name| {
            let scenario = Scenario::find(name).unwrap();
            Schedule::new(&scenario.load(), scenario.batch as u64, scenario.burst)
        };
        assert_eq!(
            (of("seed-003").requests(), of("seed-003").length()),
            (6000, Duration::from_secs(60))
        );
        // k6: 9,000 + 22,500 + 90,000 + 240,000 + 37,500, then 60,000 + 300,000 + 110,000.
        assert_eq!(of("seed-004").requests(), 869_000);
        assert_eq!(of("seed-004").length(), Duration::from_secs(310));
        assert!(Scenario::find("seed-005").is_none());
    }
}
