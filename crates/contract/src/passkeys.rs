//! Passkeys: WebAuthn credentials (W3C Web Authentication, level 3).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::redacted::redacted_debug;
use crate::validation::is_name;
use crate::{FieldError, PasskeyId, Validation};

redacted_debug! {
    PasskeyCeremony {}
    PasskeyAnswer {}
    CreatePasskey { name }
    PasskeyCreated { passkey }
    MfaToken {}
}

/// A passkey of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyView {
    pub id: PasskeyId,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What a browser is to ask its authenticator. Good once, for five minutes.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyCeremony {
    /// Goes back with the authenticator's answer.
    pub ceremony: String,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
}

/// What the authenticator answered.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// From the ceremony it answers.
    pub ceremony: String,
    /// `credential.toJSON()` (`AuthenticationResponseJSON`).
    pub credential: Value,
}

/// `POST /auth/passkeys`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreatePasskey {
    /// What its owner calls it: `Telephone`.
    pub name: String,
    /// From `POST /auth/passkeys/register`.
    pub ceremony: String,
    /// `credential.toJSON()` (`RegistrationResponseJSON`).
    pub credential: Value,
}

impl CreatePasskey {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        validate_name(&self.name)
    }
}

/// A new passkey.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyCreated {
    #[serde(flatten)]
    pub passkey: PasskeyView,
    /// With the first second factor: codes for when it is lost. They are here and nowhere else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery_codes: Vec<String>,
}

/// `PATCH /auth/passkeys/{id}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenamePasskey {
    pub name: String,
}

impl RenamePasskey {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        validate_name(&self.name)
    }
}

/// `POST /auth/mfa/passkey`, `POST /auth/mfa/sms`: of a sign-in whose password was right.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MfaToken {
    /// From the answer `mfa_required`.
    pub mfa_token: String,
}

fn validate_name(name: &str) -> Result<(), Vec<FieldError>> {
    let mut v = Validation::default();
    v.check(is_name(name, 60), "name", "must have 1 to 60 characters");
    v.finish()
}
