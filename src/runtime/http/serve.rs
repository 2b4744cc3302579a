//! The accept loop, on the runtime at hand or on threads of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Phase, Registry};
use super::fast_path::{Ended, FastPath};
use super::listener::Bound;
use super::stream::Stream;
use super::{Body, Connection, Handler, Limits, Listener};
use crate::runtime::shutdown::CancellationToken;
use crate::runtime::tasks;

/// How many tasks are polled between two looks at those that other threads woke. These are requests
/// whose events have become durable: by tokio's own 31 one of them would be answered for 31 that are
/// read, and given too much all connections would be read before the first of them is answered.
const ANSWERS_FIRST: u32 = 1;
/// The wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener on the current runtime until told to stop, then finishes the requests in
/// flight within the grace.
///
/// # Errors
/// When the socket cannot be given to the runtime.
pub async fn serve<H: Handler>(
    listener: Listener,
    handler: H,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    serve_sharing(listener, handler, limits, permits, shutdown).await
}

/// Serves each listener on a thread of its own with a single-threaded runtime; ends when all have.
///
/// # Errors
/// When a thread or its runtime cannot be made, or ends by a panic.
pub async fn serve_on_threads<H: Handler>(
    listeners: Vec<Listener>,
    handler: H,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let mut ends = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .global_queue_interval(ANSWERS_FIRST)
            .build()?;
        let (handler, permits) = (handler.clone(), Arc::clone(&permits));
        let (last, shutdown) = (handler.clone(), shutdown.clone());
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name(format!("http-{index}")).spawn(move || {
            let serving = serve_sharing(listener, handler, limits, permits, shutdown);
            let served = runtime.block_on(async {
                let served = serving.await;
                if tokio::time::timeout(limits.grace, last.finished()).await.is_err() {
                    tracing::warn!(
                        "what was answered before it was done is given up: the grace is over"
                    );
                }
                served
            });
            // What still blocks in this runtime's pool (a query) must not hold up the end.
            runtime.shutdown_background();
            // The receiver is gone only when the caller gave up waiting.
            let _unheard = ended.send(served);
        })?;
        ends.push(end);
    }
    let mut served = Ok(());
    for end in ends {
        let one = end.await.unwrap_or_else(|_| Err(io::Error::other("http thread panicked")));
        served = served.and(one);
    }
    served
}

async fn serve_sharing<H: Handler>(
    listener: Listener,
    handler: H,
    limits: Limits,
    permits: Arc<Semaphore>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = Source::new(listener)?;
    let registry = Arc::new(Registry::new(limits));
    let mut server = Server { handler, registry: Arc::clone(&registry), next_id: 0 };
    let looking_after = {
        let registry = Arc::clone(&registry);
        tasks::spawn("http-janitor", async move { registry.look_after().await })
    };
    let calling = {
        let handler = server.handler.clone();
        let tell = move |is_overloaded| handler.set_overloaded(is_overloaded);
        tasks::spawn("http-line", registry.line().call(tell))
    };
    loop {
        let accepting = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            (accepted, permit) = accepting => match accepted {
                Ok(accepted) => server.open(accepted, permit),
                Err(error) => pause_after(&error).await,
            },
        }
    }
    registry.stop();
    // Who is in the kernel's queue was told that it is connected: it is served too.
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        server.open(accepted, None);
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, registry.emptied()).await.is_err() {
        tracing::warn!(open = registry.len(), "connections cut at the end of the grace");
        registry.abort();
    }
    looking_after.abort();
    calling.abort();
    Ok(())
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "cannot accept connections; trying again");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

enum Source {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

impl Source {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener.0 {
            Bound::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Only latency is lost where it cannot be set.
                let _nodelay = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, peer))
            }
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

struct Server<H> {
    handler: H,
    registry: Arc<Registry>,
    next_id: u64,
}

impl<H: Handler> Server<H> {
    fn open(&mut self, accepted: Accepted, permit: Option<OwnedSemaphorePermit>) {
        self.next_id += 1;
        let peer = match &accepted {
            Accepted::Tcp(_, peer) => Some(*peer),
            Accepted::Unix(_) => None,
        };
        let connection =
            Arc::new(Connection::new(peer, self.registry.clock(), self.registry.line()));
        let open = Open {
            id: self.next_id,
            connection: Arc::clone(&connection),
            registry: Arc::clone(&self.registry),
            _permit: permit,
        };
        self.registry.add(open.id, connection);
        let handler = self.handler.clone();
        // A connection's owner is the registry; how it ended is nobody's concern but the client's.
        match accepted {
            Accepted::Tcp(socket, _) => {
                drop(tasks::spawn("http-connection", open.run(socket, handler)));
            }
            Accepted::Unix(socket) => {
                drop(tasks::spawn("http-connection", open.run(socket, handler)));
            }
        }
    }
}

/// An open connection; leaves the registry when dropped.
struct Open {
    id: u64,
    connection: Arc<Connection>,
    registry: Arc<Registry>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.registry.remove(self.id);
    }
}

impl Open {
    /// Serves the connection. The future lives as long as the connection does, so it is small: an
    /// `async fn` would have room for its arguments and for what is made of them.
    fn run<S, H>(self, socket: S, handler: H) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Handler,
    {
        let mut stream = Stream::new(socket, Arc::clone(&self.connection));
        async move {
            // They are dropped in the order in which they are named here: the connection leaves the
            // registry last, when its socket is closed.
            let (stream, handler, open) = (&mut stream, &handler, &self);
            let read = match open.run_fast(stream, handler).await {
                Ok(Ended::Left(read)) => read,
                Ok(Ended::Closed) => return,
                Err(error) => return open.say_ended(&error),
            };
            stream.unread(read);
            // On the heap: most connections never come here.
            let serving = Box::pin(open.run_hyper(stream, handler));
            if let Err(error) = serving.await {
                open.say_ended(&error);
            }
        }
    }

    fn say_ended(&self, error: &impl std::fmt::Display) {
        tracing::debug!(peer = self.connection.peer_text(), %error, "connection ended");
    }

    /// The fast path, for as long as the connection may be open.
    async fn run_fast<S, H>(&self, stream: &mut Stream<S>, handler: &H) -> io::Result<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        H: Handler,
    {
        let (connection, registry) = (&*self.connection, &*self.registry);
        let mut fast = FastPath { stream, handler, connection, registry };
        let mut running = pin!(fast.run());
        poll_fn(|cx| {
            // Each time: whoever wakes it takes the waker away.
            connection.register(cx.waker());
            if connection.is_over() {
                return Poll::Ready(Ok(Ended::Closed));
            }
            running.as_mut().poll(cx)
        })
        .await
    }

    async fn run_hyper<S, H>(&self, stream: &mut Stream<S>, handler: &H) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Handler,
    {
        let state = &self.connection;
        let service = service_fn(|request| answer(handler, request, Arc::clone(state)));
        let max_header_bytes = self.registry.limits().max_header_bytes;
        // Header time is the janitor's; hyper's own timer would be armed and dropped every request.
        let mut builder = Builder::new();
        builder.header_read_timeout(None).max_header_size(max_header_bytes).half_close(true);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut finishing = false;
        poll_fn(|cx| {
            state.register(cx.waker());
            loop {
                if state.is_over() {
                    return Poll::Ready(Ok(()));
                }
                if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
                    return Poll::Ready(ended);
                }
                // A connection that has not spoken yet may have its request on the way.
                let finish = self.registry.is_stopping() && state.phase() != Phase::New;
                if finishing || !finish {
                    return Poll::Pending;
                }
                finishing = true;
                serving.as_mut().graceful_shutdown();
            }
        })
        .await
    }
}

async fn answer<H: Handler>(
    handler: &H,
    request: Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<Response<Body>, std::convert::Infallible> {
    connection.handling(!request.body().is_end_stream());
    let mut response = handler.handle(request, Arc::clone(&connection)).await;
    if response.body_mut().track(&connection) {
        connection.answered();
    }
    Ok(response)
}
