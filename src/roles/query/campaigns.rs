//! `/campaigns`: a campaign's numbers and seed 000's lists of hours.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Serialize;

use super::answer::Refusal;
use super::params::{Params, hours_of};
use super::role::Shared;
use crate::model::Timestamp;
use crate::ports::{CampaignHour, CampaignStats, HourStats, Page, TimeRange};

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Id = Result<Path<String>, PathRejection>;

#[derive(Debug, Serialize)]
pub(super) struct Data<T> {
    data: T,
}

/// The body of `/campaigns/{id}/stats`.
#[derive(Debug, Serialize)]
pub(super) struct StatsBody {
    campaign_id: String,
    hours: i64,
    from: Timestamp,
    to: Timestamp,
    total_events: u64,
    unique_users: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    approximate: bool,
    impressions: u64,
    clicks: u64,
    conversions: u64,
    ctr: f64,
    hourly: Vec<HourBody>,
}

#[derive(Debug, Serialize)]
struct HourBody {
    hour: Timestamp,
    impressions: u64,
    clicks: u64,
    conversions: u64,
    total_events: u64,
    unique_users: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    approximate: bool,
}

impl From<HourStats> for HourBody {
    fn from(hour: HourStats) -> Self {
        Self {
            hour: hour.hour,
            impressions: hour.impressions,
            clicks: hour.clicks,
            conversions: hour.conversions,
            total_events: hour.total_events,
            unique_users: hour.unique_users.count,
            approximate: hour.unique_users.approximate,
        }
    }
}

impl StatsBody {
    fn new(campaign_id: String, range: TimeRange, stats: CampaignStats) -> Self {
        Self {
            campaign_id,
            hours: hours_of(&range),
            from: range.from,
            to: range.to,
            total_events: stats.total_events,
            unique_users: stats.unique_users.count,
            approximate: stats.unique_users.approximate,
            impressions: stats.impressions,
            clicks: stats.clicks,
            conversions: stats.conversions,
            ctr: click_through(stats.clicks, stats.impressions),
            hourly: stats.hourly.into_iter().map(HourBody::from).collect(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
fn click_through(clicks: u64, impressions: u64) -> f64 {
    if impressions == 0 { 0.0 } else { clicks as f64 / impressions as f64 }
}

pub(super) fn pairs(query: Pairs) -> Result<Params, Refusal> {
    match query {
        Ok(Query(pairs)) => Ok(Params::new(pairs)),
        Err(_) => Err(Refusal::Parameter {
            name: "query",
            detail: "is not a list of name=value pairs in UTF-8".to_owned(),
        }),
    }
}

fn campaign(id: Id) -> Result<String, Refusal> {
    match id {
        Ok(Path(id)) if !id.is_empty() => Ok(id),
        _ => Err(Refusal::Parameter { name: "campaign id", detail: "is required".to_owned() }),
    }
}

pub(super) async fn stats(
    State(shared): State<Shared>,
    id: Id,
    query: Pairs,
) -> Result<Json<StatsBody>, Refusal> {
    let id = campaign(id)?;
    let range = pairs(query)?.range(shared.ports.clock.now(), shared.settings.max_range.0)?;
    let stats = shared.in_time(shared.ports.store.campaign_stats(&id, range)).await?;
    let stats = stats.ok_or(Refusal::NotFound("campaign not found"))?;
    Ok(Json(StatsBody::new(id, range, stats)))
}

pub(super) async fn list(
    State(shared): State<Shared>,
    query: Pairs,
) -> Result<Json<Data<Vec<CampaignHour>>>, Refusal> {
    let params = pairs(query)?;
    let most = shared.settings.max_rows.max(1);
    let limit = params.number("limit", 1, most)?.unwrap_or(most);
    let offset = params.number("offset", 0, u64::from(u32::MAX))?.unwrap_or(0);
    let hours = shared.ports.store.campaign_hours(Page { offset, limit });
    Ok(Json(Data { data: shared.in_time(hours).await? }))
}

pub(super) async fn one(
    State(shared): State<Shared>,
    id: Id,
) -> Result<Json<Data<CampaignHour>>, Refusal> {
    let id = campaign(id)?;
    let hour = shared.in_time(shared.ports.store.campaign_hour(&id)).await?;
    Ok(Json(Data { data: hour.ok_or(Refusal::NotFound("campaign not found"))? }))
}

pub(super) async fn none() -> Refusal {
    Refusal::Parameter { name: "campaign id", detail: "is required".to_owned() }
}
