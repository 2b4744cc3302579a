//! The archive on an S3-compatible store (design, rule 7).
//!
//! Objects are made with `If-None-Match: *`; whether a store heeds that is tried at first use, since
//! some take the header and overwrite all the same.

mod client;
mod doctor;
mod failure;
mod listing;
#[cfg(any(test, debug_assertions, feature = "testsuite"))]
pub mod stand_in;
mod store;
#[cfg(test)]
mod tests;

pub use doctor::S3Doctor;
pub use store::S3Store;
