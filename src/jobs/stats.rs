//! Statistics of one campaign or of all, from the store.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Job, JobContext, JobError, ProgressSink};
use crate::ports::{Breakdown, BreakdownRow, CampaignStats, TimeRange};
use crate::runtime::shutdown::CancellationToken;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsRequest {
    /// One campaign; all where absent.
    pub campaign_id: Option<String>,
    /// Of which time; all of it where absent.
    pub range: Option<TimeRange>,
    /// Grouped by what.
    pub by: Option<Breakdown>,
    /// At most so many groups.
    pub limit: u64,
}

/// The numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsResponse {
    /// The range that they are of.
    pub range: TimeRange,
    /// The campaign's totals; absent where no campaign was named or the campaign has no event.
    pub campaign: Option<CampaignStats>,
    /// The groups, where asked for or where no campaign was named.
    pub groups: Vec<BreakdownRow>,
    /// There are more groups than these.
    pub truncated: bool,
}

/// The job `stats`.
#[derive(Debug, Clone, Copy)]
pub struct Stats;

#[async_trait]
impl Job for Stats {
    const NAME: &'static str = "stats";
    type Request = StatsRequest;
    type Response = StatsResponse;

    async fn run(
        context: &JobContext,
        request: StatsRequest,
        _progress: &dyn ProgressSink,
        _cancel: CancellationToken,
    ) -> Result<StatsResponse, JobError> {
        let store = &context.ports.store;
        let failed = |source| JobError::port("read the statistics", source);
        let range = request.range.unwrap_or(super::ALL_TIME);
        let campaign_id = request.campaign_id.as_deref();
        let campaign = match campaign_id {
            Some(id) => store.campaign_stats(id, range).await.map_err(failed)?,
            None => None,
        };
        let by = match (request.by, campaign_id) {
            (Some(by), _) => Some(by),
            (None, None) => Some(Breakdown::Campaign),
            (None, Some(_)) => None,
        };
        let mut groups = match by {
            Some(by) => {
                let limit = request.limit.saturating_add(1);
                store.breakdown(campaign_id, by, range, limit).await.map_err(failed)?
            }
            None => Vec::new(),
        };
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let truncated = groups.len() > limit;
        groups.truncate(limit);
        Ok(StatsResponse { range, campaign, groups, truncated })
    }
}
