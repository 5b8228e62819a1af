//! People, as Clerk's Backend API and its reports have them.

use serde::Deserialize;

use super::{Clerk, ClerkError};
use crate::fetch::{self, FetchError};
use crate::oidc::ExternalUser;

/// A user, of whom we read what an account here needs.
#[derive(Clone, Debug, Deserialize)]
pub struct ClerkUser {
    /// `user_…`.
    pub id: String,
    #[serde(default)]
    primary_email_address_id: Option<String>,
    #[serde(default)]
    email_addresses: Vec<Address>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub updated_at: i64,
    /// They may not sign in there any more.
    #[serde(default)]
    pub banned: bool,
    #[serde(default)]
    pub locked: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Address {
    #[serde(default)]
    id: Option<String>,
    email_address: String,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Clone, Debug, Deserialize)]
struct Verification {
    #[serde(default)]
    status: Option<String>,
}

impl ClerkUser {
    /// First and last name.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let parts = [&self.first_name, &self.last_name];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let name = parts.join(" ").trim().to_owned();
        (!name.is_empty()).then_some(name)
    }

    /// The same person, as any other issuer's. Their address is the primary one.
    #[must_use]
    pub fn external(&self, issuer: &str, second_factor: bool) -> ExternalUser {
        let primary = self
            .email_addresses
            .iter()
            .find(|address| address.id.is_some() && address.id == self.primary_email_address_id);
        ExternalUser {
            issuer: issuer.to_owned(),
            subject: self.id.clone(),
            email: primary.map(|address| address.email_address.clone()),
            email_verified: primary.is_some_and(|address| {
                let verification = address.verification.as_ref();
                verification.and_then(|found| found.status.as_deref()) == Some("verified")
            }),
            name: self.name(),
            second_factor,
        }
    }
}

impl Clerk {
    /// Asks for a user; `None` when there is none of this id.
    ///
    /// # Errors
    /// See [`ClerkError`].
    pub async fn user(&self, id: &str) -> Result<Option<ClerkUser>, ClerkError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !id.bytes().all(plain) {
            return Ok(None);
        }
        let base = self.config.api.as_str().trim_end_matches('/');
        let request = self
            .client
            .get(format!("{base}/v1/users/{id}"))
            .bearer_auth(self.config.secret_key.expose());
        match fetch::json(request).await {
            Ok(user) => Ok(Some(user)),
            Err(FetchError::Status(404)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
