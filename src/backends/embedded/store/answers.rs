//! The reading side of the port: each answer one snapshot on a reader's connection.

use async_trait::async_trait;

use super::breakdown::Question;
use super::db::StoreDb;
use super::reader::Bound;
use super::{audit, books, breakdown, dead_letters, lookup, stats};
use crate::model::{EventId, Origin};
use crate::ports::{
    AuditedDecision, AuditedRow, Books, Breakdown, BreakdownRow, CampaignHour, CampaignStats,
    DeadLetterFilter, DeadLetterRow, EventStatus, OutcomeRow, Page, Result, RollupDifference,
    Store, TimeRange,
};

#[async_trait]
impl Store for StoreDb {
    async fn campaign_stats(
        &self,
        campaign_id: &str,
        range: TimeRange,
    ) -> Result<Option<CampaignStats>> {
        let (campaign_id, exact) = (campaign_id.to_owned(), self.options.exact_uniques);
        let work = move |c: &_| stats::campaign(c, &campaign_id, range, exact);
        self.readers.read("count a campaign in", Bound::Query, work).await
    }

    async fn campaign_hours(&self, page: Page) -> Result<Vec<CampaignHour>> {
        self.readers.read("list campaigns in", Bound::Query, move |c| stats::hours(c, page)).await
    }

    async fn campaign_hour(&self, campaign_id: &str) -> Result<Option<CampaignHour>> {
        let campaign_id = campaign_id.to_owned();
        let work = move |c: &_| stats::newest_hour(c, &campaign_id);
        self.readers.read("read a campaign's hour in", Bound::Query, work).await
    }

    async fn breakdown(
        &self,
        campaign_id: Option<&str>,
        by: Breakdown,
        range: TimeRange,
        limit: u64,
    ) -> Result<Vec<BreakdownRow>> {
        let question = Question { campaign_id: campaign_id.map(str::to_owned), by, range, limit };
        let exact = self.options.exact_uniques;
        let work = move |c: &_| breakdown::breakdown(c, &question, exact);
        self.readers.read("break down rows of", Bound::Query, work).await
    }

    async fn event_status(&self, event_id: &EventId) -> Result<Option<EventStatus>> {
        let event_id = event_id.clone();
        let work = move |c: &_| lookup::event_status(c, &event_id);
        self.readers.read("look up an event in", Bound::Query, work).await
    }

    async fn outcomes(&self, origins: &[Origin]) -> Result<Vec<OutcomeRow>> {
        let origins = origins.to_vec();
        let work = move |c: &_| lookup::outcomes(c, &origins);
        self.readers.read("look up outcomes in", Bound::Caller, work).await
    }

    async fn stored_ids(&self, ids: &[EventId]) -> Result<Vec<EventId>> {
        let ids = ids.to_vec();
        let work = move |c: &_| lookup::stored_ids(c, ids);
        self.readers.read("look up ids in", Bound::Caller, work).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetterRow>> {
        let filter = filter.clone();
        let work = move |c: &_| dead_letters::list(c, &filter);
        self.readers.read("list dead letters in", Bound::Query, work).await
    }

    async fn books(&self) -> Result<Books> {
        self.readers.read("read the books of", Bound::Query, books::read).await
    }

    async fn audit_rows(&self, after: Option<Origin>, limit: usize) -> Result<Vec<AuditedRow>> {
        let work = move |c: &_| audit::rows(c, after, limit);
        self.readers.read("audit rows of", Bound::Caller, work).await
    }

    async fn audit_decisions(
        &self,
        after: Option<Origin>,
        limit: usize,
    ) -> Result<Vec<AuditedDecision>> {
        let work = move |c: &_| audit::decisions(c, after, limit);
        self.readers.read("audit decisions of", Bound::Caller, work).await
    }

    async fn audit_rollups(&self, limit: usize) -> Result<Vec<RollupDifference>> {
        let work = move |c: &_| audit::rollups(c, limit);
        self.readers.read("audit roll-ups of", Bound::Caller, work).await
    }

    async fn check(&self) -> Result<()> {
        let work = |c: &rusqlite::Connection| c.query_row("SELECT 1 FROM syncs", [], |_| Ok(()));
        self.readers.read("read", Bound::Query, work).await
    }
}
