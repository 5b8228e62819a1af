//! Explaining a call: what each phase of the gateway found, and how long it took.
//!
//! The same document tells of a call that was made (kept for every error and for a sample of the
//! others) and of one that is only asked about, which reaches no upstream and counts nowhere.
//! Policies that come later add phases and verdicts; nothing of the form changes.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::limits::LimitOrigin;
use crate::policies::PolicyLevel;
use crate::policies::upstream::{CircuitState, TargetState};
use crate::redacted::redacted_debug;
use crate::validation::{is_header_value, is_token};
use crate::{ApiId, ErrorCode, FieldError, KeyId, RouteId, Validation};

redacted_debug! {
    ExplainRequest { method, path, key_id, address }
}

/// Most header fields of a call that is asked about.
pub const MAX_HEADERS: usize = 100;
/// Longest path that is looked at, in bytes.
pub const MAX_PATH: usize = 8192;

/// `POST /explain`: a call that is not made.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// `GET` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// As it would be called, the query included: `/proxy/{api}/{path}`.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "/proxy/weather/today?city=Oslo")
    )]
    pub path: String,
    /// As whom; a call without a key when neither this nor `key` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// As whom, by a text that a consumer sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// From which address; the asker's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "192.0.2.7"))]
    pub address: Option<IpAddr>,
    /// Names and values of header fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Bytes of a body; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

impl ExplainRequest {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.method.as_deref().is_none_or(is_token),
            "method",
            "must be an HTTP method",
        );
        v.check(
            self.path.starts_with("/proxy/") && self.path.len() <= MAX_PATH,
            "path",
            "must begin with `/proxy/` and have at most 8192 bytes",
        );
        v.check(
            self.key.is_none() || self.key_id.is_none(),
            "key",
            "and `key_id` exclude each other",
        );
        v.check(
            self.headers.len() <= MAX_HEADERS,
            "headers",
            "must be at most 100",
        );
        let is_field = |(name, value): &(String, String)| {
            is_token(name) && (value.is_empty() || is_header_value(value))
        };
        v.check(
            self.headers.iter().take(MAX_HEADERS).all(is_field),
            "headers",
            "must be pairs of a field's name and a value of visible characters",
        );
        v.finish()
    }
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PhaseOutcome {
    /// The call went on.
    Passed,
    /// The gateway answered here.
    Refused,
    /// It was not reached, or has nothing to do for this call.
    Skipped,
}

/// One phase of the gateway, in the order in which they run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PhaseTrace {
    /// `locate`, `identify`, `authorize`, `limit`, `direct`, `outbound`, `forward`, `inbound` …
    pub name: String,
    pub outcome: PhaseOutcome,
    /// Microseconds from the call's beginning.
    pub began_us: u64,
    pub took_us: u64,
    /// Why, when it refused.
    pub code: Option<ErrorCode>,
    /// What it found, for people: `route Search`, `key from X-API-Key, verified before`. Nothing
    /// secret is in it.
    pub detail: Option<String>,
}

/// One counter that the call met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitTrace {
    pub name: String,
    pub from: LimitOrigin,
    /// Calls in its window or period.
    pub limit: u64,
    /// Calls that were left before this one, and after it.
    pub remaining_before: u64,
    pub remaining_after: u64,
    /// Seconds until more are allowed again; `null` when nobody can know, as for calls at once.
    pub reset_seconds: Option<u64>,
    pub refused: bool,
}

/// One try to reach the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttemptTrace {
    /// `https://api.example.com:443`
    pub origin: String,
    /// Microseconds from the call's beginning.
    pub began_us: u64,
    /// Whether a connection of the pool was used; then there was nothing to connect.
    pub reused: bool,
    /// Microseconds to connect, TLS included.
    pub connect_us: Option<u64>,
    /// Microseconds from the try's beginning to the answer's head.
    pub first_byte_us: Option<u64>,
    /// Microseconds to the end of the answer.
    pub total_us: Option<u64>,
    pub status: Option<u16>,
    pub error: Option<ErrorCode>,
    /// Why this target, and why the call was tried again or not, for people.
    #[serde(default)]
    pub detail: Option<String>,
}

/// What an upstream policy did with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpstreamTrace {
    /// What the policy is attached to.
    pub level: PolicyLevel,
    /// The call belongs to the canary's part.
    pub is_canary: bool,
    /// The circuit as the call found it; `null`: the policy has no breaker.
    pub circuit: Option<CircuitState>,
    /// The target that had the call last, or would have it; `null`: none.
    pub target: Option<String>,
    /// Why that one, for people.
    pub detail: Option<String>,
    /// The targets as they are now, where the call is only asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetState>,
}

/// A thing, and what it was called at the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Named<Id> {
    pub id: Id,
    pub name: String,
}

/// `POST /explain`, and the explanation of a call that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// `null` for a call that was only asked about.
    pub request_id: Option<String>,
    pub started_at: DateTime<Utc>,
    pub method: String,
    pub path: String,
    pub api: Option<Named<ApiId>>,
    pub route: Option<Named<RouteId>>,
    pub key: Option<Named<KeyId>>,
    /// The status of the answer; `null` when it would be the upstream's to say.
    pub status: Option<u16>,
    /// The gateway's own error code, if the answer is the gateway's.
    pub code: Option<ErrorCode>,
    pub phases: Vec<PhaseTrace>,
    /// Uppermost first.
    pub limits: Vec<LimitTrace>,
    /// In the order in which they were made; none of a call that was only asked about.
    pub attempts: Vec<AttemptTrace>,
    /// `null`: the call has no upstream policy, or did not come that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamTrace>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_can_be_asked() {
        let request: ExplainRequest =
            serde_json::from_str(r#"{"path":"/proxy/weather/today"}"#).expect("is understood");
        assert_eq!(request.validate(), Ok(()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let request: ExplainRequest = serde_json::from_str(
            r#"{"path":"/weather","method":"G T","key":"x",
                "key_id":"01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21",
                "headers":[["a b","c"],["x","y\r\nz"]]}"#,
        )
        .expect("is understood");
        let errors = request.validate().expect_err("is refused");
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["method", "path", "key", "headers"]);
        assert!(!format!("{request:?}").contains("key:"), "{request:?}");
    }
}
