//! What a connection is for.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use apiverse_contract::policies::upstream::HttpVersion;

use super::profile::{Names, Profile};

/// Scheme, host and port: calls of the same origin share connections.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    /// As in a URL: an IPv6 address has brackets.
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// The built-in sample, which is not resolved but set.
    pub(crate) is_sample: bool,
    /// `None`: the gateway's own way.
    pub(crate) profile: Option<Arc<Profile>>,
    /// Used with a profile alone.
    pub(crate) names: Names,
    hash: u64,
}

impl Origin {
    pub(crate) fn new(tls: bool, host: &str, port: u16, is_sample: bool) -> Self {
        use std::hash::BuildHasher;
        let hash = foldhash::fast::FixedState::default().hash_one((tls, host, port, is_sample));
        Self {
            tls,
            host: host.into(),
            port,
            is_sample,
            profile: None,
            names: Names::default(),
            hash,
        }
    }

    /// The same place, connected to in a policy's way.
    pub(crate) fn with_profile(&self, profile: Arc<Profile>) -> Self {
        let mut origin = Self::new(self.tls, &self.host, self.port, self.is_sample);
        let (first, _) = profile.digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        origin.hash ^= u64::from_le_bytes(*first);
        origin.profile = Some(profile);
        origin
    }

    /// Which HTTP is to be spoken.
    pub(crate) fn http(&self) -> HttpVersion {
        self.profile
            .as_ref()
            .map_or(HttpVersion::Auto, |profile| profile.http)
    }

    /// Whether connections there may be HTTP/2.
    pub(crate) fn may_be_http2(&self) -> bool {
        match self.http() {
            HttpVersion::Auto => self.tls,
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
        }
    }

    /// Whether a connection to `peer` still leads there.
    pub(crate) fn is_current(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.profile, peer) {
            (Some(_), Some(peer)) => self.names.is_current(peer),
            _ => true,
        }
    }

    /// As in a URL.
    pub(crate) fn text(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    fn digest(&self) -> Option<&[u8; 32]> {
        self.profile.as_ref().map(|profile| &profile.digest)
    }

    /// The host as a name to verify a certificate for, without an IPv6 address's brackets.
    pub(crate) fn host_name(&self) -> &str {
        self.host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&self.host)
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.hash == other.hash
                && self.tls == other.tls
                && self.host == other.host
                && self.port == other.port
                && self.is_sample == other.is_sample
                && self.digest() == other.digest())
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Computed once: the pool is asked for every call.
        state.write_u64(self.hash);
    }
}
