//! How the targets of a policy are connected to, where that differs from the gateway's way.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apiverse_connectors::{EgressError, EgressPolicy, resolve};
use apiverse_contract::policies::upstream::HttpVersion;
use arc_swap::ArcSwapOption;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::UpstreamTls;

/// TLS, HTTP version and names of a policy's targets. Connections of different profiles are never
/// shared: one may be allowed in by a certificate that another has not.
pub(crate) struct Profile {
    /// Of everything that makes a connection what it is.
    pub(crate) digest: [u8; 32],
    /// `None`: the gateway's own.
    pub(crate) tls: Option<UpstreamTls>,
    /// `None`: the target's host.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) http: HttpVersion,
    pub(crate) dns_refresh: Duration,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("http", &self.http)
            .field("dns_refresh", &self.dns_refresh)
            .finish_non_exhaustive()
    }
}

/// The addresses of a target's name, as all threads know them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: ArcSwapOption<Known>,
    /// Whose turn it is to be the first.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    resolved: Instant,
}

impl Names {
    /// The addresses, another one first each time. A name that cannot be resolved any more keeps
    /// the addresses it had.
    pub(crate) async fn addresses(
        &self,
        policy: &EgressPolicy,
        host: &str,
        port: u16,
        refresh: Duration,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let known = self.known.load_full();
        let mut addresses = match known {
            Some(known) if known.resolved.elapsed() < refresh => known.addresses.clone(),
            known => match resolve(policy, host, port).await {
                Ok(addresses) => self.keep(addresses),
                // What was permitted before may not be any more.
                Err(error @ EgressError::Blocked { .. }) => return Err(error),
                Err(error) => match known {
                    Some(known) => self.keep(known.addresses.clone()),
                    None => return Err(error),
                },
            },
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
        addresses.rotate_left(turn);
        Ok(addresses)
    }

    /// As if the name had been resolved to `addresses` just now.
    #[cfg(test)]
    pub(crate) fn pretend(&self, addresses: Vec<SocketAddr>) {
        self.keep(addresses);
    }

    fn keep(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        self.known.store(Some(Arc::new(Known {
            addresses: addresses.clone(),
            resolved: Instant::now(),
        })));
        addresses
    }

    /// Whether a connection to `peer` still leads to the name.
    pub(crate) fn is_current(&self, peer: SocketAddr) -> bool {
        self.known
            .load()
            .as_ref()
            .is_none_or(|known| known.addresses.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_take_turns_and_outlive_their_name() {
        let names = Names::default();
        let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let two: Vec<SocketAddr> = ["127.0.0.1:1", "127.0.0.2:1"]
            .map(|address| address.parse().unwrap())
            .into();
        names.keep(two.clone());
        let hour = Duration::from_secs(3600);
        let mut firsts = Vec::new();
        for _ in 0..4 {
            let addresses = names
                .addresses(&policy, "x.invalid", 1, hour)
                .await
                .unwrap();
            firsts.push(addresses[0]);
        }
        assert_eq!(firsts, [two[0], two[1], two[0], two[1]]);
        assert!(names.is_current(two[1]));
        assert!(!names.is_current("127.0.0.3:1".parse().unwrap()));
        let old = names
            .addresses(&policy, "", 1, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(old.len(), 2, "an empty name never resolves");
    }

    #[tokio::test]
    async fn a_new_address_takes_the_place_of_the_old() {
        let names = Names::default();
        let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let old: SocketAddr = "127.0.0.9:1".parse().unwrap();
        names.keep(vec![old]);
        let now = names
            .addresses(&policy, "127.0.0.1", 1, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(now, ["127.0.0.1:1".parse().unwrap()]);
        assert!(!names.is_current(old));
    }
}
