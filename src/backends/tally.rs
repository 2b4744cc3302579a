//! Rows counted by the hour, whatever store keeps them.

use std::collections::HashMap;

use super::uniques::UserSet;
use crate::model::{CanonicalEvent, Timestamp};
use crate::ports::HourStats;

/// Counts of one campaign's hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::backends) struct Counts {
    pub(in crate::backends) events: u64,
    pub(in crate::backends) impressions: u64,
    pub(in crate::backends) clicks: u64,
    pub(in crate::backends) conversions: u64,
}

impl Counts {
    /// Counts one row of that type.
    pub(in crate::backends) fn add(&mut self, event_type: &str) {
        self.events += 1;
        match event_type {
            "impression" => self.impressions += 1,
            "click" => self.clicks += 1,
            "conversion" => self.conversions += 1,
            _ => {}
        }
    }
}

/// What a batch adds to the hourly roll-ups.
#[derive(Debug, Default)]
pub(in crate::backends) struct Rollups<'e>(HashMap<(&'e str, Timestamp), Counts>);

impl<'e> Rollups<'e> {
    /// Adds a row that was really inserted; one without a campaign is in no roll-up.
    pub(in crate::backends) fn add(&mut self, event: &'e CanonicalEvent) {
        if let Some(campaign) = &event.campaign_id {
            self.0.entry((campaign, event.created_at.hour())).or_default().add(&event.event_type);
        }
    }

    /// Everything, ordered by campaign and hour: whoever writes it takes locks in one order.
    pub(in crate::backends) fn ordered(self) -> Vec<((&'e str, Timestamp), Counts)> {
        let mut hours: Vec<_> = self.0.into_iter().collect();
        hours.sort_unstable_by_key(|(key, _)| *key);
        hours
    }
}

/// An hour's numbers, or a range's, in the making.
#[derive(Debug)]
pub(in crate::backends) struct Hour {
    start: Timestamp,
    counts: Counts,
    users: UserSet,
}

impl Hour {
    /// Of the hour that starts there; distinct users are exact up to a count.
    pub(in crate::backends) fn new(start: Timestamp, exact_uniques: u64) -> Self {
        Self { start, counts: Counts::default(), users: UserSet::new(exact_uniques) }
    }

    /// Where it starts.
    pub(in crate::backends) const fn start(&self) -> Timestamp {
        self.start
    }

    /// Counts one row.
    pub(in crate::backends) fn add(&mut self, event_type: &str, user_id: Option<&str>) {
        self.counts.add(event_type);
        if let Some(user_id) = user_id {
            self.users.add(user_id);
        }
    }

    /// The numbers.
    pub(in crate::backends) fn stats(self) -> HourStats {
        HourStats {
            hour: self.start,
            impressions: self.counts.impressions,
            clicks: self.counts.clicks,
            conversions: self.counts.conversions,
            total_events: self.counts.events,
            unique_users: self.users.count(),
        }
    }
}
