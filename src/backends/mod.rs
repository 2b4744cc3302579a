//! Implementations of the ports. Only `wire` and the contract tests import from here.

pub mod embedded;
mod ledger;
pub mod memory;
pub mod postgres;
pub mod redis;
mod storable;
mod tally;
mod uniques;
