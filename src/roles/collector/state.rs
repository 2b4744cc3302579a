//! What all requests of a collector share.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Notify;

use super::Parts;
use super::meters::Meters;
use super::problem::{Problem, Reason};
use crate::pipeline::client_ip::TrustedProxies;
use crate::ports::{Clock, EventLog};
use crate::roles::{Role, RoleError};
use crate::runtime::health::{Component, Health};
use crate::runtime::http::Connection;
use crate::settings::Settings;

/// What all requests share.
pub(super) struct State {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Arc<Settings>,
    pub(super) proxies: TrustedProxies,
    pub(super) health: Health,
    pub(super) component: Component,
    pub(super) meters: Meters,
    pub(super) local_addr: SocketAddr,
    limiter: Option<DefaultDirectRateLimiter>,
    limiter_clock: DefaultClock,
    /// Bytes of bodies that are being answered or written.
    pub(super) in_flight_bytes: AtomicUsize,
    /// Events whose append is under way.
    pub(super) in_flight_events: AtomicUsize,
    /// Appends whose answer was given before.
    pub(super) background: AtomicUsize,
    pub(super) background_changed: Notify,
    /// Threads that are given more than they can answer.
    overloaded: Mutex<usize>,
    /// Whether the log takes nothing now.
    pub(super) refusing: AtomicBool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(parts: Parts, local_addr: SocketAddr) -> Result<Self, RoleError> {
        let Parts { log, clock, settings, health } = parts;
        // A collector before this one in the same process may have ended while it was overloaded.
        log.set_overloaded(false);
        Ok(Self {
            log,
            proxies: TrustedProxies::new(&settings.http.trusted_proxies),
            component: health.component(Role::Collector.as_str(), clock.now()),
            health,
            meters: Meters::new(),
            local_addr,
            limiter: limiter(
                settings.collector.rate_limit_rps,
                settings.collector.rate_limit_burst,
            )?,
            limiter_clock: DefaultClock::default(),
            in_flight_bytes: AtomicUsize::new(0),
            in_flight_events: AtomicUsize::new(0),
            background: AtomicUsize::new(0),
            background_changed: Notify::new(),
            overloaded: Mutex::new(0),
            refusing: AtomicBool::new(false),
            clock,
            settings,
        })
    }

    /// Room for the bytes of a request; none taken yet.
    pub(super) fn hold(&self) -> Held<'_> {
        Held::none(&self.in_flight_bytes, self.settings.collector.max_in_flight_bytes.as_usize())
    }

    /// Whether a request is taken at all, before anything of it is judged.
    pub(super) fn admit(&self, connection: &Connection) -> Result<(), Problem> {
        if connection.is_one_too_many() {
            let detail = "more requests than can be answered in time";
            return Err(Problem::unavailable(Reason::Overloaded, "overloaded", detail));
        }
        self.within_rate()
    }

    /// One thread is given more than it can answer, or not any more: the log hears of the first and
    /// of the last.
    pub(super) fn set_overloaded(&self, is_overloaded: bool) {
        let mut threads = self.overloaded.lock().unwrap_or_else(PoisonError::into_inner);
        *threads = if is_overloaded { *threads + 1 } else { threads.saturating_sub(1) };
        self.log.set_overloaded(*threads > 0);
    }

    /// Takes a token from the bucket, where there is one.
    fn within_rate(&self) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| {
            let wait = until.wait_time_from(self.limiter_clock.now());
            Problem::rate_limited(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        })
    }

    /// Waits until every append that was answered before it was durable has ended.
    pub(super) async fn background_done(&self) {
        loop {
            let changed = self.background_changed.notified();
            if self.background.load(Relaxed) == 0 {
                return;
            }
            changed.await;
        }
    }
}

fn limiter(rps: f64, burst: u32) -> Result<Option<DefaultDirectRateLimiter>, RoleError> {
    if rps <= 0.0 {
        return Ok(None);
    }
    let refuse = || RoleError::Setting(format!("collector.rate_limit_rps = {rps} is no rate"));
    let period = Duration::try_from_secs_f64(1.0 / rps).map_err(|_| refuse())?;
    let quota = Quota::with_period(period).ok_or_else(refuse)?;
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Ok(Some(RateLimiter::direct(quota.allow_burst(burst))))
}

/// Bytes of one request, counted against the bound of all; given back when dropped.
#[derive(Debug)]
pub(super) struct Held<'s> {
    all: &'s AtomicUsize,
    max: usize,
    mine: usize,
}

impl<'s> Held<'s> {
    const fn none(all: &'s AtomicUsize, max: usize) -> Self {
        Self { all, max, mine: 0 }
    }

    /// Takes that many bytes more, or refuses.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if self.all.fetch_add(bytes, Relaxed).saturating_add(bytes) > self.max {
            self.all.fetch_sub(bytes, Relaxed);
            return false;
        }
        self.mine += bytes;
        true
    }

    /// Leaves them counted for whoever gives them back.
    pub(super) fn leave(mut self) -> usize {
        std::mem::take(&mut self.mine)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Relaxed);
    }
}
