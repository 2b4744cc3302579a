//! The books: accepted = stored + duplicate + blocked + rate_limited + dead_lettered + in_flight
//! (design, rule 11), read from the watermarks and the store's own counts.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::model::{Offset, Partition, Topic, TopicId};
use crate::pipeline::lag::{PartitionLag, lag};
use crate::pipeline::reprocessed;
use crate::ports::{self, Books as Counts, EventLog, Kind, TopicInfo};
use crate::runtime::shutdown::CancellationToken;

/// The books of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BooksReport {
    /// Records in the raw topic since its first, without those that were put there again.
    pub accepted: u64,
    /// Outcomes of origins that came from another installation's archive.
    pub restored: u64,
    /// Rows.
    pub stored: u64,
    /// Decisions `duplicate`.
    pub duplicate: u64,
    /// Decisions `blocked`.
    pub blocked: u64,
    /// Decisions `rate_limited`.
    pub rate_limited: u64,
    /// Dead letters that are not resolved.
    pub dead_lettered: u64,
    /// Records under way between the stages, measured.
    pub in_flight: u64,
    /// Records of the raw topic that a replay or redrive put there again.
    pub reprocessed: u64,
    /// Copies of origins that had their outcome already; outside the law.
    pub redelivered: u64,
    /// Whether both sides are equal. Certain only where nothing is in flight.
    pub balanced: bool,
}

impl BooksReport {
    fn new(accepted: u64, reprocessed: u64, in_flight: u64, counts: &Counts) -> Self {
        let report = Self {
            accepted: accepted.saturating_sub(reprocessed),
            restored: counts.restored,
            stored: counts.stored,
            duplicate: counts.duplicate,
            blocked: counts.blocked,
            rate_limited: counts.rate_limited,
            dead_lettered: counts.dead_lettered,
            in_flight,
            reprocessed,
            redelivered: counts.redelivered,
            balanced: false,
        };
        Self { balanced: report.left() == report.right(), ..report }
    }

    /// What came in.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.accepted + self.restored
    }

    /// What became of it.
    #[must_use]
    pub const fn right(&self) -> u64 {
        self.outcomes() + self.in_flight
    }

    /// What has an outcome.
    #[must_use]
    pub const fn outcomes(&self) -> u64 {
        self.stored + self.duplicate + self.blocked + self.rate_limited + self.dead_lettered
    }
}

/// Where a topic stands: its incarnation and the end of each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) id: TopicId,
    pub(super) ends: Vec<(Partition, Offset)>,
}

impl Ends {
    pub(super) fn of(info: &TopicInfo) -> Self {
        Self { id: info.id, ends: info.partitions.iter().map(|p| (p.partition, p.high)).collect() }
    }

    pub(super) fn records(&self) -> u64 {
        self.ends.iter().map(|(_, end)| u64::try_from(end.0).unwrap_or(0)).sum()
    }

    pub(super) fn end(&self, partition: Partition) -> Offset {
        let end = self.ends.iter().find(|(one, _)| *one == partition);
        end.map_or(Offset(0), |(_, end)| *end)
    }
}

/// A topic, or nothing where it was never written to.
pub(super) async fn describe(
    log: &dyn EventLog,
    topic: &Topic,
) -> ports::Result<Option<TopicInfo>> {
    match log.describe(topic).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How far each group is behind, partition by partition.
pub(super) async fn lags(context: &JobContext) -> ports::Result<Vec<PartitionLag>> {
    lag(context.ports.log.as_ref(), &context.settings.readers()).await
}

/// The books and the end of the raw topic that they were read at.
pub(super) async fn read(context: &JobContext) -> ports::Result<(BooksReport, Option<Ends>)> {
    let ports = &context.ports;
    let raw = describe(ports.log.as_ref(), &context.settings.topics.raw).await?;
    let ends = raw.as_ref().map(Ends::of);
    let archiver = &context.settings.groups.archiver;
    let lags = lags(context).await?;
    let in_flight = lags.iter().filter(|lag| lag.group != *archiver).map(PartitionLag::lag).sum();
    let reprocessed = match &raw {
        Some(raw) => reprocessed::total(ports.state.as_ref(), raw).await?,
        None => 0,
    };
    let counts = ports.store.books().await?;
    let accepted = ends.as_ref().map_or(0, Ends::records);
    Ok((BooksReport::new(accepted, reprocessed, in_flight, &counts), ends))
}

/// Asks for the books.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BooksRequest {}

/// The books and who is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksResponse {
    /// The books.
    pub books: BooksReport,
    /// Every group's lag.
    pub lags: Vec<PartitionLag>,
}

/// The job `books`.
#[derive(Debug, Clone, Copy)]
pub struct Books;

#[async_trait]
impl Job for Books {
    const NAME: &'static str = "books";
    type Request = BooksRequest;
    type Response = BooksResponse;

    async fn run(
        context: &JobContext,
        _request: BooksRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<BooksResponse, JobError> {
        let failed = |source| JobError::port("read the books", source);
        let (books, _) = read(context).await.map_err(failed)?;
        let lags = lags(context).await.map_err(failed)?;
        Ok(BooksResponse { books, lags })
    }
}
