//! The backends on real servers: `cargo test --features testsuite --test services`. Not part of
//! `cargo test`, because it needs `scripts/install-servers`; a missing server fails.

mod kafka;
mod servers;
