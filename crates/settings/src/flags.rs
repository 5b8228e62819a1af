//! Command-line flags, the topmost layer.

use crate::layers::{Layer, LayerTexts};
use crate::secret::Secret;

/// Flags that set settings, for `apiverse serve` and the other commands that read them. Values are
/// checked together with all others, so that every problem is reported at once.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Config file [default: apiverse.toml in the working directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Address and port to listen on [default: 0.0.0.0:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub addr: Option<String>,
    /// Listener of its own for the gateway
    #[arg(long, value_name = "ADDRESS")]
    pub gateway_addr: Option<String>,
    /// Listener of its own for metrics and health
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_addr: Option<String>,
    /// Where people reach the console, such as https://api.example.com
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Folder for everything that is kept [default: data/]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Folder of the console's static files
    #[arg(long, value_name = "FOLDER")]
    pub site_root: Option<String>,
    /// Database [default: SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,
    /// Redis, for more than one node
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<Secret>,
    /// E-mail address of the first account
    #[arg(long, value_name = "EMAIL")]
    pub admin_email: Option<String>,
    /// Password of the first account (other users of this machine can see flags)
    #[arg(long, value_name = "PASSWORD")]
    pub admin_password: Option<Secret>,
    /// development, test or production
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Private networks upstreams may be in, with commas between them
    #[arg(long, value_name = "NETWORKS")]
    pub allow_private_upstreams: Option<String>,
    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "COUNT")]
    pub worker_threads: Option<String>,
    /// trace, debug, info, warn, error or off, also by module
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// pretty or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl Flags {
    pub(crate) fn layer(&self) -> LayerTexts {
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
        let texts = [
            ("APIVERSE_ADDR", self.addr.clone()),
            ("APIVERSE_GATEWAY_ADDR", self.gateway_addr.clone()),
            ("APIVERSE_METRICS_ADDR", self.metrics_addr.clone()),
            ("APIVERSE_PUBLIC_URL", self.public_url.clone()),
            ("APIVERSE_DATA_DIR", self.data_dir.clone()),
            ("APIVERSE_SITE_ROOT", self.site_root.clone()),
            ("DATABASE_URL", secret(&self.database_url)),
            ("REDIS_URL", secret(&self.redis_url)),
            ("APIVERSE_ADMIN_EMAIL", self.admin_email.clone()),
            ("APIVERSE_ADMIN_PASSWORD", secret(&self.admin_password)),
            ("ENVIRONMENT", self.environment.clone()),
            (
                "ALLOW_PRIVATE_UPSTREAMS",
                self.allow_private_upstreams.clone(),
            ),
            ("APIVERSE_WORKER_THREADS", self.worker_threads.clone()),
            ("LOG_LEVEL", self.log_level.clone()),
            ("LOG_FORMAT", self.log_format.clone()),
        ];
        let given = texts
            .into_iter()
            .filter_map(|(variable, text)| Some((variable, text?)));
        LayerTexts::with(Layer::Flag, given)
    }
}
