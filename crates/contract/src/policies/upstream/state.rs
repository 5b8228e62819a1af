//! What a node knows of targets.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::policies::PolicyLevel;

/// Whether a target takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetHealth {
    Healthy,
    /// Its checks fail.
    Unhealthy,
    /// Calls failed there; it gets none for a while.
    Ejected,
    /// The while is over; the next call decides.
    OnTrial,
}

/// Whether calls go upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// They do.
    Closed,
    /// They are refused.
    Open,
    /// A few are tried.
    HalfOpen,
}

/// One target as a node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetState {
    pub url: String,
    pub weight: u32,
    /// It belongs to the canary's part.
    pub is_canary: bool,
    pub health: TargetHealth,
    /// Milliseconds that its ejection lasts yet.
    pub ejected_for_ms: Option<u64>,
    /// Calls under way.
    pub under_way: u32,
    /// Calls in the window of `ejection`, since its last return.
    pub succeeded: u64,
    pub failed: u64,
}

/// The targets of one upstream policy of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetsOfPolicy {
    /// What the policy is attached to.
    pub level: PolicyLevel,
    pub target_id: Uuid,
    /// `null`: the policy has no breaker.
    pub circuit: Option<CircuitState>,
    pub targets: Vec<TargetState>,
}

/// `GET /apis/{id}/targets`: what the node that answers knows; each node finds out for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetList {
    pub data: Vec<TargetsOfPolicy>,
}
