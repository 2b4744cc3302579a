//! What this bench runs as processes of its own, each told by its first argument, so that their
//! processor time can be read apart.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{self, Ledger, Load};
use crate::{doors, floors, librdkafka};

pub fn run(name: &str, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (name, arguments.as_slice()) {
        ("bare" | "no-log", []) => doors::serve(name),
        ("librdkafka", [brokers, topic, seconds]) => {
            say(&librdkafka::produce(brokers, topic, self::seconds(seconds)));
        }
        ("kafka-log", [brokers, topic, seconds]) => {
            say(&librdkafka::append(brokers, topic, self::seconds(seconds)));
        }
        ("load", [address, rate, connections, seconds]) => {
            let rate = rate.parse().ok().filter(|rate| *rate > 0.0);
            let connections = connections.parse().unwrap();
            let load = Load { rate, gzip: true, after_refusal: Duration::ZERO, ..Load::BATCH };
            let ledger = Arc::new(Ledger::new(0));
            let address = address.parse().unwrap();
            say(&load::run(address, load.over(connections), self::seconds(seconds), &ledger)
                .unwrap());
        }
        ("floors", [data_dir, scratch, rows]) => {
            say(&floors::measure(data_dir.as_ref(), scratch.as_ref(), rows.parse().unwrap()));
        }
        _ => panic!("{name} {arguments:?} is nothing that this bench does; see EVP_BENCH_ONLY"),
    }
}

fn say(answer: &impl serde::Serialize) {
    println!("{}", serde_json::to_string(answer).unwrap());
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse().unwrap())
}
