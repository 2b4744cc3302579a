//! Headers of a request, whoever read them: hyper, or the fast path.

use hyper::HeaderMap;
use hyper::header::HeaderValue;

/// What a handler asks of a request's headers. Names are given in small letters.
pub trait Headers {
    /// The values under that name, in their order.
    fn all(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &[u8]>;

    /// The first value under that name.
    fn first(&self, name: &'static str) -> Option<&[u8]> {
        self.all(name).next()
    }
}

impl Headers for HeaderMap {
    fn all(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn first(&self, name: &'static str) -> Option<&[u8]> {
        self.get(name).map(HeaderValue::as_bytes)
    }
}

/// The headers of a request on the fast path, where they lie.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r>(pub(super) &'r [httparse::Header<'r>]);

impl Headers for Head<'_> {
    fn all(&self, name: &'static str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let is_it = move |header: &&httparse::Header<'_>| {
            header.name.len() == name.len() && header.name.eq_ignore_ascii_case(name)
        };
        self.0.iter().filter(is_it).map(|header| header.value)
    }
}
