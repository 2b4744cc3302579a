//! The processor's judging by itself: prepared batches through Redis, no log on either side, as fast
//! as they are answered. What the reference measured the script by, beside the whole role.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evp::backends::redis::RedisState;
use evp::model::{EventId, Origin, Timestamp};
use evp::ports::{Candidate, Limits, State, SystemClock, Verdict};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::follow::Run;
use crate::process::{cpu_seconds, own_cpu_seconds};
use crate::stand::Stand;

/// As the role's own.
const BATCH: usize = 1024;
/// Batches at Redis at a time. A member of the group has one and reads and writes meanwhile; as of two
/// members, so that Redis never waits.
const UNDER_WAY: usize = 2;
const ADDRESSES: u32 = 10_000;
/// 25 events a millisecond.
const PER_MS: u64 = 25;

/// Different events from ten thousand addresses, each of them once.
pub fn batches(events: u64) -> Vec<Vec<Candidate>> {
    let candidates: Vec<Candidate> = (0..events).map(candidate).collect();
    candidates.chunks(BATCH).map(<[Candidate]>::to_vec).collect()
}

fn candidate(number: u64) -> Candidate {
    let address = (number as u32).wrapping_mul(2_654_435_761) % ADDRESSES;
    Candidate {
        // As long as those of the backlog and of the floor.
        event_id: EventId::new(format!("b-{number:016}")).unwrap(),
        origin: Origin::mint(),
        client_ip: Some(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + address))),
        received_at: Timestamp::from_millis_clamped(
            1_767_323_040_000 + (number / PER_MS).cast_signed(),
        ),
        is_exempt: false,
        blocked: None,
    }
}

/// Judges all of them on a Redis that has none of their marks; the CPU is this process's, which
/// encodes and reads the answers.
pub fn judge(stand: &Stand, batches: &[Vec<Candidate>], per_minute: Option<u32>) -> Run {
    let settings = evp::settings::Redis {
        addr: format!("127.0.0.1:{}", stand.redis.port),
        ..evp::settings::Redis::default()
    };
    let limits = Limits {
        mark_ttl: Duration::from_secs(86_400),
        per_minute,
        ban: Some(Duration::from_secs(3600)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = RedisState::open(&settings, Arc::new(SystemClock)).unwrap();
        state.check().await.unwrap();
        let server = || cpu_seconds(stand.redis.pid());
        let (began, of_server, own) = (Instant::now(), server(), own_cpu_seconds());
        let asked = stream::iter(batches).map(|batch| state.judge(batch, &limits));
        let passed: u64 = asked
            .buffered(UNDER_WAY)
            .map_ok(|verdicts| verdicts.iter().filter(|one| **one == Verdict::Pass).count() as u64)
            .try_fold(0, |sum, passed| std::future::ready(Ok(sum + passed)))
            .await
            .unwrap();
        let events = batches.iter().map(Vec::len).sum::<usize>();
        assert_eq!(passed, events as u64, "each event is new and none over the limit");
        Run {
            per_second: events as f64 / began.elapsed().as_secs_f64(),
            per_server_cpu: events as f64 / (server() - of_server),
            per_cpu: events as f64 / (own_cpu_seconds() - own),
        }
    })
}
