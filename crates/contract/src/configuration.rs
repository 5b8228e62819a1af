//! An organization's whole configuration as one document: for git, review and copying.
//!
//! Things are named by slugs and names, never by ids, and stand in an order that does not change,
//! so that the same configuration is always the same text. Secrets are left out: of an API that is
//! there they stay, for a new one `auth_config` must hold them.

pub mod plan;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::apis::{ApiLimits, AuthType};
use crate::limits::LimitPolicy;
use crate::policies::PolicyKind;
use crate::redacted::redacted_debug;
use crate::versions::Versioning;

redacted_debug! {
    ApiConfiguration { name, base_url, auth_type, is_active }
}

/// The form of the document that this version writes and reads.
pub const CONFIGURATION_FORM: u32 = 1;

/// Documents by kind.
pub type PolicyDocuments = BTreeMap<PolicyKind, Value>;

/// `GET /configuration`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The form of this document: 1.
    #[cfg_attr(feature = "openapi", schema(example = 1))]
    pub apiverse: u32,
    /// The organization's; absent: nothing is said about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitPolicy>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policies: PolicyDocuments,
    /// By slug.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apis: BTreeMap<String, ApiConfiguration>,
    /// By name, or by `key_prefix` where several have the same name. Keys are neither made nor
    /// changed by this document: only what is attached to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyConfiguration>,
}

/// An API.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiConfiguration {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub base_url: String,
    #[serde(default)]
    pub auth_type: AuthType,
    /// Without its secrets, when it is written by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub auth_config: Option<Value>,
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub is_active: bool,
    #[serde(default)]
    pub allow_query_key: bool,
    /// Time limits and the largest body: `limits` of `POST /apis`.
    #[serde(default)]
    pub transport: ApiLimits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitPolicy>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policies: PolicyDocuments,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, VersionConfiguration>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RouteConfiguration>,
}

const fn yes() -> bool {
    true
}

/// A version of an API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VersionConfiguration {
    /// Absent for `default`, whose is the API's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<DateTime<Utc>>,
    pub refuse_after_sunset: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policies: PolicyDocuments,
}

/// A route of an API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfiguration {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    pub path: String,
    #[serde(skip_serializing_if = "LimitPolicy::is_empty")]
    pub limits: LimitPolicy,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policies: PolicyDocuments,
}

/// What is attached to a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitPolicy>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub policies: PolicyDocuments,
}

/// `POST /configuration/diff` and `POST /configuration/apply`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigurationRequest {
    pub configuration: Configuration,
    /// Whether what is there and not in the document is removed. Keys stay in any case.
    #[serde(default)]
    pub prune: bool,
}

/// What becomes of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationAction {
    Create,
    Update,
    Delete,
}

/// One difference between the document and what is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationChange {
    pub action: ConfigurationAction,
    /// Where in the document: `apis.weather.routes.search`.
    pub path: String,
    /// `null` for what is made.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub before: Value,
    /// `null` for what is removed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub after: Value,
}

/// The differences, in the order in which they are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationDiff {
    pub changes: Vec<ConfigurationChange>,
}
