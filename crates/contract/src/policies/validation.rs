//! What requests must look like.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// Largest schema in bytes.
const LARGEST_SCHEMA: usize = 64 << 10;
/// Largest body that is looked at, in bytes.
const LARGEST_BODY: u32 = 16 << 20;

/// Requests that do not fit are refused before the upstream sees them, with
/// [`request_invalid`](crate::ErrorCode::RequestInvalid) and a JSON pointer (RFC 6901) to what does
/// not fit: into the body as `/body/…`, to a parameter as `/query/NAME`, `/headers/NAME` or
/// `/path/NAME`.
///
/// Schemas are JSON Schema 2020-12. They refer to themselves only (`#/$defs/…`); patterns are
/// regular expressions without back references and look-around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ValidationPolicy {
    /// False switches validation off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// A JSON Schema for the request's body. A body that is not JSON does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub body_schema: Option<Value>,
    /// A request without a body does not fit. Without this `body_schema` is for those that have one.
    #[serde(default)]
    pub body_required: bool,
    /// Largest body that is looked at, up to 16 MiB; 1 MiB when absent. A larger one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u32>,
    /// A JSON Schema for an object of the query's parameters. Where its properties have a type the
    /// texts are read as that; a parameter that comes several times, or whose type is `array`, is
    /// an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub query_schema: Option<Value>,
    /// The same for the header fields, names in lower case. Credentials are not shown to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub headers_schema: Option<Value>,
    /// The same for what the route's template captures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub path_schema: Option<Value>,
}

impl ValidationPolicy {
    /// The schemas, and the fields they stand in.
    #[must_use]
    pub fn schemas(&self) -> [(&'static str, Option<&Value>); 4] {
        [
            ("body_schema", self.body_schema.as_ref()),
            ("query_schema", self.query_schema.as_ref()),
            ("headers_schema", self.headers_schema.as_ref()),
            ("path_schema", self.path_schema.as_ref()),
        ]
    }

    /// Largest body in bytes.
    #[must_use]
    pub fn most_bytes(&self) -> u32 {
        self.max_body_bytes.unwrap_or(1 << 20)
    }

    /// # Errors
    /// Every field that is not acceptable. Whether the schemas can be used is looked at where they
    /// are compiled.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        for (field, schema) in self.schemas() {
            let Some(schema) = schema else { continue };
            v.check(
                schema.is_object() || schema.is_boolean(),
                field,
                "must be a JSON Schema",
            );
            v.check(
                schema.to_string().len() <= LARGEST_SCHEMA,
                field,
                "must have at most 65536 bytes",
            );
        }
        v.check(
            (1..=LARGEST_BODY).contains(&self.most_bytes()),
            "max_body_bytes",
            "must be between 1 and 16777216",
        );
        v.finish()
    }
}
