//! One batch under way, and the future that waits for it.
//!
//! Reports come on a thread of their own, and waking a task from outside its runtime costs a system
//! call a task. So of the waiters of one thread the first is woken and, polled there, wakes those
//! whose reports came meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::model::{RecordBatch, Topic};

thread_local! {
    static MINE: Arc<Bell> = Arc::default();
}

/// The waiters of one thread.
#[derive(Debug, Default)]
struct Bell {
    /// Whether somebody was woken that will wake the others.
    is_rung: AtomicBool,
    others: Mutex<Vec<Waker>>,
}

impl Bell {
    fn mine() -> Arc<Self> {
        MINE.try_with(Arc::clone).unwrap_or_default()
    }

    /// From outside: wakes, or leaves it to who was woken before.
    fn ring(&self, waker: Waker) {
        let mut others = lock(&self.others);
        if self.is_rung.swap(true, Ordering::AcqRel) {
            others.push(waker);
        } else {
            drop(others);
            waker.wake();
        }
    }

    /// By everyone who was woken or goes: wakes the others.
    fn heard(&self) {
        if !self.is_rung.load(Ordering::Acquire) {
            return;
        }
        let others = {
            let mut others = lock(&self.others);
            self.is_rung.store(false, Ordering::Release);
            std::mem::take(&mut *others)
        };
        for waker in others {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One batch under way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) topic: Topic,
    pub(super) batch: RecordBatch,
    pub(super) generation: AtomicU64,
    pub(super) resends: AtomicU32,
    /// Nobody waits any more: the caller was told of a failure while sending.
    pub(super) is_abandoned: AtomicBool,
    has_failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_done: bool,
    failure: Option<Code>,
    waiter: Option<(Waker, Arc<Bell>)>,
}

impl Ticket {
    pub(super) fn new(topic: &Topic, batch: RecordBatch) -> Arc<Self> {
        Arc::new(Self {
            topic: topic.clone(),
            batch,
            generation: AtomicU64::new(0),
            resends: AtomicU32::new(0),
            is_abandoned: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// The first failure counts.
    pub(super) fn fail(&self, code: Code) {
        lock(&self.state).failure.get_or_insert(code);
        self.has_failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// It is sent once more.
    pub(super) fn forget_failure(&self) {
        lock(&self.state).failure = None;
        self.has_failed.store(false, Ordering::Release);
    }

    pub(super) fn done(&self) {
        let mut state = lock(&self.state);
        state.is_done = true;
        // Under the lock: who leaves after it finds the bell rung, and passes it on.
        if let Some((waker, bell)) = state.waiter.take() {
            bell.ring(waker);
        }
    }

    /// Resolves when it is done, with its failure.
    pub(super) fn wait(self: Arc<Self>) -> Wait {
        Wait { ticket: self, bell: None }
    }
}

/// Waits for a ticket. Dropping it leaves the batch as it is.
#[derive(Debug)]
pub(super) struct Wait {
    ticket: Arc<Ticket>,
    /// That of the thread on which it first waited.
    bell: Option<Arc<Bell>>,
}

impl Future for Wait {
    type Output = Option<Code>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let failure = {
            let mut state = lock(&this.ticket.state);
            if !state.is_done {
                let bell = this.bell.get_or_insert_with(Bell::mine);
                match &mut state.waiter {
                    Some((waker, _)) => waker.clone_from(context.waker()),
                    none => *none = Some((context.waker().clone(), Arc::clone(bell))),
                }
                return Poll::Pending;
            }
            state.failure
        };
        if let Some(bell) = this.bell.take() {
            bell.heard();
        }
        Poll::Ready(failure)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(bell) = self.bell.take() else { return };
        let is_done = {
            let mut state = lock(&self.ticket.state);
            state.waiter = None;
            state.is_done
        };
        if is_done {
            bell.heard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn batch() -> RecordBatch {
        RecordBatch::of_all([])
    }

    fn poll(wait: &mut Wait, count: &Arc<Count>) -> Poll<Option<Code>> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(wait).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn the_first_is_woken_and_wakes_the_others_even_when_it_goes() {
        let topic = Topic::from("t");
        let tickets: Vec<_> = (0..3).map(|_| Ticket::new(&topic, batch())).collect();
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
        let mut waits: Vec<_> = tickets.iter().map(|ticket| Arc::clone(ticket).wait()).collect();
        for (wait, count) in waits.iter_mut().zip(&counts) {
            assert!(poll(wait, count).is_pending());
        }
        let woken = || [0, 1, 2].map(|n: usize| counts[n].0.load(Ordering::SeqCst));
        tickets[0].done();
        tickets[1].done();
        assert_eq!(woken(), [1, 0, 0]);
        drop(waits.remove(0));
        assert_eq!(woken(), [1, 1, 0]);
        // Whom a neighbour woke has nothing to pass on: the next report rings anew.
        assert_eq!(poll(&mut waits[0], &counts[1]), Poll::Ready(None));
        tickets[2].done();
        assert_eq!(woken(), [1, 1, 1]);
        assert_eq!(poll(&mut waits[1], &counts[2]), Poll::Ready(None));
    }

    #[test]
    fn the_first_failure_is_told_and_one_that_went_is_not_rung() {
        let topic = Topic::from("t");
        let (failed, left) = (Ticket::new(&topic, batch()), Ticket::new(&topic, batch()));
        let count = Arc::new(Count::default());
        let (mut wait, mut gone) = (Arc::clone(&failed).wait(), Arc::clone(&left).wait());
        assert!(poll(&mut gone, &count).is_pending());
        assert!(poll(&mut wait, &count).is_pending());
        drop(gone);
        left.done();
        failed.fail(Code::QueueFull);
        failed.fail(Code::Fail);
        failed.done();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut wait, &count), Poll::Ready(Some(Code::QueueFull)));
    }
}
