//! One group of appends that share one sync, and the futures that wait for it.
//!
//! The writer is no thread of a runtime, and waking a task from outside costs a system call a task.
//! So it wakes one waiter a thread; that waiter, polled on its own thread, wakes its neighbours.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;

use crate::ports::{Error, Kind};

/// Why a group failed; every waiter makes its own [`Error`] of it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) what: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }

    pub(super) fn to_error(&self) -> Error {
        Error::new(self.kind, self.what.clone())
    }
}

/// Appends that become durable, or fail, together.
#[derive(Debug, Default)]
pub(super) struct Group {
    is_done: AtomicBool,
    failure: OnceLock<Failure>,
    waiting: Mutex<Vec<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: ThreadId,
    ticket: u64,
    waker: Waker,
}

impl Group {
    /// Ends the group and wakes one waiter of each thread.
    pub(super) fn complete(&self, outcome: Result<(), Failure>) {
        if let Err(failure) = outcome {
            // A group is completed once, so this cell is empty.
            self.failure.get_or_init(|| failure);
        }
        let mut heads: Vec<(ThreadId, Waker)> = Vec::new();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_done.store(true, Ordering::Release);
        for waiter in waiting.iter() {
            if !heads.iter().any(|(thread, _)| *thread == waiter.thread) {
                heads.push((waiter.thread, waiter.waker.clone()));
            }
        }
        drop(waiting);
        for (_, waker) in heads {
            waker.wake();
        }
    }

    fn result(&self) -> Result<(), Error> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.to_error()))
    }

    /// Takes one waiter out and, once the group has ended, wakes all others of its thread.
    fn leave(&self, ticket: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = waiting.iter().position(|waiter| waiter.ticket == ticket) else {
            return;
        };
        let thread = waiting.swap_remove(at).thread;
        if !self.is_done.load(Ordering::Acquire) {
            return;
        }
        let neighbours: Vec<Waker> = waiting
            .extract_if(.., |waiter| waiter.thread == thread)
            .map(|waiter| waiter.waker)
            .collect();
        drop(waiting);
        for waker in neighbours {
            waker.wake();
        }
    }
}

/// Resolves when its group ended. Dropping it leaves the append as it is.
#[derive(Debug)]
#[must_use = "an append is durable once its ticket resolves"]
pub(crate) struct Ticket {
    group: Arc<Group>,
    number: u64,
    is_registered: bool,
}

impl Ticket {
    /// The `number`-th append of that group.
    pub(super) fn new(group: Arc<Group>, number: u64) -> Self {
        Self { group, number, is_registered: false }
    }
}

impl Future for Ticket {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.group.is_done.load(Ordering::Acquire) {
            let mut waiting = this.group.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !this.group.is_done.load(Ordering::Acquire) {
                let thread = std::thread::current().id();
                let waker = context.waker();
                let known = if this.is_registered {
                    waiting.iter_mut().find(|waiter| waiter.ticket == this.number)
                } else {
                    None
                };
                match known {
                    Some(waiter) => {
                        waiter.thread = thread;
                        waiter.waker.clone_from(waker);
                    }
                    None => {
                        let (ticket, waker) = (this.number, waker.clone());
                        waiting.push(Waiter { thread, ticket, waker });
                    }
                }
                this.is_registered = true;
                return Poll::Pending;
            }
        }
        if std::mem::take(&mut this.is_registered) {
            this.group.leave(this.number);
        }
        Poll::Ready(this.group.result())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_registered {
            self.group.leave(self.number);
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

    fn poll(ticket: &mut Ticket, count: &Arc<Count>) -> Poll<Result<(), Error>> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(ticket).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn one_waiter_a_thread_is_woken_and_wakes_its_neighbours_even_when_dropped() {
        let group = Arc::new(Group::default());
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
        let mut tickets: Vec<_> =
            (0..3).map(|number| Ticket::new(Arc::clone(&group), number)).collect();
        for (ticket, count) in tickets.iter_mut().zip(&counts) {
            assert!(poll(ticket, count).is_pending());
        }
        group.complete(Ok(()));
        let woken = |n: usize| counts[n].0.load(Ordering::SeqCst);
        assert_eq!([woken(0), woken(1), woken(2)], [1, 0, 0]);
        drop(tickets.remove(0));
        assert_eq!([woken(0), woken(1), woken(2)], [1, 1, 1]);
        assert!(matches!(poll(&mut tickets[0], &counts[1]), Poll::Ready(Ok(()))));
    }

    #[test]
    fn a_failure_reaches_every_waiter() {
        let group = Arc::new(Group::default());
        let mut ticket = Ticket::new(Arc::clone(&group), 0);
        group.complete(Err(Failure::new(Kind::Full, "no room")));
        let Poll::Ready(Err(error)) = poll(&mut ticket, &Arc::default()) else { panic!("pending") };
        assert_eq!(error.kind(), Kind::Full);
    }
}
