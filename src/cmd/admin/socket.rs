//! Where the socket is, also in directories whose path is too long for a socket's address.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::runtime::http::Listener;

/// Its name in the data directory.
pub const FILE: &str = "admin.sock";

/// Bytes that the kernel takes as a socket's path, its end mark left out.
const LONGEST_PATH: usize = 107;

/// Binds the socket of a data directory that the caller owns.
///
/// # Errors
/// Where it cannot be bound.
pub fn bind(directory: &Path) -> io::Result<Listener> {
    with_path(directory, Listener::bind_unix)
}

/// Connects to the owner's socket.
pub(super) fn connect(directory: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    with_path(directory, |path| std::os::unix::net::UnixStream::connect(path))
}

fn with_path<T>(directory: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = directory.join(FILE);
    if path.as_os_str().len() <= LONGEST_PATH {
        return act(&path);
    }
    // The kernel looks the folder up through our descriptor, whatever its name.
    let folder = File::open(directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(FILE);
    act(&short)
}
