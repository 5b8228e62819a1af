//! Usage: what went through the gateway.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ApiId, FieldError, KeyId, UsageEventId, VersionId};

/// Width of one step of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    Minute,
    Hour,
    Day,
}

impl Granularity {
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

/// First digit of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StatusClass {
    #[serde(rename = "2xx")]
    Success,
    #[serde(rename = "3xx")]
    Redirect,
    #[serde(rename = "4xx")]
    ClientError,
    #[serde(rename = "5xx")]
    ServerError,
}

impl StatusClass {
    pub const ALL: [Self; 4] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }

    #[must_use]
    pub const fn first_status(self) -> i32 {
        match self {
            Self::Success => 200,
            Self::Redirect => 300,
            Self::ClientError => 400,
            Self::ServerError => 500,
        }
    }
}

/// What left a line in the usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageKind {
    /// A call through the gateway.
    #[default]
    Call,
    /// A verification of a key, for a service that takes it without the gateway.
    Verification,
}

/// What `GET /usage`, `/usage/calls` and `/usage/top` have in common: which calls are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub key_id: Option<KeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<StatusClass>,
    /// Calls through the gateway when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub kind: Option<UsageKind>,
    /// Inclusive; 24 hours before `to` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Exclusive; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Chosen from the length of the range when absent: at most about 200 steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub granularity: Option<Granularity>,
    /// Rows, for the lists: 1 to 200, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before, for the list of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What to rank by, for `/usage/top`; `api` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub by: Option<UsageDimension>,
}

/// The time span and step a query comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRange {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub granularity: Granularity,
}

/// Most steps a series may have.
pub const MAX_SERIES: i64 = 1500;

impl UsageQuery {
    /// # Errors
    /// When the range is empty, or too long for the granularity asked for.
    pub fn range(&self, now: DateTime<Utc>) -> Result<UsageRange, FieldError> {
        let to = self.to.unwrap_or(now);
        let day_before = to.checked_sub_signed(chrono::Duration::hours(24));
        let Some(from) = self.from.or(day_before) else {
            return Err(FieldError::new("to", "is too early"));
        };
        if from >= to {
            return Err(FieldError::new("from", "must be before `to`"));
        }
        let seconds = (to - from).num_seconds();
        let granularity = self.granularity.unwrap_or(match seconds {
            ..=10_800 => Granularity::Minute,
            10_801..=691_200 => Granularity::Hour,
            _ => Granularity::Day,
        });
        if seconds / granularity.seconds() > MAX_SERIES {
            return Err(FieldError::new(
                "granularity",
                "is too fine for this range: a series has at most 1500 steps",
            ));
        }
        Ok(UsageRange {
            from,
            to,
            granularity,
        })
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
    pub method: String,
    /// Path below the API, without the query.
    pub path: String,
    pub status: u16,
    pub latency_ms: f64,
    /// Milliseconds until the upstream's answer began; `null` when it was not asked.
    pub upstream_ms: Option<f64>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// The gateway's own error code, if the answer is the gateway's.
    pub error_code: Option<String>,
    /// Of a verification: for how many calls it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

/// What to rank by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageDimension {
    Api,
    Key,
}

/// One row of `GET /usage/top`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopRow {
    /// Id of the API or key; `null` for calls that had none.
    pub id: Option<String>,
    pub name: Option<String>,
    pub calls: u64,
    pub errors: u64,
    pub p95_ms: Option<f64>,
}
