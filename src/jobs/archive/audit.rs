//! The audit of the archive: every object whole, every range there once up to the commit.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::books;
use super::super::verify::ranges::Ranges;
use super::super::verify::report::Findings;
use super::super::verify::{Finding, FindingKind, VerifyStatus};
use super::super::{JobContext, JobError, JobProgress, ProgressSink};
use super::holes::{self, Gaps};
use crate::model::{Offset, Partition, Timestamp, Topic, TopicId, TopicPartition};
use crate::pipeline::archive_format::{Footer, Kind, SegmentKey, SegmentReader, parse_key};
use crate::ports;
use crate::runtime::shutdown::CancellationToken;

const LIST_AT_ONCE: usize = 1000;

/// The audit of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveReport {
    /// How it ended.
    pub status: VerifyStatus,
    /// When it began.
    pub checked_at: Timestamp,
    /// Objects read, of this installation's topics and of others.
    pub objects: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them as they are stored.
    pub stored_bytes: u64,
    /// Bytes of their lines.
    pub raw_bytes: u64,
    /// Files in the archive that are not ours.
    pub foreign_files: u64,
    /// Offsets covered without a line that the log does not have any more, so that nobody can tell
    /// whether there was a record.
    pub unknown_offsets: u64,
    /// Every partition of this installation's topics.
    pub partitions: Vec<PartitionReport>,
    /// How many findings of each kind there are.
    pub totals: BTreeMap<FindingKind, u64>,
    /// The findings, at most as many as asked for.
    pub findings: Vec<Finding>,
    /// There are more findings than are listed.
    pub truncated: bool,
}

/// One partition of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionReport {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// Where the archiver stands: everything below must be in the archive.
    pub committed: Offset,
    /// Objects.
    pub objects: u64,
    /// Records in them.
    pub records: u64,
}

/// What the audit fills.
struct Audit {
    report: ArchiveReport,
    findings: Findings,
}

/// The topic whose objects are being read.
struct Reading<'r> {
    context: &'r JobContext,
    kind: Kind,
    topic: &'r Topic,
    own: Option<TopicId>,
    ranges: Ranges,
    partitions: BTreeMap<Partition, PartitionReport>,
}

pub(super) async fn audit(
    context: &JobContext,
    limit: usize,
    progress: &dyn ProgressSink,
    cancel: &CancellationToken,
) -> Result<ArchiveReport, JobError> {
    if !context.settings.archive.enabled {
        let text = "there is no archive (archive.enabled = false)";
        return Err(JobError::Request(text.to_owned()));
    }
    let report = ArchiveReport {
        status: VerifyStatus::Unfinished,
        checked_at: context.ports.clock.now(),
        objects: 0,
        records: 0,
        stored_bytes: 0,
        raw_bytes: 0,
        foreign_files: 0,
        unknown_offsets: 0,
        partitions: Vec::new(),
        totals: BTreeMap::new(),
        findings: Vec::new(),
        truncated: false,
    };
    let mut audit = Audit { report, findings: Findings::new(limit) };
    let topics = &context.settings.topics;
    for (kind, topic) in [(Kind::Events, &topics.raw), (Kind::Decisions, &topics.decisions)] {
        audit.topic(context, (kind, topic), progress, cancel).await?;
    }
    let Audit { mut report, findings } = audit;
    let total = findings.total();
    report.truncated = total > findings.kept.len() as u64;
    report.status = if total == 0 { VerifyStatus::Clean } else { VerifyStatus::Findings };
    report.totals = findings.totals;
    report.findings = findings.kept;
    Ok(report)
}

impl Audit {
    async fn topic(
        &mut self,
        context: &JobContext,
        (kind, topic): (Kind, &Topic),
        progress: &dyn ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        // Positions first: objects that come later only cover more.
        let info = books::describe(context.ports.log.as_ref(), topic).await;
        let info = info.map_err(|source| JobError::port(format!("describe {topic}"), source))?;
        let committed = match &info {
            Some(_) => committed(context, topic).await?,
            None => Vec::new(),
        };
        let partitions = committed.iter().map(|(partition, committed)| {
            let (topic, partition, committed) = (topic.clone(), *partition, *committed);
            let report = PartitionReport { topic, partition, committed, objects: 0, records: 0 };
            (partition, report)
        });
        let mut reading = Reading {
            context,
            kind,
            topic,
            own: info.map(|info| info.id),
            ranges: Ranges::default(),
            partitions: partitions.collect(),
        };
        let mut after: Option<String> = None;
        loop {
            let prefix = format!("{}/", kind.prefix());
            let listed = context.ports.objects.list(&prefix, after.as_deref(), LIST_AT_ONCE).await;
            let listed = listed.map_err(|source| JobError::port("list the archive", source))?;
            let Some(last) = listed.last() else { break };
            after = Some(last.key.clone());
            for meta in listed {
                if cancel.is_cancelled() {
                    return Err(JobError::Cancelled("nothing was changed".to_owned()));
                }
                self.object(&mut reading, meta.key).await?;
                let message = format!("objects, {} records", self.report.records);
                progress.report(JobProgress { done: self.report.objects, total: None, message });
            }
        }
        reading.ranges.check(topic.as_str(), &committed, &mut self.findings);
        self.report.partitions.extend(reading.partitions.into_values());
        Ok(())
    }

    async fn object(&mut self, reading: &mut Reading<'_>, key: String) -> Result<(), JobError> {
        let parsed = parse_key(&key).filter(|parsed| parsed.kind == reading.kind);
        let Some(parsed) = parsed else {
            self.report.foreign_files += 1;
            return Ok(());
        };
        self.report.objects += 1;
        let content = match reading.context.ports.objects.get(&key).await {
            Ok(content) => content,
            Err(error) if error.kind() == ports::Kind::NotFound => {
                self.damaged(&key, &parsed, "it vanished while it was read");
                return Ok(());
            }
            Err(source) => return Err(JobError::port(format!("read {key}"), source)),
        };
        self.report.stored_bytes += content.len() as u64;
        let expected = parsed.clone();
        let whole = tokio::task::spawn_blocking(move || read(&content, &expected)).await;
        let whole = whole
            .map_err(|error| JobError::io(format!("read {key}"), std::io::Error::other(error)))?;
        let Whole { footer, gaps, is_misplaced } = match whole {
            Ok(whole) => whole,
            Err(why) => {
                self.damaged(&key, &parsed, &why);
                return Ok(());
            }
        };
        if is_misplaced {
            self.damaged(&key, &parsed, "its first record is of another day than its key");
        }
        self.report.records += footer.count;
        self.report.raw_bytes += footer.raw_bytes;
        if reading.own != Some(footer.topic_id) {
            return Ok(());
        }
        reading.ranges.add(&key, &footer, parsed.last.is_some());
        if let Some(partition) = reading.partitions.get_mut(&footer.partition) {
            partition.objects += 1;
            partition.records += footer.count;
        }
        self.gaps(reading, &key, &footer, &gaps).await
    }

    /// What has no line although it is covered, and is more than what was left out on purpose.
    async fn gaps(
        &mut self,
        reading: &Reading<'_>,
        key: &str,
        footer: &Footer,
        gaps: &Gaps,
    ) -> Result<(), JobError> {
        let covered = footer.last.0.abs_diff(footer.first.0) + 1;
        let open = covered.saturating_sub(footer.count).saturating_sub(footer.skipped);
        if open == 0 {
            return Ok(());
        }
        let at = TopicPartition::new(reading.topic.clone(), footer.partition);
        let judged = holes::judge(reading.context.ports.log.as_ref(), &at, gaps).await;
        let judged = judged.map_err(|source| JobError::port(format!("read {at}"), source))?;
        self.report.unknown_offsets += judged.unknown.min(open);
        for offset in judged.missing {
            let detail = format!("offset {offset} of {at} is covered and not in the object");
            let finding = Finding::new(FindingKind::RangeGap, detail).of_object(key);
            self.findings.add(finding.of_range(footer.partition, offset, offset));
        }
        Ok(())
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

/// What an object that can be read to its end has.
struct Whole {
    footer: Footer,
    gaps: Gaps,
    /// It lies in the folder of another day than that of its first record.
    is_misplaced: bool,
}

/// Reads an object to its end: what it has, or what is wrong with it.
fn read(content: &Bytes, parsed: &SegmentKey) -> Result<Whole, String> {
    let mut reader = SegmentReader::open(content).map_err(|error| error.chain())?;
    let footer = reader.footer().clone();
    let fits = footer.topic_id == parsed.topic_id
        && footer.partition == parsed.partition
        && footer.first == parsed.first
        && parsed.last.is_none_or(|last| last == footer.last);
    if !fits {
        return Err("its footer is not that of its key".to_owned());
    }
    let mut gaps = Gaps::from(footer.first);
    let mut is_misplaced = false;
    for record in &mut reader {
        let record = record.map_err(|error| error.chain())?;
        // Its day is that of the first offset covered, which has a line or was skipped.
        is_misplaced |=
            record.offset == footer.first && record.record.timestamp.date_path() != parsed.date;
        gaps.line(record.offset);
    }
    gaps.end(footer.last);
    Ok(Whole { footer, gaps, is_misplaced })
}

async fn committed(
    context: &JobContext,
    topic: &Topic,
) -> Result<Vec<(Partition, Offset)>, JobError> {
    let group = &context.settings.groups.archiver;
    let committed = context.ports.log.committed(group, topic).await;
    committed.map_err(|source| JobError::port(format!("read the position of {group}"), source))
}
