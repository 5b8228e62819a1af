//! Policies as REST shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{PolicyKind, PolicyLevel};
use crate::{ApiId, KeyId, RouteId, VersionId};

/// A policy and what it is attached to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachedPolicy {
    pub level: PolicyLevel,
    /// Id of the organization, API, version, route or key.
    pub target_id: Uuid,
    pub kind: PolicyKind,
    /// Goes up with every change. It is also the `ETag`; give it back in `If-Match`, and a change
    /// that somebody else made meanwhile is not overwritten.
    pub version: u32,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub document: Value,
    pub updated_at: DateTime<Utc>,
    /// Who made the last change.
    pub updated_by: String,
}

/// One state that a policy has or had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyRevision {
    pub version: u32,
    /// `null`: the policy was removed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub document: Option<Value>,
    pub changed_at: DateTime<Utc>,
    pub changed_by: String,
}

/// `POST /policies/{level}/{target_id}/{kind}/roll-back`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// The state to go back to; it becomes a new version.
    pub version: u32,
}

/// `GET /policies`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct PolicyListQuery {
    /// Rows a page, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<PolicyLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PolicyKind>,
    /// Those of this API, its versions and its routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    /// Those of this organization, API, version, route or key alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub target_id: Option<Uuid>,
}

/// `GET /policies/effective`: the call that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EffectivePoliciesQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    /// A version of the API; its default version when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub version_id: Option<VersionId>,
    /// A route of the API; instead of `method` and `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub route_id: Option<RouteId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub key_id: Option<KeyId>,
    /// `GET` when absent; only routes ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path below the API; no route is looked for when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Where a policy comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyOrigin {
    pub level: PolicyLevel,
    pub target_id: Uuid,
    pub target_name: String,
    pub version: u32,
}

/// What holds for a call, of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectivePolicy {
    pub kind: PolicyKind,
    /// False: the nearest document switches the kind off.
    pub enabled: bool,
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub document: Value,
    pub from: PolicyOrigin,
    /// Farther documents of the kind that do not count, the nearest of them first.
    pub overrides: Vec<PolicyOrigin>,
}

/// `GET /policies/effective`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectivePolicies {
    /// The version of the API that was asked about, by name.
    pub version: Option<String>,
    /// The route that method and path come to, by name.
    pub route: Option<String>,
    /// In the order in which the call meets them; a kind that nothing has is not in it.
    pub policies: Vec<EffectivePolicy>,
}
