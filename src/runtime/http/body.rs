//! Reading a request's body within a size and a deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::Connection;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It has more bytes than the limit.
    #[error("body is over {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It did not arrive in time.
    #[error("body did not arrive in time")]
    Timeout,
    /// The client went away or broke the framing.
    #[error("body ended before its end")]
    Broken,
    /// The caller takes no more bytes now.
    #[error("too many bytes in flight")]
    Refused,
}

/// Reads a whole body of at most `limit` bytes within `deadline`, without a copy where it came in
/// one piece. `take` is asked before each piece is kept, and ends the reading with `false`.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(
    mut body: Incoming,
    connection: &Connection,
    limit: usize,
    deadline: Duration,
    mut take: impl FnMut(usize) -> bool,
) -> Result<Bytes, BodyError> {
    let promised = body.size_hint().lower();
    if usize::try_from(promised).map_or(true, |promised| promised > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let reading = async {
        let mut whole = Pieces::default();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if data.len() > limit - whole.len() {
                return Err(BodyError::TooLarge { limit });
            }
            if !take(data.len()) {
                return Err(BodyError::Refused);
            }
            whole.push(data);
        }
        Ok(whole.finish())
    };
    let read = connection.within(deadline, reading).await.unwrap_or(Err(BodyError::Timeout))?;
    connection.body_read();
    Ok(read)
}

/// What came so far: the first piece as it is, copied only when a second one comes.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve(2 * (self.first.len() + data.len()));
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
