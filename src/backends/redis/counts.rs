//! Where the events of an address are counted: which hash, which field, and how many of a batch.
//!
//! One hash holds the addresses of a minute that end in the same character, so that a batch reads
//! and writes many counts with one command, and no hash is so large that its end holds Redis up.

use std::collections::HashMap;
use std::net::IpAddr;

use redis::Cmd;

use crate::ports::{Candidate, Limits};

/// Addresses that one command names at most: what the script unpacks has a bound.
const ADDRESSES: usize = 1000;

/// The addresses and minutes of a batch.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) hashes: Vec<Hash>,
    /// The most candidates of one address and minute.
    pub(super) most: u32,
    /// The number of a slot, from 1 through all hashes.
    numbers: HashMap<(i64, IpAddr), usize>,
}

/// One hash of counts, and what the batch asks of it.
#[derive(Debug)]
pub(super) struct Hash {
    pub(super) key: String,
    /// Addresses, and how many candidates each has.
    addresses: Vec<(String, u32)>,
}

impl Slots {
    /// The slots of the candidates that are counted.
    pub(super) fn of(batch: &[Candidate], limits: &Limits) -> Self {
        if limits.per_minute.is_none() {
            return Self::default();
        }
        let mut candidates: HashMap<(i64, IpAddr), u32> = HashMap::with_capacity(batch.len());
        for slot in batch.iter().filter_map(slot_of) {
            *candidates.entry(slot).or_default() += 1;
        }
        let mut sorted: Vec<(i64, char, String, IpAddr, u32)> = candidates
            .into_iter()
            .map(|((minute, address), many)| {
                let text = address.to_string();
                let last = text.chars().next_back().unwrap_or('0');
                (minute, last, text, address, many)
            })
            .collect();
        sorted.sort_unstable_by_key(|&(minute, last, ..)| (minute, last));
        let mut slots = Self::default();
        slots.numbers.reserve(sorted.len());
        let mut open = None;
        for (number, (minute, last, text, address, many)) in sorted.into_iter().enumerate() {
            slots.most = slots.most.max(many);
            slots.numbers.insert((minute, address), number + 1);
            match slots.hashes.last_mut() {
                Some(hash) if open == Some((minute, last)) && hash.addresses.len() < ADDRESSES => {
                    hash.addresses.push((text, many));
                }
                _ => {
                    let key = format!("ip:count:{minute}:{last}");
                    slots.hashes.push(Hash { key, addresses: vec![(text, many)] });
                }
            }
            open = Some((minute, last));
        }
        slots
    }

    /// How many there are.
    pub(super) fn counted(&self) -> usize {
        self.numbers.len()
    }

    /// Adds each candidate's slot, then the addresses of each hash.
    pub(super) fn write(&self, batch: &[Candidate], command: &mut Cmd) {
        for candidate in batch {
            let slot = slot_of(candidate).and_then(|slot| self.numbers.get(&slot));
            match slot {
                Some(number) => command.arg(number),
                None if is_blocked(candidate) => command.arg("!"),
                None => command.arg(""),
            };
        }
        for hash in &self.hashes {
            command.arg(hash.addresses.len());
            for (address, _) in &hash.addresses {
                command.arg(address);
            }
            for (_, many) in &hash.addresses {
                command.arg(many);
            }
        }
    }
}

/// Whether the caller's rules block it.
pub(super) fn is_blocked(candidate: &Candidate) -> bool {
    candidate.blocked.is_some() && !candidate.is_exempt
}

/// Minute of receipt and address, where the candidate is one that is counted.
fn slot_of(candidate: &Candidate) -> Option<(i64, IpAddr)> {
    if candidate.is_exempt || candidate.blocked.is_some() {
        return None;
    }
    Some((candidate.received_at.minute(), candidate.client_ip?.to_canonical()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{EventId, Origin, Timestamp};

    const LIMITS: Limits =
        Limits { mark_ttl: Duration::from_secs(60), per_minute: Some(10), ban: None };

    fn candidate(address: &str, at: i64) -> Candidate {
        Candidate {
            event_id: EventId::new("e").unwrap(),
            origin: Origin::from_bytes([7; 16]),
            client_ip: Some(address.parse().unwrap()),
            received_at: Timestamp::from_millis_clamped(at),
            is_exempt: false,
            blocked: None,
        }
    }

    #[test]
    fn addresses_of_a_minute_and_an_ending_share_a_hash() {
        let batch = [
            candidate("10.0.0.17", 0),
            candidate("10.0.0.27", 0),
            candidate("::ffff:10.0.0.17", 59_999),
            candidate("10.0.0.17", 60_000),
            candidate("fe80::a", 0),
        ];
        let slots = Slots::of(&batch, &LIMITS);
        let keys: Vec<&str> = slots.hashes.iter().map(|hash| hash.key.as_str()).collect();
        assert_eq!(keys, ["ip:count:0:7", "ip:count:0:a", "ip:count:1:7"]);
        assert_eq!((slots.counted(), slots.most), (4, 2));
    }

    #[test]
    fn what_is_not_counted_has_no_slot() {
        let exempt = Candidate { is_exempt: true, ..candidate("10.0.0.1", 0) };
        let blocked = Candidate { blocked: Some("rule".to_owned()), ..candidate("10.0.0.2", 0) };
        let unknown = Candidate { client_ip: None, ..candidate("10.0.0.3", 0) };
        assert_eq!(Slots::of(&[exempt, blocked, unknown], &LIMITS).counted(), 0);
        let off = Limits { per_minute: None, ..LIMITS };
        assert!(Slots::of(&[candidate("10.0.0.1", 0)], &off).hashes.is_empty());
    }

    #[test]
    fn one_command_names_so_many_addresses_and_no_more() {
        let batch: Vec<Candidate> = (0..2500_u32)
            .map(|n| candidate(&std::net::Ipv4Addr::from(n * 256 + 7).to_string(), 0))
            .collect();
        let slots = Slots::of(&batch, &LIMITS);
        let sizes: Vec<usize> = slots.hashes.iter().map(|hash| hash.addresses.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
    }
}
