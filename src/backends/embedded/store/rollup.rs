//! The hourly roll-ups: a batch's inserted rows added up in memory, then one upsert an hour of a
//! campaign.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::text::{Stamp, number};
use crate::model::{CanonicalEvent, Timestamp};

/// Counts of one campaign's hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) impressions: u64,
    pub(super) clicks: u64,
    pub(super) conversions: u64,
}

impl Counts {
    /// Counts one row of that type.
    pub(super) fn add(&mut self, event_type: &str) {
        self.events += 1;
        match event_type {
            "impression" => self.impressions += 1,
            "click" => self.clicks += 1,
            "conversion" => self.conversions += 1,
            _ => {}
        }
    }
}

/// What a batch adds.
#[derive(Debug, Default)]
pub(super) struct Rollups<'e>(HashMap<(&'e str, Timestamp), Counts>);

impl<'e> Rollups<'e> {
    /// Adds a row that was really inserted; one without a campaign is in no roll-up.
    pub(super) fn add(&mut self, event: &'e CanonicalEvent) {
        if let Some(campaign) = &event.campaign_id {
            self.0.entry((campaign, event.created_at.hour())).or_default().add(&event.event_type);
        }
    }

    /// Adds everything to the table.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
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
        let mut hours: Vec<_> = self.0.into_iter().collect();
        hours.sort_unstable_by_key(|(key, _)| *key);
        for ((campaign, hour), counts) in hours {
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
}
