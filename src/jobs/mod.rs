//! What finishes: a job takes a request, returns a value, and never prints.
//!
//! A job runs in whichever process owns the ports: in the command itself, or, for a data directory
//! that a server holds, in that server, asked through `admin.sock`. So requests and responses are
//! plain serialisable values.

pub mod archive;
pub mod blacklist;
pub mod books;
pub mod dead_letters;
pub mod doctor;
pub mod ledger;
pub mod loadgen;
pub mod replay;
pub mod send;
pub mod stats;
pub mod status;
pub mod tail;
pub mod topics;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Record, RecordBatch, Timestamp, Topic};
use crate::pipeline::lookup::LookupPlan;
use crate::ports::{self, Ports, TimeRange};
use crate::runtime::shutdown::CancellationToken;
use crate::settings::Settings;

/// Every instant that an event can have.
pub const ALL_TIME: TimeRange = TimeRange { from: Timestamp::MIN, to: Timestamp::MAX };

/// What jobs work on.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The ports.
    pub ports: Ports,
    /// The settings.
    pub settings: Arc<Settings>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Units done.
    pub done: u64,
    /// Units in all, where known.
    pub total: Option<u64>,
    /// What it is at, in a few words.
    pub message: String,
}

/// Takes a job's progress; called often, must be cheap.
pub trait ProgressSink: Send + Sync {
    /// How far it is now.
    fn report(&self, progress: JobProgress);
}

/// Takes progress and does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _progress: JobProgress) {}
}

/// Why a job did not finish.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The request asks for something that cannot be.
    #[error("{0}")]
    Request(String),
    /// A port failed.
    #[error("{what}")]
    Port {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: ports::Error,
    },
    /// It was told to stop before it was done.
    #[error("stopped before the end; {0}")]
    Cancelled(String),
    /// Local files or folders failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl JobError {
    pub(crate) fn port(what: impl Into<String>, source: ports::Error) -> Self {
        Self::Port { what: format!("cannot {}", what.into()), source }
    }

    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: format!("cannot {}", what.into()), source }
    }
}

/// How long a job waits before it appends again where there was no room.
const NO_ROOM_WAIT: Duration = Duration::from_millis(500);

/// Publishes records, waiting for as long as the log has no room or cannot be used.
async fn publish(
    context: &JobContext,
    topic: &Topic,
    records: &[Record],
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    if records.is_empty() {
        return Ok(());
    }
    // They enter the log now, whenever their events were received: brokers remove what is older than
    // the topic's retention, read or not.
    let timestamp = context.ports.clock.now();
    let records: Vec<Record> =
        records.iter().map(|record| Record { timestamp, ..record.clone() }).collect();
    let batch = RecordBatch::of_all(&records);
    loop {
        match context.ports.log.append(topic, batch.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let may_pass = matches!(error.kind(), ports::Kind::Full | ports::Kind::Unavailable);
                if !may_pass || cancel.is_cancelled() {
                    return Err(JobError::port(format!("publish to {topic}"), error));
                }
                tracing::warn!(%topic, error = %error.chain(), "cannot publish; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(NO_ROOM_WAIT) => {}
            () = cancel.cancelled() => {}
        }
    }
}

fn lookup_plan(settings: &Settings) -> LookupPlan {
    let groups = &settings.groups;
    LookupPlan::new(settings.topics.all(), [&groups.processor, &groups.worker, &groups.retrier])
}

/// One kind of job.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// Its name in the admin route `/admin/v1/jobs/<name>`.
    const NAME: &'static str;
    /// What it is asked.
    type Request: Serialize + DeserializeOwned + Send + Sync;
    /// What it answers.
    type Response: Serialize + DeserializeOwned + Send + Sync;

    /// Runs it to its end, or until cancelled.
    async fn run(
        context: &JobContext,
        request: Self::Request,
        progress: &dyn ProgressSink,
        cancel: CancellationToken,
    ) -> Result<Self::Response, JobError>;
}
