//! A registered API as the hot path needs it: everything parsed, decrypted and encoded once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use apiverse_connectors::SecretString;
use apiverse_connectors::oauth2::ClientCredentials;
use apiverse_contract::apis::{ApiLimits, AuthType, KeyLocation, UpstreamAuth};
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::routes::RouteTable;
use apiverse_contract::versions::{DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, OrganizationId, VersionId};
use apiverse_settings::vault::Vault;
use apiverse_store::{ApiRow, AttachedRow, GatewayApi, VersionRow};
use base64::Engine;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, header};
use url::Url;

use super::plan::{Policies, Tools, policies};
use super::policy::{Policy, RouteRecord, policy, routes};
use super::versions::{VersionRecord, Versions};
use crate::config::GatewayConfig;
use crate::meters::ApiMeters;
use crate::upstream::{Origin, Profile};

/// A registered API.
pub(crate) struct ApiRecord {
    pub(crate) id: ApiId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) slug: Box<str>,
    pub(crate) is_active: bool,
    pub(crate) allow_query_key: bool,
    /// `None` when the stored address cannot be used.
    pub(crate) target: Option<Target>,
    pub(crate) auth: AuthPlan,
    pub(crate) limits: Limits,
    /// `None`: there is only the one that `target` is of.
    pub(crate) versions: Option<Box<Versions>>,
    pub(crate) policy: Policy,
    pub(crate) policies: Policies,
    pub(crate) routes: RouteTable<Arc<RouteRecord>>,
    pub(crate) meters: ApiMeters,
    /// Unlike that of any API with another upstream, or other credentials there.
    pub(crate) cache_space: [u8; 16],
}

/// Where the calls of an API go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) origin: Arc<Origin>,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// The base URL is `grpc://` or `grpcs://`: HTTP/2 is spoken for every call.
    pub(crate) is_grpc: bool,
    /// The value of `Host`.
    pub(crate) host: HeaderValue,
    /// The path of the base URL as it is, at least `/`.
    pub(crate) base_path: Box<str>,
    /// The query of the base URL, put before the caller's.
    pub(crate) base_query: Option<Box<str>>,
}

/// How the gateway authenticates itself to the upstream.
pub(crate) enum AuthPlan {
    None,
    Header {
        name: HeaderName,
        value: HeaderValue,
    },
    /// A query parameter, both parts percent-encoded.
    Query {
        name: Box<str>,
        value: SecretString,
    },
    Oauth2 {
        credentials: ClientCredentials,
        /// Changes with the credentials, so that a token of others is not used.
        version: u64,
    },
    /// The stored credentials cannot be read: calling without them would only confuse.
    Unreadable,
}

/// The limits of an API's calls, its own or the gateway's.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) idle: Duration,
    /// Of tunnels.
    pub(crate) tunnel_idle: Duration,
    pub(crate) max_body: u64,
}

/// Why the stored credentials cannot be used.
#[derive(Debug, thiserror::Error)]
enum AuthError {
    #[error("the credentials are missing")]
    Missing,
    #[error("the credentials cannot be decrypted")]
    Sealed,
    #[error("the credentials are not in a known form")]
    Form,
    #[error("the credentials cannot be sent in a header")]
    Value,
}

impl ApiRecord {
    pub(crate) fn new(found: GatewayApi, vault: &Vault, config: &GatewayConfig) -> Self {
        let row = found.api;
        let cache_space = cache_space(&row);
        let auth = auth_plan(&row, vault).unwrap_or_else(|error| {
            tracing::warn!(api_id = %row.id, %error, "the api's upstream credentials cannot be used");
            AuthPlan::Unreadable
        });
        let target = Target::new(&row.base_url, row.is_sample);
        if target.is_none() {
            tracing::warn!(api_id = %row.id, "the api's base url cannot be used");
        }
        let tools = Tools { vault, config };
        let organization_id = row.organization_id;
        let attached = &found.policies;
        let versioning = found.versioning;
        let versions = versions(&row, &found.versions, versioning, attached, tools);
        Self {
            id: row.id,
            organization_id,
            slug: row.slug.into(),
            is_active: row.is_active,
            allow_query_key: row.allow_query_key,
            target,
            auth,
            limits: Limits::new(&row.limits, config),
            versions,
            policy: policy(found.policy),
            policies: policies(attached, organization_id, PolicyLevel::Api, row.id.0, tools),
            routes: routes(found.routes, attached, tools),
            meters: ApiMeters::default(),
            cache_space,
        }
    }
}

/// The versions of an API, when a call has to ask which it means.
fn versions(
    api: &ApiRow,
    rows: &[VersionRow],
    versioning: Option<Versioning>,
    attached: &[AttachedRow],
    tools: Tools<'_>,
) -> Option<Box<Versions>> {
    let level = PolicyLevel::Version;
    if rows.is_empty() && !attached.iter().any(|row| row.level == level.as_str()) {
        return None;
    }
    let record = |row: &VersionRow| {
        let is_default = row.name == DEFAULT_VERSION;
        let policies = policies(attached, api.organization_id, level, row.id.0, tools);
        let target = Target::new(&row.base_url, is_default && api.is_sample);
        Arc::new(VersionRecord::new(row, target, policies))
    };
    let mut all: Vec<_> = rows.iter().map(record).collect();
    if !rows.iter().any(|row| row.name == DEFAULT_VERSION) {
        all.push(record(&VersionRow {
            // As it is made with its API.
            id: VersionId(api.id.0),
            api_id: api.id,
            name: DEFAULT_VERSION.to_owned(),
            base_url: api.base_url.clone(),
            deprecated_at: None,
            sunset_at: None,
            refuse_after_sunset: false,
            link: None,
            created_at: api.created_at,
        }));
    }
    Versions::new(&versioning.unwrap_or_default(), all).map(Box::new)
}

fn cache_space(row: &ApiRow) -> [u8; 16] {
    let mut hash = blake3::Hasher::new();
    hash.update(row.id.0.as_bytes());
    hash.update(row.base_url.as_bytes());
    // Between texts, as neither has it.
    hash.update(&[0]);
    hash.update(row.auth_sealed.as_deref().unwrap_or_default());
    let hash = hash.finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

impl Target {
    pub(crate) fn new(base_url: &str, is_sample: bool) -> Option<Self> {
        let (base_url, is_grpc) = match base_url.strip_prefix("grpc") {
            Some(rest) => (Cow::Owned(format!("http{rest}")), true),
            None => (Cow::Borrowed(base_url), false),
        };
        let url = Url::parse(&base_url).ok()?;
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return None,
        };
        let host = url.host_str()?;
        let host_and_port = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let origin = Origin::new(
            scheme == Scheme::HTTPS,
            host,
            url.port_or_known_default()?,
            is_sample,
        );
        Some(Self {
            origin: Arc::new(origin),
            scheme,
            is_grpc,
            authority: host_and_port.parse().ok()?,
            host: host_and_port.parse().ok()?,
            base_path: url.path().into(),
            base_query: url
                .query()
                .filter(|query| !query.is_empty())
                .map(Into::into),
        })
    }
}

impl Target {
    /// The same place, connected to in a policy's way.
    pub(crate) fn with_profile(&self, profile: &Arc<Profile>) -> Self {
        Self {
            origin: Arc::new(self.origin.with_profile(Arc::clone(profile))),
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
            host: self.host.clone(),
            base_path: self.base_path.clone(),
            base_query: self.base_query.clone(),
            is_grpc: self.is_grpc,
        }
    }
}

impl Limits {
    fn new(own: &ApiLimits, config: &GatewayConfig) -> Self {
        let time = |own: Option<u32>, default: Duration| {
            own.map_or(default, |ms| Duration::from_millis(u64::from(ms)))
        };
        Self {
            connect: time(own.connect_timeout_ms, config.connect_timeout),
            first_byte: time(own.first_byte_timeout_ms, config.first_byte_timeout),
            idle: time(own.idle_timeout_ms, config.idle_timeout),
            tunnel_idle: time(own.idle_timeout_ms, config.tunnel_idle_timeout),
            max_body: own.max_body_bytes.unwrap_or(config.max_body_bytes),
        }
    }
}

fn auth_plan(row: &ApiRow, vault: &Vault) -> Result<AuthPlan, AuthError> {
    let Some(sealed) = &row.auth_sealed else {
        return match AuthType::parse(&row.auth_type) {
            Some(AuthType::None) => Ok(AuthPlan::None),
            _ => Err(AuthError::Missing),
        };
    };
    let context = format!("apis.auth:{}", row.id);
    let json = vault
        .open(context.as_bytes(), sealed)
        .map_err(|_| AuthError::Sealed)?;
    let auth: UpstreamAuth = serde_json::from_slice(&json).map_err(|_| AuthError::Form)?;
    Ok(match auth {
        UpstreamAuth::None => AuthPlan::None,
        UpstreamAuth::ApiKey {
            name,
            value,
            r#in: KeyLocation::Header,
        } => AuthPlan::Header {
            name: name.parse().map_err(|_| AuthError::Value)?,
            value: secret_value(&value)?,
        },
        UpstreamAuth::ApiKey {
            name,
            value,
            r#in: KeyLocation::Query,
        } => AuthPlan::Query {
            name: percent_encoded(&name).into(),
            value: percent_encoded(&value).into(),
        },
        UpstreamAuth::Bearer { token } => AuthPlan::Header {
            name: header::AUTHORIZATION,
            value: secret_value(&format!("Bearer {token}"))?,
        },
        UpstreamAuth::Basic { username, password } => {
            let pair = format!("{username}:{password}");
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            AuthPlan::Header {
                name: header::AUTHORIZATION,
                value: secret_value(&format!("Basic {encoded}"))?,
            }
        }
        UpstreamAuth::Oauth2 {
            token_url,
            client_id,
            client_secret,
            scope,
            audience,
        } => {
            let hash = blake3::hash(&json);
            let (first, _) = hash
                .as_bytes()
                .split_first_chunk::<8>()
                .ok_or(AuthError::Form)?;
            AuthPlan::Oauth2 {
                credentials: ClientCredentials {
                    token_url,
                    client_id,
                    client_secret: client_secret.into(),
                    scope,
                    audience,
                },
                version: u64::from_le_bytes(*first),
            }
        }
    })
}

fn secret_value(text: &str) -> Result<HeaderValue, AuthError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| AuthError::Value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// All but RFC 3986's unreserved characters encoded.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_taken_apart() {
        let target = Target::new("https://API.example.com:8443/v1/?version=2", false).unwrap();
        assert_eq!(target.host, "api.example.com:8443");
        assert_eq!(target.authority.as_str(), "api.example.com:8443");
        assert_eq!(&*target.base_path, "/v1/");
        assert_eq!(target.base_query.as_deref(), Some("version=2"));

        let target = Target::new("http://[2001:db8::1]", false).unwrap();
        assert_eq!(target.host, "[2001:db8::1]");
        assert_eq!(&*target.base_path, "/");
        assert!(target.base_query.is_none() && !target.is_grpc);

        let target = Target::new("grpcs://example.com/a", false).unwrap();
        assert!(target.is_grpc && target.origin.tls);
        assert_eq!((target.origin.port, target.scheme), (443, Scheme::HTTPS));
        let target = Target::new("grpc://example.com:50051", false).unwrap();
        assert!(target.is_grpc && !target.origin.tls);

        for bad in [
            "",
            "ftp://example.com",
            "grpcx://example.com",
            "example.com",
            "http://",
            "http:///x",
        ] {
            if let Some(target) = Target::new(bad, false) {
                // `http:///x` is read as the host `x` by the URL standard.
                assert_eq!(target.host, "x", "{bad}");
            }
        }
    }

    #[test]
    fn query_credentials_are_encoded() {
        assert_eq!(percent_encoded("a b&c=d/é~"), "a%20b%26c%3Dd%2F%C3%A9~");
    }
}
