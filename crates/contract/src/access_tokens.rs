//! Personal access tokens, and service accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::auth::Role;
use crate::redacted::redacted_debug;
use crate::validation::is_name;
use crate::{AccessTokenId, FieldError, ServiceAccountId, UserId, Validation};

redacted_debug! {
    AccessTokenCreated { view }
}

/// What a token begins with, so that a scanner's find is recognised.
pub const ACCESS_TOKEN_TAG: &str = "apvp_";

/// A token of the caller, or of a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessTokenView {
    pub id: AccessTokenId,
    pub name: String,
    /// Its beginning.
    pub token_prefix: String,
    /// What it may do, within what its owner may: `apis:read`, `keys:write`, …
    pub scopes: Vec<String>,
    /// Whose it is, when it is a service account's.
    pub service_account_id: Option<ServiceAccountId>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub last_used_ip: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A new token; its text is here and nowhere else.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessTokenCreated {
    #[serde(flatten)]
    pub view: AccessTokenView,
    /// `apvp_…`; send it as `Authorization: Bearer`.
    pub token: String,
}

/// `POST /access-tokens`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateAccessToken {
    pub name: String,
    /// What it may do; never more than its owner, and its maker, may.
    pub scopes: Vec<String>,
    /// It never expires when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Makes it this service account's token instead of the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_id: Option<ServiceAccountId>,
}

impl CreateAccessToken {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, now: DateTime<Utc>) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            is_name(&self.name, 120),
            "name",
            "must have 1 to 120 characters",
        );
        v.check(
            !self.scopes.is_empty(),
            "scopes",
            "must name at least one scope",
        );
        v.check(
            self.expires_at.is_none_or(|at| at > now),
            "expires_at",
            "must be in the future",
        );
        v.finish()
    }
}

/// Somebody in the organization who is no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceAccountView {
    pub id: ServiceAccountId,
    pub name: String,
    pub role: Role,
    pub created_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
}

/// `POST /service-accounts`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    pub name: String,
    /// Any but `owner`.
    pub role: Role,
}

impl CreateServiceAccount {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            is_name(&self.name, 120),
            "name",
            "must have 1 to 120 characters",
        );
        v.check(self.role != Role::Owner, "role", "must not be owner");
        v.finish()
    }
}
