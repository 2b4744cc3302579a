//! The real binary as a user meets it: help, exit codes, settings, servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod config;
mod generated;
mod help;
mod jobs;
mod ledger;
mod sandbox;
mod seeds;
mod serve;
