//! Live: calls as they come.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CacheState, StatusClass};
use crate::{ApiId, KeyId, RouteId, UsageEventId, VersionId};

/// `GET /usage/live`: which calls are meant; any when absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct LiveQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub key_id: Option<KeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<StatusClass>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Paths that contain this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only calls that took so long at least, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower_than_ms: Option<u32>,
}

impl LiveQuery {
    /// Whether every call is meant.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a call is meant.
    #[must_use]
    pub fn admits(&self, call: &LiveCall) -> bool {
        let first = |class: StatusClass| u16::try_from(class.first_status()).unwrap_or(0);
        self.api_id.is_none_or(|id| call.api_id == Some(id))
            && self.key_id.is_none_or(|id| call.key_id == Some(id))
            && self
                .status
                .is_none_or(|class| (first(class)..first(class) + 100).contains(&call.status))
            && self.status_code.is_none_or(|status| call.status == status)
            && (self.method.as_deref())
                .is_none_or(|method| call.method.eq_ignore_ascii_case(method))
            && (self.path.as_deref()).is_none_or(|text| call.path.contains(text))
            && self
                .slower_than_ms
                .is_none_or(|least| call.latency_ms >= f64::from(least))
    }
}

/// A call in the stream: what [`super::CallView`] says, without names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveCall {
    pub id: UsageEventId,
    pub request_id: String,
    pub started_at: DateTime<Utc>,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    pub version_id: Option<VersionId>,
    pub route_id: Option<RouteId>,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub latency_ms: f64,
    pub upstream_ms: Option<f64>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub error_code: Option<String>,
    pub cache: Option<CacheState>,
    /// The upstream never saw it.
    pub refused: bool,
}

/// What of the stream's calls was counted since the last such event, about every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveCounters {
    pub calls: u64,
    pub errors: u64,
    pub refused: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl LiveCounters {
    /// Counts a call.
    pub fn add(&mut self, call: &LiveCall) {
        self.calls += 1;
        self.errors += u64::from(call.status >= 400);
        self.refused += u64::from(call.refused);
        self.bytes_in = self.bytes_in.saturating_add(call.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(call.bytes_out);
    }
}

/// Calls that the stream did not bring: the reader was too slow, or there were too many at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveDropped {
    /// How many, before any filter.
    pub calls: u64,
}
