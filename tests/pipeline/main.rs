//! The whole pipeline in this process, on memory ports and on a real data directory, with faults.
//!
//! What every test ends with is the promise: each accepted origin has exactly one outcome, and the
//! books say the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside sees a test's helpers")]

mod sandbox;

mod archive;
mod crashes;
mod embedded;
mod failures;
mod outcomes;
