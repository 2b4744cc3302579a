//! The contract suites on the real servers, and what those servers alone can do to a backend:
//! `cargo test --features testsuite --test services`. Not part of `cargo test`, because it needs
//! `scripts/install-servers`; a missing server fails.

mod cluster;
mod doctor;
#[path = "../harness/mod.rs"]
mod harness;
mod kafka;
mod postgres;
mod redis;
mod s3;
mod servers;
mod tls;
