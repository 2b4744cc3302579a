//! The producing side: one counter a request, carried by each of its records as its opaque and
//! counted down by the delivery reports; no future an event.
//!
//! A producer that met a fatal error is replaced, and what it had not had acknowledged is sent
//! again: copies carry their origins, so that a record that was there after all is a redelivery.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::native::{self, Share, Shares, TopicHandle};
use super::ticket::Ticket;
use super::{config, errors};
use crate::model::{RecordBatch, Topic};
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

/// The handles of topics: so few that a list is quicker than a map.
type Topics = Vec<(Topic, Arc<TopicHandle>)>;

/// One producer; the next one has the next number.
struct Generation {
    number: u64,
    /// Before the producer, so that they are dropped before it.
    topics: ArcSwap<Topics>,
    producer: ThreadedProducer<Reports>,
}

impl Generation {
    /// Whether a record was refused because this producer had a fatal error: librdkafka then answers
    /// with that error's own code.
    fn is_broken(&self, code: Code) -> bool {
        code == Code::Fatal || self.producer.client().fatal_error().is_some()
    }

    /// The topics with this one among them; `None` for a name that is none.
    fn topics_with(&self, topic: &Topic) -> Option<Guard<Arc<Topics>>> {
        let topics = self.topics.load();
        if handle_of(&topics, topic).is_some() {
            return Some(topics);
        }
        // A second handle of one topic, where two threads are here at once, does no harm.
        let handle = Arc::new(TopicHandle::new(self.producer.client(), topic.as_str())?);
        self.topics.rcu(|topics| {
            let mut topics = Vec::clone(topics);
            topics.push((topic.clone(), Arc::clone(&handle)));
            topics
        });
        Some(self.topics.load())
    }

    /// Hands the records over; the code with which one was refused.
    fn send(
        &self,
        topic: &Topic,
        shares: &mut Shares<Arc<Ticket>>,
    ) -> std::result::Result<(), Code> {
        // Without a count of owners: several threads would pass its cache line to and fro.
        let topics = self.topics_with(topic).ok_or(Code::InvalidArgument)?;
        let topic = handle_of(&topics, topic).ok_or(Code::InvalidArgument)?;
        native::produce(self.producer.client(), topic, shares)
    }
}

fn handle_of<'t>(topics: &'t Topics, topic: &Topic) -> Option<&'t TopicHandle> {
    topics.iter().find(|(name, _)| name == topic).map(|(_, handle)| &**handle)
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

/// Takes the delivery reports of one producer, on that producer's own thread.
struct Reports {
    repairs: Sender<Repair>,
    contact: Arc<Contact>,
}

impl Reports {
    /// After the last report: ends the ticket or hands it to the repairer.
    fn settle(&self, ticket: Arc<Ticket>) {
        if !ticket.has_failed() {
            self.contact.heard();
            ticket.done();
        } else if !ticket.is_abandoned.load(Ordering::Acquire)
            && let Err(unsent) = self.repairs.send(Repair::Failed(ticket))
            && let Repair::Failed(ticket) = unsent.0
        {
            ticket.done();
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
    type DeliveryOpaque = Share<Arc<Ticket>>;

    fn delivery(&self, result: &DeliveryResult<'_>, share: Share<Arc<Ticket>>) {
        if let Err((error, _)) = result {
            share.get().fail(error.rdkafka_error_code().unwrap_or(Code::Fail));
        }
        if let Some(ticket) = share.end() {
            self.settle(ticket);
        }
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
        native::raise_fatal(self.shared.current.load().producer.client());
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
        let current = self.current.load();
        ticket.generation.store(current.number, Ordering::Release);
        let mut shares = Shares::new(Arc::clone(ticket), ticket.batch.clone());
        let sent = current.send(&ticket.topic, &mut shares);
        if let Err(code) = sent {
            ticket.fail(code);
            // A fatal error is mended behind the caller's back; anything else it hears at once.
            ticket.is_abandoned.store(!current.is_broken(code), Ordering::Release);
        }
        if let Some(ticket) = shares.end() {
            current.producer.context().settle(ticket);
        }
        match sent {
            Err(code) if !current.is_broken(code) => {
                Err(errors::error(format!("cannot append to {}", ticket.topic), code))
            }
            _ => Ok(()),
        }
    }
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
    Ok(Generation { number, topics: ArcSwap::default(), producer })
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
        ticket.forget_failure();
        if shared.send(&ticket).is_err() {
            // The caller still waits here: nothing was told to it yet.
            ticket.done();
        }
    }
}
