//! An API key as the hot path needs it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use apiverse_contract::key_format::LOOKUP_LEN;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::{ApiId, KeyId, OrganizationId};
use apiverse_store::GatewayKey;
use http::Method;
use ipnet::IpNet;

use super::plan::{Policies, Tools, policies};
use super::policy::{Policy, policy};

/// The part of a key's text that it is found by.
pub(crate) type Prefix = [u8; LOOKUP_LEN];

/// A key that is not revoked.
pub(crate) struct KeyRecord {
    pub(crate) id: KeyId,
    pub(crate) name: Box<str>,
    /// `live` or `test`.
    pub(crate) environment: Box<str>,
    pub(crate) organization_id: OrganizationId,
    /// Unlike that of any other record of this process: what was verified against one record
    /// says nothing about the next.
    pub(crate) stamp: u64,
    pub(crate) current: Secret,
    /// The secret before the last rotation.
    pub(crate) previous: Option<Box<Secret>>,
    /// Microseconds since 1970.
    pub(crate) expires_at_us: Option<i64>,
    methods: Box<[Method]>,
    api_ids: Box<[ApiId]>,
    /// `None`: from everywhere.
    networks: Option<Box<[IpNet]>>,
    pub(crate) policy: Policy,
    pub(crate) policies: Policies,
    /// Used since this was last asked, where that matters.
    is_used: AtomicBool,
}

/// One text that the key has or had.
pub(crate) struct Secret {
    pub(crate) prefix: Prefix,
    /// Argon2id, PHC string.
    pub(crate) hash: Box<str>,
    /// Microseconds since 1970 when this text stops working, if it does before the key.
    pub(crate) expires_at_us: Option<i64>,
}

/// The row cannot be a key of ours.
#[derive(Debug, thiserror::Error)]
#[error("the key prefix has not the length of one")]
pub(crate) struct UnreadableKey;

impl KeyRecord {
    pub(crate) fn new(found: GatewayKey, tools: Tools<'_>) -> Result<Self, UnreadableKey> {
        let row = found.key;
        let attached = &found.policies;
        let level = PolicyLevel::Key;
        let policies = policies(attached, row.organization_id, level, row.id.0, tools);
        static STAMPS: AtomicU64 = AtomicU64::new(1);
        let current = Secret {
            prefix: prefix(&row.key_prefix)?,
            hash: row.key_hash.into(),
            expires_at_us: None,
        };
        let previous = match (row.previous_prefix, row.previous_hash) {
            (Some(text), Some(hash)) => Some(Box::new(Secret {
                prefix: prefix(&text)?,
                hash: hash.into(),
                expires_at_us: row.previous_expires_at.map(|at| at.timestamp_micros()),
            })),
            _ => None,
        };
        // An entry that cannot be read allows nobody; dropping the whole list would allow all.
        let networks = (!row.allowed_ips.is_empty()).then(|| {
            row.allowed_ips
                .iter()
                .filter_map(|text| network(text))
                .collect()
        });
        Ok(Self {
            id: row.id,
            name: row.name.into(),
            environment: row.environment.into(),
            organization_id: row.organization_id,
            stamp: STAMPS.fetch_add(1, Ordering::Relaxed),
            current,
            previous,
            expires_at_us: row.expires_at.map(|at| at.timestamp_micros()),
            methods: row
                .methods
                .iter()
                .filter_map(|text| Method::from_bytes(text.to_ascii_uppercase().as_bytes()).ok())
                .collect(),
            api_ids: row.api_ids.into(),
            networks,
            policy: policy(found.policy),
            policies,
            is_used: AtomicBool::new(true),
        })
    }

    /// The texts that may be presented, each by its own prefix.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(self.previous.as_deref())
    }

    /// Notes a use. The flag is read first: calls share its memory, and most find it set.
    pub(crate) fn was_used(&self) {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the key was used since the last time this was asked.
    pub(super) fn take_used(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn allows_api(&self, id: ApiId) -> bool {
        self.api_ids.is_empty() || self.api_ids.contains(&id)
    }

    pub(crate) fn allows_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether the key is tied to networks at all: finding the caller's address costs something.
    pub(crate) fn is_tied_to_networks(&self) -> bool {
        self.networks.is_some()
    }

    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        self.networks
            .as_ref()
            .is_none_or(|networks| networks.iter().any(|net| net.contains(&address)))
    }
}

fn prefix(text: &str) -> Result<Prefix, UnreadableKey> {
    text.as_bytes().try_into().map_err(|_| UnreadableKey)
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
