//! One thread of load: sends what is due, reads what is answered, measures both.
//!
//! A request that is due finds an idle connection and is sent, or waits for one; past a bound it is
//! dropped. Nothing waits for an answer before it sends what is due.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

use super::answer::{Class, judge};
use super::book::Done;
use super::measure::{Failure, Measures, Sample};
use super::payload::{Composer, Request};
use super::pool::{News, Pool, Ready};
use super::schedule::Cursor;
use super::units::nanos;
use crate::model::Timestamp;

const SECOND: u64 = 1_000_000_000;
/// A request that starts later than this after it was due is late.
pub(super) const LATE_NANOS: u64 = 1_000_000;
/// Requests that are due within this time are sent together, late by less: at a high rate a wake-up
/// for each would be a good part of what the generator costs.
const SLICE: u64 = 200_000;
/// How often time-outs are looked for and broken connections made anew.
const TICK: u64 = 50_000_000;

/// What a worker is told.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    pub(super) start: Instant,
    /// The same instant on the clock.
    pub(super) started: Timestamp,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// Requests that wait for a connection at most.
    pub(super) max_waiting: usize,
    /// A text that a 2xx must have in its body.
    pub(super) expect: Option<Arc<[u8]>>,
    pub(super) route: super::Route,
    /// Set where the run is to end now.
    pub(super) stop: Arc<AtomicBool>,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    orders: Orders,
    cursor: Cursor,
    composer: Composer,
    pool: Pool,
    /// Number and instant of requests that are due and not sent.
    waiting: VecDeque<(u64, u64)>,
    measures: Measures,
    sample: Sample,
    samples: Sender<Sample>,
    book: Option<SyncSender<Done>>,
    back: (Sender<Request>, Receiver<Request>),
    refused: Vec<usize>,
    next_tick: u64,
}

impl Worker {
    pub(super) fn new(
        orders: Orders,
        cursor: Cursor,
        composer: Composer,
        pool: Pool,
        samples: Sender<Sample>,
    ) -> Self {
        let waiting = VecDeque::with_capacity(orders.max_waiting.min(1 << 16));
        Self {
            orders,
            cursor,
            composer,
            pool,
            waiting,
            measures: Measures::new(),
            sample: Sample::new(0),
            samples,
            book: None,
            back: channel(),
            refused: Vec::new(),
            next_tick: 0,
        }
    }

    /// Writes what has ended into a ledger, too.
    pub(super) fn with_book(mut self, book: Option<SyncSender<Done>>) -> Self {
        self.book = book;
        self
    }

    /// Sends the whole schedule and waits for the last answers.
    ///
    /// # Errors
    /// Where the system's calls to wait fail.
    pub(super) fn run(mut self) -> io::Result<Measures> {
        // What is due at once is due at the start and not before: until then the clock stands.
        while let Some(early) = self.orders.start.checked_duration_since(Instant::now())
            && !early.is_zero()
        {
            std::thread::park_timeout(early);
        }
        let mut ready = Ready::new();
        let mut give_up = None;
        loop {
            let now = self.now();
            let next = self.take_due(now);
            self.send_waiting();
            if now >= self.next_tick {
                self.tick(now);
            }
            if next.is_none() {
                let end = *give_up.get_or_insert(now + nanos(self.orders.timeout));
                if self.is_over(now >= end) {
                    break;
                }
            }
            let until = next.map_or(u64::MAX, |next| next.max(now + SLICE)).min(self.next_tick);
            let wait = until.saturating_sub(self.now());
            self.pool.wait(wait, &mut ready)?;
            for at in ready.connections() {
                self.look(at);
                // A long list of answers must not keep back what is due meanwhile.
                let now = self.now();
                if next.is_some_and(|next| next <= now) {
                    self.take_due(now);
                }
                self.send_waiting();
            }
        }
        self.end_second();
        Ok(self.measures)
    }

    fn now(&self) -> u64 {
        nanos(self.orders.start.elapsed())
    }

    /// Puts what is due to those that wait; when the next one is due, `None` after the last.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        if self.orders.stop.load(Relaxed) {
            return None;
        }
        let mut is_idle = self.pool.idle();
        while let Some((index, due)) = self.cursor.peek() {
            if due > now {
                return Some(due);
            }
            self.cursor.advance();
            self.measures.lag.record(now - due);
            self.sample.lag.record(now - due);
            if self.waiting.len() >= self.orders.max_waiting {
                self.sample.counts.dropped += 1;
                continue;
            }
            self.sample.counts.waited += u64::from(is_idle <= self.waiting.len());
            self.waiting.push_back((index, due));
            is_idle = self.pool.idle();
        }
        None
    }

    /// Sends what waits, as far as there are idle connections.
    fn send_waiting(&mut self) {
        while let Some((index, due)) = self.waiting.front().copied() {
            let Some(at) = self.pool.take_idle() else { return };
            let sent = self.now();
            let clock = self.clock(sent);
            let connection = self.pool.connection(at);
            if !self.composer.compose(index, clock, &mut connection.request) {
                self.pool.give_back(at);
                return;
            }
            self.waiting.pop_front();
            (connection.due, connection.sent) = (due, sent);
            let counts = &mut self.sample.counts;
            counts.send(&connection.request.events, connection.request.bytes.len());
            counts.late += u64::from(sent.saturating_sub(due) > LATE_NANOS);
            if let Err(failure) = self.pool.send(at) {
                self.fail(at, failure);
            }
        }
    }

    /// Sees what a connection brings.
    fn look(&mut self, at: usize) {
        let busy = self.pool.is_busy(at);
        match self.pool.news(at) {
            News::None => {}
            News::NotConnected => {
                self.measures.fail(Failure::Connect);
                self.close(at);
            }
            News::Failed(_) if !busy => {
                // The server ended a connection that had nothing to do.
                self.close(at);
            }
            News::Failed(failure) => self.fail(at, failure),
            News::Answer(answer) => {
                let (status, closes) = (answer.status, answer.closes);
                let count = self.composer.batch();
                let mut class = judge(self.orders.route, &answer, count, &mut self.refused);
                let is_wanted =
                    self.orders.expect.as_deref().is_none_or(|text| contains(answer.body, text));
                if class == Class::Accepted && !is_wanted {
                    class = Class::Unknown;
                    self.measures.fail(Failure::Unexpected);
                }
                self.answered(at, status, class);
                if closes {
                    self.pool.close(at, 0);
                    self.next_tick = 0;
                } else {
                    self.pool.rest(at);
                }
            }
        }
    }

    fn answered(&mut self, at: usize, status: u16, class: Class) {
        let now = self.now();
        *self.measures.statuses.entry(status).or_default() += 1;
        self.sample.counts.answered += 1;
        self.ended(at, now, class);
        self.enter(at, Some(now), status, class);
    }

    /// Gives a request up to which there is no answer.
    fn fail(&mut self, at: usize, failure: Failure) {
        let now = self.now();
        self.measures.fail(failure);
        self.refused.clear();
        if failure == Failure::Timeout {
            // It took at least that long.
            self.ended(at, now, Class::Unknown);
        } else {
            let connection = self.pool.connection(at);
            let all = self.orders.route.is_all_or_nothing();
            self.sample.counts.answer(&connection.request.events, Class::Unknown, &[], all);
        }
        self.enter(at, None, 0, Class::Unknown);
        self.close(at);
    }

    fn close(&mut self, at: usize) {
        let now = self.now();
        self.pool.close(at, Pool::retry_at(now));
    }

    /// Measures a request that has ended.
    fn ended(&mut self, at: usize, now: u64, class: Class) {
        let connection = self.pool.connection(at);
        let latency = now.saturating_sub(connection.due);
        self.measures.latency.record(latency);
        self.measures.service.record(now.saturating_sub(connection.sent));
        self.sample.latency.record(latency);
        let all = self.orders.route.is_all_or_nothing();
        self.sample.counts.answer(&connection.request.events, class, &self.refused, all);
    }

    /// Hands a request that has ended to the ledger.
    fn enter(&mut self, at: usize, answered: Option<u64>, status: u16, class: Class) {
        let Some(book) = &self.book else { return };
        let sent = self.clock(self.pool.connection_ref(at).sent);
        let answered = answered.map(|at| self.clock(at));
        let fresh = self.back.1.try_recv().unwrap_or_default();
        let request = std::mem::replace(&mut self.pool.connection(at).request, fresh);
        let refused = self.refused.clone();
        let back = self.back.0.clone();
        // A ledger that cannot be written has said so, and ends the run.
        drop(book.send(Done { request, sent, answered, status, class, refused, back }));
    }

    /// Time-outs, broken connections, and the end of a second.
    fn tick(&mut self, now: u64) {
        self.next_tick = now - now % TICK + TICK;
        if let Some(before) = now.checked_sub(nanos(self.orders.timeout)) {
            for at in self.pool.overdue(before) {
                self.fail(at, Failure::Timeout);
            }
        }
        for _ in 0..self.pool.reopen(now) {
            self.measures.fail(Failure::Connect);
        }
        if now / SECOND > self.sample.second {
            self.end_second();
            self.sample = Sample::new(now / SECOND);
        }
    }

    fn end_second(&mut self) {
        self.sample.in_flight = self.pool.busy();
        self.sample.waiting = self.waiting.len() as u64;
        self.measures.counts += self.sample.counts;
        let next = Sample::new(self.sample.second + 1);
        // Where nobody listens any more the run's own measures are still kept.
        drop(self.samples.send(std::mem::replace(&mut self.sample, next)));
    }

    /// Whether nothing is left to be done after the last request was due.
    fn is_over(&mut self, must: bool) -> bool {
        let is_stopped = self.orders.stop.load(Relaxed);
        if is_stopped || must {
            // What was due and could not be sent.
            let left = self.waiting.len() as u64;
            self.waiting.clear();
            self.sample.counts.dropped += left;
        }
        self.waiting.is_empty() && self.pool.busy() == 0
    }

    fn clock(&self, nanos: u64) -> Timestamp {
        self.orders.started.plus(Duration::from_nanos(nanos))
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}
