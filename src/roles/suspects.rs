//! Finding the event that crashes the process (design, rule 10).
//!
//! A marker says durably that the processor runs. Found at start it tells of an unclean end: then
//! the records that may have been in hand are worked on in small steps, each announced in the
//! marker before it begins. A step that was announced and never passed is taken record by record
//! at the next start; a single record that was announced at [`CONDEMNED_AFTER`] starts and never
//! passed becomes a dead letter. So a plug pulled at an unlucky moment condemns nobody.

use serde::{Deserialize, Serialize};

use crate::model::{ConsumedRecord, Offset, Partition, TopicId};
use crate::ports::{Fetched, Result, State};

const KEY: &str = "processor.marker";
/// Records of one step after an unclean end.
const STEP: usize = 32;
/// So many starts have to end at one record before it is taken for the cause.
pub(super) const CONDEMNED_AFTER: u32 = 3;

/// The marker's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    step: Option<Announced>,
}

/// A range of one partition that was begun and not yet passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    topic_id: TopicId,
    partition: Partition,
    first: Offset,
    last: Offset,
    starts: u32,
}

impl Announced {
    fn contains(&self, record: &ConsumedRecord) -> bool {
        self.topic_id == record.topic_id
            && self.partition == record.partition
            && (self.first..=self.last).contains(&record.offset)
    }
}

/// What is suspected at present.
#[derive(Debug)]
pub(super) struct Suspects {
    /// Records still to be worked on in steps; 0 is the normal way of work.
    careful: usize,
    /// What the last process announced and did not pass.
    found: Option<Announced>,
}

impl Suspects {
    /// Reads the marker and sets its own; `in_hand` is how many records a process may have begun.
    pub(super) async fn start(state: &dyn State, in_hand: usize) -> Result<Self> {
        let text = state.job_state(KEY).await?;
        let found = text.as_deref().map(serde_json::from_str::<Marker>);
        let suspects = match found {
            None => Self { careful: 0, found: None },
            // A marker that cannot be read still tells of an unclean end.
            Some(marker) => Self { careful: in_hand, found: marker.unwrap_or_default().step },
        };
        if suspects.careful == 0 {
            put(state, &Marker::default()).await?;
        } else {
            tracing::info!("the last processor ended uncleanly; going on in small steps");
        }
        Ok(suspects)
    }

    /// Takes the marker away: this process ended cleanly.
    pub(super) async fn end(state: &dyn State) -> Result<()> {
        state.put_job_state(KEY, None).await
    }

    pub(super) const fn is_careful(&self) -> bool {
        self.careful > 0
    }

    /// Cuts what was fetched into steps: one in the normal way of work.
    pub(super) fn steps(&self, fetched: Vec<Fetched>) -> Vec<Vec<Fetched>> {
        if !self.is_careful() {
            return vec![fetched];
        }
        let mut steps = Vec::new();
        for Fetched { assignment, records } in fetched {
            let mut step: Vec<ConsumedRecord> = Vec::new();
            for record in records {
                let is_alone = self.found.as_ref().is_some_and(|found| found.contains(&record));
                let was_alone = step.first().is_some_and(|first| {
                    self.found.as_ref().is_some_and(|found| found.contains(first))
                });
                if step.len() == STEP || (!step.is_empty() && (is_alone || was_alone)) {
                    let records = std::mem::take(&mut step);
                    steps.push(vec![Fetched { assignment: assignment.clone(), records }]);
                }
                step.push(record);
            }
            if !step.is_empty() {
                steps.push(vec![Fetched { assignment, records: step }]);
            }
        }
        steps
    }

    /// Announces a step durably; `true` when its single record is condemned. Nothing in the normal
    /// way of work.
    pub(super) async fn announce(&self, state: &dyn State, step: &[Fetched]) -> Result<bool> {
        let records = step.first().map_or(&[][..], |fetched| &fetched.records);
        let (true, Some(first), Some(last)) = (self.is_careful(), records.first(), records.last())
        else {
            return Ok(false);
        };
        let mut announced = Announced {
            topic_id: first.topic_id,
            partition: first.partition,
            first: first.offset,
            last: last.offset,
            starts: 1,
        };
        if let Some(found) = &self.found
            && (found.first, found.last) == (announced.first, announced.last)
            && found.contains(first)
        {
            announced.starts = found.starts.saturating_add(1);
        }
        if records.len() == 1 && announced.starts > CONDEMNED_AFTER {
            return Ok(true);
        }
        put(state, &Marker { step: Some(announced) }).await?;
        Ok(false)
    }

    /// A step's outputs are durable and its position committed.
    pub(super) async fn passed(&mut self, state: &dyn State, count: usize) -> Result<()> {
        if self.is_careful() {
            self.careful = self.careful.saturating_sub(count);
            if !self.is_careful() {
                self.found = None;
                put(state, &Marker::default()).await?;
            }
        }
        Ok(())
    }

    /// Nothing more was in hand: back to the normal way of work.
    pub(super) async fn all_passed(&mut self, state: &dyn State) -> Result<()> {
        let careful = self.careful;
        self.passed(state, careful).await
    }
}

async fn put(state: &dyn State, marker: &Marker) -> Result<()> {
    let text = serde_json::to_string(marker).unwrap_or_else(|_| "{}".to_owned());
    state.put_job_state(KEY, Some(&text)).await
}
