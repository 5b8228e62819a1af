//! The settings, typed, a struct for each section.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::integrations::IntegrationSettings;
use crate::redacted::Redacted;
use crate::secret::Secret;
use crate::sign_in::OidcSettings;
use crate::vault::Vault;

/// The whole configuration of one node; read with [`Settings::load`], not changed afterwards.
///
/// Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    pub environment: Environment,
    /// More detail in logs; never true in production.
    pub debug: bool,
    /// Serve the built-in sample upstream and register it on first start.
    pub sample: bool,
    pub server: ServerSettings,
    pub database: DatabaseSettings,
    pub redis: RedisSettings,
    pub security: SecuritySettings,
    pub egress: EgressSettings,
    pub gateway: GatewaySettings,
    pub usage: UsageSettings,
    pub reports: ReportSettings,
    pub telemetry: TelemetrySettings,
    pub logging: LoggingSettings,
    pub bootstrap: BootstrapSettings,
    pub integrations: IntegrationSettings,
    /// OpenID Connect providers people may sign in at.
    pub oidc: Vec<OidcSettings>,
    /// The file that this start wrote generated secrets to, if it did.
    pub secrets_created: Option<PathBuf>,
    pub(crate) redacted: Redacted,
}

impl Settings {
    /// Every setting with its value, secrets hidden, and the layer the value came from: what
    /// `apiverse config show` prints.
    #[must_use]
    pub fn redacted(&self) -> &Redacted {
        &self.redacted
    }
}

/// What an installation is for; decides defaults and how strict validation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Development,
    Test,
    Production,
}

impl Environment {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Production => "production",
        }
    }

    #[must_use]
    pub fn is_production(self) -> bool {
        self == Self::Production
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Listeners and what surrounds them.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where everything is served that has no listener of its own.
    pub addr: SocketAddr,
    /// A listener of its own for the gateway.
    pub gateway_addr: Option<SocketAddr>,
    /// A listener of its own for metrics and health.
    pub metrics_addr: Option<SocketAddr>,
    /// A listener that speaks TLS, and its certificate.
    pub tls: Option<TlsSettings>,
    /// Path of the metrics, with the leading slash.
    pub metrics_endpoint: String,
    /// Scheme and host people reach the console under; see [`ServerSettings::base_url`].
    pub public_url: Option<Url>,
    /// Origins allowed by CORS as browsers send them (`https://app.example.com`), or `*`.
    pub allowed_origins: Vec<String>,
    /// Host names requests may be for, lower case; `*.` before a name means all below it, `*`
    /// means any, and an empty list means any.
    pub allowed_hosts: Vec<String>,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Folder for everything that is kept; absolute if the working directory is.
    pub data_dir: PathBuf,
    /// Folder of the console's static files.
    pub site_root: PathBuf,
    /// Threads that serve requests; `None` means one per core.
    pub worker_threads: Option<usize>,
}

/// A listener that speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub addr: SocketAddr,
    /// The chain, PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl ServerSettings {
    /// Where people reach this installation, without a slash at the end: the public URL, or the
    /// listener's address as seen from this machine.
    #[must_use]
    pub fn base_url(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        if self.addr.ip().is_unspecified() || self.addr.ip().is_loopback() {
            format!("http://localhost:{}", self.addr.port())
        } else {
            format!("http://{}", self.addr)
        }
    }

    /// Whether a request for `host` (a name without its port) is one of ours.
    #[must_use]
    pub fn allows_host(&self, host: &str) -> bool {
        let below = |allowed: &str| {
            allowed.strip_prefix('*').is_some_and(|suffix| {
                let cut = host.len().saturating_sub(suffix.len());
                cut > 0 && host.is_char_boundary(cut) && host[cut..].eq_ignore_ascii_case(suffix)
            })
        };
        self.allowed_hosts.is_empty()
            || self.allowed_hosts.iter().any(|allowed| {
                allowed == "*" || allowed.eq_ignore_ascii_case(host) || below(allowed)
            })
    }
}

/// Which database a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// The relational database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    pub kind: DatabaseKind,
    /// `sqlite:…` or `postgres://…`, with `sslmode` in the query if it was given.
    pub url: Secret,
}

/// What nodes share, if there is more than one.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// The address with the password inside; `None` means one node that keeps all in process.
    pub url: Option<Secret>,
}

/// Secrets and tokens.
#[derive(Clone, Debug)]
pub struct SecuritySettings {
    pub secret_key: Secret,
    /// Former secret keys, which still open what they sealed.
    pub secret_key_previous: Vec<Secret>,
    pub jwt_secret: Secret,
    /// Former values of it.
    pub jwt_secret_previous: Vec<Secret>,
    pub jwt_refresh_secret: Secret,
    pub jwt_algorithm: JwtAlgorithm,
    /// Life of an access token.
    pub jwt_expiration: Duration,
    /// The key of automation that is not bound to an account.
    pub unified_api_key: Option<Secret>,
    /// Whether an account begins with a link sent to its address; `None`: when e-mail can be sent.
    pub registration_by_email: Option<bool>,
    /// Hashes of passwords that were stolen elsewhere, in order.
    pub breached_passwords_file: Option<PathBuf>,
    /// How long lines of the audit log are kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
}

impl SecuritySettings {
    /// The vault over the current and the former secret keys.
    #[must_use]
    pub fn vault(&self) -> Vault {
        Vault::new(&self.secret_key, &self.secret_key_previous)
    }
}

/// The one algorithm tokens are signed with. It is pinned: a token that names another is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Hs256,
}

/// Where the program may connect to on behalf of others.
#[derive(Clone, Debug)]
pub struct EgressSettings {
    /// Networks that upstreams may be in though they are private, loopback or link-local.
    pub allow_private_upstreams: Vec<IpNet>,
}

/// Limits of the gateway, for APIs that set none of their own.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    pub connect_timeout: Duration,
    /// From the end of the request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// How long a body may stand still, in either direction.
    pub idle_timeout: Duration,
    /// How long a tunnel (a WebSocket, another upgrade) may be without a byte in either direction.
    pub tunnel_idle_timeout: Duration,
    /// How long a tunnel may last.
    pub tunnel_lifetime: Duration,
    /// Largest request body, bytes.
    pub max_body: u64,
    /// Largest request head, bytes.
    pub max_header_bytes: usize,
    /// Most header fields of a request.
    pub max_headers: usize,
    /// Calls under way at once.
    pub max_calls: usize,
    /// API keys held in memory; further ones are read when they are used.
    pub keys_in_memory: usize,
    /// Memory of the response cache, bytes.
    pub cache_bytes: u64,
    /// Nodes share stored answers, where there is a Redis.
    pub cache_shared: bool,
    /// Longest that a call waits for one.
    pub cache_shared_wait: Duration,
    /// Largest one, bytes.
    pub cache_shared_entry: usize,
    /// Answers carry `X-RateLimit-*` beside the standard fields.
    pub rate_limit_legacy_headers: bool,
}

/// What becomes of the calls that were recorded.
#[derive(Clone, Debug)]
pub struct UsageSettings {
    /// How long they are kept; `None`: for ever.
    pub retention: Option<Duration>,
    /// How long their sums by hour and day are kept.
    pub sums: Duration,
    /// How long their sums by minute are kept.
    pub minutes: Duration,
    /// Most bytes on this node's disk until the database has them.
    pub journal_max_bytes: u64,
    /// How old what only the journal has may become before it is brought to the disk.
    pub journal_sync: Duration,
    /// How many questions about usage a node works on at once.
    pub questions: usize,
}

/// Where reports are kept, and how long.
#[derive(Clone, Debug)]
pub struct ReportSettings {
    pub store: ReportStoreSettings,
    pub retention: Duration,
}

/// Where reports are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportStoreSettings {
    Folder(PathBuf),
    /// A bucket of S3, or of what speaks like it.
    S3 {
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// Where traces and metrics are sent, besides `/metrics`, which is asked.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// An OpenTelemetry receiver.
    pub otlp: Option<OtlpSettings>,
    /// CloudWatch's embedded metric format.
    pub emf: Option<EmfSettings>,
    /// How often metrics are sent.
    pub interval: Duration,
}

/// An OpenTelemetry receiver, OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// `/v1/traces` and `/v1/metrics` are below it.
    pub endpoint: Url,
    /// Sent along with everything.
    pub headers: Vec<(String, Secret)>,
    pub timeout: Duration,
    pub service_name: String,
    pub resource: Vec<(String, String)>,
    /// `None`: no traces are sent.
    pub traces: Option<TraceSettings>,
    pub metrics: bool,
}

/// Which calls are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSettings {
    /// Do as the caller's `traceparent` says, if there is one.
    pub parent_based: bool,
    /// Which part of the others, 0 to 1.
    pub ratio: f64,
    /// How many may wait to be sent.
    pub queue: usize,
    pub delay: Duration,
}

/// CloudWatch's embedded metric format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmfSettings {
    pub to: EmfEndpoint,
    pub namespace: String,
}

/// Where its lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmfEndpoint {
    Stdout,
    /// Host and port of an agent.
    Tcp(String),
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LoggingSettings {
    /// Directives as `tracing`'s `EnvFilter` reads them: `info,apiverse_gateway=debug`.
    pub filter: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The first account, created when there is none.
#[derive(Clone, Debug)]
pub struct BootstrapSettings {
    pub admin_email: Option<String>,
    /// `None` means: generate one and show it once.
    pub admin_password: Option<Secret>,
}
