//! Implementations of the ports. Only `wire` and the contract tests import from here.

pub mod embedded;
pub mod memory;
pub mod s3;
