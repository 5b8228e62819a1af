//! An upstream policy as calls use it: addresses parsed, keys decrypted, numbers turned into rules.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_balance::{
    Backoff, BreakerRules, CheckRules, EjectionRules, GroupRules, MAX_TARGETS, Member, SHARES, Way,
    hash, share_of,
};
use apiverse_connectors::tls::{OwnTls, OwnTlsError, own_config};
use apiverse_contract::policies::UpstreamPolicy;
use apiverse_contract::policies::upstream::{
    BalancingMethod, Canary, HttpVersion, SEALED, SplitBy, UpstreamTarget,
    UpstreamTls as TlsDocument,
};
use apiverse_contract::{ApiId, KeyId};
use base64::Engine;
use http::{HeaderMap, HeaderName};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::call::CallRecord;
use crate::config::UpstreamTls;
use crate::snapshot::{Limits, PolicyOrigin, Target, Tools};
use crate::upstream::Profile;

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("a target's url cannot be used")]
    Url,
    #[error("the client key cannot be decrypted")]
    Sealed,
    #[error("the server name is none")]
    ServerName,
    #[error(transparent)]
    Tls(#[from] OwnTlsError),
}

/// An upstream policy, ready to use.
#[derive(Debug)]
pub(crate) struct Upstreaming {
    pub(crate) place: PolicyOrigin,
    pub(crate) document: Box<UpstreamPolicy>,
    /// Empty: the API's base URL.
    pub(super) main: Vec<Listed>,
    pub(super) canary: Vec<Listed>,
    pub(super) mirror: Option<Arc<Target>>,
    pub(super) profile: Arc<Profile>,
    hash_header: Option<HeaderName>,
    canary_header: Option<HeaderName>,
}

/// A target of a list.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) url: Arc<str>,
    pub(super) member: Member,
    pub(super) target: Arc<Target>,
}

impl Listed {
    pub(super) fn new(url: &str, weight: u32, target: Arc<Target>) -> Self {
        Self {
            member: Member::new(hash(url.as_bytes()), weight),
            url: url.into(),
            target,
        }
    }
}

/// Makes a policy ready.
pub(crate) fn compile(
    document: Box<UpstreamPolicy>,
    place: PolicyOrigin,
    tools: Tools<'_>,
) -> Result<Upstreaming, CompileError> {
    let profile = Arc::new(profile(&document, place, tools)?);
    let listed = |targets: &[UpstreamTarget]| {
        targets
            .iter()
            .take(MAX_TARGETS)
            .map(|target| {
                let parsed = parsed(&target.url, &profile)?;
                Ok(Listed::new(&target.url, target.weight, parsed))
            })
            .collect::<Result<Vec<_>, CompileError>>()
    };
    let header = |name: Option<&String>| name.and_then(|name| name.parse().ok());
    let canary = document.canary.as_ref();
    Ok(Upstreaming {
        place,
        main: listed(&document.targets)?,
        canary: listed(canary.map_or(&[], |canary| &canary.targets))?,
        mirror: match &document.mirror {
            Some(mirror) => Some(parsed(&mirror.url, &profile)?),
            None => None,
        },
        hash_header: header(document.balancing.header.as_ref()),
        canary_header: header(canary.and_then(|canary| canary.header.as_ref())),
        profile,
        document,
    })
}

fn parsed(url: &str, profile: &Arc<Profile>) -> Result<Arc<Target>, CompileError> {
    let target = Target::new(url, false).ok_or(CompileError::Url)?;
    Ok(Arc::new(target.with_profile(profile)))
}

/// What a client key is encrypted for: so it opens nothing for another organization.
pub(crate) fn key_context(place: PolicyOrigin) -> String {
    format!("policies.upstream.tls:{}", place.organization_id)
}

fn profile(
    document: &UpstreamPolicy,
    place: PolicyOrigin,
    tools: Tools<'_>,
) -> Result<Profile, CompileError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[match document.http_version {
        HttpVersion::Auto => 0,
        HttpVersion::Http1 => 1,
        HttpVersion::Http2 => 2,
    }]);
    hasher.update(&document.dns_refresh_seconds.to_le_bytes());
    let mut profile = Profile {
        digest: [0; 32],
        tls: None,
        server_name: None,
        http: document.http_version,
        dns_refresh: Duration::from_secs(u64::from(document.dns_refresh_seconds)),
    };
    if let Some(tls) = &document.tls {
        // Certificates are not compared, only told apart: what was sent is what counts.
        let parts = [
            &tls.ca,
            &tls.client_certificate,
            &tls.client_key,
            &tls.server_name,
        ];
        for part in parts {
            let text = part.as_deref().unwrap_or_default();
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&[u8::from(tls.verify)]);
        profile.tls = Some(own_tls(tls, place, tools)?);
        if let Some(name) = &tls.server_name {
            let name = ServerName::try_from(name.clone()).map_err(|_| CompileError::ServerName)?;
            profile.server_name = Some(name);
        }
    }
    if profile.tls.is_none() && document.http_version == HttpVersion::Http2 {
        // TLS as ever; only what is offered differs, which the connection sees to.
        hasher.update(b"h2");
    }
    profile.digest = *hasher.finalize().as_bytes();
    Ok(profile)
}

fn own_tls(
    tls: &TlsDocument,
    place: PolicyOrigin,
    tools: Tools<'_>,
) -> Result<UpstreamTls, CompileError> {
    let key = match tls.client_key.as_deref() {
        None => None,
        Some(text) => Some(open_key(text, place, tools)?),
    };
    let client = match (&tls.client_certificate, &key) {
        (Some(chain), Some(key)) => Some((chain.as_str(), key.as_str())),
        _ => None,
    };
    let own = OwnTls {
        ca: tls.ca.as_deref(),
        client,
        accepts_any: !tls.verify,
    };
    Ok(UpstreamTls {
        calls: own_config(&own, &[b"h2", b"http/1.1"])?,
        upgrades: own_config(&own, &[b"http/1.1"])?,
    })
}

/// The key in PEM, from its stored form.
fn open_key(
    text: &str,
    place: PolicyOrigin,
    tools: Tools<'_>,
) -> Result<zeroize::Zeroizing<String>, CompileError> {
    let Some(sealed) = text.strip_prefix(SEALED) else {
        return Ok(zeroize::Zeroizing::new(text.to_owned()));
    };
    let sealed = base64::engine::general_purpose::STANDARD
        .decode(sealed)
        .map_err(|_| CompileError::Sealed)?;
    let opened = tools
        .vault
        .open(key_context(place).as_bytes(), &sealed)
        .map_err(|_| CompileError::Sealed)?;
    let text = std::str::from_utf8(&opened).map_err(|_| CompileError::Sealed)?;
    Ok(zeroize::Zeroizing::new(text.to_owned()))
}

/// What tells one caller from another.
pub(crate) struct Caller<'a> {
    key: Option<KeyId>,
    address: IpAddr,
    headers: &'a HeaderMap,
}

impl<'a> Caller<'a> {
    /// Of a call that is not made.
    pub(crate) const fn new(key: KeyId, address: IpAddr, headers: &'a HeaderMap) -> Self {
        Self {
            key: Some(key),
            address,
            headers,
        }
    }

    /// Whose call it is. `headers`: the request's.
    pub(crate) fn of(record: &CallRecord, headers: &'a HeaderMap) -> Self {
        let trusted = &record.worker.gateway.config.trusted_proxies;
        Self {
            key: record.key_id,
            address: record.peer.client_address(headers, trusted),
            headers,
        }
    }

    fn hash(&self, by: SplitBy, header: Option<&HeaderName>, salt: &[u8]) -> Option<u64> {
        let mut bytes = salt.to_vec();
        match by {
            SplitBy::Key => bytes.extend_from_slice(self.key?.0.as_bytes()),
            SplitBy::Address => match self.address {
                IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
            },
            SplitBy::Header => bytes.extend_from_slice(self.headers.get(header?)?.as_bytes()),
        }
        Some(hash(&bytes))
    }
}

impl Upstreaming {
    /// Whether calls go where they would go without the policy.
    pub(super) const fn names_none(&self) -> bool {
        self.main.is_empty()
    }

    pub(super) fn way(&self, caller: &Caller<'_>) -> Way {
        let balancing = &self.document.balancing;
        match balancing.method {
            BalancingMethod::LeastRequest => Way::LeastRequest,
            BalancingMethod::Hash => caller
                .hash(balancing.hash_by, self.hash_header.as_ref(), b"")
                .map_or(Way::LeastRequest, Way::Hash),
        }
    }

    /// Whether some calls go elsewhere than others.
    pub(crate) const fn has_canary(&self) -> bool {
        self.document.canary.is_some()
    }

    /// Whether a call belongs to the canary's part.
    pub(crate) fn is_canary(&self, api: ApiId, caller: &Caller<'_>) -> bool {
        let Some(canary) = &self.document.canary else {
            return false;
        };
        if self.canary.is_empty() {
            return false;
        }
        if caller.key.is_some_and(|key| canary.keys.contains(&key)) {
            return true;
        }
        let header = self.canary_header.as_ref();
        if let Some(value) = header.and_then(|name| caller.headers.get(name)) {
            let is_listed = |listed: &String| listed.as_bytes() == value.as_bytes();
            if canary.values.iter().any(is_listed) {
                return true;
            }
        }
        let hash = caller.hash(canary.by, header, api.0.as_bytes());
        hash.is_some_and(|hash| share_of(hash) < share(canary))
    }

    /// The API's limits with what the policy says.
    pub(super) fn limits(&self, own: &Limits) -> Limits {
        let timeouts = &self.document.timeouts;
        let time = |ms: Option<u32>, own: Duration| ms.map_or(own, millis);
        Limits {
            connect: time(timeouts.connect_ms, own.connect),
            first_byte: time(timeouts.first_byte_ms, own.first_byte),
            idle: time(timeouts.idle_ms, own.idle),
            ..*own
        }
    }

    pub(super) fn total(&self) -> Option<Duration> {
        self.document.timeouts.total_ms.map(millis)
    }

    pub(super) fn per_try(&self) -> Option<Duration> {
        self.document.retries.per_try_timeout_ms.map(millis)
    }

    pub(super) fn backoff(&self) -> Backoff {
        let retries = &self.document.retries;
        Backoff {
            base_ms: u64::from(retries.base_ms),
            max_ms: u64::from(retries.max_wait_ms),
        }
    }

    /// Bytes of a request's body to keep.
    pub(crate) fn keeps(&self) -> usize {
        let retries = match self.document.retries.max {
            0 => 0,
            _ => self.document.retries.max_body_bytes,
        };
        let mirror = self.document.mirror.as_ref();
        let most = retries.max(mirror.map_or(0, |mirror| mirror.max_body_bytes));
        usize::try_from(most).unwrap_or(0)
    }

    /// Whether this call is copied.
    pub(super) fn is_mirrored(&self, random: u64) -> bool {
        let mirror = self.document.mirror.as_ref();
        mirror.is_some_and(|mirror| share_of(random) < parts_of(mirror.percent))
    }

    pub(super) fn group_rules(&self) -> GroupRules {
        let ejection = &self.document.ejection;
        GroupRules {
            ejection: ejection.enabled.then(|| EjectionRules {
                consecutive_failures: ejection.consecutive_failures,
                failure_percent: u64::from(ejection.failure_percent),
                window_ms: u64::from(ejection.window_seconds) * 1000,
                min_calls: u64::from(ejection.min_calls),
                base_ms: u64::from(ejection.base_ms),
                max_ms: u64::from(ejection.max_ms),
            }),
            max_ejected_percent: u64::from(ejection.max_ejected_percent),
            panic_percent: u64::from(self.document.panic_percent),
            load_percent: u64::from(self.document.balancing.load_percent),
            most_under_way: self.document.balancing.max_under_way.unwrap_or(0),
        }
    }

    pub(super) fn breaker_rules(&self) -> Option<BreakerRules> {
        let breaker = self.document.breaker.as_ref()?;
        Some(BreakerRules {
            window_ms: u64::from(breaker.window_seconds) * 1000,
            min_calls: u64::from(breaker.min_calls),
            failure_percent: u64::from(breaker.failure_percent),
            open_ms: u64::from(breaker.open_ms),
            trials: breaker.trials,
        })
    }

    pub(super) fn check_rules(&self) -> Option<CheckRules> {
        let checks = self.document.checks.as_ref()?;
        Some(CheckRules {
            healthy: checks.healthy,
            unhealthy: checks.unhealthy,
        })
    }
}

fn share(canary: &Canary) -> u32 {
    parts_of(canary.percent)
}

/// Percent in ten thousandths.
fn parts_of(percent: f64) -> u32 {
    let parts = (percent.clamp(0.0, 100.0) * f64::from(SHARES) / 100.0).round();
    // Within 0 and 10,000 by the line above.
    parts as u32
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_exact_to_a_hundredth() {
        for (percent, parts) in [
            (0.0, 0),
            (0.01, 1),
            (12.34, 1234),
            (100.0, SHARES),
            (f64::NAN, 0),
        ] {
            assert_eq!(parts_of(percent), parts);
        }
    }
}
