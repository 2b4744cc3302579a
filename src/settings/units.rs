//! Durations and sizes as an operator writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration: `50ms`, `5s`, `1m30s`, `24h`, `30d`; a bare number is seconds. At most [`Span::MAX`],
/// so that it can be added to any instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl Span {
    /// The longest: a hundred years.
    pub const MAX: Self = Self::from_secs(36_525 * 24 * 3600);

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

/// A size in bytes: `65536`, `64KiB`, `8MiB`, `1GiB`, `10MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// As an in-memory length; the largest one where it does not fit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const SPAN_UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || format!("{text:?} is not a duration like 50ms, 5s, 1m30s or 24h");
        let bounded = |seconds: f64| {
            let span = Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| refuse())?;
            let is_fit = span <= Self::MAX;
            is_fit.then_some(span).ok_or_else(|| format!("{text:?} is longer than {}", Self::MAX))
        };
        let text_trimmed = text.trim();
        if let Ok(seconds) = text_trimmed.parse::<f64>() {
            return bounded(seconds);
        }
        let mut rest = text_trimmed;
        let mut nanos = 0_f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
            let number: f64 = rest[..digits].parse().map_err(|_| refuse())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = &rest[..letters];
            let (_, scale) =
                SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
            #[expect(clippy::cast_precision_loss, reason = "units are small powers")]
            let scale = *scale as f64;
            nanos += number * scale;
            rest = &rest[letters..];
        }
        if text_trimmed.is_empty() {
            return Err(refuse());
        }
        bounded(nanos / 1e9)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || format!("{text:?} is not a size like 65536, 64KiB or 8MiB");
        let text_trimmed = text.trim();
        let digits = text_trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(text_trimmed.len());
        let number: u64 = text_trimmed[..digits].parse().map_err(|_| refuse())?;
        let unit = text_trimmed[digits..].trim();
        if unit.is_empty() {
            return Ok(Self(number));
        }
        let (_, scale) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        number.checked_mul(*scale).map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        let (unit, scale) = SPAN_UNITS
            .iter()
            .rev()
            .find(|(_, scale)| nanos.is_multiple_of(u128::from(*scale)))
            .unwrap_or(&SPAN_UNITS[0]);
        write!(f, "{}{unit}", nanos / u128::from(*scale))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = SIZE_UNITS[..5]
            .iter()
            .rev()
            .find(|(_, scale)| self.0 != 0 && self.0.is_multiple_of(*scale))
            .unwrap_or(&SIZE_UNITS[0]);
        write!(f, "{}{unit}", self.0 / scale)
    }
}

struct TextOrNumber<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> serde::de::Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text with a unit")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber(std::marker::PhantomData))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_go_syntax_and_print_one_unit() {
        assert_eq!("1m30s".parse::<Span>().unwrap().to_string(), "90s");
        assert_eq!("1.5s".parse::<Span>().unwrap().to_string(), "1500ms");
        assert_eq!("86400".parse::<Span>().unwrap().to_string(), "1d");
        assert!("five".parse::<Span>().is_err());
        assert!("".parse::<Span>().is_err());
        assert!("-1s".parse::<Span>().is_err());
        assert_eq!("36525d".parse::<Span>().unwrap(), Span::MAX);
        for long in ["36526d", "1e19", "18446744073709551615"] {
            let refused = long.parse::<Span>().unwrap_err();
            assert!(refused.contains(long), "{refused}");
        }
    }

    #[test]
    fn sizes_read_both_kinds_of_unit() {
        assert_eq!("8MiB".parse::<ByteSize>().unwrap(), ByteSize(8 << 20));
        assert_eq!("10MB".parse::<ByteSize>().unwrap(), ByteSize(10_000_000));
        assert_eq!(ByteSize(768 << 10).to_string(), "768KiB");
        assert!("8 bits".parse::<ByteSize>().is_err());
    }
}
