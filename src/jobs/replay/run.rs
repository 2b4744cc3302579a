//! The replay itself: object by object, batch by batch, each remembered once it is published.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{ALL_TIME, JobContext, JobError, JobProgress, ProgressSink, publish};
use super::decided::{Decided, decision_of};
use super::position::Position;
use super::publish::Mark;
use super::select::{Choice, Selection, is_in};
use super::source::{Batches, Object, Unread, objects};
use super::under_way::UnderWay;
use super::{ReplayResponse, ReplaySource};
use crate::model::{ConsumedRecord, Decision, Offset, Origin, Outcome, Record, TopicId};
use crate::pipeline::envelope::Envelope;
use crate::ports::TimeRange;
use crate::runtime::shutdown::CancellationToken;

const BATCH: usize = 1000;

pub(super) struct Run<'c> {
    context: &'c JobContext,
    position: Position,
    events: Vec<Object>,
    decisions: Vec<Object>,
    decided: Decided,
    range: TimeRange,
    raw: UnderWay,
    own_decisions: UnderWay,
    began: Instant,
    paced: u64,
}

impl<'c> Run<'c> {
    pub(super) async fn new(
        context: &'c JobContext,
        mut position: Position,
    ) -> Result<Self, JobError> {
        let (events, decisions) = objects(context, &position.request.source).await?;
        let range = position.request.range.unwrap_or(ALL_TIME);
        let is_files = matches!(position.request.source, ReplaySource::Files { .. });
        let mut damaged = Vec::new();
        // In this order: of everything below the processor's position the decisions are either in
        // the store or among those under way to it; and no archived record is beyond the ends.
        let (topics, groups) = (&context.settings.topics, &context.settings.groups);
        let raw = UnderWay::of(context, &topics.raw, &groups.processor).await?;
        let own_decisions = UnderWay::of(context, &topics.decisions, &groups.worker).await?;
        let sources = (&decisions[..], &own_decisions);
        let decided = Decided::read(context, sources, &range, &mut damaged).await?;
        if is_files && decisions.is_empty() && !events.is_empty() {
            position.note(
                "no decisions among the files: events that were blocked or over the limit come \
                 back too",
            );
        }
        for name in damaged {
            position.damaged(&name);
        }
        let began = Instant::now();
        Ok(Self {
            context,
            position,
            events,
            decisions,
            decided,
            range,
            raw,
            own_decisions,
            began,
            paced: 0,
        })
    }

    pub(super) async fn run(
        mut self,
        progress: &dyn ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<ReplayResponse, JobError> {
        self.position.save(self.context).await?;
        if !self.position.in_decisions {
            let events = std::mem::take(&mut self.events);
            for (at, object) in events.iter().enumerate().skip(self.start(&events)) {
                self.position.take(object);
                let message = format!("objects, {} events published", self.position.done.published);
                let (done, total) = (at as u64, Some(events.len() as u64));
                progress.report(JobProgress { done, total, message });
                self.object(object, cancel).await?;
            }
        }
        if !self.position.request.reprocess {
            self.republish_decisions(cancel).await?;
        }
        self.position.forget(self.context).await?;
        Ok(self.position.done)
    }

    /// Everything before the object in hand is done, also where that object is gone by now.
    fn start(&self, objects: &[Object]) -> usize {
        let in_hand = self.position.object.as_deref();
        let start = in_hand.and_then(|name| objects.iter().position(|o| o.name == name));
        start.unwrap_or_else(|| match self.position.place {
            Some(place) => objects.partition_point(|object| object.place() < place),
            None => 0,
        })
    }

    async fn open(&mut self, object: &Object) -> Result<Option<Batches>, JobError> {
        match object.open(self.context).await {
            Ok(batches) => Ok(Some(batches)),
            Err(Unread::Damaged(reason)) => {
                self.position.damaged(&object.name);
                self.position.note(&format!("{}: {reason}", object.name));
                Ok(None)
            }
            Err(Unread::Failed(error)) => Err(error),
        }
    }

    async fn object(
        &mut self,
        object: &Object,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        let Some(mut batches) = self.open(object).await? else { return Ok(()) };
        // One that was in hand before an interruption is counted already.
        if self.position.next == Offset(0) {
            self.position.done.objects += 1;
        }
        let rate = self.position.request.rate.map_or(BATCH, |rate| rate.max(1) as usize);
        loop {
            let mut records = batches.next(rate.min(BATCH)).await?;
            let Some(end) = records.last().map(|record| record.offset.next()) else { break };
            let (next, range) = (self.position.begin_of(object), self.range);
            records.retain(|record| record.offset >= next && is_in(&range, record));
            self.events_batch(&records, object.topic_id(), cancel).await?;
            self.position.advance(object, end);
            // What gave nothing may be read again after an interruption: no write for each of those.
            if !records.is_empty() {
                self.position.save(self.context).await?;
            }
            self.pace(records.len(), cancel).await;
            if cancel.is_cancelled() {
                return Err(self.stopped());
            }
        }
        Ok(())
    }

    fn stopped(&self) -> JobError {
        let done = &self.position.done;
        if done.dry_run {
            return JobError::Cancelled("nothing was changed".to_owned());
        }
        let said = format!("{} events published, --resume {} goes on", done.published, done.id);
        JobError::Cancelled(said)
    }

    /// Waits where the rate asks for it.
    async fn pace(&mut self, records: usize, cancel: &CancellationToken) {
        self.paced += records as u64;
        let Some(rate) = self.position.request.rate.filter(|rate| *rate > 0) else { return };
        let due = Duration::from_millis(self.paced.saturating_mul(1000) / u64::from(rate));
        tokio::select! {
            () = tokio::time::sleep_until(self.began + due) => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn events_batch(
        &mut self,
        records: &[ConsumedRecord],
        topic_id: TopicId,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        if records.is_empty() {
            return Ok(());
        }
        let envelopes: Vec<Envelope> = records.iter().map(Envelope::of).collect();
        for envelope in &envelopes {
            let at = envelope.received_at;
            let (first, last) = self.position.window.unwrap_or((at, at));
            self.position.window = Some((first.min(at), last.max(at)));
        }
        let request = &self.position.request;
        let store = self.context.ports.store.as_ref();
        let selection = Selection::of(store, &envelopes, &self.decided, &request.include).await;
        let selection = selection.map_err(|source| JobError::port("ask the store", source))?;
        let mark = Mark {
            replay_id: &request.id,
            is_restored: self.raw.id() != Some(topic_id),
            now: self.context.ports.clock.now(),
        };
        let done = &mut self.position.done;
        let mut out = Out::default();
        for (record, envelope) in records.iter().zip(&envelopes) {
            done.selected += 1;
            if self.raw.holds(topic_id, record) {
                done.in_flight += 1;
                continue;
            }
            let choice = selection.choose(envelope);
            // Today's rules judge again what is no row.
            match choice {
                Choice::Stored => done.already_stored += 1,
                _ if request.reprocess => {
                    done.published += 1;
                    out.raw.push(mark.raw(record));
                }
                Choice::LeftOut(Outcome::Blocked) => done.blocked += 1,
                Choice::LeftOut(_) => done.rate_limited += 1,
                Choice::Publish | Choice::Duplicate => match mark.processed(record) {
                    Ok(processed) if choice == Choice::Publish => {
                        done.published += 1;
                        out.processed.push(processed);
                    }
                    Ok(processed) => {
                        done.duplicates += 1;
                        out.processed.push(processed);
                    }
                    Err(letter) => {
                        done.unreadable += 1;
                        if selection.outcome(envelope.origin).is_none() {
                            out.raw_dlq.push(*letter);
                        }
                    }
                },
            }
        }
        out.append(self.context, done.dry_run, cancel).await
    }

    /// Publishes the archived decisions of what was selected that the store does not have.
    async fn republish_decisions(&mut self, cancel: &CancellationToken) -> Result<(), JobError> {
        let Some(window) = self.decision_range() else { return Ok(()) };
        if !self.position.in_decisions {
            self.position.in_decisions = true;
            (self.position.object, self.position.place) = (None, None);
        }
        let decisions = std::mem::take(&mut self.decisions);
        for object in decisions.iter().skip(self.start(&decisions)) {
            self.position.take(object);
            let Some(mut batches) = self.open(object).await? else { continue };
            loop {
                let mut records = batches.next(BATCH).await?;
                let Some(end) = records.last().map(|record| record.offset.next()) else { break };
                let next = self.position.begin_of(object);
                records.retain(|record| record.offset >= next);
                self.decisions_batch(&records, object.topic_id(), &window, cancel).await?;
                self.position.advance(object, end);
                self.position.save(self.context).await?;
                self.pace(records.len(), cancel).await;
                if cancel.is_cancelled() {
                    return Err(self.stopped());
                }
            }
        }
        Ok(())
    }

    /// The decisions that belong to the events: those of the range asked for; of a prefix or of
    /// files, those received while the events were.
    fn decision_range(&self) -> Option<TimeRange> {
        if let Some(range) = self.position.request.range {
            return Some(range);
        }
        match &self.position.request.source {
            ReplaySource::Archive { prefix: None } | ReplaySource::Files { .. } => Some(ALL_TIME),
            ReplaySource::Archive { prefix: Some(_) } => self
                .position
                .window
                .map(|(from, to)| TimeRange { from, to: to.plus(Duration::from_millis(1)) }),
        }
    }

    async fn decisions_batch(
        &mut self,
        records: &[ConsumedRecord],
        topic_id: TopicId,
        range: &TimeRange,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        let request = &self.position.request;
        let wanted = |decision: &Decision| {
            range.from <= decision.received_at
                && decision.received_at < range.to
                && !request.include.contains(&decision.outcome)
        };
        let decisions: Vec<(&ConsumedRecord, Decision)> = records
            .iter()
            .filter(|record| !self.own_decisions.holds(topic_id, record))
            .filter_map(|record| decision_of(record).map(|decision| (record, decision)))
            .filter(|(_, decision)| wanted(decision))
            .collect();
        let origins: Vec<Origin> = decisions.iter().map(|(_, decision)| decision.origin).collect();
        let known = self.context.ports.store.outcomes(&origins).await;
        let known = known.map_err(|source| JobError::port("ask the store", source))?;
        let known: std::collections::HashSet<Origin> =
            known.into_iter().map(|row| row.origin).collect();
        let mark = Mark {
            replay_id: &request.id,
            is_restored: self.own_decisions.id() != Some(topic_id),
            now: self.context.ports.clock.now(),
        };
        let mut out = Out::default();
        for (record, decision) in decisions {
            if !known.contains(&decision.origin) {
                out.decisions.push(mark.decision(record, &decision));
            }
        }
        self.position.done.decisions += out.decisions.len() as u64;
        out.append(self.context, self.position.done.dry_run, cancel).await
    }
}

/// Records on their way, by topic.
#[derive(Default)]
struct Out {
    raw: Vec<Record>,
    processed: Vec<Record>,
    decisions: Vec<Record>,
    raw_dlq: Vec<Record>,
}

impl Out {
    async fn append(
        self,
        context: &JobContext,
        dry_run: bool,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        if dry_run {
            return Ok(());
        }
        let topics = &context.settings.topics;
        for (topic, records) in [
            (&topics.raw, &self.raw),
            (&topics.processed, &self.processed),
            (&topics.decisions, &self.decisions),
            (&topics.raw_dlq, &self.raw_dlq),
        ] {
            publish(context, topic, records, cancel).await?;
        }
        Ok(())
    }
}
