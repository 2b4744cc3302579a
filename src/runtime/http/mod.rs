//! Serving HTTP/1.1 with limits: accept loop, deadlines, graceful end.
//!
//! One accept loop serves the collector (several threads, each with its own listener on one port),
//! the query role, the admin port and the admin socket. It holds what hyper and axum leave open:
//! time for headers, bodies and answers, a bound on connections, JSON bodies for requests that
//! never become one, and an end that loses no request in flight. What a request means is the
//! [`Handler`]'s business.

mod answer;
mod body;
mod connection;
mod fast_path;
#[cfg(test)]
mod fast_path_tests;
mod head;
mod line;
#[cfg(test)]
mod line_tests;
mod listener;
mod request_id;
mod router;
mod serve;
mod stream;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use answer::{Body, error_response, json_response};
pub use body::{BodyError, read as read_body};
pub use connection::Connection;
pub use fast_path::WholeRequest;
pub use head::{Head, Headers};
pub use hyper::body::Incoming;
pub use hyper::{Method, Request, Response, StatusCode, Uri, header};
pub use listener::{Listener, bind_shared};
pub use request_id::{X_REQUEST_ID, client_request_id, fresh_request_id, is_request_id};
pub use router::RouterHandler;
pub use serve::{serve, serve_on_threads};

use crate::settings;

/// An answer on its way. On the heap, so that a connection is small while it waits for a request.
pub type Answering<'h> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'h>>;

/// Answers requests; cloned once a connection.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away before the answer.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// The largest body that [`handle_whole`](Self::handle_whole) takes in a `POST` on that path;
    /// `None` leaves it to [`handle`](Self::handle).
    fn takes_whole(&self, path: &str) -> Option<usize> {
        let _ = path;
        None
    }

    /// Answers a request that was read at once, or leaves it to [`handle`](Self::handle), which gives
    /// the same answer. What lies in the request is gone when this returns; the body of the answer is
    /// bytes at hand.
    fn handle_whole<'h>(
        &'h self,
        request: WholeRequest<'_>,
        connection: &'h Connection,
    ) -> Option<Answering<'h>> {
        let _ = (request, connection);
        None
    }

    /// Hears that one of its threads is given more than it can answer, so that requests wait for their
    /// turn, and that it is not any more.
    fn set_overloaded(&self, is_overloaded: bool) {
        let _ = is_overloaded;
    }

    /// Ends when nothing is left of what was begun and answered before it was done. Waited for on a
    /// thread of its own, whose runtime and tasks end then.
    fn finished(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Bounds of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for all headers of a request, from its first byte, and for a new connection to send one.
    pub header_timeout: Duration,
    /// Time for a whole body.
    pub body_timeout: Duration,
    /// Time without progress in writing an answer.
    pub write_timeout: Duration,
    /// Time without a request on an open connection.
    pub idle_timeout: Duration,
    /// Time that requests may wait for their turn; one that would wait longer is a [`Handler`]'s to
    /// refuse ([`Connection::is_one_too_many`]). Zero is no bound.
    pub max_queue_delay: Duration,
    /// Open connections at once, over all threads.
    pub max_connections: usize,
    /// Bytes of all headers of a request.
    pub max_header_bytes: usize,
    /// Bytes of a body, where the handler has no limit of its own.
    pub max_body_bytes: usize,
    /// Time for requests in flight once told to stop.
    pub grace: Duration,
}

impl Limits {
    /// As set, with the time for draining.
    #[must_use]
    pub fn of(http: &settings::Http, grace: Duration) -> Self {
        Self {
            header_timeout: http.header_timeout.0,
            body_timeout: http.body_timeout.0,
            write_timeout: http.write_timeout.0,
            idle_timeout: http.idle_timeout.0,
            max_queue_delay: http.max_queue_delay.0,
            max_connections: http.max_connections,
            max_header_bytes: http.max_header_bytes.as_usize(),
            max_body_bytes: http.max_body_bytes.as_usize(),
            grace,
        }
    }
}
