//! The store read from end to end, for audits: rows and decisions page by page, roll-ups against
//! rows in one statement.

use serde_json::value::{RawValue, to_raw_value};
use tokio_postgres::Row;

use super::failure::Failure;
use super::pool::Connection;
use super::values::{event_id, instant, origin, parsed, start, unreadable};
use crate::model::{CanonicalEvent, Decision, Origin};
use crate::ports::{AuditedDecision, AuditedRow, RollupDifference};

fn page(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Rows after an origin.
pub(super) async fn rows(
    connection: &mut Connection,
    after: Option<Origin>,
    limit: usize,
) -> Result<Vec<AuditedRow>, Failure> {
    let rows = connection
        .statement(
            "SELECT event_id, origin, shape, event_type, user_id, campaign_id, geo_country,
                    device_type, channel, tags::text, created_at, received_at, ip_address,
                    meta_data::text, replay_id
               FROM raw_events WHERE origin > $1 ORDER BY origin LIMIT $2",
        )
        .await?;
    let found = connection.client.query(&rows, &[&start(after), &page(limit)]).await?;
    found.iter().map(|row| Ok((event(row)?, row.try_get(14)?))).collect()
}

fn event(row: &Row) -> Result<CanonicalEvent, Failure> {
    let tags: Option<String> = row.try_get(9)?;
    let meta_data: Option<String> = row.try_get(13)?;
    Ok(CanonicalEvent {
        event_id: event_id(row, 0)?,
        origin: origin(row, 1)?,
        shape: parsed(row, 2, "a shape")?,
        event_type: row.try_get(3)?,
        user_id: row.try_get(4)?,
        campaign_id: row.try_get(5)?,
        geo_country: row.try_get(6)?,
        device_type: row.try_get(7)?,
        channel: row.try_get(8)?,
        // What somebody wrote there instead comes back as a value that the audit finds different.
        tags: tags.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| vec![text])),
        created_at: instant(row, 10)?,
        received_at: instant(row, 11)?,
        ip_address: row.try_get(12)?,
        meta_data: meta_data.map(free_json).transpose()?,
    })
}

/// The text as it stands; text that is no JSON to us as a JSON string of it.
fn free_json(text: String) -> Result<Box<RawValue>, Failure> {
    RawValue::from_string(text.clone())
        .or_else(|_| to_raw_value(&text))
        .map_err(|_| unreadable(&text, "JSON"))
}

/// Decisions after an origin.
pub(super) async fn decisions(
    connection: &mut Connection,
    after: Option<Origin>,
    limit: usize,
) -> Result<Vec<AuditedDecision>, Failure> {
    let decisions = connection
        .statement(
            "SELECT origin, event_id, outcome, reason, client_ip, received_at, decided_at,
                    replay_id
               FROM event_decisions WHERE origin > $1 ORDER BY origin LIMIT $2",
        )
        .await?;
    let found = connection.client.query(&decisions, &[&start(after), &page(limit)]).await?;
    found
        .iter()
        .map(|row| {
            let decision = Decision {
                origin: origin(row, 0)?,
                event_id: event_id(row, 1)?,
                outcome: parsed(row, 2, "an outcome")?,
                reason: row.try_get(3)?,
                client_ip: row.try_get(4)?,
                received_at: instant(row, 5)?,
                decided_at: instant(row, 6)?,
            };
            Ok((decision, row.try_get(7)?))
        })
        .collect()
}

/// Every hour of every campaign on which rows and roll-ups disagree; a difference an hour and
/// column.
const ROLLUPS: &str = "
    WITH counted AS (
        SELECT campaign_id, date_trunc('hour', created_at, 'UTC') AS hour_bucket,
               count(*) AS total_events,
               count(*) FILTER (WHERE event_type = 'impression') AS total_impressions,
               count(*) FILTER (WHERE event_type = 'click') AS total_clicks,
               count(*) FILTER (WHERE event_type = 'conversion') AS total_conversions
          FROM raw_events WHERE campaign_id IS NOT NULL GROUP BY 1, 2
    )
    SELECT campaign_id, hour_bucket, v.name, v.rollup, v.counted
      FROM campaign_stats s FULL JOIN counted c USING (campaign_id, hour_bucket),
           LATERAL (VALUES
               (1, 'total_events', s.total_events, c.total_events),
               (2, 'total_impressions', s.total_impressions, c.total_impressions),
               (3, 'total_clicks', s.total_clicks, c.total_clicks),
               (4, 'total_conversions', s.total_conversions, c.total_conversions)
           ) AS v (place, name, rollup, counted)
     WHERE coalesce(v.rollup, 0) <> coalesce(v.counted, 0)
     ORDER BY campaign_id, hour_bucket, v.place LIMIT $1";

/// Roll-ups that do not equal their rows.
pub(super) async fn rollups(
    connection: &mut Connection,
    limit: usize,
) -> Result<Vec<RollupDifference>, Failure> {
    let rollups = connection.statement(ROLLUPS).await?;
    let found = connection.client.query(&rollups, &[&page(limit)]).await?;
    found
        .iter()
        .map(|row| {
            Ok(RollupDifference {
                campaign_id: row.try_get(0)?,
                hour_bucket: instant(row, 1)?,
                column: row.try_get(2)?,
                rollup: row.try_get::<_, Option<i64>>(3)?.unwrap_or(0),
                rows: row.try_get::<_, Option<i64>>(4)?.unwrap_or(0),
            })
        })
        .collect()
}
