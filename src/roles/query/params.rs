//! Reading query parameters: each refusal names its parameter.

use std::time::Duration;

use super::answer::Refusal;
use crate::model::Timestamp;
use crate::ports::TimeRange;

/// The parameters of one request, by name.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

const HOUR_MS: i64 = 3_600_000;

impl Params {
    /// Takes decoded pairs; of a repeated name the last counts.
    pub(super) const fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().rev().find(|(key, value)| key == name && !value.is_empty());
        pair.map(|(_, value)| value.as_str())
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(
        &self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::Parameter {
                name,
                detail: format!("must be a whole number from {least} to {most}"),
            }),
        }
    }

    fn instant(&self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        read_instant(text).map(Some).ok_or_else(|| Refusal::Parameter {
            name,
            detail: "must be RFC 3339 like 2026-01-31T10:00:00Z, or unix seconds or milliseconds"
                .to_owned(),
        })
    }

    /// The range asked for: `hours` back from now, or `from` and `to`, either of which may be left
    /// out; never longer than `longest`.
    pub(super) fn range(&self, now: Timestamp, longest: Duration) -> Result<TimeRange, Refusal> {
        let most_hours = (longest.as_secs() / 3600).max(1);
        let hours = self.number("hours", 1, most_hours)?;
        let from = self.instant("from")?;
        let to = self.instant("to")?;
        if hours.is_some() && from.is_some() && to.is_some() {
            let detail = "cannot be given together with from and to".to_owned();
            return Err(Refusal::Parameter { name: "hours", detail });
        }
        let window = Duration::from_secs(hours.unwrap_or(24).saturating_mul(3600));
        // The range is half-open: an event of this very millisecond belongs to the last hours.
        let now = now.plus(Duration::from_millis(1));
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) if hours.is_some() => (from, from.plus(window)),
            (Some(from), None) => (from, now.max(from.plus(Duration::from_millis(1)))),
            (None, Some(to)) => (to.minus(window), to),
            (None, None) => (now.minus(window), now),
        };
        if to <= from {
            let detail = "must be after from".to_owned();
            return Err(Refusal::Parameter { name: "to", detail });
        }
        if to.since(from) > longest {
            let detail = format!("is too far back: at most {most_hours} hours in one answer");
            return Err(Refusal::Parameter { name: "from", detail });
        }
        Ok(TimeRange { from, to })
    }
}

/// Hours of a range, begun ones included.
pub(super) const fn hours_of(range: &TimeRange) -> i64 {
    let millis = range.to.as_millis() - range.from.as_millis();
    (millis - 1).div_euclid(HOUR_MS) + 1
}

/// RFC 3339, or a number: from 1e11 on milliseconds, below it seconds (contract, "Time").
fn read_instant(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        let is_millis = number.unsigned_abs() >= 100_000_000_000;
        return Timestamp::from_millis(if is_millis {
            number
        } else {
            number.checked_mul(1000)?
        });
    }
    // An unescaped `+` of an offset arrives as a space.
    text.parse().or_else(|_| text.replace(' ', "+").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn range(pairs: &[(&str, &str)]) -> Result<TimeRange, Refusal> {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Params::new(pairs).range("2026-01-31T10:00:00Z".parse().unwrap(), 30 * DAY)
    }

    fn refused(pairs: &[(&str, &str)]) -> &'static str {
        match range(pairs) {
            Err(Refusal::Parameter { name, .. }) => name,
            other => panic!("{pairs:?} was {other:?}"),
        }
    }

    #[test]
    fn ranges_come_from_hours_or_from_both_ends() {
        let default = range(&[]).unwrap();
        assert_eq!(default.to.since(default.from), DAY);
        assert_eq!(hours_of(&range(&[("hours", "3")]).unwrap()), 3);
        let seconds = range(&[("from", "1700000000"), ("to", "1700003600")]).unwrap();
        let millis = range(&[("from", "1700000000000"), ("to", "1700003600000")]).unwrap();
        assert_eq!(seconds, millis);
        assert_eq!(hours_of(&seconds), 1);
        let offset = range(&[("from", "2026-01-31T10:00:00 01:00")]).unwrap();
        assert_eq!(offset.from.to_string(), "2026-01-31T09:00:00.000Z");
    }

    #[test]
    fn each_refusal_names_its_parameter() {
        assert_eq!(refused(&[("hours", "0")]), "hours");
        assert_eq!(refused(&[("hours", "many")]), "hours");
        assert_eq!(refused(&[("hours", "99999999999999999999")]), "hours");
        assert_eq!(refused(&[("from", "yesterday")]), "from");
        assert_eq!(refused(&[("to", "2026-02-30T00:00:00Z")]), "to");
        assert_eq!(refused(&[("from", "1700003600"), ("to", "1700000000")]), "to");
        assert_eq!(refused(&[("from", "0"), ("to", "1700000000")]), "from");
        assert_eq!(refused(&[("from", "9223372036854775807")]), "from");
    }
}
