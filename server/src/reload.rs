//! SIGHUP: settings are read again, and what can change while serving does.

use apiverse_gateway::edge::ServerTls;
use apiverse_settings::Settings;
use tokio::signal::unix::{SignalKind, signal};

use crate::telemetry;

/// Reads the settings anew, as at start-up.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, Failure> + Send>;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is taken over at once; all else needs a restart.
const LIVE: [&str; 1] = ["LOG_LEVEL"];

/// Waits for SIGHUP, again and again. Settings with problems change nothing.
///
/// # Errors
/// When no handler can be installed.
pub fn on_hangup(
    mut current: Settings,
    read: ReadSettings,
    filter: telemetry::Filter,
    tls: Option<ServerTls>,
) -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match read() {
                Ok(next) => {
                    apply(&current, &next, &filter, tls.as_ref());
                    current = next;
                }
                Err(problems) => tracing::error!("SIGHUP: nothing was changed: {problems}"),
            }
        }
    });
    Ok(())
}

fn apply(current: &Settings, next: &Settings, filter: &telemetry::Filter, tls: Option<&ServerTls>) {
    filter.set(&next.logging.filter);
    if let Some(tls) = tls {
        match tls.reload() {
            Ok(()) => tracing::info!("SIGHUP: the certificate was read again"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "SIGHUP: the old certificate stays");
            }
        }
    }
    let waiting: Vec<&str> = next
        .redacted()
        .settings
        .iter()
        .filter(|setting| {
            let before = current.redacted().get(setting.name);
            before.is_none_or(|before| before.value != setting.value)
                && !LIVE.contains(&setting.name)
        })
        .map(|setting| setting.name)
        .collect();
    if waiting.is_empty() {
        tracing::info!("SIGHUP: the settings were read again");
    } else {
        tracing::warn!(settings = ?waiting, "SIGHUP: these changes need a restart");
    }
}
