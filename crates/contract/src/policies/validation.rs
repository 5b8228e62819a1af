//! What requests must look like.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// Requests that do not fit are refused before the upstream sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ValidationPolicy {
    /// False switches validation off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// A JSON Schema for the request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub body_schema: Option<Value>,
}

impl ValidationPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.body_schema
                .as_ref()
                .is_none_or(|schema| schema.is_object() || schema.is_boolean()),
            "body_schema",
            "must be a JSON Schema",
        );
        v.finish()
    }
}
