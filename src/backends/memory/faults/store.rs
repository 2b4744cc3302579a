//! A store that fails by plan.

use async_trait::async_trait;

use super::Faulty;
use crate::model::{EventId, Origin};
use crate::ports::{
    AuditedDecision, AuditedRow, Books, Breakdown, BreakdownRow, CampaignHour, CampaignStats,
    DeadLetterFilter, DeadLetterRow, EventStatus, OutcomeRow, Page, Result, RollupDifference,
    Store, TimeRange,
};

#[async_trait]
impl<P: Store + ?Sized> Store for Faulty<P> {
    async fn campaign_stats(
        &self,
        campaign_id: &str,
        range: TimeRange,
    ) -> Result<Option<CampaignStats>> {
        self.faults.pass("campaign stats", [], self.inner.campaign_stats(campaign_id, range)).await
    }

    async fn campaign_hours(&self, page: Page) -> Result<Vec<CampaignHour>> {
        self.faults.pass("campaign hours", [], self.inner.campaign_hours(page)).await
    }

    async fn campaign_hour(&self, campaign_id: &str) -> Result<Option<CampaignHour>> {
        self.faults.pass("campaign hour", [], self.inner.campaign_hour(campaign_id)).await
    }

    async fn breakdown(
        &self,
        campaign_id: Option<&str>,
        by: Breakdown,
        range: TimeRange,
        limit: u64,
    ) -> Result<Vec<BreakdownRow>> {
        self.faults.pass("breakdown", [], self.inner.breakdown(campaign_id, by, range, limit)).await
    }

    async fn event_status(&self, event_id: &EventId) -> Result<Option<EventStatus>> {
        self.faults.pass("event status", [], self.inner.event_status(event_id)).await
    }

    async fn outcomes(&self, origins: &[Origin]) -> Result<Vec<OutcomeRow>> {
        self.faults.pass("outcomes", [], self.inner.outcomes(origins)).await
    }

    async fn stored_ids(&self, ids: &[EventId]) -> Result<Vec<EventId>> {
        self.faults.pass("stored ids", [], self.inner.stored_ids(ids)).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetterRow>> {
        self.faults.pass("dead letters", [], self.inner.dead_letters(filter)).await
    }

    async fn books(&self) -> Result<Books> {
        self.faults.pass("books", [], self.inner.books()).await
    }

    async fn audit_rows(&self, after: Option<Origin>, limit: usize) -> Result<Vec<AuditedRow>> {
        self.faults.pass("audit rows", [], self.inner.audit_rows(after, limit)).await
    }

    async fn audit_decisions(
        &self,
        after: Option<Origin>,
        limit: usize,
    ) -> Result<Vec<AuditedDecision>> {
        self.faults.pass("audit decisions", [], self.inner.audit_decisions(after, limit)).await
    }

    async fn audit_rollups(&self, limit: usize) -> Result<Vec<RollupDifference>> {
        self.faults.pass("audit rollups", [], self.inner.audit_rollups(limit)).await
    }

    async fn check(&self) -> Result<()> {
        self.faults.pass("check of store", [], self.inner.check()).await
    }
}
