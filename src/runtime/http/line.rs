//! The line in which requests wait for their turn on a thread, and when it is too long.
//!
//! A thread that is given more than it can answer has a queue in any case. Left to itself it lies
//! unread in the sockets, where nobody counts it, and what is to be refused waits in it as long
//! as what is taken. So as soon as a thread gets to its work late, requests are read first and
//! those that are taken stand in a line: between two turns of a millisecond, all that came is
//! read. The line has a length and a pace, so what a request would wait is known before it joins,
//! and one that would wait longer than the bound is refused as soon as it is read.
//!
//! It says only when to wait and when to refuse; what is refused, and with which words, is the
//! handler's business. Requests that are not the fast path's join no line; they too are refused
//! while it is full.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks whether the thread gets to its work in time, while requests come.
const LOOK: Duration = Duration::from_millis(10);
/// The same while none come.
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// A thread is late by this part of the longest wait before a line is formed: a line costs each
/// request a copy and a turn, which a wait that nobody minds is not worth.
const LATE_PART: u32 = 4;
/// Requests read for one that is called up, at most. A thread that only read and refused would judge
/// nothing.
const READ_FOR_ONE: u64 = 8;
/// As many are called up at once as take about so long: each turn costs a look for new input, and
/// nobody minds so short a wait before a refusal.
const TURN_NS: u64 = 1_000_000;
/// As many at most, however quick they are.
const MOST_A_TURN: u64 = 64;
/// Bytes of the requests in a line, past which it is full whatever its pace.
const MAX_BYTES: usize = 16 << 20;
/// The newest turn's part in the pace: one of so many.
const SMOOTHING: u64 = 8;
/// A turn counts for so many times the pace at most, and a millisecond: the processor may have been
/// with somebody else.
const MAX_OUTLIER: u64 = 8;
const OUTLIER_ROOM_NS: u64 = 1_000_000;

/// What a request that was read is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Be handled at once: nobody waits, or the line is full and the handler refuses it.
    Now,
    /// Join the line.
    Behind,
}

/// The line of one listener's thread.
#[derive(Debug)]
pub(super) struct Line {
    /// The longest wait; of zero there is never a line.
    max_delay: Duration,
    began: Instant,
    /// When the thread should be looking again, in nanoseconds since `began`.
    due: AtomicU64,
    /// Requests read since the last look or turn.
    read: AtomicU64,
    is_open: AtomicBool,
    waiting: Mutex<Waiting>,
    /// Numbers below it have been called.
    called: AtomicU64,
    opened: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: VecDeque<(Waker, usize)>,
    bytes: usize,
    /// Nanoseconds a request that is called up takes, all that is read meanwhile with it; smoothed.
    pace: u64,
    has_refused: bool,
}

impl Waiting {
    /// What the next one to join would wait, by the pace so far.
    fn delay(&self) -> Duration {
        let length = u64::try_from(self.wakers.len()).unwrap_or(u64::MAX);
        Duration::from_nanos(length.saturating_mul(self.pace))
    }

    /// So many had their turn in that time.
    fn went(&mut self, count: u64, elapsed: Duration) {
        let Some(one) = nanos(elapsed).checked_div(count) else { return };
        let most = self.pace.saturating_mul(MAX_OUTLIER).saturating_add(OUTLIER_ROOM_NS);
        let weighed = self.pace.saturating_mul(SMOOTHING - 1).saturating_add(one.min(most));
        self.pace = weighed.div_ceil(SMOOTHING);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Line {
    pub(super) fn new(max_delay: Duration) -> Self {
        Self {
            max_delay,
            began: Instant::now(),
            due: AtomicU64::new(u64::MAX),
            read: AtomicU64::new(0),
            is_open: AtomicBool::new(false),
            waiting: Mutex::default(),
            called: AtomicU64::new(0),
            opened: tokio::sync::Notify::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a request stands that has just been read. Asked once a request.
    pub(super) fn place(&self) -> Place {
        // Its own thread alone writes it; where several share a listener, one too few is no harm.
        self.read.store(self.read.load(Relaxed).wrapping_add(1), Relaxed);
        if !self.is_open.load(Relaxed) {
            if self.max_delay.is_zero() || !self.is_late() {
                return Place::Now;
            }
            self.open();
        }
        if self.is_full() { Place::Now } else { Place::Behind }
    }

    fn open(&self) {
        if !self.is_open.swap(true, Relaxed) {
            self.opened.notify_one();
        }
    }

    fn is_late(&self) -> bool {
        let bound = nanos(self.max_delay / LATE_PART);
        nanos(self.began.elapsed()) > self.due.load(Relaxed).saturating_add(bound)
    }

    /// Whether one more would wait too long.
    pub(super) fn is_full(&self) -> bool {
        if !self.is_open.load(Relaxed) {
            return false;
        }
        let mut waiting = self.waiting();
        let is_full = waiting.bytes >= MAX_BYTES || waiting.delay() > self.max_delay;
        if is_full && !waiting.has_refused {
            waiting.has_refused = true;
            let would_wait_ms = u64::try_from(waiting.delay().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                would_wait_ms,
                "more requests than this thread can answer; refusing some"
            );
        }
        is_full
    }

    /// Joins with a request of so many bytes and waits to be called. Whoever stops waiting keeps
    /// the place: its turn is nobody's.
    pub(super) async fn wait(&self, bytes: usize) {
        let mut number = None;
        poll_fn(|cx| {
            let number = *number.get_or_insert_with(|| {
                let mut waiting = self.waiting();
                let length = u64::try_from(waiting.wakers.len()).unwrap_or(u64::MAX);
                waiting.wakers.push_back((cx.waker().clone(), bytes));
                waiting.bytes += bytes;
                // Another thread may have found it empty since this request was told to join.
                self.open();
                self.called.load(Relaxed) + length
            });
            if number < self.called.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Looks whether the thread is in time, and calls up those who wait; for ever. Tells when a line
    /// is formed and when it has ended.
    pub(super) async fn call(self: Arc<Self>, tell: impl Fn(bool)) {
        if self.max_delay.is_zero() {
            return;
        }
        loop {
            let pause = if self.read.swap(0, Relaxed) == 0 { IDLE_LOOK } else { LOOK };
            let due = Instant::now() + pause;
            self.due.store(nanos(due - self.began), Relaxed);
            let opened = self.opened.notified();
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = opened => {}
            }
            if self.is_open.load(Relaxed) {
                tell(true);
                self.call_all().await;
                tell(false);
            }
        }
    }

    /// Until nobody waits any more.
    async fn call_all(&self) {
        let (mut called, mut before) = (0, Instant::now());
        loop {
            // The runtime comes back here only when it has asked for new input, and behind what
            // that has woken: everything that came is read before the next turn.
            tokio::task::yield_now().await;
            let now = Instant::now();
            let first_ones = self.turn(called, now - before);
            called = u64::try_from(first_ones.len()).unwrap_or(u64::MAX);
            before = now;
            if first_ones.is_empty() {
                return;
            }
            first_ones.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes the next ones out, after a turn of so many in that time; none where the line has ended.
    fn turn(&self, called: u64, elapsed: Duration) -> Vec<Waker> {
        let mut waiting = self.waiting();
        waiting.went(called, elapsed);
        let by_time = TURN_NS.checked_div(waiting.pace).unwrap_or(1).clamp(1, MOST_A_TURN);
        let next = (self.read.swap(0, Relaxed) / READ_FOR_ONE).max(by_time);
        let mut wakers = Vec::new();
        for _ in 0..next {
            let Some((waker, bytes)) = waiting.wakers.pop_front() else { break };
            waiting.bytes -= bytes;
            wakers.push(waker);
        }
        self.called.fetch_add(u64::try_from(wakers.len()).unwrap_or(u64::MAX), Relaxed);
        if wakers.is_empty() {
            self.is_open.store(false, Relaxed);
            if std::mem::take(&mut waiting.has_refused) {
                tracing::info!("every request is taken again");
            }
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const BOUND: Duration = Duration::from_millis(40);

    /// A line whose thread should have been looking that long ago.
    fn line(max_delay: Duration, late_by: Duration) -> Line {
        let mut line = Line::new(max_delay);
        line.began -= Duration::from_secs(3600);
        line.due.store(nanos(line.began.elapsed() - late_by), Relaxed);
        line
    }

    fn late() -> Line {
        line(BOUND, BOUND / LATE_PART)
    }

    /// Joins, and polls once more each time it is asked.
    fn join(line: &Line) -> std::pin::Pin<Box<impl Future<Output = ()> + '_>> {
        let mut waits = Box::pin(line.wait(100));
        assert!(waits.as_mut().now_or_never().is_none());
        waits
    }

    #[test]
    fn a_thread_in_time_has_no_line() {
        let long = Duration::from_secs(600);
        assert_eq!(line(long, long / LATE_PART / 2).place(), Place::Now);
        assert_eq!(line(Duration::ZERO, long).place(), Place::Now, "zero is no bound");
    }

    #[test]
    fn a_late_thread_calls_in_the_order_of_joining() {
        let line = late();
        assert_eq!(line.place(), Place::Behind);
        let (first, second) = (join(&line), join(&line));
        assert_eq!(line.turn(0, Duration::ZERO).len(), 1);
        assert!(second.now_or_never().is_none());
        assert!(first.now_or_never().is_some());
        assert_eq!(line.turn(1, Duration::ZERO).len(), 1);
        assert!(line.turn(1, Duration::ZERO).is_empty());
        assert_eq!(line.waiting().bytes, 0);
        assert!(!line.is_open.load(Relaxed), "nobody waits any more");
    }

    #[test]
    fn who_joins_a_line_that_has_just_ended_opens_it_again() {
        let line = late();
        assert_eq!(line.place(), Place::Behind);
        assert!(line.turn(0, Duration::ZERO).is_empty());
        let waits = join(&line);
        assert!(line.is_open.load(Relaxed));
        assert_eq!(line.turn(0, Duration::ZERO).len(), 1);
        assert!(waits.now_or_never().is_some());
    }

    #[test]
    fn a_line_is_full_when_the_next_one_would_wait_too_long() {
        let line = late();
        let _waits: Vec<_> = (0..41).map(|_| join(&line)).collect();
        assert_eq!(line.place(), Place::Behind, "nobody knows its pace yet");
        let pace = Duration::from_millis(1);
        (0..200).for_each(|_| line.waiting().went(1, pace));
        assert!(line.is_full());
        assert_eq!(line.place(), Place::Now, "to be refused");
        assert_eq!(line.turn(1, pace).len(), 1);
        assert!(!line.is_full());
    }

    #[test]
    fn a_processor_that_was_away_is_not_the_pace() {
        let mut waiting = Waiting::default();
        for _ in 0..200 {
            waiting.went(1, Duration::from_micros(300));
        }
        let before = waiting.pace;
        waiting.went(1, Duration::from_secs(3));
        assert!(waiting.pace < before * 3, "{before} {}", waiting.pace);
        waiting.went(0, Duration::from_secs(3));
        assert!(waiting.pace < before * 3, "a turn of nobody");
    }

    #[tokio::test]
    async fn it_tells_when_a_line_is_formed_and_when_it_has_ended() {
        let line = Arc::new(late());
        assert_eq!(line.place(), Place::Behind);
        let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |is_overloaded| told.send(is_overloaded).unwrap();
        let calling = crate::runtime::tasks::spawn("call", Arc::clone(&line).call(tell));
        line.wait(100).await;
        while line.is_open.load(Relaxed) {
            tokio::task::yield_now().await;
        }
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
        let mut all = Vec::new();
        while let Some(one) = hears.recv().await {
            all.push(one);
        }
        assert_eq!(all, [true, false]);
    }

    #[test]
    fn many_bytes_are_a_full_line() {
        let line = late();
        assert_eq!(line.place(), Place::Behind);
        line.waiting().bytes = MAX_BYTES;
        assert!(line.is_full());
    }

    #[test]
    fn the_more_is_read_the_more_are_called() {
        let line = late();
        let _waits: Vec<_> = (0..100).map(|_| join(&line)).collect();
        assert!((0..5 * READ_FOR_ONE).all(|_| line.place() == Place::Behind));
        let pace = Duration::from_millis(2);
        (0..200).for_each(|_| line.waiting().went(1, pace));
        assert_eq!(line.turn(1, pace).len(), 5);
        assert_eq!(line.turn(5, pace * 5).len(), 1);
        (0..200).for_each(|_| line.waiting().went(1, pace / 10));
        assert_eq!(line.turn(1, pace / 10).len(), 4, "a millisecond's worth");
    }
}
