//! What can be said of a dependency without using it: whether it is there, and what its settings do
//! to the promise.

use std::fmt::Debug;
use std::time::Instant;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// How much a symptom matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing is at stake.
    Note,
    /// The promise holds until one more thing fails, or somebody unkind comes along.
    Warning,
    /// The promise does not hold: events can be lost or counted twice, or nothing works at all.
    Error,
}

impl Severity {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptom {
    /// How much it matters.
    pub severity: Severity,
    /// A short machine word, such as `evicts_marks`.
    pub code: String,
    /// What is so, and what it does to the promise.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Symptom {
    /// The promise does not hold.
    #[must_use]
    pub fn error(code: &str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, what, advice)
    }

    /// The promise holds by luck.
    #[must_use]
    pub fn warning(code: &str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, what, advice)
    }

    /// Good to know.
    #[must_use]
    pub fn note(code: &str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, what, advice)
    }

    fn new(
        severity: Severity,
        code: &str,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { severity, code: code.to_owned(), what: what.into(), advice: advice.into() }
    }
}

/// What was seen of one dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What it is: `kafka`, `redis`, `postgres`, `s3`, `data directory`.
    pub dependency: String,
    /// Where it is; never with a password in it.
    pub address: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Its own word on what it is.
    pub version: Option<String>,
    /// What was seen, in the order in which it was looked for.
    pub symptoms: Vec<Symptom>,
}

impl Diagnosis {
    /// A dependency that answered; nothing seen yet.
    #[must_use]
    pub fn reachable(dependency: &str, address: impl Into<String>) -> Self {
        Self {
            dependency: dependency.to_owned(),
            address: address.into(),
            reachable: true,
            version: None,
            symptoms: Vec::new(),
        }
    }

    /// A dependency that did not.
    #[must_use]
    pub fn unreachable(
        dependency: &str,
        address: impl Into<String>,
        why: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let symptoms = vec![Symptom::error("unreachable", why, advice)];
        Self { reachable: false, symptoms, ..Self::reachable(dependency, address) }
    }

    /// Adds what was seen.
    pub fn add(&mut self, symptom: Symptom) {
        self.symptoms.push(symptom);
    }
}

/// Looks at one dependency.
///
/// Promises: to change nothing that matters, to name no secret, and to come back: what cannot be
/// reached within the time limits of its settings is part of the answer.
#[async_trait]
pub trait Doctor: Debug + Send + Sync + 'static {
    /// Looks; `now` is this machine's time, for comparing clocks.
    async fn examine(&self, now: Timestamp) -> Diagnosis;
}

/// Skew of clocks from which on marks, windows and signatures go wrong, in milliseconds.
const MAX_SKEW_MS: i64 = 2000;

/// This machine's time now, where it was `then` when the look began: what takes long to answer is
/// not skewed by it.
#[must_use]
pub fn time_now(then: Timestamp, begun: Instant) -> Timestamp {
    let elapsed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
    Timestamp::from_millis_clamped(then.as_millis().saturating_add(elapsed))
}

/// What a clock that differs from this machine's does; `None` where it differs by little.
#[must_use]
pub fn clock_skew(theirs: Timestamp, now: Timestamp) -> Option<Symptom> {
    let skew = theirs.as_millis() - now.as_millis();
    (skew.abs() > MAX_SKEW_MS).then(|| {
        let direction = if skew > 0 { "ahead of" } else { "behind" };
        Symptom::warning(
            "clock_skew",
            format!(
                "its clock is {}.{:03} s {direction} this machine's: expiries and time windows are \
                 off by as much",
                skew.abs() / 1000,
                skew.abs() % 1000
            ),
            "run NTP on both machines (`timedatectl set-ntp true`)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skewed_clock_is_told_with_its_direction() {
        let at = |millis| Timestamp::from_millis_clamped(millis);
        assert_eq!(clock_skew(at(10_000), at(11_999)), None);
        let behind = clock_skew(at(10_000), at(13_500)).unwrap();
        assert!(behind.what.contains("3.500 s behind"), "{}", behind.what);
        let ahead = clock_skew(at(100_000), at(10_000)).unwrap();
        assert!(ahead.what.contains("90.000 s ahead of"), "{}", ahead.what);
    }
}
