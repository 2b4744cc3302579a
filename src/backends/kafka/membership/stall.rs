//! Whether a member stands still: brokers answer, records wait for it, and its client brings none.
//!
//! librdkafka and its wrapper have had several ways into that state (rust-rdkafka's issues 638 and
//! 665, librdkafka's 5511); a client made anew is in none of them. A member without a partition
//! stands still by right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::meta::Meta;
use super::{LOOK, Part};
use crate::model::TopicPartition;

/// Where a member stood when its client was made anew: a position, and the end of its partition.
pub(super) type Stands = HashMap<TopicPartition, (i64, i64)>;

/// Records that wait in a partition.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) at: TopicPartition,
    pub(super) next: i64,
    pub(super) high: i64,
}

/// What a member's thread remembers of records that did not come.
#[derive(Debug)]
pub(super) struct Stall {
    /// Between two looks: what stands at the same place at the second has stood for that long.
    every: Duration,
    looked_at: Instant,
    /// What waited at the last look, by its position.
    waited: HashMap<TopicPartition, i64>,
}

impl Stall {
    /// Looks so often that a partition stands still for about `limit`; never with a limit of zero.
    pub(super) fn new(limit: Duration) -> Self {
        Self { every: limit / 2, looked_at: Instant::now(), waited: HashMap::new() }
    }

    /// The role has not taken yet what came: nothing is the client's fault.
    pub(super) fn excuse(&mut self) {
        self.looked_at = Instant::now();
        self.waited.clear();
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&self) -> bool {
        !self.every.is_zero() && self.looked_at.elapsed() >= self.every
    }

    /// One that waits where it waited at the last look.
    pub(super) fn proven(&mut self, found: Vec<Waiting>) -> Option<Waiting> {
        self.looked_at = Instant::now();
        let next = found.iter().map(|waiting| (waiting.at.clone(), waiting.next)).collect();
        let waited = std::mem::replace(&mut self.waited, next);
        found.into_iter().find(|waiting| waited.get(&waiting.at) == Some(&waiting.next))
    }
}

/// Looks where records wait. What stood at the same place before a new client came does not: it is
/// nothing that a consumer is given, as the marks that transactions leave.
pub(super) fn waiting(
    meta: &Meta,
    parts: &HashMap<TopicPartition, Part>,
    stood: &Stands,
) -> Vec<Waiting> {
    let until = Instant::now() + LOOK;
    let mut found = Vec::new();
    for (at, part) in parts {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let Ok((_, high)) = meta.bounds(at, left) else { continue };
        let next = part.next;
        if high > next && stood.get(at) != Some(&(next, high)) {
            found.push(Waiting { at: at.clone(), next, high });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Partition, Topic};

    fn waiting(partition: i32, next: i64) -> Waiting {
        let at = TopicPartition::new(Topic::from("t"), Partition(partition));
        Waiting { at, next, high: 100 }
    }

    #[test]
    fn one_that_waits_where_it_waited_is_proven_while_others_move() {
        let mut stall = Stall::new(Duration::from_secs(30));
        assert!(
            stall.proven(vec![waiting(0, 7), waiting(1, 7)]).is_none(),
            "it may have just come"
        );
        let proven = stall.proven(vec![waiting(0, 8), waiting(1, 7)]);
        assert_eq!(proven.unwrap().at.partition, Partition(1));
        assert!(stall.proven(vec![waiting(0, 9)]).is_none());
        stall.excuse();
        assert!(stall.proven(vec![waiting(0, 9)]).is_none());
    }

    #[test]
    fn without_a_limit_nobody_looks() {
        assert!(!Stall::new(Duration::ZERO).is_due());
    }
}
