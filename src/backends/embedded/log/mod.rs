//! The segment log: one directory, one writer, frames with checksums, group commit.
//!
//! It is what a partition of the embedded event log lies in, and what a spill log will lie in; it
//! knows offsets and encoded batches, not topics, groups or consumers.
//!
//! * [`frame`]: a batch on disk. [`disk`]: the calls that write, [`writeback`] the one by
//!   which a write begins at once. [`segment`]: files and their bounds.
//! * [`writer`]: the thread that commits groups; [`group`]: who waits for them; [`pace`]: how the next
//!   segment is made ready beside it.
//! * [`reader`]: frames of a file; [`cursor`]: frames of the log, with what is lost.
//! * [`recover`]: what stands after a crash. [`partition`]: all of it behind one type.

mod cursor;
mod disk;
mod frame;
mod group;
#[cfg(test)]
mod model_test;
mod pace;
mod partition;
mod reader;
mod recover;
mod segment;
#[cfg(test)]
pub(crate) mod test_disk;
#[cfg(test)]
mod tests;
mod writeback;
mod writer;

pub(crate) use cursor::{Cursor, Step, Wait};
pub(crate) use disk::{Disk, SystemDisk};
pub(crate) use partition::{LogOptions, PartitionLog, io_error};
