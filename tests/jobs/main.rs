//! The jobs on an installation that has run: what they find, bring back and put right.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(unreachable_pub, reason = "nothing outside sees a test's helpers")]

mod archive;
mod blacklist;
mod damage;
mod dead_letters;
mod every_schema;
mod ledger;
mod query;
mod replay;
mod sandbox;
mod send;
mod verify;
mod witness;
