//! One socket for each thread on one address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Listeners that share `addr`; the kernel spreads connections over them.
pub(super) fn listen(addr: SocketAddr, count: usize, backlog: i32) -> io::Result<Vec<TcpListener>> {
    if addr.port() != 0 {
        // Sharing would also share with another process of the same user: a second start must
        // fail, not take half of the calls.
        socket(addr, false)?.bind(&addr.into())?;
    }
    let mut addr = addr;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = socket(addr, true)?;
        socket.bind(&addr.into())?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        // With port 0 the first one chooses for all.
        addr = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn socket(addr: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        // `[::]` means every address, those of IPv4 too.
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_share_one_port_but_not_with_others() {
        let listeners = listen("127.0.0.1:0".parse().unwrap(), 3, 16).unwrap();
        let addr = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|l| l.local_addr().unwrap() == addr));
        assert_eq!(
            listen(addr, 1, 16).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listeners);
        assert!(listen(addr, 2, 16).is_ok());
    }
}
