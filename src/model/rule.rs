//! A rule: one entry of the blacklist.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// An address or a network; the text is canonical, so one target has one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleTarget(IpNet);

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a network like 203.0.113.0/24")]
pub struct RuleTargetError(String);

impl RuleTarget {
    /// The rule target of one address; an IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }

    /// As a network.
    #[must_use]
    pub const fn network(&self) -> IpNet {
        self.0
    }

    /// The address, where it is a single one.
    #[must_use]
    pub fn single(&self) -> Option<IpAddr> {
        (self.0.prefix_len() == self.0.max_prefix_len()).then(|| self.0.addr())
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for RuleTarget {
    type Err = RuleTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::address(address));
        }
        let network: IpNet = text.parse().map_err(|_| RuleTargetError(text.to_owned()))?;
        Ok(Self(network.trunc()))
    }
}

impl fmt::Display for RuleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(address) => address.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl TryFrom<String> for RuleTarget {
    type Error = RuleTargetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RuleTarget> for String {
    fn from(target: RuleTarget) -> Self {
        target.to_string()
    }
}

/// Who made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// An operator, by command or by hand in the state store.
    Operator,
    /// The processor, when an address crossed the limit.
    Automatic,
}

/// A rule's reason has more bytes than [`Rule::MAX_REASON_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason of {0} bytes is too long; {max} are taken", max = Rule::MAX_REASON_BYTES)]
pub struct ReasonTooLong(usize);

/// One entry of the blacklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it holds for.
    pub target: RuleTarget,
    /// Why, in an operator's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Who made it.
    pub source: RuleSource,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first instant at which it no longer holds; never where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
}

impl Rule {
    /// Longest reason: each event that the rule blocks carries it in its decision.
    pub const MAX_REASON_BYTES: usize = 1024;

    /// Refuses a reason that is too long.
    ///
    /// # Errors
    /// Where it is.
    pub const fn check_reason(reason: &str) -> Result<(), ReasonTooLong> {
        if reason.len() > Self::MAX_REASON_BYTES {
            return Err(ReasonTooLong(reason.len()));
        }
        Ok(())
    }

    /// A reason as it is read: others type rules too, and one that is too long is cut.
    #[must_use]
    pub fn cut_reason(mut reason: String) -> String {
        reason.truncate(reason.floor_char_boundary(Self::MAX_REASON_BYTES));
        reason
    }

    /// Whether it holds for an event received at that instant.
    ///
    /// Judged by the time of receipt, not the time of judging, so that a backlog meets the
    /// verdicts it would have met without the delay (design, rule 4).
    #[must_use]
    pub fn holds_at(&self, received_at: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| received_at < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_has_one_spelling() {
        let spelled = |text: &str| text.parse::<RuleTarget>().unwrap().to_string();
        assert_eq!(spelled("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(spelled("203.0.113.9/24"), "203.0.113.0/24");
        assert_eq!(spelled("203.0.113.9/32"), "203.0.113.9");
        assert!("203.0.113".parse::<RuleTarget>().is_err());
    }

    #[test]
    fn a_long_reason_is_refused_and_cut_at_a_character_where_it_is_read() {
        let most = "é".repeat(512);
        assert_eq!(Rule::check_reason(&most), Ok(()));
        assert_eq!(Rule::cut_reason(most.clone()), most);
        let long = format!("x{most}");
        let said = Rule::check_reason(&long).unwrap_err().to_string();
        assert_eq!(said, "a reason of 1025 bytes is too long; 1024 are taken");
        assert_eq!(Rule::cut_reason(long), format!("x{}", "é".repeat(511)));
    }
}
