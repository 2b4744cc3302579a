mod object_store;
mod state;

pub use object_store::MemoryObjectStore;
pub use state::MemoryState;
