//! librdkafka alone: a producer with evp's settings that does nothing but hand over records of the
//! sizes, keys and headers that the collector writes. And evp's own log on Kafka alone, which hands
//! over ready batches as the collector does: what is left of it without HTTP, JSON and rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use evp::backends::kafka::{KafkaLog, KafkaLogOptions};
use evp::model::{HeaderName, RecordBatch, RecordBatchBuilder, Timestamp, Topic};
use evp::ports::EventLog;
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
/// As the collector has it on two processors, and the load of the batches.
const THREADS: usize = 2;
const UNDER_WAY: usize = 16;
const BATCH: usize = 100;

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

/// Appends ready batches to evp's log as fast as they are acknowledged; the first second does not
/// count.
pub fn append(brokers: &str, topic: &str, length: Duration) -> Produced {
    let settings = evp::settings::Kafka {
        brokers: vec![brokers.to_owned()],
        linger: evp::settings::Span(Duration::from_millis(5)),
        ..evp::settings::Kafka::default()
    };
    let log = KafkaLog::open(KafkaLogOptions { settings, topics: Vec::new() }).unwrap();
    let (log, topic) = (Arc::new(log), Topic::new(topic));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + length + Duration::from_secs(1);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (log, topic, count) = (Arc::clone(&log), topic.clone(), Arc::clone(&acknowledged));
            std::thread::spawn(move || {
                let writers = (0..UNDER_WAY).map(|at| {
                    let batch = batch((thread * UNDER_WAY + at) * BATCH);
                    write(&log, &topic, batch, end, &count)
                });
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().unwrap();
                runtime.block_on(futures_util::future::join_all(writers));
            })
        })
        .collect();
    pause(Duration::from_secs(1));
    let (begun, before, cpu) = (Instant::now(), acknowledged.load(Relaxed), own_cpu_seconds());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let produced = Produced {
        messages: acknowledged.load(Relaxed) - before,
        cpu_seconds: own_cpu_seconds() - cpu,
        seconds: begun.elapsed().as_secs_f64(),
    };
    log.close();
    produced
}

async fn write(log: &KafkaLog, topic: &Topic, batch: RecordBatch, end: Instant, count: &AtomicU64) {
    while Instant::now() < end {
        log.append(topic, batch.clone()).await.unwrap();
        count.fetch_add(BATCH as u64, Relaxed);
    }
}

fn batch(seed: usize) -> RecordBatch {
    let mut batch = RecordBatchBuilder::with_capacity(BATCH * 512);
    for seed in seed..seed + BATCH {
        let record = record(seed);
        let origin = format!("0197a3f2-b1c0-7def-8a4e-{seed:012x}");
        let id = format!("b-{seed:016x}");
        let headers: [(&HeaderName, &[u8]); 5] = [
            (&HeaderName::Origin, origin.as_bytes()),
            (&HeaderName::EventId, id.as_bytes()),
            (&HeaderName::ReceivedAt, b"2026-11-29T10:00:00.000Z"),
            (&HeaderName::Shape, b"campaign"),
            (&HeaderName::ClientIp, b"100.100.100.100"),
        ];
        let at = Timestamp::from_millis_clamped(1_764_410_400_000);
        batch.push(record.key.as_bytes(), &record.value, at, &headers);
    }
    batch.finish()
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
