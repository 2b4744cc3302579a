//! Rows into the store: copied straight into their table where none of them is there yet, else into a
//! staging table of the session and inserted from there (decision 16).
//!
//! The encoder writes binary tuples into one buffer and sends it in frames of a size that the
//! server takes best; a row costs no allocation.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use tokio_postgres::{Client, Statement};

use super::failure::Failure;
use super::pool::Connection;
use super::values::{Stamp, micros};
use crate::model::{Origin, Timestamp};
use crate::ports::StoreEvent;

/// Bytes of one frame: smaller ones cost the server, larger ones win nothing.
const FRAME: usize = 128 << 10;

/// The session's own table, without a log and empty after every transaction.
const STAGING: &str = "
    CREATE TEMPORARY TABLE IF NOT EXISTS evp_staging (
        event_id text COLLATE \"C\", origin uuid, shape text, event_type text, user_id text,
        campaign_id text, geo_country text, device_type text, channel text, tags json,
        created_at timestamptz, received_at timestamptz, ip_address text, meta_data json,
        replay_id text, restored boolean
    ) ON COMMIT DELETE ROWS";

/// Of the staging table; `raw_events` has `stored_at` beside them.
const COLUMNS: i16 = 16;

/// All rows or none: one whose id or origin is there ends it.
const COPY_STRAIGHT: &str = "
    COPY raw_events (event_id, origin, shape, event_type, user_id, campaign_id, geo_country,
        device_type, channel, tags, created_at, received_at, ip_address, meta_data, replay_id,
        restored, stored_at)
    FROM STDIN (FORMAT binary)";

const COPY: &str = "
    COPY pg_temp.evp_staging (event_id, origin, shape, event_type, user_id, campaign_id,
        geo_country, device_type, channel, tags, created_at, received_at, ip_address, meta_data,
        replay_id, restored)
    FROM STDIN (FORMAT binary)";

/// In the order of the key: two batches that bring the same ids wait for each other at one place
/// and never in a circle.
const INSERT: &str = "
    INSERT INTO raw_events (event_id, origin, shape, event_type, user_id, campaign_id,
        geo_country, device_type, channel, tags, created_at, received_at, ip_address, meta_data,
        replay_id, restored, stored_at)
    SELECT event_id, origin, shape, event_type, user_id, campaign_id, geo_country, device_type,
           channel, tags, created_at, received_at, ip_address, meta_data, replay_id, restored, $1
      FROM pg_temp.evp_staging ORDER BY event_id
    ON CONFLICT DO NOTHING
    RETURNING origin";

/// When a session copies straight. A batch that meets a row that is there has been copied in vain, and
/// leaves dead rows: where batches meet some, as in a replay, it is tried less and less often.
#[derive(Debug, Default)]
pub(super) struct Straight {
    /// Batches that are staged without a try.
    staged: u32,
    /// As many as that after the next try in vain.
    next: u32,
}

impl Straight {
    const FEWEST: u32 = 4;
    const MOST: u32 = 1024;

    /// Asked once a batch.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.staged == 0;
        self.staged = self.staged.saturating_sub(1);
        is_due
    }

    pub(super) fn worked(&mut self) {
        self.next = 0;
    }

    pub(super) fn was_in_vain(&mut self) {
        self.staged = self.next.clamp(Self::FEWEST, Self::MOST);
        self.next = self.staged * 2;
    }
}

/// Copies the rows into their table, in the order of its key: two batches that bring the same ids
/// wait for each other at one place and never in a circle. Whether all of them are there then: what a
/// trigger of the table drops, `COPY` drops without a word. Where one is not, the transaction is to be
/// begun anew.
///
/// # Errors
/// [`Failure::is_taken`] where the id or the origin of one is there; the transaction is to be begun
/// anew then.
pub(super) async fn copy_straight(
    connection: &mut Connection,
    items: &[&StoreEvent],
    now: Timestamp,
) -> Result<bool, Failure> {
    let mut ordered = items.to_vec();
    ordered.sort_unstable_by(|a, b| a.event.event_id.cmp(&b.event.event_id));
    let copied = copy(connection, COPY_STRAIGHT, &ordered, Some(now)).await?;
    Ok(usize::try_from(copied) == Ok(items.len()))
}

/// Makes the session's table where it has none yet; before the transaction begins.
pub(super) async fn prepare(connection: &mut Connection) -> Result<(), Failure> {
    if !connection.has_staging {
        connection.client.batch_execute(STAGING).await?;
        connection.has_staging = true;
    }
    Ok(())
}

/// Inserts the rows whose id and origin are new; the origins of those.
pub(super) async fn insert(
    connection: &mut Connection,
    items: &[&StoreEvent],
    now: Timestamp,
) -> Result<Vec<Origin>, Failure> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    copy(connection, COPY, items, None).await?;
    let insert = connection.statement(INSERT).await?;
    let rows = connection.client.query(&insert, &[&Stamp(now)]).await?;
    rows.iter().map(|row| super::values::origin(row, 0)).collect()
}

/// Inserts one more row in the same transaction; whether it was new.
pub(super) async fn insert_one(
    connection: &mut Connection,
    item: &StoreEvent,
    now: Timestamp,
) -> Result<bool, Failure> {
    connection.client.batch_execute("DELETE FROM pg_temp.evp_staging").await?;
    Ok(!insert(connection, &[item], now).await?.is_empty())
}

/// How many rows the server took.
async fn copy(
    connection: &mut Connection,
    sql: &'static str,
    items: &[&StoreEvent],
    stored_at: Option<Timestamp>,
) -> Result<u64, Failure> {
    let copy = connection.statement(sql).await?;
    send(&connection.client, &copy, items, stored_at).await.map_err(Failure::Copy)
}

async fn send(
    client: &Client,
    copy: &Statement,
    items: &[&StoreEvent],
    stored_at: Option<Timestamp>,
) -> Result<u64, tokio_postgres::Error> {
    let mut sink = std::pin::pin!(client.copy_in::<_, Bytes>(copy).await?);
    let mut encoder = Encoder::new();
    for item in items {
        encoder.row(item, stored_at);
        if encoder.buffer.len() >= FRAME {
            sink.send(encoder.frame()).await?;
        }
    }
    sink.send(encoder.end()).await?;
    sink.as_mut().finish().await
}

/// Postgres' binary format of `COPY`.
struct Encoder {
    buffer: BytesMut,
}

impl Encoder {
    fn new() -> Self {
        let mut buffer = BytesMut::with_capacity(FRAME + FRAME / 4);
        buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
        // No flags, no extension.
        buffer.put_u64(0);
        Self { buffer }
    }

    fn row(&mut self, item: &StoreEvent, stored_at: Option<Timestamp>) {
        let event = &item.event;
        self.buffer.put_i16(COLUMNS + i16::from(stored_at.is_some()));
        self.field(event.event_id.as_str().as_bytes());
        self.field(event.origin.as_bytes());
        self.field(event.shape.as_str().as_bytes());
        self.field(event.event_type.as_bytes());
        self.text(event.user_id.as_deref());
        self.text(event.campaign_id.as_deref());
        self.text(event.geo_country.as_deref());
        self.text(event.device_type.as_deref());
        self.text(event.channel.as_deref());
        self.tags(event.tags.as_deref());
        self.instant(event.created_at);
        self.instant(event.received_at);
        self.text(event.ip_address.as_deref());
        self.text(event.meta_data.as_deref().map(serde_json::value::RawValue::get));
        self.text(item.replay_id.as_deref());
        self.buffer.put_i32(1);
        self.buffer.put_u8(u8::from(item.restored));
        if let Some(at) = stored_at {
            self.instant(at);
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        // No event comes near 2 GiB; the door refuses it at 768 KiB.
        self.buffer.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.buffer.put_slice(bytes);
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.field(text.as_bytes()),
            None => self.buffer.put_i32(-1),
        }
    }

    fn instant(&mut self, at: Timestamp) {
        self.buffer.put_i32(8);
        self.buffer.put_i64(micros(at));
    }

    /// The labels as JSON, written where they go; the length in front of them afterwards.
    fn tags(&mut self, tags: Option<&[String]>) {
        let Some(tags) = tags else {
            self.buffer.put_i32(-1);
            return;
        };
        let at = self.buffer.len();
        self.buffer.put_i32(0);
        // Text into memory: nothing in it can fail.
        let _written = serde_json::to_writer((&mut self.buffer).writer(), tags);
        let length = i32::try_from(self.buffer.len() - at - 4).unwrap_or(i32::MAX);
        self.buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn frame(&mut self) -> Bytes {
        let frame = self.buffer.split().freeze();
        self.buffer.reserve(FRAME + FRAME / 4);
        frame
    }

    fn end(mut self) -> Bytes {
        self.buffer.put_i16(-1);
        self.buffer.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::Straight;

    #[test]
    fn what_is_in_vain_is_tried_less_and_less_often_until_it_works() {
        let mut straight = Straight::default();
        let staged_until_due =
            |straight: &mut Straight| (0..).take_while(|_| !straight.is_due()).count();
        assert_eq!(staged_until_due(&mut straight), 0);
        for staged in [4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024] {
            straight.was_in_vain();
            assert_eq!(staged_until_due(&mut straight), staged);
        }
        straight.worked();
        assert_eq!(staged_until_due(&mut straight), 0);
        straight.was_in_vain();
        assert_eq!(staged_until_due(&mut straight), 4);
    }
}
