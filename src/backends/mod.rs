//! Implementations of the ports. Only `wire` and the contract tests import from here.

pub mod embedded;
pub mod kafka;
mod ledger;
pub mod lenient;
pub mod memory;
pub mod postgres;
pub mod redis;
pub mod s3;
pub mod spill;
mod storable;
mod tally;
mod uniques;
