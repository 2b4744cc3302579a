//! Finding the event that crashes the process (design, rule 10).
//!
//! A marker a partition says durably that somebody works on it: set when the first records come
//! under an assignment, taken away when the partition is given up or the process ends cleanly. Found
//! by whoever takes the partition over it tells of an unclean end: then the records of that partition
//! that may have been in hand are worked on in small steps, each announced in the marker before it
//! begins. A step that was announced and never passed is taken record by record by the next owner; a
//! single record that was announced at [`CONDEMNED_AFTER`] starts and never passed becomes a dead
//! letter. So a plug pulled at an unlucky moment condemns nobody. In the normal way of work nothing
//! is asked and nothing written between taking a partition and giving it up.
//!
//! Members of a group do not see each other, only markers. A member that was merely slow and lost a
//! partition leaves its marker to the next owner, who is careful for a while and condemns nobody:
//! no step was announced, or one start is not three. Each marker bears the name of its writer and
//! only the writer takes it away; a look and a write are two calls, and what can slip in between
//! costs a crash more before the event is found, nothing else.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::{ConsumedRecord, Offset, Origin, Partition, TopicId};
use crate::ports::{Assignment, Fetched, Result, State};

/// Records of one step after an unclean end.
const STEP: usize = 32;
/// So many starts have to end at one record before it is taken for the cause.
pub(super) const CONDEMNED_AFTER: u32 = 3;

/// The marker's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    /// Who wrote it; nobody where it only keeps what an earlier owner announced.
    #[serde(default)]
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    step: Option<Announced>,
}

/// A range of the partition that was begun and not yet passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    first: Offset,
    last: Offset,
    starts: u32,
}

impl Announced {
    fn contains(&self, record: &ConsumedRecord) -> bool {
        (self.first..=self.last).contains(&record.offset)
    }
}

/// A partition whose work has begun.
#[derive(Debug)]
struct Part {
    key: String,
    /// Records still to be worked on in steps; 0 is the normal way of work.
    careful: usize,
    /// What the owner before announced and did not pass.
    found: Option<Announced>,
}

/// What is suspected at present, by partition.
#[derive(Debug)]
pub(super) struct Suspects {
    owner: String,
    /// How many records of a partition an owner may have begun.
    in_hand: usize,
    parts: HashMap<Assignment, Part>,
}

/// A partition that is about to be worked on for the first time under its assignment.
#[derive(Debug)]
pub(super) struct Unmarked {
    assignment: Assignment,
    key: String,
}

/// What stood there.
#[derive(Debug)]
pub(super) struct Found(Option<Marker>);

impl Suspects {
    pub(super) fn new(in_hand: usize) -> Self {
        Self { owner: Origin::mint().to_string(), in_hand, parts: HashMap::new() }
    }

    /// The partitions of these records that have no marker of ours yet: nearly always none.
    pub(super) fn unmarked(&self, fetched: &[Fetched]) -> Vec<Unmarked> {
        let new = fetched.iter().filter(|fetched| !self.parts.contains_key(&fetched.assignment));
        let marked = new.filter_map(|Fetched { assignment, records }| {
            let key = key(records.first()?.topic_id, assignment.at.partition);
            Some(Unmarked { assignment: assignment.clone(), key })
        });
        marked.collect()
    }

    /// Looks at the marker of a partition, and sets ours where none stands.
    pub(super) async fn mark(&self, state: &dyn State, part: &Unmarked) -> Result<Found> {
        let found = state.job_state(&part.key).await?;
        // A marker that cannot be read still tells of an unclean end.
        let found = found.map(|text| serde_json::from_str::<Marker>(&text).unwrap_or_default());
        if found.is_none() {
            put(state, &part.key, &self.marker(None)).await?;
        }
        Ok(Found(found))
    }

    /// Work on it begins.
    pub(super) fn begin(&mut self, part: Unmarked, found: Found) {
        let Unmarked { assignment, key } = part;
        // Our own is no unclean end: this process has lost the partition and has it again.
        let found = found.0.filter(|marker| marker.owner != self.owner);
        let careful = if found.is_some() { self.in_hand } else { 0 };
        if careful > 0 {
            tracing::info!(
                partition = %assignment.at,
                "its last owner ended uncleanly or lost it; going on in small steps"
            );
        }
        let found = found.and_then(|marker| marker.step);
        self.parts.insert(assignment, Part { key, careful, found });
    }

    pub(super) fn is_careful(&self) -> bool {
        self.parts.values().any(|part| part.careful > 0)
    }

    fn careful(&self, fetched: &Fetched) -> Option<&Part> {
        self.parts.get(&fetched.assignment).filter(|part| part.careful > 0)
    }

    /// Whether this step is one that has to be announced.
    pub(super) fn is_announced(&self, step: &[Fetched]) -> bool {
        step.iter().any(|fetched| self.careful(fetched).is_some())
    }

    /// Cuts what was fetched into steps: one for all partitions in the normal way of work, small
    /// ones for each of the others.
    pub(super) fn steps(&self, fetched: Vec<Fetched>) -> Vec<Vec<Fetched>> {
        if !self.is_careful() {
            return vec![fetched];
        }
        let (careful, normal): (Vec<_>, Vec<_>) =
            fetched.into_iter().partition(|fetched| self.careful(fetched).is_some());
        let mut steps = Vec::new();
        if !normal.is_empty() {
            steps.push(normal);
        }
        for fetched in careful {
            let found = self.careful(&fetched).and_then(|part| part.found.clone());
            steps.extend(small(fetched, found.as_ref()).into_iter().map(|step| vec![step]));
        }
        steps
    }

    /// Announces a step durably; `true` when its single record is condemned. Nothing in the normal
    /// way of work.
    pub(super) async fn announce(&self, state: &dyn State, step: &[Fetched]) -> Result<bool> {
        let [fetched] = step else { return Ok(false) };
        let records = &fetched.records;
        let (Some(part), Some(first), Some(last)) =
            (self.careful(fetched), records.first(), records.last())
        else {
            return Ok(false);
        };
        let mut announced = Announced { first: first.offset, last: last.offset, starts: 1 };
        if let Some(found) = &part.found
            && (found.first, found.last) == (announced.first, announced.last)
        {
            announced.starts = found.starts.saturating_add(1);
        }
        if records.len() == 1 && announced.starts > CONDEMNED_AFTER {
            return Ok(true);
        }
        put(state, &part.key, &self.marker(Some(announced))).await?;
        Ok(false)
    }

    /// A step's outputs are durable and its position committed.
    pub(super) async fn passed(
        &mut self,
        state: &dyn State,
        assignment: &Assignment,
        count: usize,
    ) -> Result<()> {
        let marker = self.marker(None);
        let Some(part) = self.parts.get_mut(assignment).filter(|part| part.careful > 0) else {
            return Ok(());
        };
        part.careful = part.careful.saturating_sub(count);
        if part.careful == 0 {
            part.found = None;
            put(state, &part.key, &marker).await?;
        }
        Ok(())
    }

    /// Nothing more was in hand: back to the normal way of work.
    pub(super) async fn all_passed(&mut self, state: &dyn State) -> Result<()> {
        let careful = self.parts.iter().filter(|(_, part)| part.careful > 0);
        let careful: Vec<Assignment> = careful.map(|(assignment, _)| assignment.clone()).collect();
        for assignment in careful {
            self.passed(state, &assignment, usize::MAX).await?;
        }
        Ok(())
    }

    /// These partitions are no longer ours, and this process lives: takes our markers away. Where
    /// steps were still to be made the marker goes back to what the owner before had announced,
    /// since what this one announced has killed nobody.
    pub(super) async fn release(&mut self, state: &dyn State, gone: &[Assignment]) -> Result<()> {
        let mut result = Ok(());
        for assignment in gone {
            if let Some(part) = self.parts.remove(assignment) {
                result = self.take_away(state, &part).await.and(result);
            }
        }
        result
    }

    /// This process ends cleanly.
    pub(super) async fn end(mut self, state: &dyn State) -> Result<()> {
        let all: Vec<Assignment> = self.parts.keys().cloned().collect();
        self.release(state, &all).await
    }

    async fn take_away(&self, state: &dyn State, part: &Part) -> Result<()> {
        let stands = state.job_state(&part.key).await?;
        let stands = stands.and_then(|text| serde_json::from_str::<Marker>(&text).ok());
        if stands.is_none_or(|marker| marker.owner != self.owner) {
            return Ok(());
        }
        if part.careful == 0 {
            return state.put_job_state(&part.key, None).await;
        }
        put(state, &part.key, &Marker { owner: String::new(), step: part.found.clone() }).await
    }

    fn marker(&self, step: Option<Announced>) -> Marker {
        Marker { owner: self.owner.clone(), step }
    }
}

/// Cuts one partition's records into steps; those of a step that was found, one by one.
fn small(fetched: Fetched, found: Option<&Announced>) -> Vec<Fetched> {
    let Fetched { assignment, records } = fetched;
    let is_suspect = |record: &ConsumedRecord| found.is_some_and(|found| found.contains(record));
    let mut steps: Vec<Fetched> = Vec::new();
    let mut was_alone = true;
    for record in records {
        let is_alone = is_suspect(&record);
        match steps.last_mut() {
            Some(step) if !is_alone && !was_alone && step.records.len() < STEP => {
                step.records.push(record);
            }
            _ => steps.push(Fetched { assignment: assignment.clone(), records: vec![record] }),
        }
        was_alone = is_alone;
    }
    steps
}

fn key(topic: TopicId, partition: Partition) -> String {
    format!("processor.marker/{topic}/{}", partition.0)
}

async fn put(state: &dyn State, key: &str, marker: &Marker) -> Result<()> {
    let text = serde_json::to_string(marker).unwrap_or_else(|_| "{}".to_owned());
    state.put_job_state(key, Some(&text)).await
}

#[cfg(test)]
mod tests;
