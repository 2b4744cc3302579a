//! The real binary as a user meets it: help, exit codes, settings, servers.

mod config;
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod generated;
mod help;
mod sandbox;
