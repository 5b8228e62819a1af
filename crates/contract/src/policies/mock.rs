//! Answers without the upstream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::validation::{is_header_value, is_token};
use crate::{FieldError, Validation};

/// The answer that every call gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MockPolicy {
    /// False switches the mock off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// 200 to 599.
    #[serde(default = "ok")]
    #[cfg_attr(feature = "openapi", schema(default = 200))]
    pub status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

const fn ok() -> u16 {
    200
}

impl MockPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            (200..=599).contains(&self.status),
            "status",
            "must be between 200 and 599",
        );
        for (name, value) in &self.headers {
            v.check(
                is_token(name) && is_header_value(value),
                &format!("headers.{name}"),
                "must be a header's name and value",
            );
        }
        v.finish()
    }
}
