//! The embedded backends: segment log, two SQLite files, a directory (design, section 5).

mod checkpoints;
mod directory_store;
pub mod sqlite;
pub mod state;
mod store;

pub use checkpoints::Checkpoints;
pub use directory_store::DirectoryStore;
pub use store::{Options as StoreOptions, StoreDb};
