//! `state.db`: marks, rates, rules, the memory of jobs, and the positions of every group but the
//! worker's. Rows and their books are in `store.db`.

mod db;
mod judge;
mod marks;
mod offsets;
mod rates;
mod rules;
mod schema;
#[cfg(test)]
mod tests;

pub use db::StateDb;
