//! Distinct users: exact up to a limit, then a sketch that keeps what was seen.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher};

use datasketches::hll::{HllSketch, HllType};

use crate::ports::Uniques;

/// 2^14 registers: a standard error of 0.8 %, in 8 KiB.
const LG_REGISTERS: u8 = 14;

/// A set of users, kept as 128-bit hashes: among ten million of them, the chance that any two
/// coincide is under 10^-24.
#[derive(Debug)]
pub(in crate::backends) struct UserSet {
    limit: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Exact(HashSet<u128, BuildHasherDefault<Halves>>),
    Sketch(Box<HllSketch>),
}

impl UserSet {
    /// A set that is exact up to `limit` users.
    pub(in crate::backends) fn new(limit: u64) -> Self {
        Self { limit, state: State::Exact(HashSet::default()) }
    }

    /// Adds a user.
    pub(in crate::backends) fn add(&mut self, user: &str) {
        let user = fingerprint(user);
        match &mut self.state {
            State::Sketch(sketch) => sketch.update(user),
            State::Exact(users) => {
                users.insert(user);
                if u64::try_from(users.len()).unwrap_or(u64::MAX) > self.limit
                    && let Ok(mut sketch) = HllSketch::new(LG_REGISTERS, HllType::Hll4)
                {
                    for user in users.drain() {
                        sketch.update(user);
                    }
                    self.state = State::Sketch(Box::new(sketch));
                }
            }
        }
    }

    /// How many there are.
    pub(in crate::backends) fn count(&self) -> Uniques {
        match &self.state {
            State::Exact(users) => Uniques {
                count: u64::try_from(users.len()).unwrap_or(u64::MAX),
                approximate: false,
            },
            State::Sketch(sketch) => {
                Uniques { count: rounded(sketch.estimate()), approximate: true }
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate is not negative, and `as` saturates"
)]
fn rounded(estimate: f64) -> u64 {
    estimate.round() as u64
}

/// Two independent 64-bit hashes of the text, the same in every process, so that an estimate does
/// not change between two answers.
fn fingerprint(text: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

/// Hashes what is a hash already.
#[derive(Debug, Default)]
struct Halves(u64);

impl Hasher for Halves {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
    }

    fn write_u128(&mut self, value: u128) {
        let [.., a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(users: u32, limit: u64) -> Uniques {
        let mut set = UserSet::new(limit);
        for _ in 0..2 {
            for user in 0..users {
                set.add(&format!("user-{user}"));
            }
        }
        set.count()
    }

    #[test]
    fn exact_up_to_the_limit_and_near_beyond_it() {
        assert_eq!(counted(5000, 5000), Uniques { count: 5000, approximate: false });
        let beyond = counted(50_000, 5000);
        assert!(beyond.approximate);
        assert!((48_500..=51_500).contains(&beyond.count), "{beyond:?}");
    }
}
