//! The reading side of the port: each answer one snapshot on a connection of its own.

use async_trait::async_trait;

use super::breakdown::Question;
use super::failure::bounded;
use super::store::{Bound, PostgresStore, begin, patience};
use super::{audit, breakdown, dead_letters, lookup, stats};
use crate::model::{EventId, Origin};
use crate::ports::{
    AuditedDecision, AuditedRow, Books, Breakdown, BreakdownRow, CampaignHour, CampaignStats,
    DeadLetterFilter, DeadLetterRow, EventStatus, OutcomeRow, Page, Result, RollupDifference,
    Store, TimeRange,
};

/// Leases a connection, begins a snapshot, runs the work on it and ends both.
macro_rules! answer {
    ($store:expr, $what:literal, $bound:expr, |$connection:ident| $work:expr) => {{
        let mut lease = $store.pool.lease($what).await?;
        let limit = $store.limit($bound);
        let $connection = &mut lease.connection;
        let work = async {
            begin(&$connection.client, limit).await?;
            let answer = $work.await?;
            $connection.client.batch_execute("COMMIT").await?;
            Ok(answer)
        };
        let answered = bounded(patience(limit), work).await;
        lease.end(answered).await
    }};
}

#[async_trait]
impl Store for PostgresStore {
    async fn campaign_stats(
        &self,
        campaign_id: &str,
        range: TimeRange,
    ) -> Result<Option<CampaignStats>> {
        let exact = self.options.exact_uniques;
        answer!(self, "count a campaign in", Bound::Query, |connection| {
            stats::campaign(connection, campaign_id, range, exact)
        })
    }

    async fn campaign_hours(&self, page: Page) -> Result<Vec<CampaignHour>> {
        answer!(self, "list campaigns in", Bound::Query, |connection| {
            stats::hours(connection, page)
        })
    }

    async fn campaign_hour(&self, campaign_id: &str) -> Result<Option<CampaignHour>> {
        answer!(self, "read a campaign's hour in", Bound::Query, |connection| {
            stats::newest_hour(connection, campaign_id)
        })
    }

    async fn breakdown(
        &self,
        campaign_id: Option<&str>,
        by: Breakdown,
        range: TimeRange,
        limit: u64,
    ) -> Result<Vec<BreakdownRow>> {
        let question = Question { campaign_id, by, range, limit };
        let exact = self.options.exact_uniques;
        answer!(self, "break down rows of", Bound::Query, |connection| {
            breakdown::breakdown(connection, &question, exact)
        })
    }

    async fn event_status(&self, event_id: &EventId) -> Result<Option<EventStatus>> {
        answer!(self, "look up an event in", Bound::Query, |connection| {
            lookup::event_status(connection, event_id)
        })
    }

    async fn outcomes(&self, origins: &[Origin]) -> Result<Vec<OutcomeRow>> {
        answer!(self, "look up outcomes in", Bound::Caller, |connection| {
            lookup::outcomes(connection, origins)
        })
    }

    async fn stored_ids(&self, ids: &[EventId]) -> Result<Vec<EventId>> {
        answer!(self, "look up ids in", Bound::Caller, |connection| {
            lookup::stored_ids(connection, ids)
        })
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetterRow>> {
        answer!(self, "list dead letters in", Bound::Query, |connection| {
            dead_letters::list(connection, filter)
        })
    }

    async fn books(&self) -> Result<Books> {
        answer!(self, "read the books of", Bound::Query, |connection| stats::books(connection))
    }

    async fn audit_rows(&self, after: Option<Origin>, limit: usize) -> Result<Vec<AuditedRow>> {
        answer!(self, "audit rows of", Bound::Caller, |connection| {
            audit::rows(connection, after, limit)
        })
    }

    async fn audit_decisions(
        &self,
        after: Option<Origin>,
        limit: usize,
    ) -> Result<Vec<AuditedDecision>> {
        answer!(self, "audit decisions of", Bound::Caller, |connection| {
            audit::decisions(connection, after, limit)
        })
    }

    async fn audit_rollups(&self, limit: usize) -> Result<Vec<RollupDifference>> {
        answer!(self, "audit roll-ups of", Bound::Caller, |connection| {
            audit::rollups(connection, limit)
        })
    }

    async fn check(&self) -> Result<()> {
        self.tables.look(&self.pool).await?;
        answer!(self, "read", Bound::Query, |connection| lookup::check(connection))
    }
}
