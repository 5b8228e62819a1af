//! Resolving a name and connecting to it, under a policy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::EgressPolicy;

/// How long an attempt has before the next address is tried beside it (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The host has addresses, but the policy permits none of them.
    #[error("the address of {host} is in a range that is not allowed")]
    Blocked {
        /// The host as it was asked for.
        host: String,
    },
    /// The name could not be resolved.
    #[error("name resolution failed")]
    Resolve(#[source] io::Error),
    /// No address accepted the connection; the error of the last one.
    #[error("connect failed")]
    Connect(#[source] io::Error),
    /// The time given was over.
    #[error("connect timed out")]
    Timeout,
}

/// The addresses of `host` that `policy` permits, in the resolver's order.
///
/// `host` is a name or an address, an IPv6 address with or without brackets. What looks like a
/// name but means an address (`127.1`, `0x7f000001`) is what the system's resolver makes of it,
/// and is judged like any other.
///
/// # Errors
/// `Resolve` when there is no address, `Blocked` when none is permitted.
pub async fn resolve(
    policy: &EgressPolicy,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, EgressError> {
    let name = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if name.is_empty() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the host is empty");
        return Err(EgressError::Resolve(error));
    }
    let found = tokio::net::lookup_host((name, port))
        .await
        .map_err(EgressError::Resolve)?;

    let mut resolved_any = false;
    let mut addresses = Vec::new();
    for address in found {
        resolved_any = true;
        if policy.permits(address.ip()) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if !resolved_any {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(EgressError::Resolve(error));
    }
    if addresses.is_empty() {
        return Err(EgressError::Blocked {
            host: host.to_owned(),
        });
    }
    Ok(addresses)
}

/// A TCP connection to `host`, made within `timeout` (name resolution included), with
/// `TCP_NODELAY`.
///
/// Addresses are tried as in RFC 8305, in short: families take turns, and each attempt has 250 ms
/// before the next starts beside it; the first that connects wins.
///
/// # Errors
/// See [`EgressError`].
pub async fn connect(
    policy: &EgressPolicy,
    host: &str,
    port: u16,
    timeout: Duration,
) -> Result<TcpStream, EgressError> {
    let attempt = async {
        let addresses = interleave(resolve(policy, host, port).await?);
        dial(policy, host, &addresses).await
    };
    match tokio::time::timeout(timeout, attempt).await {
        Ok(result) => result,
        Err(_elapsed) => Err(EgressError::Timeout),
    }
}

/// The same with addresses that were resolved before, tried in their order. The policy is asked
/// again: it holds at every connect.
///
/// # Errors
/// See [`EgressError`]; `Blocked` when none of the addresses is permitted.
pub async fn connect_to(
    policy: &EgressPolicy,
    host: &str,
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<TcpStream, EgressError> {
    let permitted: Vec<SocketAddr> = addresses
        .iter()
        .copied()
        .filter(|address| policy.permits(address.ip()))
        .collect();
    if permitted.is_empty() {
        return Err(EgressError::Blocked {
            host: host.to_owned(),
        });
    }
    match tokio::time::timeout(timeout, dial(policy, host, &permitted)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(EgressError::Timeout),
    }
}

async fn dial(
    policy: &EgressPolicy,
    host: &str,
    addresses: &[SocketAddr],
) -> Result<TcpStream, EgressError> {
    let stream = race(addresses, TcpStream::connect)
        .await
        .map_err(EgressError::Connect)?;
    // What counts is who is at the other end, not what was asked for.
    let peer = stream.peer_addr().map_err(EgressError::Connect)?;
    if !policy.permits(peer.ip()) {
        return Err(EgressError::Blocked {
            host: host.to_owned(),
        });
    }
    stream.set_nodelay(true).map_err(EgressError::Connect)?;
    Ok(stream)
}

/// Lets the families take turns, beginning with the one the resolver put first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let first_is_v6 = first.is_ipv6();
    let count = addresses.len();
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);

    let mut ordered = Vec::with_capacity(count);
    let mut preferred = preferred.into_iter();
    let mut other = other.into_iter();
    while ordered.len() < count {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

/// The first attempt that succeeds; attempts that lose are dropped.
async fn race<T, F>(addresses: &[SocketAddr], dial: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address to try");
    loop {
        match waiting.next() {
            Some(address) => attempts.push(dial(*address)),
            None if attempts.is_empty() => return Err(last_error),
            None => {}
        }
        let head_start = tokio::time::sleep(HEAD_START);
        tokio::select! {
            // Not empty here: either an attempt was just added, or one was left.
            Some(result) = attempts.next() => match result {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = error,
            },
            () = head_start, if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn loopback() -> EgressPolicy {
        EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn every_spelling_of_a_private_address_is_blocked() {
        let spellings = [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "::1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "::ffff:7f00:1",
            "169.254.169.254",
            "[fe80::1]",
        ];
        for host in spellings {
            let result = resolve(&EgressPolicy::default(), host, 80).await;
            assert!(
                matches!(&result, Err(EgressError::Blocked { host: blocked }) if blocked == host),
                "{host}: {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn allowed_and_public_addresses_resolve() {
        let one = addresses(&["127.0.0.1:80"]);
        assert_eq!(resolve(&loopback(), "127.0.0.1", 80).await.unwrap(), one);
        assert_eq!(resolve(&loopback(), "0x7f000001", 80).await.unwrap(), one);
        // `localhost` may have ::1 as well: it is dropped, the rest stays.
        assert_eq!(resolve(&loopback(), "localhost", 80).await.unwrap(), one);
        let public = resolve(&EgressPolicy::default(), "[2606:4700:4700::1111]", 443).await;
        assert_eq!(public.unwrap(), addresses(&["[2606:4700:4700::1111]:443"]));
    }

    #[tokio::test]
    async fn hosts_that_are_no_names_fail_to_resolve() {
        for host in [
            "",
            "[]",
            "a\0b",
            "[::1",
            "no such host",
            "256.256.256.256.256",
            "1.2.3.4:80",
        ] {
            let result = resolve(&EgressPolicy::default(), host, 80).await;
            assert!(
                matches!(result, Err(EgressError::Resolve(_))),
                "{host:?}: {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn connect_reaches_an_allowed_listener_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let timeout = Duration::from_secs(5);
        let stream = connect(&loopback(), "localhost", port, timeout)
            .await
            .unwrap();
        assert!(stream.nodelay().unwrap());
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), from);

        let refused = connect(&EgressPolicy::default(), "localhost", port, timeout).await;
        assert!(
            matches!(refused, Err(EgressError::Blocked { .. })),
            "{refused:?}"
        );

        drop(listener);
        let closed = connect(&loopback(), "127.0.0.1", port, timeout).await;
        assert!(matches!(closed, Err(EgressError::Connect(_))), "{closed:?}");
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_a_timeout() {
        // Nobody accepts, so once the backlog is full the kernel leaves callers waiting.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut held = Vec::new();
        let error = loop {
            assert!(held.len() < 100, "the backlog never fills");
            match connect(&loopback(), "127.0.0.1", port, Duration::from_millis(50)).await {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, EgressError::Timeout), "{error:?}");
    }

    #[test]
    fn families_take_turns() {
        let mixed = addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "[2001:db8::3]:1",
            "1.1.1.1:1",
        ]);
        let ordered = addresses(&[
            "[2001:db8::1]:1",
            "1.1.1.1:1",
            "[2001:db8::2]:1",
            "[2001:db8::3]:1",
        ]);
        assert_eq!(interleave(mixed), ordered);
        let v4_first = addresses(&["1.1.1.1:1", "1.1.1.2:1", "[2001:db8::1]:1"]);
        let ordered = addresses(&["1.1.1.1:1", "[2001:db8::1]:1", "1.1.1.2:1"]);
        assert_eq!(interleave(v4_first), ordered);
        assert_eq!(interleave(Vec::new()), Vec::new());
    }

    #[tokio::test]
    async fn a_silent_address_delays_the_next_by_its_head_start_only() {
        let candidates = addresses(&["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"]);
        let tried = Mutex::new(Vec::new());
        let started = Instant::now();
        let winner = race(&candidates, |address| {
            tried.lock().unwrap().push(address);
            let silent = address == candidates[0];
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                Ok(address)
            }
        })
        .await
        .unwrap();
        assert_eq!(winner, candidates[1]);
        assert_eq!(*tried.lock().unwrap(), candidates[..2]);
        assert!(started.elapsed() >= HEAD_START);
    }

    #[tokio::test]
    async fn a_refusal_moves_on_at_once_and_the_last_error_is_told() {
        let candidates = addresses(&["192.0.2.1:1", "192.0.2.2:1"]);
        let started = Instant::now();
        let result: io::Result<()> = race(&candidates, |address| async move {
            Err(io::Error::other(address.to_string()))
        })
        .await;
        assert_eq!(result.unwrap_err().to_string(), "192.0.2.2:1");
        assert!(started.elapsed() < HEAD_START);
        let nothing: io::Result<()> = race(&[], |_| async { Ok(()) }).await;
        assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
