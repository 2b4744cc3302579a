//! A socket that tells its connection what passes, answers what hyper leaves without a body, and
//! closes so that the client can read the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Connection;
use super::connection::Phase;
use super::fresh_request_id;

/// What passes between hyper and a socket.
#[derive(Debug)]
pub(super) struct Stream<S> {
    socket: S,
    connection: Arc<Connection>,
    said_goodbye: bool,
    /// Read by the fast path and not its own.
    unread: Bytes,
}

impl<S> Stream<S> {
    pub(super) const fn new(socket: S, connection: Arc<Connection>) -> Self {
        Self { socket, connection, said_goodbye: false, unread: Bytes::new() }
    }

    /// Gives these bytes to the next reader before those of the socket.
    pub(super) fn unread(&mut self, bytes: Vec<u8>) {
        self.unread = bytes.into();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.head_expired() {
            // Nothing of an answer is on the way in this phase, so this cannot land inside one. The
            // connection ends whether or not it is taken.
            let _taken = Pin::new(&mut self.socket).poll_write(cx, head_timeout().as_bytes());
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if !self.unread.is_empty() {
            let length = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(length));
            if self.unread.is_empty() {
                // An empty slice would keep the memory of what it was cut from.
                self.unread = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => self.connection.received(),
            Poll::Ready(_) => {}
            Poll::Pending => self.connection.waiting(),
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.phase() == Phase::Head
            && let Some(answer) = refusal(bytes)
        {
            return Pin::new(&mut self.socket)
                .poll_write(cx, answer.as_bytes())
                .map_ok(|_| bytes.len());
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.connection.write_blocked(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.phase() == Phase::Head
            && let Some(first) = slices.iter().find(|slice| !slice.is_empty())
        {
            return self.poll_write(cx, first);
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.connection.write_blocked(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_goodbye {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            if !self.connection.closing() {
                return Poll::Ready(Ok(()));
            }
            self.said_goodbye = true;
        }
        // Closing a socket with unread bytes resets it, and the client loses the answer that says
        // why; so what it still sends is read and dropped until it closes or the janitor comes.
        let mut scratch = [0_u8; 8192];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Hyper answers a head that it cannot read by itself, with a bare status; the same with a body.
fn refusal(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    let (status, reason, code, error) = match line.get(..3)? {
        b"400" => (400, "Bad Request", "bad_request", "not a valid HTTP request"),
        b"414" => (414, "URI Too Long", "uri_too_long", "request target is too long"),
        b"431" => (
            431,
            "Request Header Fields Too Large",
            "headers_too_large",
            "request headers are too many or too large",
        ),
        _ => return None,
    };
    Some(raw_answer(status, reason, code, error))
}

/// An error as it goes over the wire, where hyper has no request to answer.
fn raw_answer(status: u16, reason: &str, code: &str, error: &str) -> String {
    let body = format!("{{\"error\":\"{error}\",\"code\":\"{code}\"}}");
    let id = fresh_request_id();
    let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         x-request-id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Said to who did not send all headers in time.
fn head_timeout() -> String {
    let error = "request headers did not arrive in time";
    raw_answer(408, "Request Timeout", "header_timeout", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prepared_answer_states_its_own_length() {
        let answer = head_timeout();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

    #[test]
    fn only_refusals_get_a_body() {
        assert!(refusal(b"HTTP/1.1 431 Request Header Fields Too Large\r\n").is_some());
        assert!(refusal(b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(refusal(b"HT").is_none());
    }
}
