//! What one connection is doing and since when, and the janitor that ends what lasts too long.
//!
//! A timer a request would cost an allocation and a walk through the timer wheel on every request;
//! a connection writes down what it is doing instead, by a clock that one task a listener moves on a
//! few times a second when it looks at all of them.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;
use super::line::Line;

/// Milliseconds on a clock that only goes forward; never 0.
fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Opened; nothing came yet.
    New,
    /// Between requests.
    Idle,
    /// A request's head has begun to arrive.
    Head,
    /// The handler has the request, or its answer is being produced.
    Handling,
    /// The answer is complete; the rest of it goes to the socket.
    Answered,
    /// Said goodbye; reading what the client still sends, so that it can read our answer.
    Closing,
}

impl Phase {
    const ALL: [Self; 6] =
        [Self::New, Self::Idle, Self::Head, Self::Handling, Self::Answered, Self::Closing];
}

/// How long a connection that was told goodbye is read on.
const LINGER: Duration = Duration::from_secs(2);
/// How long a connection that was accepted while stopping may take to show its request.
const LAST_WORD: Duration = Duration::from_millis(250);

/// One connection, as its handler and its janitor see it.
#[derive(Debug)]
pub struct Connection {
    peer: Option<SocketAddr>,
    peer_text: Box<str>,
    phase: AtomicU8,
    since: AtomicU64,
    /// Since when a write waits for the client; 0 when none does.
    blocked: AtomicU64,
    /// When what the handler waits for is over; 0 when there is no such thing.
    deadline: AtomicU64,
    expired: AtomicBool,
    aborted: AtomicBool,
    unread_body: AtomicBool,
    waker: AtomicWaker,
    /// The janitor's time, read in place of a clock.
    now: Arc<AtomicU64>,
    /// Its thread's.
    line: Arc<Line>,
    /// Its request has waited for its turn and has it.
    was_called: AtomicBool,
}

impl Connection {
    pub(super) fn new(peer: Option<SocketAddr>, now: Arc<AtomicU64>, line: Arc<Line>) -> Self {
        let address = peer.map(|peer| peer.ip().to_canonical());
        Self {
            peer,
            peer_text: address.map(|address| address.to_string()).unwrap_or_default().into(),
            phase: AtomicU8::new(Phase::New as u8),
            since: AtomicU64::new(now_ms()),
            now,
            line,
            was_called: AtomicBool::new(false),
            blocked: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            expired: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            unread_body: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// The other end; `None` on a unix socket.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The other end's address with an IPv4 one unfolded; loopback on a unix socket.
    #[must_use]
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.ip().to_canonical())
    }

    /// [`peer_ip`](Self::peer_ip) as text, made once; empty on a unix socket.
    #[must_use]
    pub fn peer_text(&self) -> &str {
        &self.peer_text
    }

    /// Whether the request at hand is to be refused, since more come than this thread can answer in
    /// time. Asked once a request.
    #[must_use]
    pub fn is_one_too_many(&self) -> bool {
        !self.was_called.swap(false, Relaxed) && self.line.is_full()
    }

    /// Where its requests wait for their turn.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// The request at hand has its turn.
    pub(super) fn called(&self) {
        self.was_called.store(true, Relaxed);
    }

    /// Waits for a future at most that long; `None` when the time is over. One at a time.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let _cleared = Deadline(self);
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            match self.deadline.load(Relaxed) {
                0 => {
                    let now = self.now.load(Relaxed);
                    self.deadline.store(now.saturating_add(millis(limit)), Relaxed);
                    Poll::Pending
                }
                deadline if self.now.load(Relaxed) >= deadline => Poll::Ready(None),
                _ => Poll::Pending,
            }
        })
        .await
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed)) % Phase::ALL.len()]
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    fn enter_now(&self, phase: Phase) {
        self.since.store(self.now.load(Relaxed), Relaxed);
        self.enter(phase);
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        if matches!(self.phase(), Phase::New | Phase::Idle) {
            self.enter_now(Phase::Head);
        }
    }

    /// Waits for bytes.
    pub(super) fn waiting(&self) {
        if self.phase() == Phase::Answered && self.blocked.load(Relaxed) == 0 {
            self.enter_now(Phase::Idle);
        }
    }

    /// The handler gets a request.
    pub(super) fn handling(&self, has_body: bool) {
        self.unread_body.store(has_body, Relaxed);
        self.enter(Phase::Handling);
    }

    /// The answer is complete.
    pub(super) fn answered(&self) {
        if self.phase() == Phase::Handling {
            self.enter(Phase::Answered);
        }
    }

    /// The whole body was read.
    pub(super) fn body_read(&self) {
        self.unread_body.store(false, Relaxed);
    }

    /// Begins the end; `true` when the client may still be sending.
    pub(super) fn closing(&self) -> bool {
        let sending = self.phase() == Phase::Head || self.unread_body.load(Relaxed);
        self.enter_now(Phase::Closing);
        sending
    }

    /// A write has to wait for the client, or went on.
    pub(super) fn write_blocked(&self, blocked: bool) {
        let was = self.blocked.load(Relaxed) != 0;
        if blocked != was {
            let now = if blocked { self.now.load(Relaxed) } else { 0 };
            self.blocked.store(now, Relaxed);
        }
    }

    /// Whether its head took too long.
    pub(super) fn head_expired(&self) -> bool {
        self.phase() == Phase::Head && self.expired.load(Relaxed)
    }

    /// Whether the connection is to be dropped now. A request that began just as the idle time
    /// ended is served.
    pub(super) fn is_over(&self) -> bool {
        if self.aborted.load(Relaxed) {
            return true;
        }
        if !self.expired.load(Relaxed) {
            return false;
        }
        match self.phase() {
            Phase::Head => false,
            Phase::New | Phase::Idle | Phase::Closing => true,
            Phase::Handling | Phase::Answered if self.blocked.load(Relaxed) != 0 => true,
            Phase::Handling | Phase::Answered => {
                self.expired.store(false, Relaxed);
                false
            }
        }
    }

    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    fn inspect(&self, now: u64, tick: Duration, limits: &Limits, stopping: bool) {
        // What it wrote down may be a tick old.
        let past = |since: u64| now.saturating_sub(since).saturating_sub(millis(tick));
        let lasted = past(self.since.load(Relaxed));
        let blocked = self.blocked.load(Relaxed);
        let limit = match self.phase() {
            Phase::New if stopping => Some(LAST_WORD),
            Phase::New | Phase::Head => Some(limits.header_timeout),
            Phase::Idle => Some(limits.idle_timeout),
            Phase::Closing => Some(LINGER),
            Phase::Handling | Phase::Answered => None,
        };
        let too_long = limit.is_some_and(|limit| lasted >= millis(limit));
        let stuck = blocked != 0 && past(blocked) >= millis(limits.write_timeout);
        if too_long || stuck {
            self.expired.store(true, Relaxed);
            self.waker.wake();
        }
        let deadline = self.deadline.load(Relaxed);
        if deadline != 0 && now >= deadline {
            self.waker.wake();
        }
    }
}

/// Takes the deadline away however the wait ends.
struct Deadline<'c>(&'c Connection);

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        self.0.deadline.store(0, Relaxed);
    }
}

/// The open connections of one listener.
#[derive(Debug)]
pub(super) struct Registry {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    stopping: AtomicBool,
    changed: Notify,
    now: Arc<AtomicU64>,
    line: Arc<Line>,
    limits: Limits,
}

impl Registry {
    /// Of a listener with these bounds.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
            changed: Notify::new(),
            now: Arc::default(),
            line: Arc::new(Line::new(limits.max_queue_delay)),
        }
    }

    pub(super) fn add(&self, id: u64, connection: Arc<Connection>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, connection);
        if open.len() == 1 {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn remove(&self, id: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&id);
        if open.is_empty() {
            self.changed.notify_waiters();
        }
    }

    /// The clock that the connections read, brought up to date.
    pub(super) fn clock(&self) -> Arc<AtomicU64> {
        self.tell_time();
        Arc::clone(&self.now)
    }

    /// The bounds of the listener.
    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where requests wait for their turn.
    pub(super) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    fn tell_time(&self) -> u64 {
        let now = now_ms();
        self.now.store(now, Relaxed);
        now
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Lets every connection finish what it is at and close.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.for_each(|connection| connection.waker.wake());
    }

    /// Drops every connection.
    pub(super) fn abort(&self) {
        self.for_each(|connection| {
            connection.aborted.store(true, Relaxed);
            connection.waker.wake();
        });
    }

    /// Waits until no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Looks after the connections for ever; sleeps while there are none.
    pub(super) async fn look_after(&self) {
        let limits = &self.limits;
        let shortest = [limits.header_timeout, limits.body_timeout, limits.write_timeout]
            .into_iter()
            .chain([limits.idle_timeout])
            .min()
            .unwrap_or_default();
        let tick = (shortest / 8).clamp(Duration::from_millis(10), Duration::from_millis(250));
        loop {
            let changed = self.changed.notified();
            if self.len() == 0 {
                changed.await;
            }
            tokio::time::sleep(tick).await;
            let now = self.tell_time();
            let stopping = self.is_stopping();
            self.for_each(|connection| connection.inspect(now, tick, limits, stopping));
        }
    }

    fn for_each(&self, act: impl Fn(&Connection)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().for_each(|connection| act(connection));
    }
}
