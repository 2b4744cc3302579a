//! The embedded backends: segment log, two SQLite files, a directory (design, section 5).

mod checkpoints;
mod directory;
mod directory_store;
mod doctor;
mod event_log;
mod log;
pub mod sqlite;
pub mod state;
mod store;

pub use checkpoints::Checkpoints;
pub use directory::{DataDirectory, DirectoryError};
pub use directory_store::DirectoryStore;
pub use doctor::DirectoryDoctor;
pub use event_log::{EmbeddedLog, EmbeddedLogOptions};
pub use store::{Options as StoreOptions, StoreDb};
