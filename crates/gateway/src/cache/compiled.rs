//! A cache policy, compiled.

use std::convert::Infallible;

use apiverse_cache::{KeyParts, QueryParts, Rules, Targeted};
use apiverse_contract::policies::CachePolicy;
use http::HeaderName;

use crate::snapshot::{PolicyOrigin, Tools};

/// What a call needs of its cache policy.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    pub(crate) rules: Rules,
    /// Unlike that of any policy that stores or finds answers in another way.
    pub(super) digest: [u8; 8],
    pub(super) collapse: bool,
    pub(super) cache_status: bool,
}

impl CompiledCache {
    pub(crate) fn new(
        policy: CachePolicy,
        _: PolicyOrigin,
        _: Tools<'_>,
    ) -> Result<Self, Infallible> {
        let hash = blake3::hash(format!("{policy:?}").as_bytes());
        let digest = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        let names = |all: &[String]| -> Vec<HeaderName> {
            // Checked when the policy was set.
            all.iter().filter_map(|name| name.parse().ok()).collect()
        };
        let query = match policy.key.query_only {
            Some(only) => QueryParts::Only(only),
            None if policy.key.query_except.is_empty() => QueryParts::All,
            None => QueryParts::Except(policy.key.query_except),
        };
        let rules = Rules {
            targeted: names(&policy.targeted_fields)
                .into_iter()
                .map(Targeted::of)
                .collect(),
            default_ttl: policy.default_ttl_seconds.map(u64::from),
            negative_ttl: policy
                .negative_ttl_seconds
                .iter()
                .map(|(status, seconds)| (*status, u64::from(*seconds)))
                .collect(),
            max_ttl: policy.max_ttl_seconds.map(u64::from),
            heuristic: policy.heuristic,
            stale_while_revalidate: policy.stale_while_revalidate_seconds.into(),
            stale_if_error: policy.stale_if_error_seconds.into(),
            shared: policy.shared_between_keys,
            ignore_cookies: policy.ignore_cookies,
            ignore_request_directives: policy.ignore_request_directives,
            max_object: usize::try_from(policy.max_object_bytes).unwrap_or(usize::MAX),
            key: KeyParts {
                query,
                headers: names(&policy.key.headers),
            },
            tag_fields: names(&policy.tag_fields),
        };
        Ok(Self {
            rules,
            digest,
            collapse: policy.collapse,
            cache_status: policy.cache_status,
        })
    }
}
