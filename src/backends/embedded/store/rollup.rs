//! The hourly roll-ups: a batch's inserted rows added up in memory, then one upsert an hour of a
//! campaign.

use rusqlite::{Connection, params};

use super::text::{Stamp, number};
use crate::backends::tally::Rollups;

/// Adds everything to the table.
pub(super) fn write(rollups: Rollups<'_>, connection: &Connection) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO campaign_stats (campaign_id, hour_bucket, total_impressions, total_clicks,
                 total_conversions, total_events)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (campaign_id, hour_bucket) DO UPDATE SET
                 total_impressions = total_impressions + excluded.total_impressions,
                 total_clicks = total_clicks + excluded.total_clicks,
                 total_conversions = total_conversions + excluded.total_conversions,
                 total_events = total_events + excluded.total_events",
    )?;
    for ((campaign, hour), counts) in rollups.ordered() {
        add.execute(params![
            campaign,
            Stamp::of(hour),
            number(counts.impressions),
            number(counts.clicks),
            number(counts.conversions),
            number(counts.events),
        ])?;
    }
    Ok(())
}
