//! Logs to stderr, as text for people or JSON for machines.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Pretty,
    Json,
}

/// Changes what is logged while the process runs.
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// What cannot be read changes nothing.
    pub fn set(&self, level: &str) {
        let set = match EnvFilter::try_new(level) {
            Ok(filter) => self.0.reload(filter).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = set {
            tracing::warn!(error, "the log level stays");
        }
    }
}

/// Starts logging. A filter that cannot be read falls back to `info`: a service that is silent
/// because of a typo helps nobody.
pub fn start(level: &str, format: Format) -> Filter {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Pretty => lines.with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    // Starting twice happens in tests only, and the first wins.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Filter(handle)
}
