//! What a configuration would do to the traffic of late, before it is applied.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Configuration;
use crate::{ApiId, ErrorCode, FieldError, KeyId, Validation};

/// Calls that are replayed when a request does not say.
pub const PLAN_CALLS: u32 = 10_000;
/// Most calls that are replayed.
pub const MAX_PLAN_CALLS: u32 = 50_000;
/// Most groups of changed calls in a plan.
pub const MAX_PLAN_GROUPS: usize = 200;

/// `POST /configuration/plan`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    pub configuration: Configuration,
    /// As of `POST /configuration/apply`.
    #[serde(default)]
    pub prune: bool,
    /// Calls that began before are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// At most so many of the last calls are replayed, 1 to 50,000; 10,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

impl PlanRequest {
    /// Checks what is not the configuration's.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.calls
                .is_none_or(|calls| (1..=MAX_PLAN_CALLS).contains(&calls)),
            "calls",
            "must be 1 to 50000",
        );
        v.finish()
    }
}

/// What becomes of a call in the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlanOutcome {
    /// The upstream is asked.
    Forwarded,
    /// The response cache is asked first.
    Cached,
    /// A mock answers.
    Mocked,
    /// A rate limit, quota or limit of calls at once refuses it.
    Limited,
    /// It is refused for another reason.
    Refused,
}

/// Calls by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanCounts {
    pub forwarded: u64,
    pub cached: u64,
    pub mocked: u64,
    pub limited: u64,
    pub refused: u64,
}

impl PlanCounts {
    pub fn add(&mut self, outcome: PlanOutcome) {
        let count = match outcome {
            PlanOutcome::Forwarded => &mut self.forwarded,
            PlanOutcome::Cached => &mut self.cached,
            PlanOutcome::Mocked => &mut self.mocked,
            PlanOutcome::Limited => &mut self.limited,
            PlanOutcome::Refused => &mut self.refused,
        };
        *count += 1;
    }
}

/// What becomes of a call, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanVerdict {
    pub outcome: PlanOutcome,
    /// The code of a refusal.
    pub code: Option<ErrorCode>,
    /// Where in the document that comes from: `apis.weather.limits.burst`, `policies.mock`.
    pub by: Option<String>,
}

/// Calls of one key to one API that the configuration would change in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanGroup {
    pub key_id: KeyId,
    /// `null` when the key is gone.
    pub key_name: Option<String>,
    pub api_id: ApiId,
    pub api_name: Option<String>,
    pub before: PlanVerdict,
    pub after: PlanVerdict,
    pub calls: u64,
    /// One of them, the last: its method and path below the API.
    pub example: String,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
}

/// `POST /configuration/plan`: recent calls under the present configuration and under the proposed
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrafficPlan {
    /// Calls that were replayed.
    pub calls: u64,
    /// Calls of the same time that were not: their keys were refused before anything that is
    /// configured here was looked at.
    pub left_out: u64,
    /// When the first and last of them began; `null` without any.
    pub first_at: Option<DateTime<Utc>>,
    pub last_at: Option<DateTime<Utc>>,
    /// There are older calls in the range that was asked for.
    pub is_partial: bool,
    /// The present configuration.
    pub before: PlanCounts,
    /// The proposed one.
    pub after: PlanCounts,
    /// Of `after.cached`: calls of a key for a path that it had asked for within
    /// `default_ttl_seconds` of the cache policy, or a minute when that is not set. How many of
    /// them the cache would answer is for the upstream's answers to say, and for queries and
    /// fields, which are not recorded.
    pub repeated: u64,
    /// Those that change, most calls first; at most 200.
    pub changed: Vec<PlanGroup>,
    /// What could not be replayed, as it is not recorded.
    pub unknown: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_calls_as_can_be_replayed() {
        let request = |calls: u32| -> PlanRequest {
            let text = format!(r#"{{"configuration":{{"apiverse":1}},"calls":{calls}}}"#);
            serde_json::from_str(&text).expect("is understood")
        };
        assert_eq!(request(1).validate(), Ok(()));
        assert_eq!(request(MAX_PLAN_CALLS).validate(), Ok(()));
        for calls in [0, MAX_PLAN_CALLS + 1] {
            let errors = request(calls).validate().expect_err("is refused");
            assert_eq!(errors[0].field, "calls");
        }
    }
}
