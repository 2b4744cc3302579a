//! The real binary as a user meets it: help, exit codes, settings, servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![expect(clippy::disallowed_methods, reason = "tests wait for other processes")]

mod config;
mod generated;
mod help;
mod jobs;
mod ledger;
mod loadgen;
mod sandbox;
mod seeds;
mod serve;
