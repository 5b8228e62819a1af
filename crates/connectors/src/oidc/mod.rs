//! Signing in at an OpenID Connect provider: the authorization code flow (OpenID Connect Core 1.0,
//! section 3.1) with PKCE (RFC 7636), a nonce, and the check of who answers (RFC 9207).

mod provider;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, ProviderMetadata};
use serde::{Deserialize, Serialize};

pub use provider::Provider;

use crate::SecretString;
use crate::fetch::FetchError;

/// A provider, and who we are there.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Part of addresses here, the redirect address above all: `oidc`.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// Its issuer identifier, exactly as it publishes it.
    pub issuer: String,
    pub client_id: String,
    /// `None` for a public client: PKCE alone protects the code then.
    pub client_secret: Option<SecretString>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
}

/// A sign-in that was begun. What is in it stays with the browser that began it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    /// The code verifier of PKCE.
    pub verifier: String,
}

impl Attempt {
    /// Of three secrets that nobody can guess.
    #[must_use]
    pub fn new(random: [[u8; 32]; 3]) -> Self {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let [state, nonce, verifier] = random.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Self {
            state,
            nonce,
            verifier,
        }
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt")
    }
}

/// What the provider sent the browser back with.
#[derive(Clone, Default, Deserialize)]
pub struct Redirected {
    pub code: Option<String>,
    pub state: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code (RFC 6749, 4.1.2.1).
    pub error: Option<String>,
}

impl std::fmt::Debug for Redirected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redirected")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// Somebody, as another service knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUser {
    pub issuer: String,
    /// The issuer's id of them, which never becomes somebody else's.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the issuer vouches for the address.
    pub email_verified: bool,
    pub name: Option<String>,
    /// Whether the issuer says that more than one factor was used (`mfa` in `amr`, RFC 8176).
    pub second_factor: bool,
}

/// Why somebody was not signed in. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It cannot be asked right now.
    #[error("the provider did not answer: {0}")]
    Unavailable(FetchError),
    /// What it publishes about itself is not that of this issuer, or not understood.
    #[error("what the provider publishes about itself is not accepted: {0}")]
    Discovery(String),
    /// It, or the person, said no.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// What came back does not belong to what was begun, or is not signed as it must be.
    #[error("the provider's answer is not accepted: {0}")]
    NotAccepted(String),
}

impl From<FetchError> for OidcError {
    fn from(error: FetchError) -> Self {
        Self::Unavailable(error)
    }
}

/// What of the provider's metadata the library does not know.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Extra {
    /// RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
