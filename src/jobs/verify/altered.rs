//! Naming what differs in an altered row: the accepted bytes are read once more.

use super::super::{JobContext, JobError};
use super::copy::Found;
use super::digest::{canonical_of, differences};
use super::join::Altered;
use super::report::{FindingKind, Findings};
use crate::model::{CanonicalEvent, ConsumedRecord, Offset, Origin, TopicPartition};
use crate::pipeline::archive_format::SegmentReader;
use crate::pipeline::envelope::Envelope;
use crate::ports;

/// Adds the names of the members that differ to the findings of altered rows.
pub(super) async fn name_members(
    context: &JobContext,
    objects: &[String],
    altered: &[Altered],
    findings: &mut Findings,
) -> Result<(), JobError> {
    let failed = |source| JobError::port("read an altered row again", source);
    for one in altered {
        let record = accepted(context, objects, one).await.map_err(failed)?;
        let event = record.as_ref().and_then(canonical_of);
        let row = row(context, one.origin).await.map_err(failed)?;
        let (Some(event), Some(row)) = (event, row) else { continue };
        let names = differences(&event, &row);
        let mut kept = findings.kept.iter_mut();
        let is_it = |finding: &&mut super::Finding| {
            finding.kind == FindingKind::Altered && finding.origin == Some(one.origin)
        };
        if let Some(finding) = kept.find(is_it)
            && !names.is_empty()
        {
            finding.detail = format!("the row is not what was accepted: {}", names.join(", "));
            if let Found::Archive(number) | Found::OtherArchive(number) = one.copy.0 {
                finding.object =
                    usize::try_from(number).ok().and_then(|at| objects.get(at)).cloned();
            }
        }
    }
    Ok(())
}

/// The record that was accepted.
async fn accepted(
    context: &JobContext,
    objects: &[String],
    altered: &Altered,
) -> ports::Result<Option<ConsumedRecord>> {
    let (found, offset) = altered.copy;
    match found {
        Found::Archive(number) | Found::OtherArchive(number) => {
            let Some(key) = usize::try_from(number).ok().and_then(|at| objects.get(at)) else {
                return Ok(None);
            };
            let content = context.ports.objects.get(key).await?;
            let reading = tokio::task::spawn_blocking(move || {
                let mut reader = SegmentReader::open(&content).ok()?;
                reader.find_map(|record| record.ok().filter(|record| record.offset == offset))
            });
            Ok(reading.await.ok().flatten())
        }
        Found::Log | Found::Again => in_log(context, offset, altered.origin).await,
    }
}

async fn in_log(
    context: &JobContext,
    offset: Offset,
    origin: Origin,
) -> ports::Result<Option<ConsumedRecord>> {
    let topic = &context.settings.topics.raw;
    for partition in context.ports.log.describe(topic).await?.partitions {
        let at = TopicPartition::new(topic.clone(), partition.partition);
        if (partition.low..partition.high).contains(&offset) {
            let records = context.ports.log.read(&at, offset, 1).await?;
            let found = records.into_iter().find(|record| Envelope::of(record).origin == origin);
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

async fn row(context: &JobContext, origin: Origin) -> ports::Result<Option<CanonicalEvent>> {
    let number = u128::from_be_bytes(*origin.as_bytes());
    let before = number.checked_sub(1).map(|number| Origin::from_bytes(number.to_be_bytes()));
    let rows = context.ports.store.audit_rows(before, 1).await?;
    Ok(rows.into_iter().map(|(event, _)| event).find(|event| event.origin == origin))
}
