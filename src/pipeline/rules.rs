//! A snapshot of the blacklist, made for looking one address up for every event.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{Rule, Timestamp};

/// Rules by exact address, and networks from the narrowest to the widest.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    addresses: HashMap<IpAddr, Rule>,
    networks: Vec<Rule>,
}

impl RuleSet {
    /// A snapshot of these rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut set = Self::default();
        for rule in rules {
            match rule.target.single() {
                Some(address) => {
                    set.addresses.insert(address, rule);
                }
                None => set.networks.push(rule),
            }
        }
        set.networks.sort_by_key(|rule| std::cmp::Reverse(rule.target.network().prefix_len()));
        set
    }

    /// Adds a rule that was just made, so that it holds before the rules are read again.
    pub fn insert(&mut self, rule: Rule) {
        match rule.target.single() {
            Some(address) => {
                self.addresses.insert(address, rule);
            }
            None => {
                self.networks.retain(|other| other.target != rule.target);
                let narrower = |other: &Rule| {
                    other.target.network().prefix_len() >= rule.target.network().prefix_len()
                };
                let at = self.networks.partition_point(narrower);
                self.networks.insert(at, rule);
            }
        }
    }

    /// The rule that blocks an address at the instant its event was received: the exact one, else
    /// the narrowest network's.
    #[must_use]
    pub fn blocking(&self, address: IpAddr, received_at: Timestamp) -> Option<&Rule> {
        let address = address.to_canonical();
        let exact = self.addresses.get(&address).filter(|rule| rule.holds_at(received_at));
        exact.or_else(|| {
            self.networks
                .iter()
                .find(|rule| rule.target.contains(address) && rule.holds_at(received_at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RuleSource;

    fn rule(target: &str, ends: Option<i64>) -> Rule {
        Rule {
            target: target.parse().unwrap(),
            reason: Some(target.to_owned()),
            source: RuleSource::Operator,
            created_at: Timestamp::default(),
            expires_at: ends.and_then(Timestamp::from_millis),
        }
    }

    fn found(set: &RuleSet, address: &str, at: i64) -> Option<String> {
        set.blocking(address.parse().unwrap(), Timestamp::from_millis(at).unwrap())
            .map(|rule| rule.target.to_string())
    }

    #[test]
    fn the_exact_rule_wins_over_the_narrowest_network() {
        let set = RuleSet::new(vec![
            rule("10.0.0.0/8", None),
            rule("10.1.0.0/16", None),
            rule("10.1.1.1", None),
        ]);
        assert_eq!(found(&set, "10.1.1.1", 0).as_deref(), Some("10.1.1.1"));
        assert_eq!(found(&set, "::ffff:10.1.1.1", 0).as_deref(), Some("10.1.1.1"));
        assert_eq!(found(&set, "10.1.2.2", 0).as_deref(), Some("10.1.0.0/16"));
        assert_eq!(found(&set, "10.2.2.2", 0).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(found(&set, "11.2.2.2", 0), None);
    }

    #[test]
    fn an_ended_rule_does_not_hide_a_wider_one() {
        let mut set = RuleSet::new(vec![rule("10.1.1.1", Some(1000)), rule("10.0.0.0/8", None)]);
        assert_eq!(found(&set, "10.1.1.1", 999).as_deref(), Some("10.1.1.1"));
        assert_eq!(found(&set, "10.1.1.1", 1000).as_deref(), Some("10.0.0.0/8"));
        set.insert(rule("10.1.0.0/16", None));
        set.insert(rule("10.1.1.1", Some(5000)));
        assert_eq!(found(&set, "10.1.1.1", 1000).as_deref(), Some("10.1.1.1"));
        assert_eq!(found(&set, "10.1.1.1", 5000).as_deref(), Some("10.1.0.0/16"));
    }
}
