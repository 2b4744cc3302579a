//! Sets the disk to work on part of a file without waiting for it. Not a sync: what is durable when
//! is for [`super::disk`] to say.
#![expect(unsafe_code, reason = "a system call on numbers that no safe library offers")]

use std::fs::File;
use std::os::fd::AsRawFd;

/// Begins to write these bytes to the disk, so that a sync after it waits the less. Only a hint: where
/// it is refused, the sync does all of it and reports what fails.
pub(super) fn begin(file: &File, at: u64, length: u64) {
    let (Ok(at), Ok(length)) = (i64::try_from(at), i64::try_from(length)) else { return };
    // SAFETY: the descriptor is open for as long as the file is borrowed; the call takes numbers only
    // and touches no memory of ours.
    unsafe { libc::sync_file_range(file.as_raw_fd(), at, length, libc::SYNC_FILE_RANGE_WRITE) };
}
