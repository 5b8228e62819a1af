//! Answers without the upstream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::transform::header_name;
use super::{PolicyLevel, yes};
use crate::validation::is_header_value;
use crate::{FieldError, Validation};

/// Largest body in bytes.
const LARGEST_BODY: usize = 64 << 10;

/// An answer without the upstream. A caller chooses among the examples by
/// `Prefer: example=NAME` or `Prefer: code=STATUS` (RFC 7240); without a choice that fits it gets
/// the answer that stands here.
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
    /// The body as text, at most 64 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The body as JSON, instead of `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub json: Option<Value>,
    /// Milliseconds before the answer, up to 30000.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "openapi", schema(default = 0))]
    pub delay_ms: u32,
    /// Answers by name; at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub examples: BTreeMap<String, MockExample>,
}

/// One of several answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MockExample {
    /// 200 to 599.
    #[serde(default = "ok")]
    #[cfg_attr(feature = "openapi", schema(default = 200))]
    pub status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text, at most 64 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The body as JSON, instead of `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub json: Option<Value>,
}

const fn ok() -> u16 {
    200
}

const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl MockPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let own = (self.status, &self.headers, &self.body, &self.json);
        check(&mut v, "", own);
        v.check(self.delay_ms <= 30_000, "delay_ms", "must be at most 30000");
        v.check(self.examples.len() <= 50, "examples", "must be at most 50");
        for (name, example) in &self.examples {
            let field = format!("examples.{name}.");
            v.check(
                crate::validation::is_token(name),
                &field,
                "must have a name of letters, digits and dashes",
            );
            let parts = (
                example.status,
                &example.headers,
                &example.body,
                &example.json,
            );
            check(&mut v, &field, parts);
        }
        v.finish()
    }
}

type Parts<'a> = (
    u16,
    &'a BTreeMap<String, String>,
    &'a String,
    &'a Option<Value>,
);

fn check(v: &mut Validation, field: &str, (status, headers, body, json): Parts<'_>) {
    v.check(
        (200..=599).contains(&status),
        &format!("{field}status"),
        "must be between 200 and 599",
    );
    for (name, value) in headers {
        v.check(
            header_name(name).is_ok() && is_header_value(value),
            &format!("{field}headers.{name}"),
            "must be a header that policies can set, and its value",
        );
    }
    v.check(
        body.is_empty() || json.is_none(),
        &format!("{field}body"),
        "must not be there beside json",
    );
    let length = match json {
        Some(json) => json.to_string().len(),
        None => body.len(),
    };
    v.check(
        length <= LARGEST_BODY,
        &format!("{field}body"),
        "must have at most 65536 bytes",
    );
}
