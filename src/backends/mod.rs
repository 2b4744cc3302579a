//! Implementations of the ports. Only `wire` and the contract tests import from here.

pub mod embedded;
pub mod kafka;
pub mod memory;
pub mod spill;
