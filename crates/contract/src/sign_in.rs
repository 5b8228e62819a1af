//! Signing in elsewhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::IdentityId;

/// A service people may sign in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInOption {
    /// Part of addresses: `oidc`, `clerk`.
    pub slug: String,
    /// What people call it.
    pub name: String,
}

/// Who somebody is at a service they sign in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityView {
    pub id: IdentityId,
    /// The service's name, or its issuer when it is not set up any more.
    pub provider: String,
    pub issuer: String,
    /// What the service said last.
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}
