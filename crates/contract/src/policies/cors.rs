//! Which pages of other sites may call (the Fetch standard's CORS protocol).

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// What browsers are told about calls from pages of other sites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CorsPolicy {
    /// False switches the policy off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Origins as `https://example.com`, or `*` for all; at most 100.
    #[serde(default)]
    pub allow_origins: Vec<String>,
}

impl CorsPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            (1..=100).contains(&self.allow_origins.len()),
            "allow_origins",
            "must have 1 to 100 entries",
        );
        v.finish()
    }
}
