//! Instants as clients send them: RFC 3339, or a whole number of seconds or milliseconds.

use jiff::civil;
use jiff::tz::Offset;

use crate::model::Timestamp;

/// Why an instant is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeError {
    /// Another JSON type, or a number that is not whole.
    Type,
    /// A text that is not RFC 3339.
    Form,
    /// Outside what every store can keep.
    Range,
}

/// Numbers at least this far from zero are milliseconds (contract, "Time").
const FIRST_MILLIS: u64 = 100_000_000_000;

/// Reads a JSON number; `None` is zero, which the seeds take for "not given".
pub(super) fn number(raw: &str) -> Result<Option<Timestamp>, TimeError> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimeError::Type);
    }
    let value: i64 = raw.parse().map_err(|_| TimeError::Range)?;
    if value == 0 {
        return Ok(None);
    }
    let millis = if value.unsigned_abs() >= FIRST_MILLIS { value } else { value * 1000 };
    Timestamp::from_millis(millis).map(Some).ok_or(TimeError::Range)
}

/// Reads an RFC 3339 text; `None` is Go's zero time, which its clients send for "not given". What
/// is finer than milliseconds is cut off.
pub(super) fn rfc3339(text: &str) -> Result<Option<Timestamp>, TimeError> {
    let (local, rest) = local(text.as_bytes()).ok_or(TimeError::Form)?;
    let offset = offset(rest).ok_or(TimeError::Form)?;
    let instant = offset.to_timestamp(local).map_err(|_| TimeError::Range)?;
    // the floor, so that instants before 1970 are cut in the same direction
    let millis = instant.as_second() * 1000 + i64::from(instant.subsec_nanosecond()) / 1_000_000;
    let at = Timestamp::from_millis(millis).ok_or(TimeError::Range)?;
    Ok((at != Timestamp::MIN).then_some(at))
}

/// `YYYY-MM-DDThh:mm:ss[.fraction]` and what follows it.
fn local(text: &[u8]) -> Option<(civil::DateTime, &[u8])> {
    let (head, mut rest) = text.split_at_checked(19)?;
    let punctuated = head[4] == b'-'
        && head[7] == b'-'
        && matches!(head[10], b'T' | b't')
        && head[13] == b':'
        && head[16] == b':';
    if !punctuated {
        return None;
    }
    let century = two(head, 0)?;
    let year = i16::from(century) * 100 + i16::from(two(head, 2)?);
    // a leap second is the last instant of its minute, as stores without leap seconds keep it
    let second = two(head, 17)?;
    let leap = second == 60;
    let mut nanos: i32 = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let mut scale = 100_000_000;
        for digit in fraction.iter().take(length.min(9)) {
            nanos += i32::from(digit - b'0') * scale;
            scale /= 10;
        }
        rest = &fraction[length..];
    }
    let (second, nanos) = if leap { (59, 999_999_999) } else { (second, nanos) };
    let local = civil::DateTime::new(
        year,
        two(head, 5)?,
        two(head, 8)?,
        two(head, 11)?,
        two(head, 14)?,
        second,
        nanos,
    );
    Some((local.ok()?, rest))
}

/// `Z`, `+hh:mm` or `-hh:mm`, and nothing more.
fn offset(text: &[u8]) -> Option<Offset> {
    if matches!(text, b"Z" | b"z") {
        return Some(Offset::UTC);
    }
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (two(text, 1)?, two(text, 4)?);
    if text.len() != 6 || text[3] != b':' || hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

/// Two digits.
fn two(text: &[u8], at: usize) -> Option<i8> {
    let tens = text.get(at)?.checked_sub(b'0').filter(|digit| *digit < 10)?;
    let ones = text.get(at + 1)?.checked_sub(b'0').filter(|digit| *digit < 10)?;
    i8::try_from(tens * 10 + ones).ok()
}
