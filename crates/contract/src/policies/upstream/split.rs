//! Parts of the calls that go elsewhere.

use serde::{Deserialize, Serialize};

use super::{UpstreamTarget, check_targets};
use crate::validation::{is_header_value, is_token};
use crate::{KeyId, Validation};

/// What tells callers apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The API key.
    #[default]
    Key,
    /// The caller's address.
    Address,
    /// The value of a header.
    Header,
}

impl SplitBy {
    pub(super) fn has_its_header(self, header: Option<&str>) -> bool {
        match header {
            Some(header) => is_token(header),
            None => self != Self::Header,
        }
    }
}

/// A part of the calls goes to other targets. Who is in it stays in it while it grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// 1 to 64.
    pub targets: Vec<UpstreamTarget>,
    /// Of the callers, told apart by `by`: 0 to 100, exact to a hundredth.
    #[serde(default)]
    pub percent: f64,
    #[serde(default)]
    pub by: SplitBy,
    /// With `by: header` the one whose value tells callers apart; a call without it is not in the
    /// part. With `values` the one that is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Values of `header` whose calls go there in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Keys whose calls go there in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyId>,
}

impl Canary {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(
            !self.targets.is_empty(),
            "canary.targets",
            "must have 1 to 64 entries",
        );
        check_targets(v, "canary.targets", &self.targets);
        v.check(
            is_percent(self.percent),
            "canary.percent",
            "must be between 0 and 100",
        );
        v.check(
            self.by.has_its_header(self.header.as_deref())
                && (self.values.is_empty() || self.header.is_some()),
            "canary.header",
            "must be a header's name when `by` is `header` or there are `values`",
        );
        v.check(
            self.values.len() <= 100 && self.values.iter().all(|value| is_header_value(value)),
            "canary.values",
            "must be at most 100 values of a header",
        );
        v.check(
            self.keys.len() <= 1000,
            "canary.keys",
            "must have at most 1000 entries",
        );
    }
}

/// Copies of calls to another place. They are sent beside the calls, which wait for nothing of
/// them; when too many are under way, some are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Like a target's.
    pub url: String,
    /// Of the calls: 0 to 100, exact to a hundredth.
    #[serde(default = "all")]
    #[cfg_attr(feature = "openapi", schema(default = 100.0))]
    pub percent: f64,
    /// Calls with a longer body are not copied; up to 16 MiB.
    #[serde(default = "a_body")]
    #[cfg_attr(feature = "openapi", schema(default = 65536))]
    pub max_body_bytes: u32,
}

const fn all() -> f64 {
    100.0
}

const fn a_body() -> u32 {
    64 << 10
}

impl Mirror {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(!self.url.trim().is_empty(), "mirror.url", "is required");
        v.check(
            is_percent(self.percent),
            "mirror.percent",
            "must be between 0 and 100",
        );
        v.check(
            self.max_body_bytes <= 16 << 20,
            "mirror.max_body_bytes",
            "must be at most 16777216",
        );
    }
}

/// Also false for what is no number.
fn is_percent(percent: f64) -> bool {
    (0.0..=100.0).contains(&percent)
}
