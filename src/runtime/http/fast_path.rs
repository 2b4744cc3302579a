//! The fast path: requests that arrive whole are answered straight from the bytes read.
//!
//! Under load almost every request of a collector is one small read: head and body at once, with a
//! `Content-Length`. For those hyper's header map, body channel and a read buffer a connection cost
//! more than all else, most of it in memory that is not in the cache. Here such a request is looked
//! at in a buffer that all connections of a thread share, before anything else is read; what is kept
//! over the wait for its answer is what the handler makes of it.
//!
//! It knows nothing of HTTP but that one form ([`Framing`]). With the first request of another form,
//! or that the handler does not take whole, the connection and the bytes read so far are hyper's for
//! good. Heads are read by `httparse`, as hyper's are.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use hyper::Response;
use hyper::header::DATE;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::connection::{Phase, Registry};
use super::head::{Head, Headers as _};
use super::line::Place;
use super::stream::Stream;
use super::{Answering, Body, BodyError, Connection, Handler};

/// The largest request that is taken whole, its head included.
const MAX_BYTES: usize = 64 << 10;
/// The most headers of such a request.
const MAX_HEADERS: usize = 32;

thread_local! {
    /// What the connection at hand reads into; nothing stays in it from one poll to the next.
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_BYTES]);
}

/// A request that was read whole: a `POST`, since nothing else has a reason to be quick.
#[derive(Debug)]
pub struct WholeRequest<'r> {
    /// The path, as it was sent and without a query.
    pub path: &'r str,
    /// Its headers.
    pub headers: Head<'r>,
    /// Its body, or why there is none.
    pub body: Result<&'r [u8], BodyError>,
}

/// Everything that answers one connection.
pub(super) struct FastPath<'c, S, H> {
    pub(super) stream: &'c mut Stream<S>,
    pub(super) handler: &'c H,
    pub(super) connection: &'c Connection,
    pub(super) registry: &'c Registry,
}

/// How the fast path ends for a connection.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing more is to be said.
    Closed,
    /// These bytes begin a request that is hyper's.
    Left(Vec<u8>),
}

/// What the bytes at hand are.
enum Found<'h> {
    /// A request of that many bytes, which is being answered.
    Whole(usize, Answering<'h>),
    /// The beginning of one of that many bytes.
    Part(usize),
    /// A request of that many bytes, and others are before it.
    Waits(usize),
    /// Nothing for us.
    Other,
}

/// What comes next on a connection.
enum Next<'h> {
    /// An answer to a request; what follows it was kept.
    Answer(Answering<'h>),
    /// More of a request of that many bytes is to come; what there is was kept.
    More(usize),
    /// The turn of a request of that many bytes, which was kept.
    Turn(usize),
    Left,
    Closed,
}

impl<'c, S, H> FastPath<'c, S, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    /// Answers requests until one is not ours or the connection ends.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) async fn run(&mut self) -> io::Result<Ended> {
        let mut kept = Vec::new();
        let mut is_called = false;
        loop {
            let next = poll_fn(|cx| self.poll_next(cx, &mut kept, is_called)).await?;
            is_called = false;
            let answering = match next {
                Next::Answer(answering) => answering,
                Next::Closed => return Ok(Ended::Closed),
                Next::Left => return Ok(Ended::Left(kept)),
                Next::More(whole) => {
                    if let Some(error) = self.read_on(&mut kept, whole).await? {
                        // On the heap: every connection would bring the room for it.
                        Box::pin(self.refuse(&kept, error)).await?;
                        return Ok(Ended::Closed);
                    }
                    continue;
                }
                Next::Turn(bytes) => {
                    self.connection.line().wait(bytes).await;
                    is_called = true;
                    continue;
                }
            };
            let response = answering.await;
            self.connection.answered();
            let is_last = self.registry.is_stopping();
            let answer = encode(response, is_last);
            self.stream.write_all(&answer).await?;
            if is_last {
                self.stream.shutdown().await?;
                return Ok(Ended::Closed);
            }
        }
    }

    /// Looks at what was kept, else at what comes.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        kept: &mut Vec<u8>,
        is_called: bool,
    ) -> Poll<io::Result<Next<'c>>> {
        let (handler, connection) = (self.handler, self.connection);
        let max_head = self.registry.limits().max_header_bytes;
        if !kept.is_empty() {
            if is_called {
                connection.called();
            }
            let found = find(kept, handler, connection, (max_head, is_called));
            return Poll::Ready(Ok(match found {
                Found::Whole(length, answering) => {
                    // What is left of a pipeline; a connection that waits keeps no memory.
                    *kept = kept.split_off(length);
                    Next::Answer(answering)
                }
                Found::Part(whole) => Next::More(whole),
                Found::Waits(whole) => Next::Turn(whole),
                Found::Other => Next::Left,
            }));
        }
        if self.registry.is_stopping() && connection.phase() == Phase::Idle {
            return Poll::Ready(Ok(Next::Closed));
        }
        SHARED.with_borrow_mut(|shared| {
            let mut buffer = ReadBuf::new(shared);
            ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(Next::Closed));
            }
            Poll::Ready(Ok(match find(read, handler, connection, (max_head, false)) {
                Found::Whole(length, answering) => {
                    kept.extend_from_slice(&read[length..]);
                    Next::Answer(answering)
                }
                Found::Part(whole) => {
                    kept.extend_from_slice(read);
                    Next::More(whole)
                }
                Found::Waits(whole) => {
                    kept.extend_from_slice(read);
                    Next::Turn(whole)
                }
                Found::Other => {
                    kept.extend_from_slice(read);
                    Next::Left
                }
            }))
        })
    }

    /// Reads the rest of a request; why it does not come.
    async fn read_on(&mut self, kept: &mut Vec<u8>, whole: usize) -> io::Result<Option<BodyError>> {
        self.connection.handling(true);
        let mut missing = whole.saturating_sub(kept.len());
        let mut at = kept.len();
        kept.resize(whole, 0);
        let stream = &mut *self.stream;
        let reading = poll_fn(|cx| {
            while missing > 0 {
                let mut buffer = ReadBuf::new(&mut kept[at..]);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                let read = buffer.filled().len();
                if read == 0 {
                    return Poll::Ready(Ok(Some(BodyError::Broken)));
                }
                (missing, at) = (missing - read, at + read);
            }
            Poll::Ready(Ok(None))
        });
        let limit = self.registry.limits().body_timeout;
        let ended = self.connection.within(limit, reading).await;
        ended.unwrap_or(Ok(Some(BodyError::Timeout)))
    }

    /// Answers a request whose body did not come, and ends the connection.
    async fn refuse(&mut self, kept: &[u8], error: BodyError) -> io::Result<()> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let Some(head) = Framing::read(kept, &mut headers) else { return Ok(()) };
        let request = WholeRequest { path: head.path, headers: head.headers, body: Err(error) };
        if let Some(answering) = self.handler.handle_whole(request, self.connection) {
            let answer = encode(answering.await, true);
            self.stream.write_all(&answer).await?;
        }
        self.stream.shutdown().await
    }
}

/// Whether the bytes are a request for the fast path, and what the handler makes of it where it is
/// its turn.
fn find<'h, H: Handler>(
    bytes: &[u8],
    handler: &'h H,
    connection: &'h Connection,
    (max_head, is_called): (usize, bool),
) -> Found<'h> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let Some(head) = Framing::read(bytes, &mut headers) else { return Found::Other };
    let max_body = handler.takes_whole(head.path).unwrap_or(0);
    let whole = head.length.saturating_add(head.body);
    if head.length > max_head || head.body > max_body || whole > MAX_BYTES {
        return Found::Other;
    }
    let Some(body) = bytes.get(head.length..whole) else { return Found::Part(whole) };
    if !is_called && connection.line().place() == Place::Behind {
        connection.handling(false);
        return Found::Waits(whole);
    }
    let request = WholeRequest { path: head.path, headers: head.headers, body: Ok(body) };
    let Some(answering) = handler.handle_whole(request, connection) else { return Found::Other };
    connection.handling(false);
    Found::Whole(whole, answering)
}

/// The one form of a request that is ours: a complete head of HTTP/1.1 with `POST`, a plain path and
/// one `Content-Length`, that asks nothing of the connection.
struct Framing<'r> {
    path: &'r str,
    headers: Head<'r>,
    /// Bytes of the head.
    length: usize,
    /// Bytes of the body.
    body: usize,
}

impl<'r> Framing<'r> {
    fn read(bytes: &'r [u8], headers: &'r mut [httparse::Header<'r>]) -> Option<Self> {
        if !bytes.starts_with(b"POST /") {
            return None;
        }
        let mut request = httparse::Request::new(headers);
        let httparse::Status::Complete(length) = request.parse(bytes).ok()? else { return None };
        let (path, version) = (request.path?, request.version?);
        let headers = Head(request.headers);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
        let keeps = |value: &[u8]| value.eq_ignore_ascii_case(b"keep-alive");
        let is_ours = version == 1
            && path.bytes().all(is_plain)
            && headers.all("connection").all(keeps)
            && ["transfer-encoding", "expect", "upgrade"]
                .into_iter()
                .all(|name| headers.first(name).is_none());
        let mut lengths = headers.all("content-length");
        let body = lengths.next().and_then(digits)?;
        (is_ours && lengths.next().is_none()).then_some(())?;
        Some(Self { path, headers, length, body })
    }
}

/// A length in decimal digits and nothing else.
fn digits(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An answer as it goes over the wire.
fn encode(response: Response<Body>, is_last: bool) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let body = body.at_hand();
    let mut answer = Vec::with_capacity(384 + body.len());
    let reason = head.status.canonical_reason().unwrap_or_default();
    // Writing into a vector does not fail.
    let _written = write!(answer, "HTTP/1.1 {} {reason}\r\n", head.status.as_str());
    for (name, value) in &head.headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    if is_last {
        answer.extend_from_slice(b"connection: close\r\n");
    }
    if !head.headers.contains_key(DATE) {
        answer.extend_from_slice(b"date: ");
        with_date(|date| answer.extend_from_slice(date));
        answer.extend_from_slice(b"\r\n");
    }
    let _written = write!(answer, "content-length: {}\r\n\r\n", body.len());
    answer.extend_from_slice(&body);
    answer
}

/// The time in the form of HTTP, written once a second and thread.
#[expect(clippy::disallowed_methods, reason = "hyper's own date header asks no port either")]
fn with_date(take: impl FnOnce(&[u8])) {
    thread_local! {
        static DATED: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    DATED.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() || text.is_empty() {
            let second_now = Duration::from_secs(since.as_secs());
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + second_now);
            *second = since.as_secs();
        }
        take(text.as_bytes());
    });
}
