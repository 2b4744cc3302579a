//! librdkafka alone: a producer with evp's settings that does nothing but hand over records of the
//! sizes, keys and headers that the collector writes. What the collector can approach at best.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde::{Deserialize, Serialize};

use crate::load::{NUMBER, event};
use crate::process::{own_cpu_seconds, pause};

/// Different events.
const EVENTS: usize = 400;

#[derive(Debug, Serialize, Deserialize)]
pub struct Produced {
    /// Reported by the broker.
    pub messages: u64,
    pub cpu_seconds: f64,
    pub seconds: f64,
}

#[derive(Clone, Default)]
struct Reported(Arc<AtomicU64>);

impl ClientContext for Reported {}

impl ProducerContext for Reported {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "a record is lost");
        self.0.fetch_add(1, Relaxed);
    }
}

/// A record in the making.
struct Record {
    key: String,
    value: Vec<u8>,
    number: usize,
}

/// Sends as fast as it can; the first second does not count.
pub fn produce(brokers: &str, topic: &str, length: Duration) -> Produced {
    let reported = Reported::default();
    let producer: ThreadedProducer<Reported> =
        config(brokers).create_with_context(reported.clone()).unwrap();
    let mut records: Vec<Record> = (0..EVENTS).map(record).collect();
    let begun = Instant::now();
    let mut from = None;
    for number in 0_u64.. {
        if number % 256 == 0 {
            let elapsed = begun.elapsed();
            if from.is_none() && elapsed >= Duration::from_secs(1) {
                from = Some((reported.0.load(Relaxed), own_cpu_seconds(), elapsed));
            }
            if elapsed >= length + Duration::from_secs(1) {
                break;
            }
        }
        let record = &mut records[number as usize % EVENTS];
        let digits = format!("{number:016x}");
        record.value[record.number..record.number + NUMBER.len()]
            .copy_from_slice(digits.as_bytes());
        send(&producer, topic, record, &digits);
    }
    let (messages, cpu, at) = from.expect("it ran for more than a second");
    let produced = Produced {
        messages: reported.0.load(Relaxed) - messages,
        cpu_seconds: own_cpu_seconds() - cpu,
        seconds: (begun.elapsed() - at).as_secs_f64(),
    };
    producer.flush(Duration::from_secs(30)).unwrap();
    produced
}

/// As `src/backends/kafka/config.rs` has it, at the linger of the row.
fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("message.timeout.ms", "20000")
        .set("compression.codec", "lz4")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("partitioner", "murmur2_random");
    config
}

fn record(seed: usize) -> Record {
    let value = event(seed);
    let number = value.find(NUMBER).unwrap();
    let key = serde_json::from_str::<serde_json::Value>(&value).unwrap()["user_id"].clone();
    Record { key: key.as_str().unwrap().to_owned(), value: value.into_bytes(), number }
}

fn send(producer: &ThreadedProducer<Reported>, topic: &str, record: &Record, digits: &str) {
    // The one packed header of the collector's records: origin, receipt, shape, address, id.
    let packed = format!(
        "0197a3f2-b1c0-7def-8a4e-{} 2026-11-29T10:00:00.000Z campaign 100.100.100.100 b-{digits}",
        &digits[4..]
    );
    let mut again = None;
    loop {
        let headers = OwnedHeaders::new_with_capacity(1)
            .insert(Header { key: "evp", value: Some(packed.as_bytes()) });
        let new = || BaseRecord::to(topic).key(&record.key).payload(&record.value).headers(headers);
        match producer.send(again.take().unwrap_or_else(new)) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                again = Some(refused);
                pause(Duration::from_millis(1));
            }
            Err((error, _)) => panic!("librdkafka refuses a record: {error}"),
        }
    }
}
