//! How long requests wait for their turn on a thread, and what share of them to refuse meanwhile.
//!
//! A thread that gets more than it can answer has its queue where nobody counts it: in the sockets
//! and in its runtime's list of tasks. A timer is late by just that queue, since it stands at its
//! end like every other task. Like `CoDel` (RFC 8289) this acts on a wait that has not gone away for
//! a while, not on one late look: a burst is answered, a standing queue is not kept.
//!
//! It says only whether to refuse; what is refused, and with which words, is the handler's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks while requests come.
const TICK: Duration = Duration::from_millis(5);
/// Between two looks while none come.
const IDLE_TICK: Duration = Duration::from_millis(100);
/// How long the wait must have stood above its bound before anything is refused.
const INTERVAL: Duration = Duration::from_millis(100);
/// Fewer requests than this between two looks are not what made the second one late: the processor
/// was with somebody else, and refusing them would give it back to nobody.
const CROWD: u64 = 32;
/// How much of what is still taken may be refused from one look above the bound to the next. A look
/// comes as late as the queue is long, so there are few of them just when they matter.
const GAIN: f64 = 0.5;
/// In which time without a wait half of the share goes.
const HALF_LIFE: Duration = Duration::from_millis(500);
/// A share below this is none.
const LEAST_SHARE: f64 = 0.01;
/// Some are always taken: what they find is how it is known that the queue has gone.
const MAX_SHARE: f64 = 0.98;

/// What one listener's thread finds; asked by every request.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// Requests that asked, since the thread began. Only its own thread writes it.
    asked: AtomicU64,
    /// The share to refuse, of `u32::MAX`.
    share: AtomicU32,
    /// What of the share has not come to a whole request yet.
    rest: AtomicU32,
}

impl Pressure {
    /// Whether this request is one of those to refuse; they are spread evenly.
    pub(super) fn refuses(&self) -> bool {
        self.asked.store(self.asked.load(Relaxed).wrapping_add(1), Relaxed);
        let share = self.share.load(Relaxed);
        share != 0 && self.rest.fetch_add(share, Relaxed).checked_add(share).is_none()
    }

    fn set_share(&self, share: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to MAX_SHARE"
        )]
        self.share.store((share * f64::from(u32::MAX)) as u32, Relaxed);
    }

    /// Looks for ever; `max_delay` of zero is no bound.
    pub(super) async fn watch(self: Arc<Self>, max_delay: Duration) {
        if max_delay.is_zero() {
            return;
        }
        let mut control = Control::new(max_delay, Instant::now());
        let mut asked = 0;
        let mut tick = IDLE_TICK;
        loop {
            let due = Instant::now() + tick;
            tokio::time::sleep_until(due).await;
            let now = Instant::now();
            let came = self.asked.load(Relaxed).wrapping_sub(asked);
            asked = asked.wrapping_add(came);
            let before = control.share;
            self.set_share(control.look(now, now - due, came));
            if (before == 0.0) != (control.share == 0.0) {
                say(control.share, now - due);
            }
            tick = if came == 0 { IDLE_TICK } else { TICK };
        }
    }
}

/// Once when it begins and once when it ends, not each request.
fn say(share: f64, delay: Duration) {
    let waited_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    if share > 0.0 {
        tracing::warn!(waited_ms, "more requests than this thread can answer; refusing some");
    } else {
        tracing::info!("every request is taken again");
    }
}

/// The rule, without a clock of its own.
#[derive(Debug)]
struct Control {
    max_delay: Duration,
    share: f64,
    last_look: Instant,
    /// When a look last found a wait within the bound.
    last_good: Instant,
}

impl Control {
    const fn new(max_delay: Duration, now: Instant) -> Self {
        Self { max_delay, share: 0.0, last_look: now, last_good: now }
    }

    /// The share to refuse after a look that was so late, with so many requests since the last one.
    fn look(&mut self, now: Instant, delay: Duration, came: u64) -> f64 {
        let since = now - self.last_look;
        self.last_look = now;
        if delay <= self.max_delay || came < CROWD {
            self.last_good = now;
            self.share *= 0.5_f64.powf(since.as_secs_f64() / HALF_LIFE.as_secs_f64());
            if self.share < LEAST_SHARE {
                self.share = 0.0;
            }
        } else if now - self.last_good >= INTERVAL {
            let too_much = 1.0 - self.max_delay.as_secs_f64() / delay.as_secs_f64();
            self.share = (self.share + (1.0 - self.share) * too_much * GAIN).min(MAX_SHARE);
        }
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(50);

    /// Looks once every 100 ms.
    struct Looks {
        control: Control,
        now: Instant,
    }

    impl Looks {
        fn new() -> Self {
            let now = Instant::now();
            Self { control: Control::new(BOUND, now), now }
        }

        fn look(&mut self, delay_ms: u64, came: u64) -> f64 {
            self.now += Duration::from_millis(100);
            self.control.look(self.now, Duration::from_millis(delay_ms), came)
        }
    }

    #[tokio::test]
    async fn a_standing_queue_is_refused_more_and_more_of_but_never_all() {
        let mut looks = Looks::new();
        assert_eq!(looks.look(10, 1000), 0.0);
        let first = looks.look(80, 1000);
        assert!(first > 0.0);
        let longer = looks.look(200, 1000) - first;
        assert!(longer > first, "a longer wait counts for more");
        for _ in 0..1000 {
            looks.look(500, 1000);
        }
        assert_eq!(looks.control.share, MAX_SHARE);
    }

    #[tokio::test]
    async fn one_late_look_refuses_nothing() {
        let mut looks = Looks::new();
        looks.look(10, 1000);
        looks.now -= Duration::from_millis(60);
        assert_eq!(looks.look(80, 1000), 0.0, "a burst");
    }

    #[tokio::test]
    async fn a_processor_that_is_away_is_not_the_requests_doing() {
        let mut looks = Looks::new();
        for _ in 0..100 {
            assert_eq!(looks.look(3000, CROWD - 1), 0.0);
        }
    }

    #[tokio::test]
    async fn all_are_taken_again_once_the_wait_is_gone() {
        let mut looks = Looks::new();
        for _ in 0..100 {
            looks.look(500, 1000);
        }
        for _ in 0..100 {
            looks.look(1, 1000);
        }
        assert_eq!(looks.control.share, 0.0);
    }

    #[test]
    fn what_is_refused_is_spread_evenly() {
        let pressure = Pressure::default();
        assert!((0..1000).all(|_| !pressure.refuses()));
        pressure.set_share(0.25);
        let refused: Vec<usize> = (0..1000).filter(|_| pressure.refuses()).collect();
        assert!((249..=251).contains(&refused.len()), "{}", refused.len());
        assert!(refused.windows(2).all(|two| (3..=5).contains(&(two[1] - two[0]))));
    }
}
