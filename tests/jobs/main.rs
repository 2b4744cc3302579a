//! The jobs on an installation that has run: what they find, bring back and put right.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod archive;
mod blacklist;
mod dead_letters;
mod query;
mod replay;
mod sandbox;
mod send;
mod verify;
