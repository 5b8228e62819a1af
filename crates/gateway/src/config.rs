//! What an operator may set.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::{Answers, Leases, Outlet};
use apiverse_connectors::{EgressPolicy, tls};
use apiverse_journal::Options as JournalOptions;
use apiverse_telemetry::Tracer;
use ipnet::IpNet;
use tokio_rustls::rustls::ClientConfig;

/// Settings of the data plane. Limits that an API sets itself come before these.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Time to connect to an upstream: name, TCP, TLS.
    pub connect_timeout: Duration,
    /// Time until the upstream's answer begins, counted from the last byte of the request that it
    /// took; so a long upload does not run into it while it makes progress.
    pub first_byte_timeout: Duration,
    /// Silence allowed inside an answer's body.
    pub idle_timeout: Duration,
    /// How long a tunnel (a WebSocket, another upgrade) may be without a byte in either direction.
    pub tunnel_idle_timeout: Duration,
    /// How long a tunnel may last.
    pub tunnel_lifetime: Duration,
    /// Largest request body in bytes.
    pub max_body_bytes: u64,
    /// How long an unused upstream connection is kept.
    pub pool_idle_timeout: Duration,
    /// Unused upstream connections kept for one origin by one thread.
    pub pool_max_idle: usize,
    /// Networks of the proxies in front of this node: only from them is `X-Forwarded-For` or
    /// `Forwarded` believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where upstreams may be.
    pub egress: EgressPolicy,
    /// How upstreams are spoken to over TLS.
    pub tls: UpstreamTls,
    /// Where the built-in sample API answers; `None` switches it off.
    pub sample_upstream: Option<SocketAddr>,
    /// This gateway's name in `Via` (RFC 9110, 7.6.3).
    pub via: &'static str,
    /// Cookies of the console, which shares the address: they are never passed on to an upstream,
    /// and no upstream may set them.
    pub own_cookies: Vec<String>,
    /// Keys held in memory, about 0.6 KiB each. When there are more, those that were not used for
    /// longest go, and are read again when they are used.
    pub keys_in_memory: usize,
    /// Keys remembered as verified by one thread.
    pub verified_keys: usize,
    /// How limits are shared with other nodes; `None`: this node is alone.
    pub leases: Option<Leases>,
    /// Answers carry the older `X-RateLimit-*` too.
    pub legacy_limit_headers: bool,
    /// Callers, by key or address, whose limits are counted one by one; when more are busy at
    /// once, those that come last share counters. About 0.2 KiB each.
    pub tracked_callers: usize,
    /// Memory for stored answers in bytes.
    pub cache_bytes: u64,
    /// Stored answers that nodes share; `None`: each has its own.
    pub answers: Option<Answers>,
    /// How other nodes are told of answers that are worthless; `None`: this node is alone.
    pub outlet: Option<Outlet>,
    /// What becomes of usage events.
    pub usage: UsageConfig,
    /// Where spans of sampled calls go; `None`: calls are not traced here.
    pub tracer: Option<Tracer>,
    /// Calls under way at once on one thread; more are refused with 503, those with test keys from
    /// four fifths on.
    pub max_calls_of_thread: usize,
    /// How long explanations of calls are kept.
    pub explanations_kept: Duration,
    /// How often the snapshot is compared with the database, in case an announcement was missed.
    pub watch_interval: Duration,
}

/// Usage events between the call and the database, and how long they are kept there.
#[derive(Clone, Debug)]
pub struct UsageConfig {
    /// Where they are until the database has them.
    pub journal: JournalOptions,
    /// How old what only the journal has may become before the disk must have it. A process that
    /// is killed loses nothing in any case; this is for a machine that loses power.
    pub sync_interval: Duration,
    /// How long the database keeps them; `None`: for ever.
    pub retention: Option<Duration>,
    /// The same for their sums by hour and day.
    pub sums: Duration,
    /// And for those by minute.
    pub minutes: Duration,
}

impl Default for UsageConfig {
    fn default() -> Self {
        Self {
            journal: JournalOptions::new("data/usage-journal".into()),
            sync_interval: Duration::from_secs(1),
            retention: Some(Duration::from_secs(30 * 86_400)),
            sums: Duration::from_secs(400 * 86_400),
            minutes: Duration::from_secs(8 * 86_400),
        }
    }
}

/// TLS towards upstreams: whom to trust, and what to offer (ALPN, RFC 7301).
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// Offers HTTP/2 and HTTP/1.1.
    pub calls: Arc<ClientConfig>,
    /// Offers HTTP/1.1 alone, for calls that may switch to another protocol.
    pub upgrades: Arc<ClientConfig>,
}

impl Default for UpstreamTls {
    /// Trusts whom the system trusts.
    fn default() -> Self {
        Self {
            calls: tls::client_config(true),
            upgrades: tls::client_config(false),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            tunnel_idle_timeout: Duration::from_secs(300),
            tunnel_lifetime: Duration::from_secs(86_400),
            max_body_bytes: 1 << 30,
            pool_idle_timeout: Duration::from_secs(30),
            pool_max_idle: 256,
            trusted_proxies: Vec::new(),
            egress: EgressPolicy::default(),
            tls: UpstreamTls::default(),
            sample_upstream: None,
            via: "apiverse",
            own_cookies: vec![
                "apiverse_session".to_owned(),
                "__Host-apiverse_session".to_owned(),
            ],
            keys_in_memory: 100_000,
            verified_keys: 65_536,
            leases: None,
            legacy_limit_headers: false,
            tracked_callers: 100_000,
            cache_bytes: 256 << 20,
            answers: None,
            outlet: None,
            usage: UsageConfig::default(),
            tracer: None,
            max_calls_of_thread: 8192,
            explanations_kept: Duration::from_secs(72 * 3600),
            watch_interval: Duration::from_secs(3),
        }
    }
}
