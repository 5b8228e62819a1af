//! What the console is made with.

use std::net::IpAddr;
use std::sync::Arc;

use apiverse_contract::explain::{ExplainRequest, Explanation};
use apiverse_contract::policies::upstream::TargetsOfPolicy;
use apiverse_contract::{ApiId, OrganizationId};
use apiverse_platform::Platform;
use axum::extract::FromRef;
use leptos::config::LeptosOptions;

use super::assets::Assets;

/// Asks the gateway what would happen to a call of an organization's: who asks from where, and as of
/// when (microseconds since 1970).
pub type Explain =
    Arc<dyn Fn(OrganizationId, &ExplainRequest, IpAddr, i64) -> Explanation + Send + Sync>;

/// Asks the gateway what it knows of the targets of an organization's API. Beside [`Explain`] the
/// console knows nothing of the gateway.
pub type Targets = Arc<dyn Fn(OrganizationId, ApiId) -> Vec<TargetsOfPolicy> + Send + Sync>;

/// Everything the console's handlers need; cheap to clone.
#[derive(Clone)]
pub struct ConsoleState {
    pub platform: Platform,
    pub leptos_options: LeptosOptions,
    /// Where consumers reach the gateway, for snippets: `https://api.example.com`, no slash at the end.
    pub gateway_base: Arc<str>,
    /// Whether cookies are sent over HTTPS only.
    pub secure_cookies: bool,
    /// What would happen to a call.
    pub explain: Explain,
    /// How targets are.
    pub targets: Targets,
    pub(crate) assets: Arc<Assets>,
}

impl ConsoleState {
    /// Looks for the site's files, so it is to be called once, at start.
    #[must_use]
    pub fn new(
        platform: Platform,
        leptos_options: LeptosOptions,
        gateway_base: &str,
        secure_cookies: bool,
        explain: Explain,
        targets: Targets,
    ) -> Self {
        Self {
            explain,
            targets,
            platform,
            assets: Arc::new(Assets::find(&leptos_options)),
            leptos_options,
            gateway_base: Arc::from(gateway_base.trim_end_matches('/')),
            secure_cookies,
        }
    }
}

impl FromRef<ConsoleState> for LeptosOptions {
    fn from_ref(state: &ConsoleState) -> Self {
        state.leptos_options.clone()
    }
}
