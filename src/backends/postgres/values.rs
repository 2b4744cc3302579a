//! Our values as Postgres sends and takes them, and columns read back into them.

use std::error::Error as StdError;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::failure::Failure;
use crate::model::{EventId, Origin, Timestamp};

/// 2000-01-01T00:00:00Z, where Postgres begins to count, in ms.
const EPOCH: i64 = 946_684_800_000;

type Fault = Box<dyn StdError + Sync + Send>;

/// An instant's wire form: microseconds since 2000.
pub(super) fn micros(at: Timestamp) -> i64 {
    (at.as_millis() - EPOCH) * 1000
}

/// An instant as `timestamptz`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp(pub(super) Timestamp);

impl ToSql for Stamp {
    fn to_sql(&self, _ty: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        out.put_i64(micros(self.0));
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Stamp {
    fn from_sql(_ty: &Type, raw: &'r [u8]) -> Result<Self, Fault> {
        // `infinity` is the largest number; it becomes our own end of time.
        let micros = i64::from_be_bytes(raw.try_into()?);
        let millis = micros.div_euclid(1000).saturating_add(EPOCH);
        Ok(Self(Timestamp::from_millis_clamped(millis)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

/// An origin as `uuid`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) Origin);

impl ToSql for Id {
    fn to_sql(&self, _ty: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Id {
    fn from_sql(_ty: &Type, raw: &'r [u8]) -> Result<Self, Fault> {
        Ok(Self(Origin::from_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// The origins as parameters.
pub(super) fn ids<'o>(origins: impl IntoIterator<Item = &'o Origin>) -> Vec<Id> {
    origins.into_iter().map(|origin| Id(*origin)).collect()
}

/// Before every origin, or after the one given.
pub(super) fn start(after: Option<Origin>) -> Id {
    Id(after.unwrap_or_else(|| Origin::from_bytes([0; 16])))
}

/// An origin's column.
pub(super) fn origin(row: &Row, column: usize) -> Result<Origin, Failure> {
    Ok(row.try_get::<_, Id>(column)?.0)
}

/// An instant's column.
pub(super) fn instant(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    Ok(row.try_get::<_, Stamp>(column)?.0)
}

/// An instant's column that may be NULL.
pub(super) fn instant_option(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(row.try_get::<_, Option<Stamp>>(column)?.map(|stamp| stamp.0))
}

/// A column whose text is a value's name.
pub(super) fn parsed<T: FromStr>(row: &Row, column: usize, what: &str) -> Result<T, Failure> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| unreadable(text, what))
}

/// An event id's column.
pub(super) fn event_id(row: &Row, column: usize) -> Result<EventId, Failure> {
    let text: &str = row.try_get(column)?;
    EventId::new(text).map_err(|_| unreadable(text, "an event id"))
}

/// An event id's column that may be NULL.
pub(super) fn event_id_option(row: &Row, column: usize) -> Result<Option<EventId>, Failure> {
    match row.try_get::<_, Option<&str>>(column)? {
        None => Ok(None),
        Some(_) => event_id(row, column).map(Some),
    }
}

/// A count, which is never negative unless somebody wrote into the table.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, Failure> {
    let value: i64 = row.try_get(column)?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// A small count.
pub(super) fn small(row: &Row, column: usize) -> Result<u32, Failure> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| unreadable(&value.to_string(), "a small count"))
}

/// A count as a parameter.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn unreadable(text: &str, what: &str) -> Failure {
    Failure::Unreadable(format!("{text:?} is not {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_instant_comes_back(
            millis in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis(),
        ) {
            let at = Timestamp::from_millis(millis).unwrap();
            let mut wire = BytesMut::new();
            Stamp(at).to_sql(&Type::TIMESTAMPTZ, &mut wire).unwrap();
            prop_assert_eq!(Stamp::from_sql(&Type::TIMESTAMPTZ, &wire).unwrap().0, at);
        }
    }

    #[test]
    fn infinity_is_our_end_of_time() {
        let wire = i64::MAX.to_be_bytes();
        assert_eq!(Stamp::from_sql(&Type::TIMESTAMPTZ, &wire).unwrap().0, Timestamp::MAX);
    }
}
