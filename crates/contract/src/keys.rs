//! API keys: the secrets that consumers send to the gateway.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::patch::Patch;
use crate::redacted::redacted_debug;
use crate::validation::{is_name, is_token};
use crate::{ApiId, FieldError, KeyId, Validation};

redacted_debug! {
    ApiKeyCreated { view }
    KeyTicket { expires_at }
}

/// What a key is for; visible in its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    #[default]
    Live,
    Test,
}

impl Environment {
    pub const ALL: [Self; 2] = [Self::Live, Self::Test];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
    }

    /// What a key of this environment begins with.
    #[must_use]
    pub const fn key_tag(self) -> &'static str {
        match self {
            Self::Live => "apv_live_",
            Self::Test => "apv_test_",
        }
    }
}

/// Where a key stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    Active,
    Expired,
    Revoked,
}

/// An API key as it is shown; its secret is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyView {
    pub id: KeyId,
    pub name: String,
    pub environment: Environment,
    /// The part of the key that is not secret: tag and first 12 random characters.
    pub key_prefix: String,
    pub status: KeyStatus,
    pub is_active: bool,
    /// The APIs it may call; empty: all of the organization.
    pub api_ids: Vec<ApiId>,
    /// The methods it may use; empty: all.
    pub methods: Vec<String>,
    /// Free words that services may check a key for.
    pub scopes: Vec<String>,
    /// Networks (CIDR) it is accepted from; empty: everywhere.
    pub allowed_ips: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// Exact to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// While a rotation's grace period lasts: when the previous secret stops working.
    pub previous_expires_at: Option<DateTime<Utc>>,
}

/// The answer to creating or rotating a key: the only time its text is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyCreated {
    /// The whole key. Store it now.
    pub key: String,
    #[serde(flatten)]
    pub view: ApiKeyView,
}

/// `POST /api-keys/{id}/ticket`: lets the console's explorer call as a key it does not know.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyTicket {
    /// Send it as `X-API-Key`; the gateway treats the call as the key's own.
    pub ticket: String,
    pub expires_at: DateTime<Utc>,
}

/// `POST /api-keys`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    #[cfg_attr(feature = "openapi", schema(example = "Mobile app"))]
    pub name: String,
    #[serde(default)]
    pub environment: Environment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub api_ids: Vec<ApiId>,
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub allowed_ips: Vec<String>,
}

impl CreateApiKey {
    /// Checks all but `allowed_ips`, which needs a network parser.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, now: DateTime<Utc>) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            is_name(&self.name, 100),
            "name",
            "must have 1 to 100 characters",
        );
        check_expiry(&mut v, self.expires_at, now);
        check_lists(
            &mut v,
            Some(&self.api_ids),
            Some(&self.methods),
            Some(&self.scopes),
        );
        v.finish()
    }
}

/// `PATCH /api-keys/{id}`: only what is named changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchApiKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub expires_at: Patch<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_ids: Option<Vec<ApiId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ips: Option<Vec<String>>,
}

impl PatchApiKey {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, now: DateTime<Utc>) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Some(name) = &self.name {
            v.check(is_name(name, 100), "name", "must have 1 to 100 characters");
        }
        check_expiry(&mut v, self.expires_at.value().copied(), now);
        check_lists(
            &mut v,
            self.api_ids.as_deref(),
            self.methods.as_deref(),
            self.scopes.as_deref(),
        );
        v.finish()
    }
}

/// `POST /api-keys/{id}/rotate`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// Seconds the previous secret goes on working: 0 to 2,592,000 (30 days); a day when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
}

pub const DEFAULT_GRACE_SECONDS: u32 = 86_400;
pub const MAX_GRACE_SECONDS: u32 = 2_592_000;

fn check_expiry(v: &mut Validation, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    v.check(
        expires_at.is_none_or(|at| at > now),
        "expires_at",
        "must be in the future",
    );
}

fn check_lists(
    v: &mut Validation,
    api_ids: Option<&[ApiId]>,
    methods: Option<&[String]>,
    scopes: Option<&[String]>,
) {
    v.check(
        api_ids.is_none_or(|ids| ids.len() <= 200),
        "api_ids",
        "must have at most 200 entries",
    );
    v.check(
        methods
            .is_none_or(|all| all.len() <= 20 && all.iter().all(|m| is_token(m) && m.len() <= 20)),
        "methods",
        "must be HTTP methods",
    );
    v.check(
        scopes.is_none_or(|all| all.len() <= 100 && all.iter().all(|s| is_name(s, 100))),
        "scopes",
        "must be at most 100 words of at most 100 characters",
    );
}
