//! Usage: which calls are meant.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::CacheState;
use crate::{ApiId, FieldError, KeyId};

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
    /// A version's id, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A configured route's id, or a route as the breakdown by route names it: `/users/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// `GET`, `POST`, …; those that are not among the usual ones count as `OTHER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// One status exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// The gateway's error code, for answers that are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub cache: Option<CacheState>,
    /// Inclusive; the whole minute 24 hours before `to` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Exclusive; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Chosen from the length of the range when absent: at most about 200 steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub granularity: Option<Granularity>,
    /// The time zone that days and hours begin in, as `Europe/Berlin`; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// Whether the same is told of the time just before, as long as the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<bool>,
    /// Rows, for the lists: 1 to 200, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before, for the list of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What to group by, for `/usage/top` and `/usage/breakdown`; `api` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub by: Option<UsageDimension>,
    /// What to group by beside that, for `/usage/breakdown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub and: Option<UsageDimension>,
    /// What comes first in a breakdown; `calls` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub sort: Option<UsageSort>,
    /// Whether each row of a breakdown has a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<bool>,
    /// `csv` for a file in the place of JSON; of the list of calls one with up to 10,000 rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub format: Option<UsageFormat>,
}

/// What calls can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageDimension {
    Api,
    Key,
    Version,
    /// Where in an API: a configured route, else what was learned from paths.
    Route,
    Method,
    /// The status itself.
    Status,
    /// `2xx`, `3xx`, `4xx`, `5xx`.
    StatusClass,
    ErrorCode,
    Cache,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageSort {
    #[default]
    Calls,
    Errors,
    /// Share of errors, of those with at least ten calls.
    ErrorRate,
    /// The slowest by their 95th percentile, of those with at least ten calls.
    P95,
    /// Bytes in and out.
    Bytes,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageFormat {
    #[default]
    Json,
    Csv,
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
    /// The time that is meant, without a step.
    ///
    /// # Errors
    /// When it is empty.
    pub fn span(&self, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), FieldError> {
        let to = self.to.unwrap_or(now);
        let day_before = to
            .checked_sub_signed(chrono::Duration::hours(24))
            .and_then(|at| DateTime::from_timestamp(at.timestamp().div_euclid(60) * 60, 0));
        let Some(from) = self.from.or(day_before) else {
            return Err(FieldError::new("to", "is too early"));
        };
        if from >= to {
            return Err(FieldError::new("from", "must be before `to`"));
        }
        Ok((from, to))
    }

    /// # Errors
    /// When the range is empty, or too long for the granularity asked for.
    pub fn range(&self, now: DateTime<Utc>) -> Result<UsageRange, FieldError> {
        let (from, to) = self.span(now)?;
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
