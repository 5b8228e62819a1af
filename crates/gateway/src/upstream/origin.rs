//! What a connection is for.

use std::hash::{Hash, Hasher};

/// Scheme, host and port: calls of the same origin share connections.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    /// As in a URL: an IPv6 address has brackets.
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// The built-in sample, which is not resolved but set.
    pub(crate) is_sample: bool,
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
            hash,
        }
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
                && self.is_sample == other.is_sample)
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Computed once: the pool is asked for every call.
        state.write_u64(self.hash);
    }
}
