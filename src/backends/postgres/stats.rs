//! A campaign's numbers, the hourly roll-ups as seed 000 lists them, and the books.
//!
//! Distinct users can only be counted over rows, so the numbers of a range come from one pass over
//! its rows, streamed hour by hour, and equal them by construction. Roll-ups serve the lists.

use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::pool::Connection;
use super::values::{Stamp, count, instant, number};
use crate::backends::ledger::enter;
use crate::backends::tally::Hour;
use crate::ports::{Books, CampaignHour, CampaignStats, HourStats, Page, TimeRange};

/// A campaign's numbers; `None` where it has no row at all.
pub(super) async fn campaign(
    connection: &mut Connection,
    campaign_id: &str,
    range: TimeRange,
    exact_uniques: u64,
) -> Result<Option<CampaignStats>, Failure> {
    let known = connection
        .statement("SELECT EXISTS (SELECT 1 FROM raw_events WHERE campaign_id = $1)")
        .await?;
    let is_known: bool = connection.client.query_one(&known, &[&campaign_id]).await?.try_get(0)?;
    if !is_known {
        return Ok(None);
    }
    let scan = connection
        .statement(
            "SELECT created_at, event_type, user_id FROM raw_events
              WHERE campaign_id = $1 AND created_at >= $2 AND created_at < $3
              ORDER BY created_at",
        )
        .await?;
    let (from, to) = (Stamp(range.from), Stamp(range.to));
    let parameters: [&(dyn ToSql + Sync); 3] = [&campaign_id, &from, &to];
    let rows = connection.client.query_raw(&scan, parameters).await?;
    let mut rows = std::pin::pin!(rows);
    let mut all = Hour::new(range.from, exact_uniques);
    let mut hourly: Vec<HourStats> = Vec::new();
    let mut current: Option<Hour> = None;
    while let Some(row) = rows.try_next().await? {
        let start = instant(&row, 0)?.hour();
        let event_type: &str = row.try_get(1)?;
        let user_id: Option<&str> = row.try_get(2)?;
        if current.as_ref().is_none_or(|hour| hour.start() != start) {
            let done = current.replace(Hour::new(start, exact_uniques));
            hourly.extend(done.map(Hour::stats));
        }
        if let Some(hour) = &mut current {
            hour.add(event_type, user_id);
        }
        all.add(event_type, user_id);
    }
    hourly.extend(current.map(Hour::stats));
    hourly.reverse();
    let all = all.stats();
    Ok(Some(CampaignStats {
        total_events: all.total_events,
        unique_users: all.unique_users,
        impressions: all.impressions,
        clicks: all.clicks,
        conversions: all.conversions,
        hourly,
    }))
}

/// A page of the roll-ups, newest hour first.
pub(super) async fn hours(
    connection: &mut Connection,
    page: Page,
) -> Result<Vec<CampaignHour>, Failure> {
    let hours = connection
        .statement(
            "SELECT campaign_id, total_impressions, total_clicks, total_conversions, total_events,
                    hour_bucket
               FROM campaign_stats ORDER BY hour_bucket DESC, campaign_id LIMIT $1 OFFSET $2",
        )
        .await?;
    let (limit, offset) = (number(page.limit), number(page.offset));
    let rows = connection.client.query(&hours, &[&limit, &offset]).await?;
    rows.iter().map(campaign_hour).collect()
}

/// A campaign's newest hour.
pub(super) async fn newest_hour(
    connection: &mut Connection,
    campaign_id: &str,
) -> Result<Option<CampaignHour>, Failure> {
    let newest = connection
        .statement(
            "SELECT campaign_id, total_impressions, total_clicks, total_conversions, total_events,
                    hour_bucket
               FROM campaign_stats WHERE campaign_id = $1 ORDER BY hour_bucket DESC LIMIT 1",
        )
        .await?;
    let row = connection.client.query_opt(&newest, &[&campaign_id]).await?;
    row.as_ref().map(campaign_hour).transpose()
}

fn campaign_hour(row: &Row) -> Result<CampaignHour, Failure> {
    Ok(CampaignHour {
        campaign_id: row.try_get(0)?,
        total_impressions: count(row, 1)?,
        total_clicks: count(row, 2)?,
        total_conversions: count(row, 3)?,
        total_events: count(row, 4)?,
        hour_bucket: instant(row, 5)?,
    })
}

/// The counts as they stand.
pub(super) async fn books(connection: &mut Connection) -> Result<Books, Failure> {
    let counts = connection.statement("SELECT outcome, events FROM outcome_counts").await?;
    let mut books = Books::default();
    for row in &connection.client.query(&counts, &[]).await? {
        enter(&mut books, row.try_get(0)?, count(row, 1)?);
    }
    Ok(books)
}
