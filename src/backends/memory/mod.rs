//! The memory backends: real small implementations, the plain reading of the ports, and decorators
//! that make any backend fail on demand.

mod event_log;
pub mod faults;
mod object_store;
mod state;
mod store;

pub use event_log::MemoryLog;
pub use faults::{Faults, Faulty};
pub use object_store::MemoryObjectStore;
pub use state::MemoryState;
pub use store::store;
