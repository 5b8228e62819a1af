//! Signing in at Clerk's hosted page, without any script of Clerk's here.
//!
//! The page leaves the browser with a session at Clerk and sends it back to us. To learn whose, we
//! send it on to the Frontend API's handshake, as Clerk's server packages do: that answers with a
//! redirect back that carries `__clerk_handshake`, a token signed with the instance's key, which
//! holds the cookies Clerk would have set, the session token among them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::{Clerk, ClerkError};

/// Name of the parameter, and of the cookie, that the handshake answers with.
pub const HANDSHAKE: &str = "__clerk_handshake";
/// What a development instance has in place of a cookie on its own domain.
pub const DEV_BROWSER: &str = "__clerk_db_jwt";
const API_VERSION: &str = "2025-11-10";

#[derive(Deserialize)]
struct Payload {
    handshake: Vec<String>,
}

impl Clerk {
    /// Clerk's sign-in page, which leads to `back` afterwards.
    #[must_use]
    pub fn sign_in_page(&self, back: &str) -> Url {
        let mut url = self.config.sign_in_url.clone();
        url.query_pairs_mut().append_pair("redirect_url", back);
        url
    }

    /// Where Clerk tells who is signed in there, and goes on to `back`.
    ///
    /// # Errors
    /// When the issuer is no address.
    pub fn handshake_page(&self, back: &str, dev_browser: Option<&str>) -> Result<Url, ClerkError> {
        let mut url = Url::parse(&format!("{}/v1/client/handshake", self.config.issuer))
            .map_err(|_| ClerkError::NotAccepted("the issuer is no address"))?;
        url.query_pairs_mut()
            .append_pair("redirect_url", back)
            .append_pair("__clerk_api_version", API_VERSION)
            .append_pair("suffixed_cookies", "false")
            .append_pair("__clerk_hs_reason", "session-token-and-uat-missing");
        if let Some(token) = dev_browser {
            url.query_pairs_mut().append_pair(DEV_BROWSER, token);
        }
        Ok(url)
    }

    /// The session token in a handshake's answer, not judged yet; `None` when nobody is signed in.
    ///
    /// # Errors
    /// See [`ClerkError`].
    pub async fn handshake_session(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, ClerkError> {
        let payload: Payload = self.signed(token, now).await?;
        let found = payload.handshake.iter().find_map(|cookie| {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=')?;
            let is_session = name.trim() == "__session" || name.trim().starts_with("__session_");
            (is_session && !value.trim().is_empty()).then(|| value.trim().to_owned())
        });
        Ok(found)
    }
}
