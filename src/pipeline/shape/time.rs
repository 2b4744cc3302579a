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
    let millis = instant.as_millisecond();
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
        // cut before it becomes an instant: afterwards the direction would depend on the sign
        let mut scale = 100_000_000;
        for digit in fraction.iter().take(length.min(3)) {
            nanos += i32::from(digit - b'0') * scale;
            scale /= 10;
        }
        rest = &fraction[length..];
    }
    let (second, nanos) = if leap { (59, 999_000_000) } else { (second, nanos) };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<Option<String>, TimeError> {
        rfc3339(text).map(|at| at.map(|at| at.to_string()))
    }

    #[test]
    fn texts_are_rfc_3339_cut_to_milliseconds() {
        for (sent, read) in [
            ("2015-05-17T10:05:03Z", "2015-05-17T10:05:03.000Z"),
            ("2015-05-17t10:05:03.1239z", "2015-05-17T10:05:03.123Z"),
            ("2015-05-17T12:05:03.5+02:00", "2015-05-17T10:05:03.500Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("2016-02-29T00:00:00.123456789012345-00:30", "2016-02-29T00:30:00.123Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("9999-12-30T21:59:59.999Z", "9999-12-30T21:59:59.999Z"),
        ] {
            assert_eq!(text(sent), Ok(Some(read.to_owned())), "{sent}");
        }
        assert_eq!(text("0001-01-01T00:00:00Z"), Ok(None));
        for sent in [
            "",
            "2015-05-17",
            "2015-05-17 10:05:03Z",
            "2015-05-17T10:05:03",
            "2015-05-17T10:05:03.Z",
            "2015-05-17T10:05:03+0200",
            "2015-05-17T10:05:03+24:00",
            "2015-05-17T10:05:03Z ",
            "2015-02-29T10:05:03Z",
            "2015-05-17T24:00:00Z",
            "+015-05-17T10:05:03Z",
            "2015-05-17T10:05:6\u{660}Z",
        ] {
            assert_eq!(text(sent), Err(TimeError::Form), "{sent}");
        }
        for sent in
            ["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-02:00"]
        {
            assert_eq!(text(sent), Err(TimeError::Range), "{sent}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_by_magnitude() {
        let millis = |raw: &str| number(raw).map(|at| at.map(Timestamp::as_millis));
        assert_eq!(millis("1769850000"), Ok(Some(1_769_850_000_000)));
        assert_eq!(millis("1769850000123"), Ok(Some(1_769_850_000_123)));
        assert_eq!(millis("99999999999"), Ok(Some(99_999_999_999_000)));
        assert_eq!(millis("100000000000"), Ok(Some(100_000_000_000)));
        assert_eq!(millis("-1"), Ok(Some(-1000)));
        assert_eq!(millis("-100000000000"), Ok(Some(-100_000_000_000)));
        assert_eq!(millis("0"), Ok(None));
        assert_eq!(millis("-0"), Ok(None));
        for raw in ["1.0", "1e9", "true", "{}", "[]"] {
            assert_eq!(millis(raw), Err(TimeError::Type), "{raw}");
        }
        for raw in ["253402207200000", "-62135596801", "9223372036854775808"] {
            assert_eq!(millis(raw), Err(TimeError::Range), "{raw}");
        }
    }
}
