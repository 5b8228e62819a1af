//! Usage: what is answered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CacheState, Granularity, UsageDimension};
use crate::{ApiId, KeyId, RouteId, UsageEventId, VersionId};

/// What a language model used for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Read: the prompt.
    pub input: u64,
    /// Written: the answer, with what was thought before it.
    pub output: u64,
}

impl Tokens {
    /// `None`: none were counted.
    #[must_use]
    pub fn counted(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

/// Counts over a set of calls.
///
/// `errors` are answers with status 400 and above; `refused` those among them that the gateway
/// gave itself, so that the upstream never saw the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageTotals {
    pub calls: u64,
    pub errors: u64,
    pub refused: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Calls that the response cache was looked into for, and those it answered.
    #[serde(default)]
    pub cache_lookups: u64,
    #[serde(default)]
    pub cache_hits: u64,
    /// What language models say they read and wrote, where a policy counts it.
    #[serde(default)]
    pub tokens_in: u64,
    #[serde(default)]
    pub tokens_out: u64,
    /// The mean, milliseconds.
    #[serde(default)]
    pub avg_ms: Option<f64>,
    /// Milliseconds from request head to the end of the answer, within 1 %; `null` without calls.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// One step of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsagePoint {
    pub start: DateTime<Utc>,
    pub calls: u64,
    pub errors: u64,
    pub refused: u64,
    /// Answers by status class.
    pub s2xx: u64,
    pub s3xx: u64,
    pub s4xx: u64,
    pub s5xx: u64,
    #[serde(default)]
    pub bytes_in: u64,
    #[serde(default)]
    pub bytes_out: u64,
    #[serde(default)]
    pub cache_lookups: u64,
    #[serde(default)]
    pub cache_hits: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// `GET /usage`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageReport {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub granularity: Granularity,
    pub totals: UsageTotals,
    /// Every step of the range, those without calls too.
    pub series: Vec<UsagePoint>,
    /// The time before, when asked for; its steps are those of `series`, one for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<UsagePeriod>,
}

/// A time that a report is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsagePeriod {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub totals: UsageTotals,
    pub series: Vec<UsagePoint>,
}

/// What the calls of a row have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageValue {
    pub dimension: UsageDimension,
    /// What to filter by for these calls; `null` where they have none, as calls without a key.
    pub id: Option<String>,
    /// As people call it; `null` for what does not exist any more.
    pub name: Option<String>,
    /// Of a route: its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
}

/// One row of a breakdown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BreakdownRow {
    /// One for `by`, and one for `and`.
    pub values: Vec<UsageValue>,
    pub totals: UsageTotals,
    /// The time before, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<UsageTotals>,
    /// One for each of `starts`, when asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<UsagePoint>,
}

/// `GET /usage/breakdown`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageBreakdown {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// Where the steps of the rows' series begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<DateTime<Utc>>,
    pub data: Vec<BreakdownRow>,
    /// How many rows there are in all.
    pub rows: u64,
    /// Everything, those rows too that are not in `data`.
    pub totals: UsageTotals,
}

/// One bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LatencyBar {
    /// Milliseconds; a call within 1 % of an edge may be on its other side.
    pub to_ms: f64,
    pub calls: u64,
}

/// `GET /usage/latency`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LatencyReport {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub totals: UsageTotals,
    /// Ascending, four to a doubling, without gaps between the first and the last that has calls.
    pub bars: Vec<LatencyBar>,
}

/// One row of `GET /usage/errors`: errors of one kind in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorRow {
    pub api_id: Option<ApiId>,
    pub api_name: Option<String>,
    /// What to filter by, and what it is called.
    pub route: Option<String>,
    pub route_name: Option<String>,
    pub status: u16,
    /// The gateway's error code, if the answer was its own.
    pub error_code: Option<String>,
    pub calls: u64,
    /// In the time before, as long as the range.
    pub calls_before: u64,
    /// There were none before.
    pub is_new: bool,
    /// The first step of the range that has any: an hour, or a day where the range is long.
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

/// One proxied call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallView {
    pub id: UsageEventId,
    pub request_id: String,
    pub started_at: DateTime<Utc>,
    pub api_id: Option<ApiId>,
    pub api_name: Option<String>,
    pub key_id: Option<KeyId>,
    pub key_name: Option<String>,
    /// The API's version; `null`: `default`.
    #[serde(default)]
    pub version_id: Option<VersionId>,
    /// The configured route it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_id: Option<RouteId>,
    /// What the response cache did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheState>,
    pub method: String,
    /// Path below the API, without the query.
    pub path: String,
    pub status: u16,
    pub latency_ms: f64,
    /// Milliseconds until the upstream's answer began; `null` when it was not asked.
    pub upstream_ms: Option<f64>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// What a language model says it read and wrote, where a policy counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// The gateway's own error code, if the answer is the gateway's.
    pub error_code: Option<String>,
    /// Of a verification: for how many calls it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

/// One row of `GET /usage/top`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopRow {
    /// Id of the API or key, or what else it is ranked by; `null` for calls that had none.
    pub id: Option<String>,
    pub name: Option<String>,
    pub calls: u64,
    pub errors: u64,
    pub p95_ms: Option<f64>,
}
