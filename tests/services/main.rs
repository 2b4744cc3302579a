//! The contract suites on the real servers, and what those servers alone can do to a backend.

mod postgres;
mod redis;
mod servers;
