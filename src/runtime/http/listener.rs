//! Bound sockets, made before anything is served so that their addresses can be told.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait in the kernel until they are accepted.
const BACKLOG: i32 = 4096;

/// A bound socket that nobody serves yet; clients may connect and wait.
#[derive(Debug)]
pub struct Listener(pub(super) Bound);

#[derive(Debug)]
pub(super) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Binds a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(Bound::Tcp(tcp(address, false)?)))
    }

    /// Binds a unix socket that only its owner may use, in place of a leftover of an earlier run.
    /// The caller owns the directory.
    ///
    /// # Errors
    /// When the path cannot be bound.
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self(Bound::Unix(listener)))
    }

    /// The bound address; `None` on a unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix(_) => None,
        }
    }
}

/// Binds several sockets to one address, among which the kernel shares out connections. The
/// address must be free: another process that shares its ports would get some of ours.
///
/// # Errors
/// When the address cannot be had.
pub fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Vec<Listener>> {
    if address.port() != 0 {
        drop(tcp(address, false)?);
    }
    let first = tcp(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![Listener(Bound::Tcp(first))];
    for _ in 1..count {
        listeners.push(Listener(Bound::Tcp(tcp(address, true)?)));
    }
    Ok(listeners)
}

fn tcp(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
