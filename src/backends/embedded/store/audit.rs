//! The store read from end to end, for audits: rows and decisions page by page, roll-ups against
//! rows in one pass.
//!
//! Somebody may have written into the file. What cannot be read as what was written there still
//! comes back wherever it can, as a value that the audit will find different; only an origin, an
//! event id or a shape that is none ends the page as `Corrupt`.

use rusqlite::{Connection, Row, Rows, params};
use serde_json::value::{RawValue, to_raw_value};

use super::stats::hour_prefix;
use super::text::{event_id, instant, origin, parsed};
use crate::backends::tally::Counts;
use crate::model::{CanonicalEvent, Decision, Origin, Timestamp};
use crate::ports::{AuditedDecision, AuditedRow, RollupDifference};

/// Text before that of any origin.
fn start(after: Option<Origin>) -> String {
    after.map(|after| after.to_string()).unwrap_or_default()
}

fn page(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Rows after an origin.
pub(super) fn rows(
    connection: &Connection,
    after: Option<Origin>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditedRow>> {
    connection
        .prepare_cached(
            "SELECT event_id, origin, shape, event_type, user_id, campaign_id, geo_country,
                    device_type, channel, tags, created_at, received_at, ip_address, meta_data,
                    replay_id
               FROM raw_events WHERE origin > ?1 ORDER BY origin LIMIT ?2",
        )?
        .query_map(params![start(after), page(limit)], |row| Ok((event(row)?, row.get(14)?)))?
        .collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<CanonicalEvent> {
    let tags: Option<String> = row.get(9)?;
    let meta_data: Option<String> = row.get(13)?;
    Ok(CanonicalEvent {
        event_id: event_id(row, 0)?,
        origin: origin(row, 1)?,
        shape: parsed(row, 2, "a shape")?,
        event_type: row.get(3)?,
        user_id: row.get(4)?,
        campaign_id: row.get(5)?,
        geo_country: row.get(6)?,
        device_type: row.get(7)?,
        channel: row.get(8)?,
        tags: tags.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| vec![text])),
        created_at: instant(row, 10).unwrap_or(Timestamp::MIN),
        received_at: instant(row, 11).unwrap_or(Timestamp::MIN),
        ip_address: row.get(12)?,
        meta_data: meta_data.map(free_json).transpose()?,
    })
}

/// The text as it stands; text that is no JSON as a JSON string of it.
fn free_json(text: String) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(text.clone())
        .or_else(|_| to_raw_value(&text))
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// Decisions after an origin.
pub(super) fn decisions(
    connection: &Connection,
    after: Option<Origin>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditedDecision>> {
    connection
        .prepare_cached(
            "SELECT origin, event_id, outcome, reason, client_ip, received_at, decided_at,
                    replay_id
               FROM event_decisions WHERE origin > ?1 ORDER BY origin LIMIT ?2",
        )?
        .query_map(params![start(after), page(limit)], |row| {
            let decision = Decision {
                origin: origin(row, 0)?,
                event_id: event_id(row, 1)?,
                outcome: parsed(row, 2, "an outcome")?,
                reason: row.get(3)?,
                client_ip: row.get(4)?,
                received_at: instant(row, 5).unwrap_or(Timestamp::MIN),
                decided_at: instant(row, 6).unwrap_or(Timestamp::MIN),
            };
            Ok((decision, row.get(7)?))
        })?
        .collect()
}

/// One line of either side, in the order of the table's key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    campaign: String,
    /// `YYYY-MM-DDTHH`
    hour: String,
    counts: [i64; 4],
}

impl Line {
    fn key(&self) -> (&str, &str) {
        (&self.campaign, &self.hour)
    }
}

/// Roll-ups that do not equal their rows: a merge of two ordered scans, in constant memory.
pub(super) fn rollups(
    connection: &Connection,
    limit: usize,
) -> rusqlite::Result<Vec<RollupDifference>> {
    let mut scan_rows = connection.prepare_cached(
        "SELECT campaign_id, created_at, event_type FROM raw_events
          WHERE campaign_id IS NOT NULL ORDER BY campaign_id, created_at",
    )?;
    let mut scan_rollups = connection.prepare_cached(
        "SELECT campaign_id, hour_bucket, total_events, total_impressions, total_clicks,
                total_conversions
           FROM campaign_stats ORDER BY campaign_id, hour_bucket",
    )?;
    let mut rollups = scan_rollups.query([])?;
    let mut counted = Counted { rows: scan_rows.query([])?, pending: None };
    let (mut rollup, mut rows) = (next_rollup(&mut rollups)?, counted.next()?);
    let mut found = Vec::new();
    while found.len() < limit {
        let order = match (&rollup, &rows) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(rollup), Some(rows)) => rollup.key().cmp(&rows.key()),
        };
        let left = if order.is_le() { rollup.take() } else { None };
        let right = if order.is_ge() { rows.take() } else { None };
        compare(left.as_ref(), right.as_ref(), &mut found);
        if left.is_some() {
            rollup = next_rollup(&mut rollups)?;
        }
        if right.is_some() {
            rows = counted.next()?;
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn compare(rollup: Option<&Line>, rows: Option<&Line>, found: &mut Vec<RollupDifference>) {
    let Some(line) = rollup.or(rows) else { return };
    let columns = ["total_events", "total_impressions", "total_clicks", "total_conversions"];
    let of = |line: Option<&Line>, place: usize| line.map_or(0, |line| line.counts[place]);
    for (place, column) in columns.into_iter().enumerate() {
        let (rollup, rows) = (of(rollup, place), of(rows, place));
        if rollup != rows {
            found.push(RollupDifference {
                campaign_id: line.campaign.clone(),
                hour_bucket: format!("{}:00:00Z", line.hour).parse().unwrap_or(Timestamp::MIN),
                column: column.to_owned(),
                rollup,
                rows,
            });
        }
    }
}

fn next_rollup(rows: &mut Rows<'_>) -> rusqlite::Result<Option<Line>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let hour = row.get_ref(1)?.as_str()?;
    let counts = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
    Ok(Some(Line { campaign: row.get(0)?, hour: hour_prefix(hour).to_owned(), counts }))
}

/// Rows counted by hour while they pass.
struct Counted<'r> {
    rows: Rows<'r>,
    /// The hour of the row read last, with that row counted.
    pending: Option<(String, String, Counts)>,
}

impl Counted<'_> {
    fn next(&mut self) -> rusqlite::Result<Option<Line>> {
        while let Some(row) = self.rows.next()? {
            let campaign = row.get_ref(0)?.as_str()?;
            let hour = hour_prefix(row.get_ref(1)?.as_str()?);
            let event_type = row.get_ref(2)?.as_str()?;
            match &mut self.pending {
                Some((c, h, counts)) if c == campaign && h == hour => counts.add(event_type),
                pending => {
                    let mut counts = Counts::default();
                    counts.add(event_type);
                    let done = pending.replace((campaign.to_owned(), hour.to_owned(), counts));
                    if done.is_some() {
                        return Ok(done.map(line));
                    }
                }
            }
        }
        Ok(self.pending.take().map(line))
    }
}

fn line((campaign, hour, counts): (String, String, Counts)) -> Line {
    let columns = [counts.events, counts.impressions, counts.clicks, counts.conversions];
    Line { campaign, hour, counts: columns.map(super::text::number) }
}
