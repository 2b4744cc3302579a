//! Connections to the target and the wait for what they bring: plain sockets on one epoll, a timer
//! for the next request's instant, and nothing that allocates or locks for a request.
//!
//! A connection has at most one request on it. The pool knows requests as bytes and answers as
//! lengths; what they mean is for the worker.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::answer::{self, Answer};
use super::measure::Failure;
use super::payload::Request;

/// The timer among the tokens of connections.
const TIMER: u64 = u64::MAX;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;
const READ_BYTES: usize = 64 << 10;
/// How long a connection that could not be made, or broke, is left alone.
const RETRY_NANOS: u64 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Connecting,
    Idle,
    Busy,
}

/// A connection and the request on it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Option<TcpStream>,
    state: State,
    pub(super) request: Request,
    written: usize,
    /// The beginning of an answer that did not come whole.
    partial: Vec<u8>,
    /// When the request was due and sent, in nanoseconds from the start.
    pub(super) due: u64,
    pub(super) sent: u64,
    /// While closed: when to try again.
    retry_at: u64,
}

/// What a connection has to say.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// Nothing yet.
    None,
    /// The whole answer to its request.
    Answer(Answer<'a>),
    /// There will be none.
    Failed(Failure),
    /// It could not be made.
    NotConnected,
}

/// Connections with news, in a list that is used again. Not part of the pool: the kernel's events
/// stay in the thread that asked for them.
pub(super) struct Ready(Vec<Event>);

impl Ready {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = usize> {
        let tokens = self.0.iter().map(|event| event.data.u64());
        tokens.filter(|token| *token != TIMER).filter_map(|token| usize::try_from(token).ok())
    }
}

/// The connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    connections: Vec<Connection>,
    /// The one that was idle for longest comes first: a server sees all of them used.
    idle: VecDeque<usize>,
    busy: u64,
    epoll: OwnedFd,
    timer: OwnedFd,
    scratch: Box<[u8]>,
}

impl Pool {
    /// A pool of closed connections.
    pub(super) fn new(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered: the timer is never read, setting it anew is all that it needs.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        let closed = || Connection {
            stream: None,
            state: State::Closed,
            request: Request::default(),
            written: 0,
            partial: Vec::new(),
            due: 0,
            sent: 0,
            retry_at: 0,
        };
        Ok(Self {
            address,
            connections: (0..connections).map(|_| closed()).collect(),
            idle: VecDeque::with_capacity(connections),
            busy: 0,
            epoll,
            timer,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Opens all connections before the run.
    ///
    /// # Errors
    /// Why the first of them could not be made, where none could.
    pub(super) fn open(&mut self, within: Duration) -> io::Result<usize> {
        let deadline = std::time::Instant::now() + within;
        let (mut failed, mut ready) = (None, Ready::new());
        for at in 0..self.connections.len() {
            if let Err(error) = self.connect(at) {
                failed.get_or_insert(error);
            }
        }
        while self.connections.iter().any(|one| one.state == State::Connecting)
            && std::time::Instant::now() < deadline
        {
            self.wait(20_000_000, &mut ready)?;
            for at in ready.connections() {
                if let Some(error) = self.connected(at).err() {
                    failed.get_or_insert(error);
                    self.close(at, 0);
                }
            }
        }
        match self.idle.len() {
            0 => Err(failed.unwrap_or_else(|| ErrorKind::TimedOut.into())),
            open => Ok(open),
        }
    }

    /// How many are idle now.
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// How many have a request on them.
    pub(super) const fn busy(&self) -> u64 {
        self.busy
    }

    /// An idle connection, taken out of those.
    pub(super) fn take_idle(&mut self) -> Option<usize> {
        self.idle.pop_front()
    }

    /// Gives back one that was taken and not used.
    pub(super) fn give_back(&mut self, at: usize) {
        self.idle.push_front(at);
    }

    pub(super) fn connection(&mut self, at: usize) -> &mut Connection {
        &mut self.connections[at]
    }

    pub(super) fn connection_ref(&self, at: usize) -> &Connection {
        &self.connections[at]
    }

    /// Whether a connection has a request on it.
    pub(super) fn is_busy(&self, at: usize) -> bool {
        self.connections[at].state == State::Busy
    }

    /// Sends the request that the worker has put on a connection.
    pub(super) fn send(&mut self, at: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[at];
        connection.state = State::Busy;
        connection.written = 0;
        connection.partial.clear();
        self.busy += 1;
        connection.write()
    }

    /// Reads what there is on a connection.
    pub(super) fn news(&mut self, at: usize) -> News<'_> {
        match self.connections[at].state {
            State::Closed => return News::None,
            State::Connecting => {
                return if self.connected(at).is_err() { News::NotConnected } else { News::None };
            }
            State::Idle | State::Busy => {}
        }
        let Self { connections, scratch, .. } = self;
        let connection = &mut connections[at];
        if connection.state == State::Busy
            && let Err(failure) = connection.write()
        {
            return News::Failed(failure);
        }
        connection.read(scratch)
    }

    /// Makes a connection idle whose request is answered.
    pub(super) fn rest(&mut self, at: usize) {
        self.leave(at);
        self.connections[at].state = State::Idle;
        self.idle.push_back(at);
    }

    /// Ends a connection; it is made anew from `retry_at` on.
    pub(super) fn close(&mut self, at: usize, retry_at: u64) {
        self.leave(at);
        let connection = &mut self.connections[at];
        // Closing it takes it out of the epoll.
        connection.stream = None;
        connection.state = State::Closed;
        connection.retry_at = retry_at;
    }

    fn leave(&mut self, at: usize) {
        match self.connections[at].state {
            State::Busy => self.busy -= 1,
            State::Idle => self.idle.retain(|idle| *idle != at),
            State::Closed | State::Connecting => {}
        }
    }

    /// Makes closed connections anew that were left alone for long enough; how many could not be.
    pub(super) fn reopen(&mut self, now: u64) -> u64 {
        let mut failed = 0;
        for at in 0..self.connections.len() {
            let connection = &self.connections[at];
            if connection.state == State::Closed
                && connection.retry_at <= now
                && self.connect(at).is_err()
            {
                failed += 1;
                self.close(at, now + RETRY_NANOS);
            }
        }
        failed
    }

    /// The instant from which on a connection that breaks now is made anew.
    pub(super) const fn retry_at(now: u64) -> u64 {
        now + RETRY_NANOS
    }

    /// Connections whose request was sent before that instant and has no answer.
    pub(super) fn overdue(&self, sent_before: u64) -> Vec<usize> {
        let is_overdue = |one: &Connection| one.state == State::Busy && one.sent <= sent_before;
        (0..self.connections.len()).filter(|at| is_overdue(&self.connections[*at])).collect()
    }

    fn connect(&mut self, at: usize) -> io::Result<()> {
        let socket =
            Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Err(error) = socket.connect(&self.address.into())
            && error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error())
        {
            return Err(error);
        }
        let stream = TcpStream::from(socket);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), flags)?;
        let connection = &mut self.connections[at];
        connection.stream = Some(stream);
        connection.state = State::Connecting;
        Ok(())
    }

    /// Looks whether a connection that is being made is there.
    fn connected(&mut self, at: usize) -> io::Result<()> {
        let connection = &mut self.connections[at];
        if connection.state != State::Connecting {
            return Ok(());
        }
        let Some(stream) = &connection.stream else { return Ok(()) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        if stream.peer_addr().is_ok() {
            connection.state = State::Idle;
            self.idle.push_back(at);
        }
        Ok(())
    }

    /// Waits for connections with news, at most so many nanoseconds; at zero it only looks.
    pub(super) fn wait(&self, nanos: u64, ready: &mut Ready) -> io::Result<()> {
        const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        if nanos > 0 {
            self.arm(nanos)?;
        }
        ready.0.clear();
        let timeout = (nanos == 0).then_some(&LOOK);
        match epoll::wait(&self.epoll, spare_capacity(&mut ready.0), timeout) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn arm(&self, nanos: u64) -> io::Result<()> {
        let value = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

impl Connection {
    /// Writes what is left of the request, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else { return Err(Failure::Reset) };
        while self.written < self.request.bytes.len() {
            match stream.write(&self.request.bytes[self.written..]) {
                Ok(0) => return Err(Failure::Reset),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Failure::Reset),
            }
        }
        Ok(())
    }

    /// Reads until an answer is whole, the socket is empty, or its end.
    fn read<'a>(&'a mut self, scratch: &'a mut [u8]) -> News<'a> {
        let Some(stream) = &mut self.stream else { return News::Failed(Failure::Reset) };
        loop {
            let count = match stream.read(scratch) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return News::None,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return News::Failed(Failure::Reset),
            };
            if self.state != State::Busy {
                // An end, or words that nobody asked for.
                return News::Failed(Failure::Reset);
            }
            let ended = count == 0;
            let is_first = self.partial.is_empty();
            if !is_first {
                self.partial.extend_from_slice(&scratch[..count]);
            }
            let bytes = if is_first { &scratch[..count] } else { &self.partial[..] };
            match answer::read(bytes, ended) {
                Err(_) => return News::Failed(Failure::Malformed),
                Ok(Some(found)) => {
                    // Taken again: the borrow of this answer must not reach into the next round.
                    let bytes = if is_first { &scratch[..count] } else { &self.partial[..] };
                    return News::Answer(found.of(bytes));
                }
                Ok(None) if ended => return News::Failed(Failure::Reset),
                Ok(None) if is_first => self.partial.extend_from_slice(&scratch[..count]),
                Ok(None) => {}
            }
        }
    }
}
