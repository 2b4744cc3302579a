//! Finding the items that fail in a batch, by halving, so that the rest is not held up.

use std::ops::Range;
use std::sync::Arc;

use super::read::Content;
use super::{Running, apply_once};
use crate::model::{ConsumedRecord, Stage, Timestamp};
use crate::pipeline::failed::{Cause, dead_letter_record, plain, retry_record};
use crate::pipeline::retry::RetryPolicy;
use crate::ports::{DeadLetterTopic, Error, Kind, SinkBatch};
use crate::roles::feed::Halt;
use crate::roles::outbox::{Lane, Outbox};

/// A record with what the store takes of it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: ConsumedRecord,
    pub(super) content: Content,
}

/// Why one item failed.
#[derive(Debug)]
pub(super) struct Refusal {
    error_type: &'static str,
    reason: String,
    may_pass: bool,
}

impl Refusal {
    pub(super) fn of(error: &Error) -> Self {
        let (error_type, may_pass) = match error.kind() {
            Kind::Transient => ("insert_failed", true),
            _ => ("data_error", false),
        };
        Self { error_type, reason: error.chain(), may_pass }
    }

    pub(super) const fn panic(reason: String) -> Self {
        Self { error_type: "panic", reason, may_pass: false }
    }
}

impl Running {
    /// Applies what can be applied of a refused batch and sends the rest to the retry or the
    /// dead-letter topic.
    pub(super) async fn isolate(&mut self, items: Vec<Item>, first: Refusal) -> Result<(), Halt> {
        let mut refused: Vec<(usize, Refusal)> = Vec::new();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        split(0..items.len(), first, &mut ranges, &mut refused);
        while let Some(range) = ranges.pop() {
            let mut batch = SinkBatch::default();
            for item in &items[range.clone()] {
                item.content.clone().add_to(&mut batch);
            }
            if let Err(refusal) = self.apply_patiently(Arc::new(batch)).await? {
                split(range, refusal, &mut ranges, &mut refused);
            }
        }
        self.send_on(&items, refused).await
    }

    async fn send_on(
        &mut self,
        items: &[Item],
        refused: Vec<(usize, Refusal)>,
    ) -> Result<(), Halt> {
        let mut retry = Lane::new(&self.settings.topics.retry, 0);
        let mut dead = Lane::new(&self.settings.topics.processed_dlq, 0);
        let now = self.ports.clock.now();
        for (at, refusal) in refused {
            let Item { record, content } = &items[at];
            if let Content::Letter(letter) = content {
                self.index_plainly(plain(letter), &refusal).await?;
                continue;
            }
            let policy = self.policy();
            self.send_one((record, refusal), (&mut retry, &mut dead), (&policy, now));
        }
        self.publish([retry, dead]).await
    }

    fn send_one(
        &self,
        (record, refusal): (&ConsumedRecord, Refusal),
        (retry, dead): (&mut Lane, &mut Lane),
        (policy, now): (&RetryPolicy, Timestamp),
    ) {
        let failures = super::attempts(record) + 1;
        let delay = policy.delay_after(failures).filter(|_| refusal.may_pass);
        let error_type = match delay {
            None if refusal.may_pass => "max_retries_exhausted",
            _ => refusal.error_type,
        };
        let cause = Cause { stage: Stage::Worker, error_type, reason: &refusal.reason, at: now };
        if let Some(delay) = delay {
            self.metrics.transient.increment(1);
            retry.push_record(&retry_record(record, &cause, now.plus(delay)));
            return;
        }
        self.metrics.data.increment(1);
        tracing::warn!(
            topic = %record.topic, partition = record.partition.0, offset = record.offset.0,
            error_type, reason = refusal.reason, attempts = failures,
            "event dead-lettered by the worker"
        );
        dead.push_record(&dead_letter_record(record, &cause));
    }

    /// A dead letter has nowhere else to go. What the store refuses of it is most likely a text:
    /// it is indexed without its free texts. If even that is refused, its topic alone holds it;
    /// that is counted and logged, and the worker goes on.
    async fn index_plainly(
        &mut self,
        letter: crate::model::DeadLetter,
        refusal: &Refusal,
    ) -> Result<(), Halt> {
        let origin = letter.origin;
        let mut tries = 0;
        loop {
            let batch = SinkBatch { dead_letters: vec![letter.clone()], ..SinkBatch::default() };
            match self.apply_patiently(Arc::new(batch)).await? {
                Ok(()) => return Ok(()),
                Err(again) if again.may_pass && tries < self.settings.retry.max_attempts => {
                    tries += 1;
                    let error = Error::new(Kind::Transient, again.reason);
                    self.feed.pause("index a dead letter", error).await?;
                }
                Err(again) => {
                    self.metrics.unindexed.increment(1);
                    tracing::error!(
                        %origin, reason = refusal.reason, again = again.reason,
                        "the store cannot index this dead letter; only its topic holds it"
                    );
                    return Ok(());
                }
            }
        }
    }

    /// Applies a part, waiting out whatever waiting mends; why the store refuses it, where it does.
    pub(super) async fn apply_patiently(
        &mut self,
        batch: Arc<SinkBatch>,
    ) -> Result<Result<(), Refusal>, Halt> {
        loop {
            match apply_once(&self.ports.sink, &batch).await {
                Ok(Ok(applied)) => {
                    self.feed.voice.works();
                    self.metrics.add(applied);
                    return Ok(Ok(()));
                }
                Ok(Err(error)) if matches!(error.kind(), Kind::Data | Kind::Transient) => {
                    return Ok(Err(Refusal::of(&error)));
                }
                Ok(Err(error)) => self.feed.pause("write the store", error).await?,
                Err(panic) => return Ok(Err(Refusal::panic(panic))),
            }
        }
    }

    /// Appends what failed.
    pub(super) async fn publish(
        &mut self,
        lanes: impl IntoIterator<Item = Lane>,
    ) -> Result<(), Halt> {
        let dead = &self.settings.topics.processed_dlq;
        let dead = DeadLetterTopic::new(dead, Stage::Worker, &self.ports.clock);
        let mut outbox = Outbox::new(Arc::clone(&self.ports.log), lanes, dead);
        while let Err(error) = outbox.append().await {
            self.feed.pause("send failed events on", error).await?;
        }
        Ok(())
    }

    fn policy(&self) -> RetryPolicy {
        let retry = &self.settings.retry;
        RetryPolicy {
            max_attempts: retry.max_attempts,
            initial_delay: retry.initial_delay.0,
            max_delay: retry.max_delay.0,
        }
    }
}

/// Halves a refused range, or notes the single item that is left of it.
fn split(
    range: Range<usize>,
    refusal: Refusal,
    ranges: &mut Vec<Range<usize>>,
    refused: &mut Vec<(usize, Refusal)>,
) {
    match range.len() {
        0 => {}
        1 => refused.push((range.start, refusal)),
        length => {
            let middle = range.start + length / 2;
            ranges.push(middle..range.end);
            ranges.push(range.start..middle);
        }
    }
}
