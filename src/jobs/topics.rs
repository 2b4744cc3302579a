//! Topics: how they are laid out, making those that are missing, how far each group is behind.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{Topic, TopicId};
use crate::pipeline::lag::{self, PartitionLag};
use crate::ports::Ensured;
use crate::runtime::shutdown::CancellationToken;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum TopicsRequest {
    /// How the topics of the settings are laid out.
    List,
    /// Make those that are missing.
    Ensure {
        /// Say what would be made, and make nothing.
        dry_run: bool,
    },
    /// How far each group is behind.
    Lag,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum TopicsResponse {
    /// The topics of the settings.
    Topics {
        /// One a topic.
        topics: Vec<TopicRow>,
    },
    /// What was done.
    Ensured {
        /// One a topic.
        topics: Vec<EnsuredRow>,
    },
    /// The lag of each group on each partition.
    Lag {
        /// One a group and partition.
        partitions: Vec<LagRow>,
    },
}

/// A topic as it is laid out. What is unknown to the log is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRow {
    /// Its name.
    pub topic: Topic,
    /// Its incarnation; absent where it is missing.
    pub id: Option<TopicId>,
    /// How many partitions.
    pub partitions: Option<i32>,
    /// Replicas of each.
    pub replication: Option<i32>,
    /// Replicas that must have a record before it is acknowledged.
    pub min_in_sync: Option<i32>,
    /// Seconds for which records are kept.
    pub retention_secs: Option<u64>,
    /// Records that can be read.
    pub records: u64,
}

/// What was done about a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsuredRow {
    /// Its name.
    pub topic: Topic,
    /// Whether it was missing and was made, or would be.
    pub made: bool,
    /// In what it is less than the settings want; told, not changed.
    pub differences: Vec<String>,
}

/// One group on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagRow {
    /// Positions and bounds.
    #[serde(flatten)]
    pub at: PartitionLag,
    /// Records that it has not finished.
    pub lag: u64,
}

/// The job `topics`.
#[derive(Debug, Clone, Copy)]
pub struct Topics;

#[async_trait]
impl Job for Topics {
    const NAME: &'static str = "topics";
    type Request = TopicsRequest;
    type Response = TopicsResponse;

    async fn run(
        context: &JobContext,
        request: TopicsRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<TopicsResponse, JobError> {
        match request {
            TopicsRequest::List => list(context).await,
            TopicsRequest::Ensure { dry_run } => ensure(context, dry_run).await,
            TopicsRequest::Lag => {
                let lags = lag::lag(&*context.ports.log, &context.settings.readers()).await;
                let lags = lags.map_err(|source| JobError::port("read the lag", source))?;
                let row = |at: PartitionLag| LagRow { lag: at.lag(), at };
                Ok(TopicsResponse::Lag { partitions: lags.into_iter().map(row).collect() })
            }
        }
    }
}

async fn list(context: &JobContext) -> Result<TopicsResponse, JobError> {
    let log = &context.ports.log;
    let mut topics = Vec::new();
    for topic in context.settings.topics.all() {
        let failed = |source| JobError::port(format!("look at topic {topic}"), source);
        let layout = log.layout(topic).await.map_err(failed)?;
        let mut records = 0_u64;
        if layout.is_some() {
            let info = log.describe(topic).await.map_err(failed)?;
            let counts = info.partitions.iter().map(|part| part.high.0 - part.low.0);
            records = counts.map(|count| u64::try_from(count).unwrap_or(0)).sum();
        }
        topics.push(TopicRow {
            topic: topic.clone(),
            id: layout.as_ref().map(|layout| layout.id),
            partitions: layout.as_ref().map(|layout| layout.partitions),
            replication: layout.as_ref().and_then(|layout| layout.replication),
            min_in_sync: layout.as_ref().and_then(|layout| layout.min_in_sync),
            retention_secs: layout.and_then(|layout| layout.retention).map(|time| time.as_secs()),
            records,
        });
    }
    Ok(TopicsResponse::Topics { topics })
}

async fn ensure(context: &JobContext, dry_run: bool) -> Result<TopicsResponse, JobError> {
    let mut topics = Vec::new();
    for topic in context.settings.topics.all() {
        let ensured = context.ports.log.ensure(topic, dry_run).await;
        let failed = |source| JobError::port(format!("make topic {topic}"), source);
        let (made, differences) = match ensured.map_err(failed)? {
            Ensured::AsWanted => (false, Vec::new()),
            Ensured::Made => (true, Vec::new()),
            Ensured::Differs(differences) => (false, differences),
        };
        topics.push(EnsuredRow { topic: topic.clone(), made, differences });
    }
    Ok(TopicsResponse::Ensured { topics })
}
