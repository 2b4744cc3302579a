//! What became of one event.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::EventId;
use crate::pipeline::lookup::{Lookup, lookup};
use crate::runtime::shutdown::CancellationToken;

/// Which event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// Its id.
    pub event_id: EventId,
}

/// The job `status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

#[async_trait]
impl Job for Status {
    const NAME: &'static str = "status";
    type Request = StatusRequest;
    type Response = Lookup;

    async fn run(
        context: &JobContext,
        request: StatusRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<Lookup, JobError> {
        let plan = super::lookup_plan(&context.settings);
        lookup(&context.ports, &plan, &request.event_id)
            .await
            .map_err(|source| JobError::port(format!("look up {}", request.event_id), source))
    }
}
