//! The changes of a ruling, each kind in one statement, always in one order of tables and keys.

use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::pool::Connection;
use super::ruling::{NewDecision, NewLetter, Ruling};
use super::values::{Id, Stamp, ids, number};
use crate::backends::storable::plain;
use crate::model::{Origin, Timestamp};

/// Writes them; the caller commits.
pub(super) async fn write(
    connection: &mut Connection,
    ruling: Ruling<'_>,
    now: Timestamp,
) -> Result<(), Failure> {
    const RESTORED: &str = "UPDATE raw_events SET restored = true WHERE origin = ANY($1)";
    const DROPPED: &str = "DELETE FROM event_decisions WHERE origin = ANY($1)";
    by_origin(connection, RESTORED, &ruling.restored_rows).await?;
    by_origin(connection, DROPPED, &ruling.dropped).await?;
    if !ruling.resolved.is_empty() {
        let sql = "UPDATE dead_letters SET resolved_at = $2 WHERE origin = ANY($1)";
        run(connection, sql, &[&ids(&ruling.resolved), &Stamp(now)]).await?;
    }
    let decisions: Vec<&NewDecision<'_>> = ruling.decisions.iter().flatten().collect();
    write_decisions(connection, &decisions).await?;
    write_letters(connection, &ruling.letters).await?;
    write_rollups(connection, ruling.rollups).await?;
    let (names, changes): (Vec<&str>, Vec<i64>) = ruling.ledger.changes().unzip();
    if !names.is_empty() {
        let sql = "
            INSERT INTO outcome_counts AS c (outcome, events)
            SELECT * FROM unnest($1::text[], $2::bigint[])
            ON CONFLICT (outcome) DO UPDATE SET events = c.events + excluded.events";
        run(connection, sql, &[&names, &changes]).await?;
    }
    Ok(())
}

async fn run(
    connection: &mut Connection,
    sql: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), Failure> {
    let statement = connection.statement(sql).await?;
    connection.client.execute(&statement, parameters).await?;
    Ok(())
}

async fn by_origin(
    connection: &mut Connection,
    sql: &'static str,
    origins: &[Origin],
) -> Result<(), Failure> {
    if origins.is_empty() {
        return Ok(());
    }
    run(connection, sql, &[&ids(origins)]).await
}

/// A column of many.
fn column<'a, I, T>(items: &'a [I], of: impl Fn(&'a I) -> T) -> Vec<T> {
    items.iter().map(of).collect()
}

async fn write_decisions(
    connection: &mut Connection,
    new: &[&NewDecision<'_>],
) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    let sql = "
        INSERT INTO event_decisions (origin, event_id, outcome, reason, client_ip, received_at,
            decided_at, replay_id, restored)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
            $6::timestamptz[], $7::timestamptz[], $8::text[], $9::boolean[])
        ON CONFLICT DO NOTHING";
    run(
        connection,
        sql,
        &[
            &column(new, |d| Id(d.origin)),
            &column(new, |d| d.event_id),
            &column(new, |d| d.outcome.as_str()),
            &column(new, |d| plain(&d.reason)),
            &column(new, |d| d.client_ip.map(plain)),
            &column(new, |d| Stamp(d.received_at)),
            &column(new, |d| Stamp(d.decided_at)),
            &column(new, |d| d.replay_id.map(plain)),
            &column(new, |d| d.restored),
        ],
    )
    .await
}

/// A letter of the same origin is replaced: the newer failure carries the newer bytes, the oldest
/// first failure and the most attempts stay.
const PUT_LETTERS: &str = "
    INSERT INTO dead_letters AS l (origin, event_id, shape, stage, reason, error_type, attempts,
        first_failed_at, last_failed_at, original_topic, original_partition, original_offset,
        received_at, client_ip, redrives, replay_id, restored, key, value)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::integer[],
        $12::bigint[], $13::timestamptz[], $14::text[], $15::bigint[], $16::text[],
        $17::boolean[], $18::bytea[], $19::bytea[])
    ON CONFLICT (origin) DO UPDATE SET
        event_id = excluded.event_id, shape = excluded.shape, stage = excluded.stage,
        reason = excluded.reason, error_type = excluded.error_type,
        attempts = greatest(l.attempts, excluded.attempts),
        first_failed_at = least(l.first_failed_at, excluded.first_failed_at),
        last_failed_at = excluded.last_failed_at, original_topic = excluded.original_topic,
        original_partition = excluded.original_partition,
        original_offset = excluded.original_offset, received_at = excluded.received_at,
        client_ip = excluded.client_ip, redrives = excluded.redrives,
        replay_id = excluded.replay_id, restored = excluded.restored, key = excluded.key,
        value = excluded.value, resolved_at = NULL";

async fn write_letters(connection: &mut Connection, new: &[NewLetter<'_>]) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    run(
        connection,
        PUT_LETTERS,
        &[
            &column(new, |l| Id(l.letter.origin)),
            &column(new, |l| l.letter.event_id.as_ref().map(crate::model::EventId::as_str)),
            &column(new, |l| l.letter.shape.map(crate::model::Shape::as_str)),
            &column(new, |l| l.letter.failure.stage.as_str()),
            &column(new, |l| plain(&l.letter.failure.reason)),
            &column(new, |l| plain(&l.letter.failure.error_type)),
            &column(new, |l| i64::from(l.attempts)),
            &column(new, |l| Stamp(l.first_failed_at)),
            &column(new, |l| Stamp(l.letter.failure.last_failed_at)),
            &column(new, |l| l.letter.original.topic.as_str()),
            &column(new, |l| l.letter.original.partition.0),
            &column(new, |l| l.letter.original_offset.0),
            &column(new, |l| Stamp(l.letter.received_at)),
            &column(new, |l| l.letter.client_ip.as_deref().map(plain)),
            &column(new, |l| i64::from(l.letter.redrives)),
            &column(new, |l| l.letter.replay_id.as_deref().map(plain)),
            &column(new, |l| l.restored),
            &column(new, |l| &l.letter.key[..]),
            &column(new, |l| &l.letter.value[..]),
        ],
    )
    .await
}

async fn write_rollups(
    connection: &mut Connection,
    rollups: crate::backends::tally::Rollups<'_>,
) -> Result<(), Failure> {
    let hours = rollups.ordered();
    if hours.is_empty() {
        return Ok(());
    }
    let sql = "
        INSERT INTO campaign_stats AS s (campaign_id, hour_bucket, total_impressions,
            total_clicks, total_conversions, total_events)
        SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[],
            $5::bigint[], $6::bigint[])
        ON CONFLICT (campaign_id, hour_bucket) DO UPDATE SET
            total_impressions = s.total_impressions + excluded.total_impressions,
            total_clicks = s.total_clicks + excluded.total_clicks,
            total_conversions = s.total_conversions + excluded.total_conversions,
            total_events = s.total_events + excluded.total_events";
    run(
        connection,
        sql,
        &[
            &column(&hours, |((campaign, _), _)| *campaign),
            &column(&hours, |((_, hour), _)| Stamp(*hour)),
            &column(&hours, |(_, counts)| number(counts.impressions)),
            &column(&hours, |(_, counts)| number(counts.clicks)),
            &column(&hours, |(_, counts)| number(counts.conversions)),
            &column(&hours, |(_, counts)| number(counts.events)),
        ],
    )
    .await
}
