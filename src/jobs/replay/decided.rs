//! What the decisions on the events of a range say, those archived and those that the worker has yet
//! to store: 17 bytes a decision, found by binary search.

use super::super::{JobContext, JobError};
use super::source::{Object, Unread};
use super::under_way::UnderWay;
use crate::model::{ConsumedRecord, Decision, Origin, Outcome};
use crate::ports::TimeRange;

/// Outcomes of origins that were decided on.
#[derive(Debug, Default)]
pub(super) struct Decided(Vec<(Origin, Outcome)>);

const READ_AT_ONCE: usize = 2000;

impl Decided {
    /// Reads the archived decisions on what was received in the range, then those on their way to
    /// the store; damaged objects are named in `damaged`.
    pub(super) async fn read(
        context: &JobContext,
        (objects, under_way): (&[Object], &UnderWay),
        range: &TimeRange,
        damaged: &mut Vec<String>,
    ) -> Result<Self, JobError> {
        let mut all = Vec::new();
        let in_range = |record: &ConsumedRecord| {
            let decision = decision_of(record)?;
            let is_in = range.from <= decision.received_at && decision.received_at < range.to;
            is_in.then_some((decision.origin, decision.outcome))
        };
        for object in objects {
            let mut batches = match object.open(context).await {
                Ok(batches) => batches,
                Err(Unread::Damaged(_)) => {
                    damaged.push(object.name.clone());
                    continue;
                }
                Err(Unread::Failed(error)) => return Err(error),
            };
            loop {
                let records = batches.next(READ_AT_ONCE).await?;
                if records.is_empty() {
                    break;
                }
                all.extend(records.iter().filter_map(in_range));
            }
        }
        under_way.read(context, |record| all.extend(in_range(record))).await?;
        // Stable, so that of two decisions on one origin the later one is kept last.
        all.sort_by_key(|(origin, _)| *origin);
        Ok(Self(all))
    }

    /// The latest decision on an origin.
    pub(super) fn get(&self, origin: Origin) -> Option<Outcome> {
        let end = self.0.partition_point(|(one, _)| *one <= origin);
        let (found, outcome) = self.0.get(end.checked_sub(1)?)?;
        (*found == origin).then_some(*outcome)
    }
}

/// The decision that a record holds.
pub(super) fn decision_of(record: &ConsumedRecord) -> Option<Decision> {
    serde_json::from_slice(&record.record.value).ok()
}
