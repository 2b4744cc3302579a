//! Instants as UTC milliseconds, the precision that every store keeps.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z; displays and serialises as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z: the earliest instant that every store can keep (Postgres has no year 0).
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// 9999-12-30T21:59:59.999Z: the latest instant that has a four-digit year in every time zone.
    pub const MAX: Self = Self(253_402_207_199_999);

    /// From milliseconds since the epoch; `None` outside [`Timestamp::MIN`] to [`Timestamp::MAX`].
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// From milliseconds, moved to the nearest end of the range where outside it.
    #[must_use]
    pub fn from_millis_clamped(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole minutes since the epoch, rounded down: the bucket of the per-address rate.
    #[must_use]
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000)
    }

    /// The start of its hour: the bucket of the roll-ups.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(3_600_000))
    }

    /// This instant plus a duration, clamped to the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis_clamped(self.0.saturating_add(millis))
    }

    /// This instant less a duration, clamped to the range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis_clamped(self.0.saturating_sub(millis))
    }

    /// Time since `earlier`; zero where `earlier` is later (a clock stepped back).
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// `YYYY/MM/DD` in UTC: the folder of an archive object.
    #[must_use]
    pub fn date_path(self) -> String {
        let text = self.to_string();
        text[..10].replace('-', "/")
    }

    /// Its text form, without allocating: every event carries two or three of these.
    pub fn encode(self, buffer: &mut [u8; 24]) -> &str {
        let (days, millis) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        buffer.copy_from_slice(b"0000-00-00T00:00:00.000Z");
        let (minutes, rest) = (millis / 60_000, millis % 60_000);
        put_digits(&mut buffer[0..4], year);
        put_digits(&mut buffer[5..7], month);
        put_digits(&mut buffer[8..10], day);
        put_digits(&mut buffer[11..13], minutes / 60);
        put_digits(&mut buffer[14..16], minutes % 60);
        put_digits(&mut buffer[17..19], rest / 1000);
        put_digits(&mut buffer[20..23], rest % 1000);
        // Digits and the punctuation above are ASCII.
        std::str::from_utf8(buffer).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) writes, which is what nearly every instant between two
    /// stages looks like; `None` for every other text.
    fn decode(text: &str) -> Option<Self> {
        let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let number = |digits: &[u8]| {
            digits.iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit & 0xf))
        };
        let days = days(number(&bytes[..4]), number(&bytes[5..7]), number(&bytes[8..10]));
        let minutes = number(&bytes[11..13]) * 60 + number(&bytes[14..16]);
        let millis = number(&bytes[17..19]) * 1000 + number(&bytes[20..23]);
        let at = Self::from_millis(days * 86_400_000 + minutes * 60_000 + millis)?;
        // It is the only form of that instant: a text with other digits or punctuation is none.
        (at.encode(&mut [0; 24]) == text).then_some(at)
    }
}

/// The day since the epoch of a date: [`civil`] the other way.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since the epoch: the Gregorian calendar counted in eras of 400
/// years that begin on the first of March, so that the leap day is the last of its year.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

fn put_digits(buffer: &mut [u8], mut value: i64) {
    for byte in buffer.iter_mut().rev() {
        *byte += u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; 24]))
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339 with any offset; finer than milliseconds is cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(at) = Self::decode(text) {
            return Ok(at);
        }
        let instant: jiff::Timestamp = text.parse()?;
        let millis = instant.as_nanosecond().div_euclid(1_000_000);
        Ok(Self::from_millis_clamped(i64::try_from(millis).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 24]))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_utc_milliseconds_and_reads_offsets() {
        let at: Timestamp = "2015-05-17T12:05:03.1239+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2015-05-17T10:05:03.123Z");
        assert_eq!(at.date_path(), "2015/05/17");
        assert_eq!(at.hour().to_string(), "2015-05-17T10:00:00.000Z");
    }

    proptest::proptest! {
        #[test]
        fn texts_are_those_of_the_calendar(millis in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let known = jiff::Timestamp::from_millisecond(millis).unwrap();
            let text = Timestamp(millis).to_string();
            proptest::prop_assert_eq!(&text, &format!("{known:.3}"));
            proptest::prop_assert_eq!(Timestamp::decode(&text), Some(Timestamp(millis)));
        }

        #[test]
        fn what_is_read_without_the_calendar_is_read_alike_with_it(
            text in "[0-2][0-9]{3}[-/:][0-3][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9][.,][0-9]{3}[Zz0]",
        ) {
            let known = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
            if let Some(read) = Timestamp::decode(&text) {
                proptest::prop_assert_eq!(known.ok(), Some(read.as_millis()));
            }
        }
    }

    #[test]
    fn instants_outside_the_range_are_refused() {
        assert!(Timestamp::from_millis(Timestamp::MAX.as_millis() + 1).is_none());
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000Z");
    }
}
