//! Rows of a range by country, device, address, hour or campaign.
//!
//! Two passes over one snapshot: SQLite finds the largest groups (spilling where it must), then the
//! users of those groups alone are counted, so that memory follows the answer and not the data.

use std::collections::HashMap;

use rusqlite::{Connection, named_params};

use super::text::{Stamp, count, number};
use crate::backends::uniques::UserSet;
use crate::ports::{Breakdown, BreakdownRow, TimeRange, Uniques};

/// Most groups of one answer.
const MAX_GROUPS: u64 = 10_000;

/// All campaigns that have rows, found by leaping through the index; its last line is NULL, which
/// stands for the rows without a campaign.
const CAMPAIGNS: &str = "
    WITH RECURSIVE campaigns (id) AS (
        SELECT min(campaign_id) FROM raw_events
        UNION ALL
        SELECT (SELECT min(campaign_id) FROM raw_events WHERE campaign_id > campaigns.id)
          FROM campaigns WHERE campaigns.id IS NOT NULL
    )";

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) campaign_id: Option<String>,
    pub(super) by: Breakdown,
    pub(super) range: TimeRange,
    pub(super) limit: u64,
}

/// Answers it.
pub(super) fn breakdown(
    connection: &Connection,
    question: &Question,
    exact_uniques: u64,
) -> rusqlite::Result<Vec<BreakdownRow>> {
    let mut groups = largest(connection, question)?;
    let without_key = groups.iter().position(|group| group.key.is_none());
    let places: HashMap<String, usize> = groups
        .iter()
        .enumerate()
        .filter_map(|(place, group)| Some((group.key.clone()?, place)))
        .collect();
    let mut users: Vec<_> = groups.iter().map(|_| UserSet::new(exact_uniques)).collect();
    let mut scan =
        connection.prepare_cached(&select(question, "r.user_id", "r.user_id IS NOT NULL", ""))?;
    let mut rows = scan.query(named_params! {
        ":from": Stamp::of(question.range.from),
        ":to": Stamp::of(question.range.to),
        ":campaign": question.campaign_id,
        ":limit": -1,
    })?;
    while let Some(row) = rows.next()? {
        let place = match row.get_ref(0)?.as_str_or_null()? {
            Some(key) => places.get(key).copied(),
            None => without_key,
        };
        if let Some(users) = place.and_then(|place| users.get_mut(place)) {
            users.add(row.get_ref(1)?.as_str()?);
        }
    }
    for (group, users) in groups.iter_mut().zip(&users) {
        group.unique_users = users.count();
    }
    Ok(groups)
}

/// The groups with their counts, in the order of the answer.
fn largest(connection: &Connection, question: &Question) -> rusqlite::Result<Vec<BreakdownRow>> {
    let order = if question.by == Breakdown::Hour { "1 DESC" } else { "2 DESC, 1" };
    let grouped = format!("GROUP BY 1 ORDER BY {order}");
    let parameters = named_params! {
        ":from": Stamp::of(question.range.from),
        ":to": Stamp::of(question.range.to),
        ":campaign": question.campaign_id,
        ":limit": number(question.limit.min(MAX_GROUPS)),
    };
    connection
        .prepare_cached(&select(question, "count(*)", "TRUE", &grouped))?
        .query_map(parameters, |row| {
            let unique_users = Uniques::default();
            Ok(BreakdownRow { key: row.get(0)?, events: count(row, 1)?, unique_users })
        })?
        .collect()
}

/// The statement over the rows of the question; everything in it is a constant of this file, and it
/// always has the same four parameters.
fn select(question: &Question, value: &str, condition: &str, tail: &str) -> String {
    let key = match question.by {
        Breakdown::Country => "r.geo_country",
        Breakdown::Device => "r.device_type",
        Breakdown::Ip => "r.ip_address",
        Breakdown::Hour => "substr(r.created_at, 1, 13) || ':00:00.000Z'",
        Breakdown::Campaign => "r.campaign_id",
    };
    let (with, from) = if question.campaign_id.is_some() {
        ("", "raw_events r WHERE r.campaign_id = :campaign")
    } else {
        // `IS` finds the rows without a campaign too; CROSS JOIN fixes the order of the loops.
        (
            CAMPAIGNS,
            "campaigns CROSS JOIN raw_events r
              WHERE r.campaign_id IS campaigns.id AND :campaign IS NULL",
        )
    };
    format!(
        "{with} SELECT {key}, {value} FROM {from}
            AND r.created_at >= :from AND r.created_at < :to AND {condition} {tail} LIMIT :limit"
    )
}
