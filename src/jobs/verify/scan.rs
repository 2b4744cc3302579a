//! Reading everything that was accepted: the archive's objects and what the log still holds.

use bytes::Bytes;

use super::super::books::Ends;
use super::super::{JobContext, JobError, JobProgress};
use super::Watch;
use super::copy::{Copy, Found};
use super::digest::copy_of;
use super::ledger::Witness;
use super::ranges::Ranges;
use super::report::{Finding, FindingKind, Findings, SourceCounts};
use super::sorter::Sorter;
use crate::model::{ConsumedRecord, HeaderName, Offset, Topic, TopicId, TopicPartition};
use crate::pipeline::archive_format::{Footer, Kind, SegmentKey, SegmentReader, parse_key};
use crate::ports;
use crate::runtime::shutdown::CancellationToken;

/// What a scan fills.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) sorter: Sorter<Copy>,
    pub(super) findings: Findings,
    pub(super) counts: SourceCounts,
    /// Keys by the number that copies carry.
    pub(super) objects: Vec<String>,
    /// A ledger, which looks for its ids among the records.
    pub(super) witness: Option<Witness>,
}

/// The incarnations of this installation's topics; `None` where nothing was written yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) raw: Option<TopicId>,
    pub(super) decisions: Option<TopicId>,
}

const READ_AT_ONCE: usize = 2000;
const LIST_AT_ONCE: usize = 1000;

fn stopped() -> JobError {
    JobError::Cancelled("nothing was changed".to_owned())
}

impl Scan {
    pub(super) const fn new(
        sorter: Sorter<Copy>,
        findings: Findings,
        witness: Option<Witness>,
    ) -> Self {
        let counts = SourceCounts {
            archive_enabled: false,
            event_objects: 0,
            decision_objects: 0,
            archived_records: 0,
            log_records: 0,
            foreign_files: 0,
        };
        Self { sorter, findings, counts, objects: Vec::new(), witness }
    }

    fn take(&mut self, record: &ConsumedRecord, found: Found) -> std::io::Result<()> {
        let copy = copy_of(record, found);
        if let Some(witness) = &mut self.witness {
            witness.copy(&copy, &record.record.value)?;
        }
        self.sorter.push(copy)
    }

    /// Reads the raw topic up to these ends. Read before the archive: what retention takes away
    /// afterwards is in the archive by then.
    pub(super) async fn log(
        mut self,
        context: &JobContext,
        ends: &Ends,
        cancel: &CancellationToken,
    ) -> Result<Self, JobError> {
        let topic = &context.settings.topics.raw;
        let failed = |source| JobError::port(format!("read {topic}"), source);
        let log = &context.ports.log;
        for info in log.describe(topic).await.map_err(failed)?.partitions {
            let at = TopicPartition::new(topic.clone(), info.partition);
            let end = ends.end(info.partition);
            let mut next = info.low;
            while next < end {
                if cancel.is_cancelled() {
                    return Err(stopped());
                }
                let mut records = log.read(&at, next, READ_AT_ONCE).await.map_err(failed)?;
                records.retain(|record| record.offset < end);
                let Some(last) = records.last() else { break };
                next = last.offset.next();
                self.counts.log_records += records.len() as u64;
                self = in_background(self, move |scan| {
                    for record in &records {
                        let is_again = record.record.headers.get(&HeaderName::ReplayId).is_some();
                        let found = if is_again { Found::Again } else { Found::Log };
                        scan.take(record, found)?;
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(self)
    }

    /// Reads every archive object and compares the ranges of this installation's topics. Events
    /// beyond these ends of the raw topic are not of this audit.
    pub(super) async fn archive(
        mut self,
        watch: &Watch<'_>,
        own: Own,
        ends: Option<&Ends>,
    ) -> Result<Self, JobError> {
        let &Watch { context, progress, cancel } = watch;
        self.counts.archive_enabled = true;
        let topics = &context.settings.topics;
        for (kind, own, topic) in [
            (Kind::Events, own.raw, &topics.raw),
            (Kind::Decisions, own.decisions, &topics.decisions),
        ] {
            // Positions first: objects that come later only cover more.
            let committed = committed(context, topic, own).await?;
            let mut ranges = Ranges::default();
            let mut after: Option<String> = None;
            loop {
                let objects = &context.ports.objects;
                let prefix = format!("{}/", kind.prefix());
                let listed = objects.list(&prefix, after.as_deref(), LIST_AT_ONCE).await;
                let listed = listed.map_err(|source| JobError::port("list the archive", source))?;
                let Some(last) = listed.last() else { break };
                after = Some(last.key.clone());
                for meta in listed {
                    if cancel.is_cancelled() {
                        return Err(stopped());
                    }
                    self = self.object(context, (own, ends), meta.key, &mut ranges).await?;
                    let done = self.counts.event_objects + self.counts.decision_objects;
                    progress.report(JobProgress {
                        done,
                        total: None,
                        message: format!("objects, {} records", self.counts.archived_records),
                    });
                }
            }
            ranges.check(topic.as_str(), &committed, &mut self.findings);
        }
        Ok(self)
    }

    async fn object(
        mut self,
        context: &JobContext,
        (own, ends): (Option<TopicId>, Option<&Ends>),
        key: String,
        ranges: &mut Ranges,
    ) -> Result<Self, JobError> {
        let Some(parsed) = parse_key(&key) else {
            self.counts.foreign_files += 1;
            return Ok(self);
        };
        match parsed.kind {
            Kind::Events => self.counts.event_objects += 1,
            Kind::Decisions => self.counts.decision_objects += 1,
        }
        let content = match context.ports.objects.get(&key).await {
            Ok(content) => content,
            // Listed a moment ago.
            Err(error) if error.kind() == ports::Kind::NotFound => {
                self.damaged(&key, &parsed, "it vanished while it was read");
                return Ok(self);
            }
            Err(source) => return Err(JobError::port(format!("read {key}"), source)),
        };
        let is_own = own == Some(parsed.topic_id);
        let (sent_key, sent) = (key.clone(), parsed.clone());
        let end = ends.filter(|_| is_own).map(|ends| ends.end(parsed.partition));
        let (scan, footer) = in_background_with(self, move |scan| {
            scan.read_object((&sent_key, &sent), &content, is_own, end)
        })
        .await?;
        if let Some(footer) = footer.filter(|_| is_own) {
            ranges.add(&key, &footer, parsed.last.is_some());
        }
        Ok(scan)
    }

    /// Reads one object to its end; its footer, where it is whole. What could be read of a damaged
    /// one counts all the same, so that only what is really gone is missing.
    fn read_object(
        &mut self,
        (key, parsed): (&str, &SegmentKey),
        content: &Bytes,
        is_own: bool,
        end: Option<Offset>,
    ) -> std::io::Result<Option<Footer>> {
        let mut reader = match SegmentReader::open(content) {
            Ok(reader) => reader,
            Err(error) => {
                self.damaged(key, parsed, &error.chain());
                return Ok(None);
            }
        };
        let footer = reader.footer().clone();
        let fits = footer.topic_id == parsed.topic_id
            && footer.partition == parsed.partition
            && footer.first == parsed.first
            && parsed.last.is_none_or(|last| last == footer.last);
        if !fits {
            self.damaged(key, parsed, "its footer is not that of its key");
            return Ok(None);
        }
        let number = u32::try_from(self.objects.len()).unwrap_or(u32::MAX);
        self.objects.push(key.to_owned());
        let found = if is_own { Found::Archive(number) } else { Found::OtherArchive(number) };
        let mut is_first = true;
        for record in &mut reader {
            match record {
                Ok(record) => {
                    self.counts.archived_records += 1;
                    // Its day is that of the first offset covered, which has a line or was skipped.
                    let is_day_known =
                        std::mem::take(&mut is_first) && record.offset == footer.first;
                    if is_day_known && record.record.timestamp.date_path() != parsed.date {
                        self.damaged(
                            key,
                            parsed,
                            "its first record is of another day than its key",
                        );
                    }
                    let is_of_audit = end.is_none_or(|end| record.offset < end);
                    if parsed.kind == Kind::Events && is_of_audit {
                        self.take(&record, found)?;
                    }
                }
                Err(error) => {
                    self.damaged(key, parsed, &error.chain());
                    return Ok(None);
                }
            }
        }
        Ok(Some(footer))
    }

    fn damaged(&mut self, key: &str, parsed: &SegmentKey, why: &str) {
        let finding = Finding::new(FindingKind::ObjectDamaged, why.to_owned()).of_object(key);
        let last = parsed.last.unwrap_or(parsed.first);
        self.findings.add(Finding {
            last: parsed.last,
            ..finding.of_range(parsed.partition, parsed.first, last)
        });
    }
}

async fn committed(
    context: &JobContext,
    topic: &Topic,
    own: Option<TopicId>,
) -> Result<Vec<(crate::model::Partition, Offset)>, JobError> {
    if own.is_none() {
        return Ok(Vec::new());
    }
    let group = &context.settings.groups.archiver;
    let committed = context.ports.log.committed(group, topic).await;
    committed.map_err(|source| JobError::port(format!("read the position of {group}"), source))
}

/// Decoding and digesting take the processor, not the runtime's threads.
async fn in_background(
    scan: Scan,
    work: impl FnOnce(&mut Scan) -> std::io::Result<()> + Send + 'static,
) -> Result<Scan, JobError> {
    Ok(in_background_with(scan, work).await?.0)
}

async fn in_background_with<T: Send + 'static>(
    mut scan: Scan,
    work: impl FnOnce(&mut Scan) -> std::io::Result<T> + Send + 'static,
) -> Result<(Scan, T), JobError> {
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut scan);
        result.map(|value| (scan, value))
    });
    let done = done.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|source| JobError::io("sort what was accepted", source))
}
