//! The producing side: one counter a request, carried by each of its records as its opaque and
//! counted down by the delivery reports; no future an event.
//!
//! A producer that met a fatal error is replaced, and what it had not had acknowledged is sent
//! again: copies carry their origins, so that a record that was there after all is a redelivery.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::task::AtomicWaker;
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::{config, errors};
use crate::model::{Record, RecordBatch, Topic};
use crate::ports::{Error, Kind, Result};
use crate::settings::Kafka;

/// How often a batch is sent again because its producer had a fatal error.
const MAX_RESENDS: u32 = 3;
/// How long a closing producer waits for its last reports.
const FLUSH: Duration = Duration::from_secs(10);

/// Sends batches and tells when all of each is acknowledged.
pub(super) struct Producer {
    shared: Arc<Shared>,
    repairer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

struct Shared {
    settings: Kafka,
    current: ArcSwap<Generation>,
    repairs: Sender<Repair>,
    contact: Arc<Contact>,
    is_closed: AtomicBool,
}

/// One producer; the next one has the next number.
struct Generation {
    number: u64,
    producer: ThreadedProducer<Reports>,
}

enum Repair {
    Failed(Arc<Ticket>),
    End,
}

/// When brokers were last heard of.
#[derive(Debug)]
pub(super) struct Contact {
    began: Instant,
    heard_ms: AtomicU64,
    is_down: AtomicBool,
}

impl Contact {
    pub(super) fn new() -> Self {
        let (heard_ms, is_down) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { began: Instant::now(), heard_ms, is_down }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A broker answered.
    pub(super) fn heard(&self) {
        self.heard_ms.store(self.now(), Ordering::Relaxed);
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// A broker should have answered and did not.
    pub(super) fn missed(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    /// Whether a broker answered within that time and none has been missed since.
    pub(super) fn is_fresh(&self, within: Duration) -> bool {
        let age = self.now().saturating_sub(self.heard_ms.load(Ordering::Relaxed));
        !self.is_down.load(Ordering::Relaxed) && u128::from(age) < within.as_millis()
    }
}

/// One batch under way.
#[derive(Debug)]
struct Ticket {
    topic: Topic,
    batch: RecordBatch,
    /// Reports that have not come, and one for the sender while it sends.
    open: AtomicU32,
    generation: AtomicU64,
    resends: AtomicU32,
    /// Nobody waits any more: the caller was told of a failure while sending.
    is_abandoned: AtomicBool,
    is_done: AtomicBool,
    failure: Mutex<Option<Code>>,
    waker: AtomicWaker,
}

impl Ticket {
    fn new(topic: &Topic, batch: RecordBatch) -> Arc<Self> {
        Arc::new(Self {
            topic: topic.clone(),
            open: AtomicU32::new(batch.count().saturating_add(1)),
            batch,
            generation: AtomicU64::new(0),
            resends: AtomicU32::new(0),
            is_abandoned: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            failure: Mutex::new(None),
            waker: AtomicWaker::new(),
        })
    }

    fn fail(&self, code: Code) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(code);
    }

    fn failure(&self) -> Option<Code> {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) {
        self.is_done.store(true, Ordering::Release);
        self.waker.wake();
    }

    async fn wait(&self) -> Option<Code> {
        poll_fn(|context| {
            if !self.is_done.load(Ordering::Acquire) {
                self.waker.register(context.waker());
                if !self.is_done.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
            }
            Poll::Ready(self.failure())
        })
        .await
    }
}

/// Takes the delivery reports of one producer, on that producer's own thread.
struct Reports {
    repairs: Sender<Repair>,
    contact: Arc<Contact>,
}

impl Reports {
    /// Counts reports down; the last one ends the ticket or hands it to the repairer.
    fn settle(&self, ticket: Arc<Ticket>, reports: u32) {
        if ticket.open.fetch_sub(reports, Ordering::AcqRel) != reports {
            return;
        }
        match ticket.failure() {
            None => {
                self.contact.heard();
                ticket.done();
            }
            Some(_) if ticket.is_abandoned.load(Ordering::Acquire) => {}
            Some(_) => {
                if let Err(unsent) = self.repairs.send(Repair::Failed(ticket))
                    && let Repair::Failed(ticket) = unsent.0
                {
                    ticket.done();
                }
            }
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => self.contact.missed(),
            Some(Code::Fatal) => tracing::error!(reason, "the producer had a fatal error"),
            _ => {}
        }
        tracing::debug!(%error, reason, "librdkafka, producing");
    }
}

/// A log line of librdkafka among ours. Its warnings are of connections that come back by
/// themselves; roles say what it means for them.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "librdkafka: {text}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::info!(facility, "librdkafka: {text}");
        }
        _ => tracing::debug!(facility, "librdkafka: {text}"),
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Arc<Ticket>) {
        if let Err((error, _)) = result {
            ticket.fail(error.rdkafka_error_code().unwrap_or(Code::Fail));
        }
        self.settle(ticket, 1);
    }
}

impl Producer {
    /// Starts a producer; connects in the background.
    pub(super) fn start(settings: &Kafka, contact: Arc<Contact>) -> Result<Self> {
        let (repairs, failed) = channel();
        let first = generation(settings, 1, &repairs, &contact)?;
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            current: ArcSwap::from_pointee(first),
            repairs,
            contact,
            is_closed: AtomicBool::new(false),
        });
        let worker = Arc::clone(&shared);
        let repairer = thread::Builder::new()
            .name("kafka-repair".to_owned())
            .spawn(move || repair(&worker, &failed))
            .map_err(|error| {
                Error::new(Kind::Unavailable, "cannot start a thread").with_source(error)
            })?;
        Ok(Self { shared, repairer: Mutex::new(Some(repairer)) })
    }

    /// Sends a batch and resolves when every record of it is acknowledged. What is sent before the
    /// future is first pending stays sent when it is dropped.
    pub(super) async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<()> {
        if self.shared.is_closed.load(Ordering::Acquire) {
            return Err(Error::new(Kind::Closed, "the log is closed"));
        }
        let ticket = Ticket::new(topic, batch);
        self.shared.send(&ticket)?;
        match ticket.wait().await {
            None => Ok(()),
            Some(code) => {
                if errors::kind(code) == Kind::Unavailable {
                    self.shared.contact.missed();
                }
                Err(errors::error(format!("cannot append to {topic}"), code))
            }
        }
    }

    /// Records and bytes of requests that wait for their acknowledgement.
    pub(super) fn is_full(&self) -> bool {
        let waiting = self.shared.current.load().producer.in_flight_count();
        u32::try_from(waiting)
            .is_ok_and(|waiting| waiting >= self.shared.settings.max_queue_records)
    }

    /// Waits for the last reports and ends the threads. Blocks.
    pub(super) fn close(&self) {
        if self.shared.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let current = self.shared.current.load_full();
        let limit = FLUSH.min(self.shared.settings.message_timeout.0);
        if let Err(error) = current.producer.flush(limit) {
            tracing::warn!(%error, "records are not acknowledged at the end");
        }
        drop(current);
        let repairer = self.repairer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.shared.repairs.send(Repair::End).is_ok()
            && let Some(repairer) = repairer
            && repairer.join().is_err()
        {
            tracing::error!("the thread that mends producers broke off");
        }
    }

    #[cfg(test)]
    pub(super) fn raise_fatal(&self) {
        super::native::raise_fatal(self.shared.current.load().producer.client());
    }

    #[cfg(test)]
    pub(super) fn purge(&self) {
        use rdkafka::producer::PurgeConfig;
        self.shared.current.load().producer.purge(PurgeConfig::default().queue().inflight());
    }

    #[cfg(test)]
    pub(super) fn generation(&self) -> u64 {
        self.shared.current.load().number
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Hands every record of the ticket to the current producer.
    ///
    /// # Errors
    /// Where one is not taken; those before it are sent all the same.
    fn send(&self, ticket: &Arc<Ticket>) -> Result<()> {
        let current = self.current.load_full();
        ticket.generation.store(current.number, Ordering::Release);
        let reports = current.producer.context();
        let mut unsent = ticket.batch.count();
        for record in ticket.batch.iter() {
            let refused = match &record {
                Ok(record) => hand_over(&current.producer, ticket, record),
                Err(_) => Some(Code::BadMessage),
            };
            match refused {
                None => unsent = unsent.saturating_sub(1),
                Some(code) => return self.broken(ticket, reports, unsent.saturating_add(1), code),
            }
        }
        reports.settle(Arc::clone(ticket), unsent.saturating_add(1));
        Ok(())
    }

    fn broken(
        &self,
        ticket: &Arc<Ticket>,
        reports: &Reports,
        missing: u32,
        code: Code,
    ) -> Result<()> {
        ticket.fail(code);
        let is_fatal = code == Code::Fatal;
        // A fatal error is mended behind the caller's back; anything else it hears at once.
        ticket.is_abandoned.store(!is_fatal, Ordering::Release);
        reports.settle(Arc::clone(ticket), missing);
        if is_fatal {
            return Ok(());
        }
        Err(errors::error(format!("cannot append to {}", ticket.topic), code))
    }
}

/// The code with which the producer refused a record; `None` where it took it.
fn hand_over(
    producer: &ThreadedProducer<Reports>,
    ticket: &Arc<Ticket>,
    record: &Record,
) -> Option<Code> {
    let headers = record.headers.iter().fold(
        OwnedHeaders::new_with_capacity(record.headers.len()),
        |headers, (name, value)| {
            headers.insert(Header { key: name.as_str(), value: Some(value.as_ref()) })
        },
    );
    let message = BaseRecord::with_opaque_to(ticket.topic.as_str(), Arc::clone(ticket))
        .key(record.key.as_ref())
        .payload(record.value.as_ref())
        .timestamp(record.timestamp.as_millis())
        .headers(headers);
    let (error, _) = producer.send(message).err()?;
    Some(error.rdkafka_error_code().unwrap_or(Code::Fail))
}

fn generation(
    settings: &Kafka,
    number: u64,
    repairs: &Sender<Repair>,
    contact: &Arc<Contact>,
) -> Result<Generation> {
    let reports = Reports { repairs: repairs.clone(), contact: Arc::clone(contact) };
    let producer = ThreadedProducer::from_config_and_context(&config::producer(settings), reports)
        .map_err(|error| errors::wrapped("cannot start a producer", error))?;
    Ok(Generation { number, producer })
}

/// Looks at each failed batch: replaces a producer that had a fatal error and sends the batch
/// again, or ends it.
fn repair(shared: &Shared, failed: &Receiver<Repair>) {
    // A producer ends on the thread that lets it go last, and that takes a while: it is this one.
    let mut old: Vec<Arc<Generation>> = Vec::new();
    while let Ok(Repair::Failed(ticket)) = failed.recv() {
        old.retain(|generation| Arc::strong_count(generation) > 1);
        let current = shared.current.load_full();
        let fatal = current.producer.client().fatal_error();
        if let Some((code, reason)) = &fatal {
            match generation(&shared.settings, current.number + 1, &shared.repairs, &shared.contact)
            {
                Ok(next) => {
                    tracing::warn!(%code, reason, generation = next.number, "producer replaced");
                    shared.current.store(Arc::new(next));
                    old.push(current);
                }
                Err(error) => {
                    tracing::error!(error = error.chain(), "cannot replace the producer");
                    ticket.done();
                    continue;
                }
            }
        }
        let current = shared.current.load().number;
        let was_broken = ticket.generation.load(Ordering::Acquire) < current;
        let resends = ticket.resends.fetch_add(1, Ordering::AcqRel);
        if !was_broken || resends >= MAX_RESENDS || shared.is_closed.load(Ordering::Acquire) {
            ticket.done();
            continue;
        }
        *ticket.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
        ticket.open.store(ticket.batch.count().saturating_add(1), Ordering::Release);
        if shared.send(&ticket).is_err() {
            // The caller still waits here: nothing was told to it yet.
            ticket.done();
        }
    }
}
