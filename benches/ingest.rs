//! What one event costs at the door before it is written: text, split, check and identity, in
//! nanoseconds, beside what `serde_json` alone needs to pass over the same bytes.
//!
//! Best of many short rounds, so that a neighbour's work on the machine does not count.

#![expect(clippy::print_stdout, reason = "a benchmark's answer goes to stdout")]

use std::hint::black_box;
use std::time::Instant;

use evp::model::{Shape, Timestamp};
use evp::pipeline::{identity, json, shape};

const CAMPAIGN: &str = r#"{"event_id":"web-00001","event_type":"impression","user_id":"u-e7d524b842e6","campaign_id":"presentations","created_at":"2015-05-17T10:05:03Z","device_type":"desktop","meta_data":{"path":"/presentations/logstash/kibana.png","status":200,"bytes":203023}}"#;
const NAMED: &str = r#"{"event_name":"product_view","channel":"web","campaign_id":"cmp_987","user_id":"user_123","timestamp":1769850000,"tags":["electronics","homepage"],"metadata":{"product_id":"prod-789","price":129.99,"currency":"TRY","referrer":"google"}}"#;
const ROUNDS: usize = 400;
const EVENTS: usize = 1000;

/// Nanoseconds an event of the fastest round.
fn best(events: usize, mut round: impl FnMut()) -> f64 {
    let nanos = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_nanos()
    });
    let fastest = u32::try_from(nanos.min().unwrap_or(0)).unwrap_or(u32::MAX);
    f64::from(fastest) / f64::from(u32::try_from(events).unwrap_or(u32::MAX))
}

fn single(name: &str, shape: Shape, text: &str, rules: &shape::Rules) {
    let floor = best(EVENTS, || {
        for _ in 0..EVENTS {
            black_box(serde_json::from_str::<serde::de::IgnoredAny>(black_box(text)).is_ok());
        }
    });
    let ours = best(EVENTS, || {
        for _ in 0..EVENTS {
            accept(shape, black_box(text.as_bytes()), rules);
        }
    });
    let bytes = text.len();
    println!(
        "{name}: {bytes} bytes, check and identity {ours:.0} ns, serde_json alone {floor:.0} ns, ratio {:.2}",
        ours / floor
    );
}

fn accept(shape: Shape, bytes: &[u8], rules: &shape::Rules) {
    let checked = json::check_text(bytes, 64).map(|text| shape::check(shape, text, rules));
    match checked {
        Ok(Ok(checked)) => {
            black_box(identity::event_id(shape, &checked, None));
        }
        other => {
            black_box(other.is_ok());
        }
    }
}

fn batch(rules: &shape::Rules) {
    let body = format!("[{}]", [CAMPAIGN; 100].join(","));
    let split = best(100, || {
        let text = json::check_utf8(black_box(body.as_bytes())).unwrap_or_default();
        black_box(shape::split_array(text, 64, 1000).map(|events| events.len()).is_ok());
    });
    let whole = best(100, || {
        let text = json::check_utf8(black_box(body.as_bytes())).unwrap_or_default();
        for event in shape::split_array(text, 64, 1000).unwrap_or_default() {
            match shape::check(Shape::Campaign, event, rules) {
                Ok(checked) => {
                    black_box(identity::event_id(Shape::Campaign, &checked, None));
                }
                Err(refused) => {
                    black_box(refused);
                }
            }
        }
    });
    println!("batch of 100: {whole:.0} ns an event, of which text and split {split:.0} ns");
}

fn main() {
    let now = Timestamp::from_millis_clamped(1_769_860_800_000);
    let rules = shape::Rules::at_door(now);
    single("campaign", Shape::Campaign, CAMPAIGN, &rules);
    single("named_v1", Shape::NamedV1, NAMED, &rules);
    single("named", Shape::Named, NAMED, &rules);
    batch(&rules);
}
