//! `replay`: what was accepted, from the archive, into the pipeline again (design, rule 8).
//!
//! Events go to the processed topic under their own origins, so twice is the same as once: what is
//! a row already stays as it is. Origins that were blocked or rate-limited are left out, and the
//! archived decisions that the store does not have are published too, so that an empty directory
//! ends with the same rows *and* the same decisions. Reprocessing sends the raw records instead,
//! under today's rules.
//!
//! What the processor of this installation has yet to read of its raw topic is left out: it comes
//! to its end without a replay, and only the processor knows whether that end is a row.
//!
//! Records of another installation's topic are marked as restored: this one never accepted them.

mod decided;
mod position;
mod publish;
mod run;
mod select;
mod source;
mod under_way;

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::Outcome;
use crate::ports::TimeRange;
use crate::runtime::shutdown::CancellationToken;

/// Whence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum ReplaySource {
    /// This installation's archive.
    Archive {
        /// Only objects of raw events whose key begins so.
        prefix: Option<String>,
    },
    /// Archive files of any installation, or directories of them.
    Files {
        /// Absolute paths.
        paths: Vec<PathBuf>,
    },
}

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Names this replay: the value of `evp-replay-id`, and what it is resumed by.
    pub id: String,
    /// Go on where the replay of that name stopped; everything else is as it was asked then, but for a
    /// rate, where there is one now.
    pub resume: bool,
    /// Whence.
    pub source: ReplaySource,
    /// Only what was received in this range.
    pub range: Option<TimeRange>,
    /// Bring back what was decided so, too.
    pub include: Vec<Outcome>,
    /// Through the raw topic, under today's rules.
    pub reprocess: bool,
    /// Publish nothing, count only.
    pub dry_run: bool,
    /// Records a second at most.
    pub rate: Option<u32>,
}

/// What a replay did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayResponse {
    /// Its name.
    pub id: String,
    /// Nothing was published.
    pub dry_run: bool,
    /// Archive objects read.
    pub objects: u64,
    /// Records in the range.
    pub selected: u64,
    /// Events published, or that would be: those that this replay brings back.
    pub published: u64,
    /// Of the selected, those that are rows already.
    pub already_stored: u64,
    /// Published too, but another acceptance of the same event is or comes before them.
    pub duplicates: u64,
    /// Left out: they were blocked.
    pub blocked: u64,
    /// Left out: they were over the limit.
    pub rate_limited: u64,
    /// Left out: this installation has yet to judge them, and will without a replay.
    #[serde(default)]
    pub in_flight: u64,
    /// No event: they were dead letters and become such again.
    pub unreadable: u64,
    /// Decisions published that the store did not have.
    pub decisions: u64,
    /// Archive objects that are damaged and were passed over.
    pub damaged: Vec<String>,
    /// What an operator should know besides.
    pub notes: Vec<String>,
}

/// The job `replay`.
#[derive(Debug, Clone, Copy)]
pub struct Replay;

#[async_trait]
impl Job for Replay {
    const NAME: &'static str = "replay";
    type Request = ReplayRequest;
    type Response = ReplayResponse;

    async fn run(
        context: &JobContext,
        request: ReplayRequest,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<ReplayResponse, JobError> {
        let position = position::begin(context, &request).await?;
        run::Run::new(context, position).await?.run(progress, &cancel).await
    }
}
