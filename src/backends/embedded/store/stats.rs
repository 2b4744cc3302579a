//! A campaign's numbers, and the hourly roll-ups as seed 000 lists them.
//!
//! Distinct users can only be counted over rows, and the campaign's index carries all that the
//! numbers need: so the numbers of a range come from one pass over its index entries, hour by hour,
//! and equal the rows by construction. Roll-ups serve the lists.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::text::{Stamp, count, instant, number};
use crate::backends::tally::Hour;
use crate::ports::{CampaignHour, CampaignStats, HourStats, Page, TimeRange};

/// A campaign's numbers; `None` where it has no row at all.
pub(super) fn campaign(
    connection: &Connection,
    campaign_id: &str,
    range: TimeRange,
    exact_uniques: u64,
) -> rusqlite::Result<Option<CampaignStats>> {
    let is_known = connection
        .prepare_cached("SELECT 1 FROM raw_events WHERE campaign_id = ?1")?
        .exists([campaign_id])?;
    if !is_known {
        return Ok(None);
    }
    let mut scan = connection.prepare_cached(
        "SELECT created_at, event_type, user_id FROM raw_events
          WHERE campaign_id = ?1 AND created_at >= ?2 AND created_at < ?3
          ORDER BY created_at",
    )?;
    let mut rows = scan.query(params![campaign_id, Stamp::of(range.from), Stamp::of(range.to)])?;
    let mut all = Hour::new(range.from, exact_uniques);
    let mut hourly: Vec<HourStats> = Vec::new();
    let mut current: Option<(Box<str>, Hour)> = None;
    while let Some(row) = rows.next()? {
        let created_at = row.get_ref(0)?.as_str()?;
        let event_type = row.get_ref(1)?.as_str()?;
        let user_id = row.get_ref(2)?.as_str_or_null()?;
        let prefix = hour_prefix(created_at);
        if current.as_ref().is_none_or(|(hour, _)| **hour != *prefix) {
            let next = Hour::new(instant(row, 0)?.hour(), exact_uniques);
            let done = current.replace((prefix.into(), next));
            hourly.extend(done.map(|(_, hour)| hour.stats()));
        }
        if let Some((_, hour)) = &mut current {
            hour.add(event_type, user_id);
        }
        all.add(event_type, user_id);
    }
    hourly.extend(current.map(|(_, hour)| hour.stats()));
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

/// `YYYY-MM-DDTHH` of an instant's text.
pub(super) fn hour_prefix(created_at: &str) -> &str {
    created_at.get(..13).unwrap_or(created_at)
}

/// A page of the roll-ups, newest hour first.
pub(super) fn hours(connection: &Connection, page: Page) -> rusqlite::Result<Vec<CampaignHour>> {
    connection
        .prepare_cached(
            "SELECT campaign_id, total_impressions, total_clicks, total_conversions, total_events,
                    hour_bucket
               FROM campaign_stats ORDER BY hour_bucket DESC, campaign_id LIMIT ?1 OFFSET ?2",
        )?
        .query_map([number(page.limit), number(page.offset)], campaign_hour)?
        .collect()
}

/// A campaign's newest hour.
pub(super) fn newest_hour(
    connection: &Connection,
    campaign_id: &str,
) -> rusqlite::Result<Option<CampaignHour>> {
    connection
        .prepare_cached(
            "SELECT campaign_id, total_impressions, total_clicks, total_conversions, total_events,
                    hour_bucket
               FROM campaign_stats WHERE campaign_id = ?1 ORDER BY hour_bucket DESC LIMIT 1",
        )?
        .query_row([campaign_id], campaign_hour)
        .optional()
}

fn campaign_hour(row: &Row<'_>) -> rusqlite::Result<CampaignHour> {
    Ok(CampaignHour {
        campaign_id: row.get(0)?,
        total_impressions: count(row, 1)?,
        total_clicks: count(row, 2)?,
        total_conversions: count(row, 3)?,
        total_events: count(row, 4)?,
        hour_bucket: instant(row, 5)?,
    })
}
