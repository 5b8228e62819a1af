//! Where calls go, and what happens when that fails.

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// The targets of an API and how they are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamPolicy {
    /// False switches the policy off below: calls go to the API's base URL.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Instead of the API's base URL; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<UpstreamTarget>,
}

/// One of several places that answer the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamTarget {
    /// `http` or `https`; a path is kept and put before the caller's.
    pub url: String,
    /// Its share of the calls in relation to the others', 0 to 1000.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(default = 1))]
    pub weight: u32,
}

const fn one() -> u32 {
    1
}

impl UpstreamPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.targets.len() <= 100,
            "targets",
            "must have at most 100 entries",
        );
        for (at, target) in self.targets.iter().enumerate() {
            v.check(
                target.weight <= 1000,
                &format!("targets.{at}.weight"),
                "must be at most 1000",
            );
        }
        v.finish()
    }
}
