//! The contract suites on the real servers, and what those servers alone can do to a backend:
//! `cargo test --features testsuite --test services`. Not part of `cargo test`, because it needs
//! `scripts/install-servers`; a missing server fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside sees a test's helpers")]

mod archiver;
mod cluster;
#[path = "../jobs/damage.rs"]
mod damage;
mod dead_letters;
mod doctor;
#[path = "../jobs/every_schema.rs"]
mod every_schema;
mod faults;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../jobs/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests/jobs, which uses the rest")]
mod jobs_sandbox;
mod kafka;
#[path = "../pipeline/sandbox.rs"]
#[allow(dead_code, reason = "shared with tests/pipeline, which uses the rest")]
mod pipeline_sandbox;
mod postgres;
mod redis;
mod replay;
mod s3;
mod servers;
mod tls;
mod verify;
#[path = "../jobs/witness.rs"]
#[allow(dead_code, reason = "shared with tests/jobs, which uses the rest")]
mod witness;
