//! The store as it is read: statistics, single events, dead letters, books and audits.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::model::{CanonicalEvent, DeadLetter, Decision, EventId, Origin, Outcome, Timestamp};

/// A half-open range of `created_at`: `from <= created_at < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// First instant in it.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
}

/// A count of distinct users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uniques {
    /// How many.
    pub count: u64,
    /// Whether it is a sketch's estimate, past the exact limit.
    pub approximate: bool,
}

/// A campaign's numbers over a range.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CampaignStats {
    /// Rows.
    pub total_events: u64,
    /// Distinct `user_id`.
    pub unique_users: Uniques,
    /// Rows of type `impression`.
    pub impressions: u64,
    /// Rows of type `click`.
    pub clicks: u64,
    /// Rows of type `conversion`.
    pub conversions: u64,
    /// Hours with rows, newest first.
    pub hourly: Vec<HourStats>,
}

/// One hour of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourStats {
    /// Its start.
    pub hour: Timestamp,
    /// Rows of type `impression`.
    pub impressions: u64,
    /// Rows of type `click`.
    pub clicks: u64,
    /// Rows of type `conversion`.
    pub conversions: u64,
    /// All rows.
    pub total_events: u64,
    /// Distinct `user_id` in it.
    pub unique_users: Uniques,
}

/// One row of `campaign_stats` as seed 000 lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignHour {
    /// The campaign.
    pub campaign_id: String,
    /// Rows of type `impression`.
    pub total_impressions: u64,
    /// Rows of type `click`.
    pub total_clicks: u64,
    /// Rows of type `conversion`.
    pub total_conversions: u64,
    /// All rows.
    pub total_events: u64,
    /// The hour's start.
    pub hour_bucket: Timestamp,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows before it.
    pub offset: u64,
    /// Rows on it.
    pub limit: u64,
}

/// By what rows are grouped. A closed set: it names columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breakdown {
    /// `geo_country`
    Country,
    /// `device_type`
    Device,
    /// `ip_address`
    Ip,
    /// The hour of `created_at`
    Hour,
    /// `campaign_id`
    Campaign,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakdownRow {
    /// The group's value; `None` for rows without one.
    pub key: Option<String>,
    /// Rows in it.
    pub events: u64,
    /// Distinct users in it.
    pub unique_users: Uniques,
}

/// What the store knows of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStatus {
    /// The event.
    pub event_id: EventId,
    /// Its outcome by precedence: row, dead letter, latest decision.
    pub outcome: Outcome,
    /// Why, where there is a why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was stored, dead-lettered or decided.
    pub at: Timestamp,
    /// The acceptance that the outcome belongs to.
    pub origin: Origin,
    /// Other acceptances that ended as `duplicate`.
    pub duplicates: u64,
}

/// One line of the view `event_outcomes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// The acceptance.
    pub origin: Origin,
    /// The event, where known.
    pub event_id: Option<EventId>,
    /// What became of it.
    pub outcome: Outcome,
    /// A replay brought it (back).
    pub replay_id: Option<String>,
}

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// Only this event.
    pub event_id: Option<EventId>,
    /// Only these origins, where not empty.
    pub origins: Vec<Origin>,
    /// Only this stage.
    pub stage: Option<crate::model::Stage>,
    /// Resolved ones too.
    pub include_resolved: bool,
    /// After this origin, for paging.
    pub after: Option<Origin>,
    /// At most so many.
    pub limit: u64,
}

/// A row of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The dead letter.
    pub letter: DeadLetter,
    /// When its event became a row, or was put back, after all.
    pub resolved_at: Option<Timestamp>,
}

/// The books: outcome counts over distinct origins, kept in the store's own transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Books {
    /// Rows.
    pub stored: u64,
    /// Decisions `duplicate`.
    pub duplicate: u64,
    /// Decisions `blocked`.
    pub blocked: u64,
    /// Decisions `rate_limited`.
    pub rate_limited: u64,
    /// Dead letters not resolved.
    pub dead_lettered: u64,
    /// Of all these, origins that a replay restored from another installation's archive.
    pub restored: u64,
    /// Copies of origins that had their outcome already; outside the law.
    pub redelivered: u64,
}

/// A roll-up that does not equal the count over the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupDifference {
    /// The campaign.
    pub campaign_id: String,
    /// The hour.
    pub hour_bucket: Timestamp,
    /// What differs: `total_events`, `total_impressions`, `total_clicks` or `total_conversions`.
    pub column: String,
    /// The roll-up's value.
    pub rollup: i64,
    /// The count over the rows.
    pub rows: i64,
}

/// A row as an audit reads it, with the replay that brought it, where one did.
pub type AuditedRow = (CanonicalEvent, Option<String>);

/// A decision as an audit reads it, with the replay that brought it, where one did.
pub type AuditedDecision = (Decision, Option<String>);

/// The store's reading side. Every answer is of one consistent snapshot.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// A campaign's numbers; `None` for a campaign without any row, ever.
    ///
    /// # Errors
    /// `Unavailable`; so for every call.
    async fn campaign_stats(
        &self,
        campaign_id: &str,
        range: TimeRange,
    ) -> Result<Option<CampaignStats>>;

    /// Rows of `campaign_stats`, newest hour first.
    async fn campaign_hours(&self, page: Page) -> Result<Vec<CampaignHour>>;

    /// A campaign's newest hour.
    async fn campaign_hour(&self, campaign_id: &str) -> Result<Option<CampaignHour>>;

    /// Rows of a range grouped, most events first (hours: newest first), at most `limit` groups;
    /// of one campaign or of all.
    async fn breakdown(
        &self,
        campaign_id: Option<&str>,
        by: Breakdown,
        range: TimeRange,
        limit: u64,
    ) -> Result<Vec<BreakdownRow>>;

    /// What became of an event; `None` where the store does not know it.
    async fn event_status(&self, event_id: &EventId) -> Result<Option<EventStatus>>;

    /// Outcomes of these origins; an origin without one is absent.
    async fn outcomes(&self, origins: &[Origin]) -> Result<Vec<OutcomeRow>>;

    /// Which of these event ids are rows.
    async fn stored_ids(&self, ids: &[EventId]) -> Result<Vec<EventId>>;

    /// Dead letters, oldest origin first.
    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetterRow>>;

    /// The books.
    async fn books(&self) -> Result<Books>;

    /// Rows after an origin, ordered by origin, at most `limit`.
    async fn audit_rows(&self, after: Option<Origin>, limit: usize) -> Result<Vec<AuditedRow>>;

    /// Decisions after an origin, ordered by origin, at most `limit`.
    async fn audit_decisions(
        &self,
        after: Option<Origin>,
        limit: usize,
    ) -> Result<Vec<AuditedDecision>>;

    /// Roll-ups that do not equal the count over the rows, at most `limit`.
    async fn audit_rollups(&self, limit: usize) -> Result<Vec<RollupDifference>>;

    /// `Ok` when it answers now.
    async fn check(&self) -> Result<()>;
}
