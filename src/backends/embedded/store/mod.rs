//! `store.db`: rows, roll-ups, decisions, dead letters, the books and the worker's positions in one
//! SQLite file (design, section 5).
//!
//! One writer thread owns the writing connection; readers have connections of their own and see one
//! snapshot an answer. Commits are lazy: what a power cut takes is read from the log again, by the
//! position that goes with it.

mod answers;
mod apply;
mod audit;
mod books;
mod breakdown;
mod db;
mod dead_letters;
mod lookup;
mod positions;
mod reader;
mod rollup;
mod schema;
mod sink;
mod stats;
mod text;

pub use db::{Options, StoreDb};

#[cfg(test)]
mod tests;
