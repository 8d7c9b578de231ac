//! Binding: all sockets are bound before anything starts, so that a start fails whole or not at all.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
};

use anyhow::anyhow;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel's own limit (`somaxconn`, 4096) is the same.
const BACKLOG: i32 = 4096;

/// The listeners of one address: one a runtime, between which the kernel shares the connections.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Where they listen; the port is the real one where port 0 was asked for.
    pub(crate) address: SocketAddr,
    /// One a runtime.
    pub(crate) sockets: Vec<TcpListener>,
}

/// Binds listeners to an address; `setting` is what named it.
///
/// # Errors
///
/// Why it can't be bound, and what to do.
pub(crate) fn bind(setting: &str, address: SocketAddr, count: usize) -> anyhow::Result<Listeners> {
    bind_all(address, count).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "{setting}: {address} is in use; stop what listens there, or set {setting} to another address"
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "{setting}: no permission to listen at {address}; set {setting} to a port above 1023"
        ),
        ErrorKind::AddrNotAvailable => anyhow!(
            "{setting}: this machine has no address {}; set {setting} to one that it has, or to 0.0.0.0",
            address.ip()
        ),
        _ => anyhow!("{setting}: can't listen at {address}: {error}"),
    })
}

fn bind_all(address: SocketAddr, count: usize) -> io::Result<Listeners> {
    let share = count > 1;
    if share && address.port() != 0 {
        // Sockets that share a port don't notice another process of this user that shares it too. One that doesn't share does.
        drop(socket(address, false)?);
    }
    let first = socket(address, share)?;
    let address = first
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the socket has no IP address"))?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(socket(address, share)?);
    }
    let sockets = sockets
        .into_iter()
        .map(|socket| {
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        })
        .collect::<io::Result<_>>()?;
    Ok(Listeners { address, sockets })
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of an earlier process may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_PORT: &str = "127.0.0.1:0";

    #[test]
    fn all_listeners_of_an_address_share_its_port() {
        let listeners = bind("LISTEN", ANY_PORT.parse().unwrap(), 3).unwrap();
        let addresses: Vec<_> = listeners
            .sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        assert_eq!(addresses, [listeners.address; 3]);
        assert_ne!(listeners.address.port(), 0);
    }

    #[test]
    fn an_address_in_use_is_an_error_that_names_the_setting() {
        let first = bind("LISTEN", ANY_PORT.parse().unwrap(), 2).unwrap();
        for count in [1, 2] {
            let error = bind("GRPC_LISTEN", first.address, count).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "GRPC_LISTEN: {} is in use; stop what listens there, or set GRPC_LISTEN to another address",
                    first.address
                )
            );
        }
    }
}
