//! One suite a port, run against every backend.
//!
//! A suite is a list of named behaviours; a failure names the behaviour that does not hold. The
//! suites assert nothing about time and wait for nothing but the calls themselves.

pub mod event_log;
pub mod object_store;
mod outcomes;
pub mod samples;
pub mod sink;
pub mod state;
pub mod store;

use std::fmt::Debug;

use super::{Kind, Result};

/// The behaviour being shown; every failure carries its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour(pub(crate) &'static str);

impl Behaviour {
    /// What a call returned that must succeed.
    #[track_caller]
    pub(crate) fn ok<T>(self, result: Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => panic!("{}: a call failed: {}", self.0, error.chain()),
        }
    }

    /// The call must fail with that kind.
    #[track_caller]
    pub(crate) fn fails<T: Debug>(self, result: Result<T>, kind: Kind) {
        match result {
            Ok(value) => panic!("{}: expected {kind:?}, got {value:?}", self.0),
            Err(error) => assert_eq!(error.kind(), kind, "{}: {}", self.0, error.chain()),
        }
    }

    /// Both must be the same.
    #[track_caller]
    pub(crate) fn same<A: Debug + PartialEq<E>, E: Debug>(self, actual: A, expected: E) {
        assert_eq!(actual, expected, "{}", self.0);
    }

    /// There must be nothing.
    #[track_caller]
    pub(crate) fn empty<T: Debug>(self, actual: &[T]) {
        assert!(actual.is_empty(), "{}: {actual:?}", self.0);
    }
}
