//! New `UUIDv7`s for the hot path: every event gets one, and one system call and one lock for each
//! would be a good part of what an event costs.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Random bytes of an identifier.
const RANDOM: usize = 8;
/// Identifiers of one thread that share them. Few, so that copies of a running machine, which have
/// its memory, soon part.
const SHARED: u32 = 64;

/// A thread's own source: what its identifiers share, and the last time given out, so that what one
/// thread mints is in strict order.
///
/// Strict order is what keeps a thread's identifiers apart, and the random bytes keep threads and
/// processes apart; so they need not be new each time. No compressor foretells random bytes: new ones
/// for each were a quarter of an archive of the bench's events (decision 18).
struct Source {
    random: [u8; RANDOM],
    used: u32,
    /// A [`MintTime`].
    last: u64,
}

thread_local! {
    static SOURCE: RefCell<Source> =
        const { RefCell::new(Source { random: [0; RANDOM], used: SHARED, last: 0 }) };
}

/// A reading of the clock for new identifiers. The events of one request share one: a reading is a
/// good part of what minting costs.
#[derive(Debug, Clone, Copy)]
pub struct MintTime(u64);

impl MintTime {
    /// The time now, to a quarter of a microsecond: milliseconds since the epoch, shifted by the 12
    /// bits of their fraction.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "identifiers are of the machine's time")]
    pub fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = now.subsec_nanos();
        let millis = now.as_secs() * 1000 + u64::from(nanos / 1_000_000);
        Self((millis << 12) | (u64::from(nanos % 1_000_000) * 4096 / 1_000_000))
    }
}

/// A new `UUIDv7` of that time, or as soon after it as this thread's last one allows; then 62 random
/// bits, which a few share.
pub(super) fn uuid_v7(at: MintTime) -> Uuid {
    SOURCE.with_borrow_mut(|source| {
        // A clock that stands or steps back does not break the order.
        source.last = at.0.max(source.last + 1);
        let mut tail = [0; 10];
        let [.., high, low] = (source.last & 0xfff).to_be_bytes();
        tail[..2].copy_from_slice(&[high, low]);
        tail[2..].copy_from_slice(&source.random());
        Builder::from_unix_timestamp_millis(source.last >> 12, &tail).into_uuid()
    })
}

impl Source {
    fn random(&mut self) -> [u8; RANDOM] {
        if self.used == SHARED {
            self.used = 0;
            let flags = rustix::rand::GetRandomFlags::empty();
            match rustix::rand::getrandom(&mut self.random, flags) {
                Ok(length) if length == self.random.len() => {}
                _ => self.random = another_way(),
            }
        }
        self.used += 1;
        self.random
    }
}

/// Where the system gave fewer bytes than asked for. A version 4 is random but for six bits in its
/// middle, which are left out.
fn another_way() -> [u8; RANDOM] {
    let random = Uuid::new_v4().into_bytes();
    let mut bytes = [0; RANDOM];
    bytes[..4].copy_from_slice(&random[..4]);
    bytes[4..].copy_from_slice(&random[12..]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn new() -> Uuid {
        uuid_v7(MintTime::now())
    }

    #[test]
    fn a_thread_mints_in_order_and_threads_never_the_same() {
        let mint = || {
            let at = MintTime::now();
            (0..1_000).map(|_| uuid_v7(at)).chain((0..1_000).map(|_| new())).collect::<Vec<_>>()
        };
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(mint)).collect();
        let mut all = HashSet::new();
        for minted in std::iter::once(mint()).chain(others.into_iter().map(|t| t.join().unwrap())) {
            assert!(minted.is_sorted());
            all.extend(minted);
        }
        assert_eq!(all.len(), 10_000);
    }

    /// Two copies of a machine mint the same until they draw anew: after so many at the latest.
    #[test]
    fn random_halves_are_shared_by_few() {
        let halves: Vec<_> = (0..SHARED * 8).map(|_| new().as_u64_pair().1).collect();
        let mut runs: Vec<usize> =
            halves.chunk_by(|one, next| one == next).map(<[u64]>::len).collect();
        assert!(runs.iter().all(|run| *run <= SHARED as usize), "{runs:?}");
        runs.sort_unstable();
        runs.dedup();
        let different: HashSet<_> = halves.into_iter().collect();
        assert!((8..=9).contains(&different.len()), "{} in runs of {runs:?}", different.len());
    }

    #[test]
    fn it_says_version_variant_and_the_time() {
        let before = MintTime::now().0 >> 12;
        let minted = new();
        assert_eq!(minted.get_version_num(), 7);
        assert_eq!(minted.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = minted.get_timestamp().unwrap().to_unix();
        let millis = seconds * 1000 + u64::from(nanos / 1_000_000);
        assert!((before..=before + 60_000).contains(&millis));
        assert_eq!(another_way().len(), RANDOM);
    }
}
