//! Insights: what was unusual in an organization's traffic.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ApiId, FindingId, MuteId};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingMetric {
    /// Calls in five minutes.
    Traffic,
    /// The share of answers with 500 and above, 0 to 1.
    ErrorRate,
    /// The 95th percentile in milliseconds.
    Latency,
}

impl FindingMetric {
    pub const ALL: [Self; 3] = [Self::Traffic, Self::ErrorRate, Self::Latency];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::ErrorRate => "error_rate",
            Self::Latency => "latency",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// It lasts.
    Open,
    /// It is as usual again.
    Passed,
    /// It stayed so, and is what is usual now.
    Level,
}

impl FindingState {
    pub const ALL: [Self; 3] = [Self::Open, Self::Passed, Self::Level];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Passed => "passed",
            Self::Level => "level",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Which findings are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct FindingsQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<FindingState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub metric: Option<FindingMetric>,
    /// Whether somebody has taken note of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
    /// Those that are muted too; without it they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A part of the traffic, and its share of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FindingPart {
    /// `key`, `route` or `status`.
    pub dimension: String,
    /// What to filter usage by; `null`: calls without one.
    pub id: Option<String>,
    pub name: Option<String>,
    /// 0 to 1: it is so much of the change.
    pub share: f64,
}

/// Something unusual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FindingView {
    pub id: FindingId,
    pub api_id: Option<ApiId>,
    pub api_name: Option<String>,
    /// Of one route; `null`: of the API as a whole. What to filter usage by.
    pub route: Option<String>,
    pub metric: FindingMetric,
    pub state: FindingState,
    /// More than expected, or less.
    pub above: bool,
    pub started_at: DateTime<Utc>,
    /// `null` while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was at its worst, what it was then and what was expected.
    pub worst_at: DateTime<Utc>,
    pub value: f64,
    pub expected: f64,
    /// How many times the usual deviation that is.
    pub score: f64,
    /// One sentence.
    pub summary: String,
    /// What explains most of it, the largest first.
    pub parts: Vec<FindingPart>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
    pub note: Option<String>,
    pub muted: bool,
}

/// `POST /insights/{id}/acknowledge`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeFinding {
    /// Up to 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `POST /insights/mutes`: findings that are not to be told; `null` stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateMute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<FindingMetric>,
    /// For ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A mute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MuteView {
    pub id: MuteId,
    pub api_id: Option<ApiId>,
    pub route: Option<String>,
    pub metric: Option<FindingMetric>,
    pub until: Option<DateTime<Utc>>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}
