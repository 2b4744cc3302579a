//! Rows of a range by country, device, address, hour or campaign.
//!
//! Two passes over one snapshot: the server finds the largest groups, then the users of those
//! groups alone are counted while they stream past, so that memory follows the answer and not the
//! data.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::pool::Connection;
use super::values::{Stamp, count, number};
use crate::backends::uniques::UserSet;
use crate::ports::{Breakdown, BreakdownRow, TimeRange, Uniques};

/// Most groups of one answer.
const MAX_GROUPS: u64 = 10_000;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question<'q> {
    pub(super) campaign_id: Option<&'q str>,
    pub(super) by: Breakdown,
    pub(super) range: TimeRange,
    pub(super) limit: u64,
}

/// Answers it.
pub(super) async fn breakdown(
    connection: &mut Connection,
    question: &Question<'_>,
    exact_uniques: u64,
) -> Result<Vec<BreakdownRow>, Failure> {
    let mut groups = largest(connection, question).await?;
    let places: HashMap<Option<String>, usize> =
        groups.iter().enumerate().map(|(place, group)| (group.key.clone(), place)).collect();
    let mut users: Vec<_> = groups.iter().map(|_| UserSet::new(exact_uniques)).collect();
    let scan = select(question, "user_id", "user_id IS NOT NULL", "");
    let (from, to) = (Stamp(question.range.from), Stamp(question.range.to));
    let parameters: [&(dyn ToSql + Sync); 3] = [&from, &to, &question.campaign_id];
    let rows = connection.client.query_raw(&scan[..], parameters).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = rows.try_next().await? {
        let key: Option<String> = row.try_get(0)?;
        if let Some(users) = places.get(&key).and_then(|place| users.get_mut(*place)) {
            users.add(row.try_get(1)?);
        }
    }
    for (group, users) in groups.iter_mut().zip(&users) {
        group.unique_users = users.count();
    }
    Ok(groups)
}

/// The groups with their counts, in the order of the answer.
async fn largest(
    connection: &mut Connection,
    question: &Question<'_>,
) -> Result<Vec<BreakdownRow>, Failure> {
    let order = if question.by == Breakdown::Hour { "1 DESC" } else { "2 DESC, 1 NULLS FIRST" };
    let tail = format!("GROUP BY 1 ORDER BY {order} LIMIT $4");
    let sql = select(question, "count(*)", "true", &tail);
    let (from, to) = (Stamp(question.range.from), Stamp(question.range.to));
    let limit = number(question.limit.min(MAX_GROUPS));
    let parameters: [&(dyn ToSql + Sync); 4] = [&from, &to, &question.campaign_id, &limit];
    let rows = connection.client.query(&sql[..], &parameters).await?;
    rows.iter()
        .map(|row| {
            let unique_users = Uniques::default();
            Ok(BreakdownRow { key: row.try_get(0)?, events: count(row, 1)?, unique_users })
        })
        .collect()
}

/// The statement over the rows of the question; everything in it is a constant of this file.
fn select(question: &Question<'_>, value: &str, condition: &str, tail: &str) -> String {
    let key = match question.by {
        Breakdown::Country => "geo_country",
        Breakdown::Device => "device_type",
        Breakdown::Ip => "ip_address",
        Breakdown::Hour => {
            "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24\":00:00.000Z\"')"
        }
        Breakdown::Campaign => "campaign_id",
    };
    // Compared byte by byte, whatever the database's locale.
    let key = format!("({key}) COLLATE \"C\"");
    let campaign = if question.campaign_id.is_some() { "campaign_id = $3" } else { "$3 IS NULL" };
    format!(
        "SELECT {key}, {value} FROM raw_events
          WHERE created_at >= $1 AND created_at < $2 AND {} AND {condition} {tail}",
        campaign.replace("$3", "$3::text")
    )
}
