//! Clerk as an identity provider: its session tokens, the hand-over of a sign-in at its hosted
//! page, and what it reports.

mod api;
mod handshake;
mod keys;
mod tokens;
mod webhooks;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use parking_lot::Mutex;
use url::Url;

pub use api::ClerkUser;
pub use handshake::{DEV_BROWSER, HANDSHAKE};
pub use tokens::{ClerkMembership, ClerkSession};
pub use webhooks::{ClerkEvent, Delivery, MembershipEvent, WebhookError};

use crate::SecretString;
use crate::fetch::FetchError;
use keys::Keys;

/// Our instance at Clerk.
#[derive(Clone, Debug)]
pub struct ClerkConfig {
    /// The instance's Frontend API, which is also the issuer of its tokens, without a slash at the
    /// end: `https://clerk.example.com`.
    pub issuer: String,
    /// The Backend API: `https://api.clerk.com`.
    pub api: Url,
    pub secret_key: SecretString,
    /// `whsec_…`; without it no report is believed.
    pub webhook_secret: Option<SecretString>,
    /// Origins whose tokens are taken beside our own; `None` when nobody named any: then tokens
    /// that name no origin, such as those of native applications, are taken too.
    pub authorized_parties: Option<Vec<String>>,
    /// Clerk's hosted sign-in page.
    pub sign_in_url: Url,
}

impl ClerkConfig {
    /// The Frontend API's host that a publishable key holds (`pk_test_` or `pk_live_`, then base64
    /// of the host and `$`).
    #[must_use]
    pub fn host_of(publishable_key: &str) -> Option<String> {
        let coded = publishable_key
            .strip_prefix("pk_test_")
            .or_else(|| publishable_key.strip_prefix("pk_live_"))?;
        let plain = STANDARD
            .decode(coded)
            .or_else(|_| STANDARD_NO_PAD.decode(coded))
            .ok()?;
        let host = String::from_utf8(plain).ok()?;
        let host = host.strip_suffix('$')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        (!host.is_empty() && host.bytes().all(plain)).then(|| host.to_owned())
    }

    /// The host of the hosted pages that belongs to a Frontend API's, as Clerk's own packages tell.
    #[must_use]
    pub fn accounts_host(frontend: &str) -> String {
        if frontend.contains("clerk.accounts.") {
            frontend.replacen("clerk.accounts.", "accounts.", 1)
        } else {
            frontend.replacen("clerk.", "accounts.", 1)
        }
    }
}

/// Clerk, ready to be asked.
pub struct Clerk {
    config: ClerkConfig,
    client: reqwest::Client,
    keys: Mutex<Keys>,
}

impl std::fmt::Debug for Clerk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clerk")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Clerk {
    /// Asks nothing yet. `client` must be one of [`crate::http::client`].
    #[must_use]
    pub fn new(config: ClerkConfig, client: reqwest::Client) -> Self {
        Self {
            config,
            client,
            keys: Mutex::default(),
        }
    }

    #[must_use]
    pub const fn config(&self) -> &ClerkConfig {
        &self.config
    }
}

/// Why Clerk's word is not taken. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClerkError {
    /// It cannot be asked right now.
    #[error("clerk did not answer: {0}")]
    Unavailable(#[from] FetchError),
    /// The token is not Clerk's, not for us, or not of this time.
    #[error("the token is not accepted: {0}")]
    NotAccepted(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishable_key_holds_a_host() {
        let key = |host: &str| format!("pk_test_{}", STANDARD.encode(host));
        let host = ClerkConfig::host_of(&key("neat-fox-12.clerk.accounts.dev$"));
        assert_eq!(host.as_deref(), Some("neat-fox-12.clerk.accounts.dev"));
        for wrong in ["no-dollar", "$", "a/b$", "evil.example#$"] {
            assert_eq!(ClerkConfig::host_of(&key(wrong)), None, "{wrong}");
        }
        assert_eq!(ClerkConfig::host_of("pk_test_***"), None);
        assert_eq!(ClerkConfig::host_of("sk_test_YQ=="), None);
    }

    #[test]
    fn hosted_pages_are_beside_the_frontend_api() {
        for (frontend, accounts) in [
            ("neat-fox-12.clerk.accounts.dev", "neat-fox-12.accounts.dev"),
            ("clerk.example.com", "accounts.example.com"),
        ] {
            assert_eq!(ClerkConfig::accounts_host(frontend), accounts);
        }
    }
}
