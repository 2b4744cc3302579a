//! How far a replay is, remembered durably so that it can go on after anything.

use serde::{Deserialize, Serialize};

use super::super::{JobContext, JobError};
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
            window: None,
            done,
        });
    }
    let saved = context.ports.state.job_state(&key(&request.id)).await;
    let saved = saved.map_err(|source| JobError::port("read where it stopped", source))?;
    let unknown =
        || JobError::Request(format!("there is no replay {} to go on with: it ended", request.id));
    serde_json::from_str(&saved.ok_or_else(unknown)?).map_err(|_| {
        JobError::Request(format!("what is remembered of replay {} is unreadable", request.id))
    })
}

impl Position {
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
