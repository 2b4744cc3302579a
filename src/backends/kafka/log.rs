//! The port itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::consumer::KafkaConsumer;
use super::membership::MembershipOptions;
use super::meta::{Identity, Meta};
use super::producer::{Contact, Producer};
use super::reader::Readers;
use super::seats::Seats;
use super::{config, topics};
use crate::model::{
    ConsumedRecord, Durability, GroupId, Offset, Partition, RecordBatch, Topic, TopicPartition,
};
use crate::ports::{
    Appended, Consumer, Ensured, Error, EventLog, Kind, Result, TopicInfo, TopicLayout,
};
use crate::settings::Kafka;

/// How long a broker's last answer counts for readiness.
const FRESH: Duration = Duration::from_secs(5);
/// How long a broker may take to say that it is there.
const PING: Duration = Duration::from_secs(1);

/// What a Kafka log is made of.
#[derive(Debug)]
pub struct KafkaLogOptions {
    /// The brokers and how they are spoken to.
    pub settings: Kafka,
    /// The topics of the settings: those that may be made where they are missing.
    pub topics: Vec<Topic>,
}

/// Topics on Kafka. Dropping it closes it.
#[derive(Debug)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Kafka,
    topics: Vec<Topic>,
    producer: Producer,
    meta: Arc<Meta>,
    readers: Readers,
    contact: Arc<Contact>,
    /// Topics that were there when last looked at.
    known: ArcSwap<Vec<(Topic, Identity)>>,
    /// What tells static members of one process apart.
    seats: Seats,
    is_closed: AtomicBool,
}

impl KafkaLog {
    /// Starts the clients. They connect in the background: brokers that are away are no error.
    ///
    /// # Errors
    /// `Data` for settings that librdkafka refuses; `Unavailable` where a thread does not start.
    pub fn open(options: KafkaLogOptions) -> Result<Self> {
        let KafkaLogOptions { settings, topics } = options;
        config::check(&settings)?;
        let contact = Arc::new(Contact::new());
        let inner = Inner {
            producer: Producer::start(&settings, Arc::clone(&contact))?,
            meta: Arc::new(Meta::new(&settings)?),
            readers: Readers::new(&settings),
            contact,
            known: ArcSwap::default(),
            seats: Seats::default(),
            is_closed: AtomicBool::new(false),
            settings,
            topics,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits for the last acknowledgements and ends the threads. Blocks. Appends after it answer
    /// `Closed`.
    pub fn close(&self) {
        self.inner.is_closed.store(true, Ordering::Release);
        self.inner.producer.close();
        self.inner.readers.close();
    }

    #[cfg(test)]
    pub(super) fn producer(&self) -> &Producer {
        &self.inner.producer
    }

    /// Whether it was there when last looked at.
    fn is_known(&self, topic: &Topic) -> bool {
        self.inner.known.load().iter().any(|(name, _)| name == topic)
    }

    /// A topic's identity, asked of the brokers. A topic of the settings that is missing is made.
    async fn look(&self, topic: &Topic) -> Result<Identity> {
        let settings = &self.inner.settings;
        let identity = match self.ask(topic).await {
            Err(error)
                if error.kind() == Kind::NotFound
                    && settings.create_topics
                    && self.inner.topics.contains(topic) =>
            {
                topics::create(settings, topic).await?;
                // The broker that answers may hear of the topic a moment after the one that made it.
                let mut asked = self.ask(topic).await;
                for _ in 0..20 {
                    if !matches!(&asked, Err(error) if error.kind() == Kind::NotFound) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    asked = self.ask(topic).await;
                }
                asked?
            }
            asked => asked?,
        };
        self.remember(topic, Some(identity));
        Ok(identity)
    }

    async fn ask(&self, topic: &Topic) -> Result<Identity> {
        let (inner, topic) = (Arc::clone(&self.inner), topic.clone());
        blocking(move || {
            let asked = inner.meta.identity(&topic);
            if asked.is_ok() {
                inner.contact.heard();
            }
            asked
        })
        .await
    }

    fn remember(&self, topic: &Topic, identity: Option<Identity>) {
        self.inner.known.rcu(|known| {
            let others = known.iter().filter(|(name, _)| name != topic).cloned();
            let this = identity.map(|identity| (topic.clone(), identity));
            others.chain(this).collect::<Vec<_>>()
        });
    }

    fn check_open(&self) -> Result<()> {
        if self.inner.is_closed.load(Ordering::Acquire) {
            return Err(Error::new(Kind::Closed, "the log is closed"));
        }
        Ok(())
    }

    /// A membership in the group.
    pub(super) async fn join(&self, group: &GroupId, topics: &[Topic]) -> Result<KafkaConsumer> {
        self.check_open()?;
        for topic in topics {
            self.look(topic).await?;
        }
        let options = MembershipOptions {
            settings: self.inner.settings.clone(),
            group: group.clone(),
            topics: topics.to_vec(),
            seat: self.inner.seats.take(group),
            meta: Arc::clone(&self.inner.meta),
        };
        blocking(move || KafkaConsumer::join(options)).await
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn append(&self, topic: &Topic, batch: RecordBatch) -> Result<Appended> {
        let appended = Appended { durability: Durability::Replicated };
        if batch.is_empty() {
            return Ok(appended);
        }
        self.check_open()?;
        if !self.is_known(topic) {
            // On the heap: it is asked once, and each append would bring the room for it.
            Box::pin(self.look(topic)).await?;
        }
        let sent = self.inner.producer.append(topic, batch).await;
        if let Err(error) = &sent
            && error.kind() == Kind::NotFound
        {
            self.remember(topic, None);
        }
        sent.map(|()| appended)
    }

    async fn consumer(&self, group: &GroupId, topics: &[Topic]) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(self.join(group, topics).await?))
    }

    async fn describe(&self, topic: &Topic) -> Result<TopicInfo> {
        let identity = self.look(topic).await?;
        let (inner, topic) = (Arc::clone(&self.inner), topic.clone());
        let partitions =
            blocking(move || inner.meta.all_bounds(&topic, identity.partitions)).await?;
        Ok(TopicInfo { id: identity.id, partitions })
    }

    async fn committed(&self, group: &GroupId, topic: &Topic) -> Result<Vec<(Partition, Offset)>> {
        let identity = self.look(topic).await?;
        let (inner, group, topic) = (Arc::clone(&self.inner), group.clone(), topic.clone());
        blocking(move || {
            let found = inner.meta.positions(&group, &topic, identity)?;
            let mut positions: Vec<_> =
                found.into_iter().map(|(at, offset)| (at.partition, offset)).collect();
            positions.sort_unstable();
            Ok(positions)
        })
        .await
    }

    async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        max_records: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        self.check_open()?;
        let (inner, at) = (Arc::clone(&self.inner), at.clone());
        blocking(move || inner.readers.read(&inner.meta, &at, from, max_records)).await
    }

    async fn check(&self) -> Result<()> {
        self.check_open()?;
        if self.inner.producer.is_full() {
            let what = "the queue of records for the brokers is full";
            return Err(Error::new(Kind::Full, what).with_retry_after(Duration::from_secs(5)));
        }
        if self.inner.contact.is_fresh(FRESH) {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let pinged = inner.meta.ping(PING);
            match &pinged {
                Ok(()) => inner.contact.heard(),
                Err(_) => inner.contact.missed(),
            }
            pinged
        })
        .await
    }

    fn max_members(&self) -> usize {
        usize::MAX
    }

    async fn layout(&self, topic: &Topic) -> Result<Option<TopicLayout>> {
        topics::layout(&self.inner.settings, &self.inner.meta, topic).await
    }

    async fn ensure(&self, topic: &Topic, dry_run: bool) -> Result<Ensured> {
        if !self.inner.topics.contains(topic) {
            return Err(Error::new(Kind::NotFound, format!("no setting names topic {topic}")));
        }
        let layout = self.layout(topic).await?;
        topics::ensure(&self.inner.settings, layout.as_ref(), topic, dry_run).await
    }
}

/// Runs a call that waits for brokers off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(call).await;
    done.unwrap_or_else(|failed| {
        Err(Error::new(Kind::Closed, "call to the brokers did not end").with_source(failed))
    })
}
