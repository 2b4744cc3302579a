//! Instants as UTC milliseconds, the precision that every store keeps.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339 with any offset; finer than milliseconds is cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant: jiff::Timestamp = text.parse()?;
        let millis = instant.as_nanosecond().div_euclid(1_000_000);
        Ok(Self::from_millis_clamped(i64::try_from(millis).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
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

    #[test]
    fn instants_outside_the_range_are_refused() {
        assert!(Timestamp::from_millis(Timestamp::MAX.as_millis() + 1).is_none());
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000Z");
    }
}
