//! How far a replay is, remembered durably so that it can go on after anything.

use serde::{Deserialize, Serialize};

use super::super::{JobContext, JobError};
use super::source::Object;
use super::{ReplayRequest, ReplayResponse};
use crate::model::{Offset, Partition, Timestamp, TopicId};

/// How far a replay is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) request: ReplayRequest,
    /// The object in hand; everything before it is done.
    pub(super) object: Option<String>,
    /// Where that object stands among all, should it be gone when the replay goes on.
    #[serde(default)]
    pub(super) place: Option<(TopicId, Partition, Offset)>,
    /// In that object, the next offset.
    pub(super) next: Offset,
    /// In the partition of that object, everything below is done: objects may overlap where their
    /// store could not refuse a taken key.
    #[serde(default)]
    pub(super) covered: Option<(TopicId, Partition, Offset)>,
    /// All events are done; the object in hand is one of decisions.
    #[serde(default)]
    pub(super) in_decisions: bool,
    /// Of the records selected so far, when the first and the last were received.
    #[serde(default)]
    pub(super) window: Option<(Timestamp, Timestamp)>,
    /// What was done so far.
    pub(super) done: ReplayResponse,
}

fn key(id: &str) -> String {
    format!("replay/{id}")
}

/// The beginning, or where the replay of that name stopped.
pub(super) async fn begin(
    context: &JobContext,
    request: &ReplayRequest,
) -> Result<Position, JobError> {
    if !request.resume {
        let done = ReplayResponse {
            id: request.id.clone(),
            dry_run: request.dry_run,
            ..ReplayResponse::default()
        };
        let request = request.clone();
        return Ok(Position {
            request,
            object: None,
            place: None,
            next: Offset(0),
            covered: None,
            in_decisions: false,
            window: None,
            done,
        });
    }
    let saved = context.ports.state.job_state(&key(&request.id)).await;
    let saved = saved.map_err(|source| JobError::port("read where it stopped", source))?;
    let unknown =
        || JobError::Request(format!("there is no replay {} to go on with: it ended", request.id));
    let mut position: Position =
        serde_json::from_str(&saved.ok_or_else(unknown)?).map_err(|_| {
            JobError::Request(format!("what is remembered of replay {} is unreadable", request.id))
        })?;
    position.request.rate = request.rate.or(position.request.rate);
    Ok(position)
}

impl Position {
    /// Takes an object in hand, from its beginning unless it was in hand already.
    pub(super) fn take(&mut self, object: &Object) {
        if self.object.as_deref() != Some(object.name.as_str()) {
            self.object = Some(object.name.clone());
            self.place = Some(object.place());
            self.next = Offset(0);
        }
    }

    /// Where to begin in the object in hand: what it or an overlapping one gave already is done.
    pub(super) fn begin_of(&self, object: &Object) -> Offset {
        let (topic, partition, _) = object.place();
        let covered = self.covered.filter(|covered| (covered.0, covered.1) == (topic, partition));
        covered.map_or(self.next, |(_, _, next)| self.next.max(next))
    }

    /// Everything of the object in hand below `next` is done.
    pub(super) fn advance(&mut self, object: &Object, next: Offset) {
        let (topic, partition, _) = object.place();
        let covered = self.begin_of(object).max(next);
        self.covered = Some((topic, partition, covered));
        self.next = next;
    }

    /// Names an object that is passed over.
    pub(super) fn damaged(&mut self, name: &str) {
        if !self.done.damaged.iter().any(|known| known == name) {
            self.done.damaged.push(name.to_owned());
        }
    }

    /// Says something once, however often the replay is resumed.
    pub(super) fn note(&mut self, text: &str) {
        if !self.done.notes.iter().any(|known| known == text) {
            self.done.notes.push(text.to_owned());
        }
    }

    /// Remembers how far it is; a dry run has nothing to remember.
    pub(super) async fn save(&self, context: &JobContext) -> Result<(), JobError> {
        if self.request.dry_run {
            return Ok(());
        }
        let text = serde_json::to_string(self)
            .map_err(|error| JobError::Request(format!("cannot write the position: {error}")))?;
        self.put(context, Some(&text)).await
    }

    /// Forgets it: the replay has ended.
    pub(super) async fn forget(&self, context: &JobContext) -> Result<(), JobError> {
        if self.request.dry_run { Ok(()) } else { self.put(context, None).await }
    }

    async fn put(&self, context: &JobContext, text: Option<&str>) -> Result<(), JobError> {
        let put = context.ports.state.put_job_state(&key(&self.request.id), text).await;
        put.map_err(|source| JobError::port("remember how far it is", source))
    }
}
