//! How our values look in columns, and how columns are read back into them.
//!
//! Writing allocates nothing: an instant and an origin are stack buffers that bind as text.

use std::str::FromStr;

use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Row};

use crate::model::{EventId, Origin, Timestamp};

/// An instant as its column's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp([u8; 24]);

impl Stamp {
    /// `YYYY-MM-DDTHH:MM:SS.mmmZ`. Every instant has a four-digit year, so all are 24 bytes.
    pub(super) fn of(at: Timestamp) -> Self {
        let millis = at.as_millis();
        let (year, month, day) = civil(millis.div_euclid(86_400_000));
        let mut rest = millis.rem_euclid(86_400_000);
        let mut take = |unit: i64| {
            let whole = rest / unit;
            rest %= unit;
            whole
        };
        let (hour, minute, second) = (take(3_600_000), take(60_000), take(1000));
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[0..4], year);
        digits(&mut text[5..7], month);
        digits(&mut text[8..10], day);
        digits(&mut text[11..13], hour);
        digits(&mut text[14..16], minute);
        digits(&mut text[17..19], second);
        digits(&mut text[20..23], rest);
        Self(text)
    }
}

impl ToSql for Stamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// Right-aligned decimal digits over the whole slice.
fn digits(place: &mut [u8], mut value: i64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01, by the well-known algorithm over
/// 400-year eras that begin in March.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_month)
}

/// An origin as its column's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct OriginText([u8; 36]);

impl OriginText {
    pub(super) fn of(origin: &Origin) -> Self {
        let mut buffer = [0; 36];
        let _text = origin.encode(&mut buffer);
        Self(buffer)
    }
}

impl ToSql for OriginText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

pub(super) fn unreadable(column: usize, text: &str, what: &str) -> Error {
    let cause = format!("{text:?} is not {what}");
    Error::FromSqlConversionFailure(column, Type::Text, cause.into())
}

/// A column that holds what `what` names, in its text form.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize, what: &str) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| unreadable(column, text, what))
}

/// As [`parsed`], for a column that may be NULL.
pub(super) fn parsed_option<T: FromStr>(
    row: &Row<'_>,
    column: usize,
    what: &str,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => parsed(row, column, what).map(Some),
    }
}

/// An origin's column.
pub(super) fn origin(row: &Row<'_>, column: usize) -> rusqlite::Result<Origin> {
    parsed(row, column, "an origin")
}

/// An instant's column.
pub(super) fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    parsed(row, column, "an instant")
}

/// An event id's column.
pub(super) fn event_id(row: &Row<'_>, column: usize) -> rusqlite::Result<EventId> {
    let text: String = row.get(column)?;
    EventId::new(text.as_str()).map_err(|_| unreadable(column, &text, "an event id"))
}

/// An event id's column that may be NULL.
pub(super) fn event_id_option(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<EventId>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => event_id(row, column).map(Some),
    }
}

/// A count, which is never negative unless somebody wrote into the file.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// A count as a column's value.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_the_timestamps_own_text(
            millis in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis(),
        ) {
            let at = Timestamp::from_millis(millis).unwrap();
            let stamp = Stamp::of(at);
            prop_assert_eq!(std::str::from_utf8(&stamp.0).unwrap(), at.to_string());
        }
    }
}
