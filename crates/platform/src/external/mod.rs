//! Signing in elsewhere: at OpenID Connect providers and at Clerk.

mod bearer;
mod clerk;
mod flow;
mod identities;
mod reports;

use apiverse_connectors::clerk::Clerk;
use apiverse_connectors::oidc::Provider;
use apiverse_contract::sign_in::SignInOption;

pub use flow::{Arrival, Departure, ExternalSignInError};
pub use identities::{IdentityListError, IdentityRemoveError};
pub use reports::ClerkReportError;

use crate::platform::Platform;

/// Slug of Clerk among those people sign in with.
pub(crate) const CLERK: &str = "clerk";

/// Where people may sign in beside here.
#[derive(Debug, Default)]
pub struct SignInConfig {
    pub providers: Vec<Provider>,
    pub clerk: Option<Clerk>,
}

impl Platform {
    /// What the sign-in page offers beside e-mail and password.
    #[must_use]
    pub fn sign_in_options(&self) -> Vec<SignInOption> {
        let config = &self.inner.config.sign_in;
        let mut options: Vec<SignInOption> = config
            .providers
            .iter()
            .map(|provider| SignInOption {
                slug: provider.config().slug.clone(),
                name: provider.config().name.clone(),
            })
            .collect();
        if config.clerk.is_some() {
            options.push(SignInOption {
                slug: CLERK.to_owned(),
                name: "Clerk".to_owned(),
            });
        }
        options
    }

    pub(crate) fn clerk(&self) -> Option<&Clerk> {
        self.inner.config.sign_in.clerk.as_ref()
    }

    fn provider(&self, slug: &str) -> Option<&Provider> {
        let providers = &self.inner.config.sign_in.providers;
        providers
            .iter()
            .find(|provider| provider.config().slug == slug)
    }

    /// What people call an issuer.
    fn issuer_name(&self, issuer: &str) -> String {
        let providers = &self.inner.config.sign_in.providers;
        let found = providers
            .iter()
            .find(|provider| provider.config().issuer == issuer);
        match (found, self.clerk()) {
            (Some(provider), _) => provider.config().name.clone(),
            (None, Some(clerk)) if clerk.config().issuer == issuer => "Clerk".to_owned(),
            _ => issuer.to_owned(),
        }
    }
}
