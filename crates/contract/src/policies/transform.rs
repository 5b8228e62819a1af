//! Changes to requests and answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::validation::{is_header_value, is_token};
use crate::{FieldError, Validation};

/// Changes to header fields: first `remove`, then `set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HeaderChanges {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

impl HeaderChanges {
    fn check(&self, v: &mut Validation) {
        v.check(
            self.remove.iter().all(|name| is_token(name)),
            "headers.remove",
            "must be names of headers",
        );
        for (name, value) in &self.set {
            v.check(
                is_token(name) && is_header_value(value),
                &format!("headers.set.{name}"),
                "must be a header's name and value",
            );
        }
    }
}

/// Changes to requests before the upstream gets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestTransformPolicy {
    /// False switches the changes off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    #[serde(default)]
    pub headers: HeaderChanges,
}

impl RequestTransformPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        self.headers.check(&mut v);
        v.finish()
    }
}

/// Changes to answers before the caller gets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseTransformPolicy {
    /// False switches the changes off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    #[serde(default)]
    pub headers: HeaderChanges,
}

impl ResponseTransformPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        self.headers.check(&mut v);
        v.finish()
    }
}
