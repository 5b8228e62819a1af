//! What the handlers share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apiverse_gateway::Gateway;
use apiverse_platform::Platform;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::ServerFunctions;
use crate::origin::OriginRules;

/// What a probe answers: a few words about the dependency, or about what is wrong with it.
/// Both are shown to whoever asks `/health/ready`, so neither may carry a secret or an address
/// with credentials.
pub type ProbeFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>>;

/// One dependency that `/health/ready` reports on.
pub trait HealthProbe: Send + Sync {
    /// Short and stable: `database`, `redis`, `usage_pipeline`.
    fn name(&self) -> &'static str;

    /// Whether a node that lacks this must get no traffic. The gateway goes on serving what it
    /// knows while its database is away, so a node that is loaded is degraded then, not unready.
    fn required(&self) -> bool;

    /// Looks now. Cut off after two seconds.
    fn check(&self) -> ProbeFuture<'_>;
}

/// Settings of the control plane's HTTP side.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// Origins (`https://console.example.com`) that may call with credentials from a browser.
    pub allowed_origins: Vec<String>,
    /// Names the service answers to; `.example.com` means every subdomain; empty or `*`: all.
    pub allowed_hosts: Vec<String>,
    /// Where people reach the service, if it was configured.
    pub public_url: Option<String>,
    /// `Secure` on the session cookie, and HSTS.
    pub secure_cookies: bool,
    /// How long a browser session lives after its last use.
    pub session_lifetime: Duration,
    /// Path of the metrics on this listener; `None` when they have a listener of their own.
    pub metrics_path: Option<String>,
    /// The build's revision, for `apiverse_build_info`.
    pub revision: &'static str,
    /// The console's server functions, for the OpenAPI document.
    pub console: &'static ServerFunctions,
    /// Where spans of sampled requests go; `None`: they are not traced.
    pub tracer: Option<apiverse_telemetry::Tracer>,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            public_url: None,
            secure_cookies: false,
            session_lifetime: Duration::from_secs(14 * 86_400),
            metrics_path: Some("/metrics".to_owned()),
            revision: "unknown",
            console: ServerFunctions::NONE,
            tracer: None,
        }
    }
}

/// State of the router. Cheap to clone.
#[derive(Clone)]
pub struct RestState {
    pub(crate) platform: Platform,
    /// For what the gateway knows and the platform does not: which key a text is.
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub settings: RestSettings,
    pub origins: OriginRules,
    pub probes: Vec<Arc<dyn HealthProbe>>,
    pub prometheus: PrometheusHandle,
}

impl RestState {
    /// Puts together what the handlers need; `probes` are reported in this order.
    #[must_use]
    pub fn new(
        platform: Platform,
        gateway: Arc<Gateway>,
        settings: RestSettings,
        probes: Vec<Arc<dyn HealthProbe>>,
        prometheus: PrometheusHandle,
    ) -> Self {
        let origins = OriginRules::new(settings.public_url.as_deref(), &settings.allowed_origins);
        Self {
            platform,
            gateway,
            shared: Arc::new(Shared {
                settings,
                origins,
                probes,
                prometheus,
            }),
        }
    }
}
