//! A client's ledger held against the installation: lost, doubled, altered, never sent.
//!
//! The audit by origin asks whether everything that was accepted ended; it cannot see what the door
//! acknowledged and then forgot, because it learns of acceptances from the log and the archive. The
//! ledger is the client's own word. Its lines, and by the same ids the store's rows, dead letters
//! and decisions and the records of archive and log (taken while the audit by origin reads them), are
//! sorted by event id on disk and judged id by id, so memory is bounded whatever the number of events.

mod item;
mod judge;
#[cfg(test)]
mod tests;
mod verdict;
mod witness;

pub(super) use witness::{Judged, Witness};
