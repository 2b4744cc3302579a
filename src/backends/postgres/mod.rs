//! The store on Postgres: rows, roll-ups, decisions, dead letters and the books, written in one
//! transaction a batch and read in one snapshot an answer.
//!
//! Offsets live in the broker, so a commit here is durable before they move. A connection goes back
//! to the pool only after a clean end: a call that fails, is given up or goes away in the middle of
//! a transaction takes its connection with it.

mod answers;
mod apply;
mod audit;
mod breakdown;
mod connect;
mod dead_letters;
mod doctor;
mod failure;
mod known;
mod lookup;
mod migrations;
mod pool;
mod rows;
mod ruling;
mod sink;
mod stats;
mod store;
mod tables;
mod tls;
mod values;
mod writes;

pub use doctor::PostgresDoctor;
pub use migrations::PostgresMigrations;
pub use store::{Options, PostgresStore};
