//! The embedded backends: segment log, two SQLite files, a directory (design, section 5).

mod checkpoints;
pub mod sqlite;
pub mod state;

pub use checkpoints::Checkpoints;
