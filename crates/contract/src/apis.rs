//! APIs: registered upstreams and their credentials.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::credentials::{AuthType, KeyLocation, UpstreamAuth};
use crate::patch::Patch;
use crate::redacted::redacted_debug;
use crate::validation::{is_name, is_slug};
use crate::{ApiId, FieldError, Validation};

redacted_debug! {
    CreateApi { name, slug, base_url, auth_type, is_active }
    PatchApi { name, slug, base_url, auth_type, is_active }
}

/// Limits of a call through the gateway; what is absent falls to the gateway's own setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ApiLimits {
    /// Milliseconds to connect to the upstream, TLS included; 100 to 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u32>,
    /// Milliseconds until the upstream's answer begins; 100 to 3,600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_timeout_ms: Option<u32>,
    /// Milliseconds of silence allowed inside a body; 100 to 3,600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u32>,
    /// Largest request body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
}

impl ApiLimits {
    fn validate(&self, v: &mut Validation) {
        let within = |ms: Option<u32>, max: u32| ms.is_none_or(|ms| (100..=max).contains(&ms));
        v.check(
            within(self.connect_timeout_ms, 60_000),
            "limits.connect_timeout_ms",
            "must be between 100 and 60000",
        );
        v.check(
            within(self.first_byte_timeout_ms, 3_600_000),
            "limits.first_byte_timeout_ms",
            "must be between 100 and 3600000",
        );
        v.check(
            within(self.idle_timeout_ms, 3_600_000),
            "limits.idle_timeout_ms",
            "must be between 100 and 3600000",
        );
        v.check(
            self.max_body_bytes
                .is_none_or(|bytes| (1..=1 << 40).contains(&bytes)),
            "limits.max_body_bytes",
            "must be between 1 and 1099511627776",
        );
    }
}

/// An API as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiView {
    pub id: ApiId,
    pub name: String,
    /// What stands in `/proxy/{slug}/…`; unique in the organization.
    pub slug: String,
    pub description: Option<String>,
    pub base_url: String,
    pub auth_type: AuthType,
    /// The fields of `auth_type` without their secrets.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub auth_config: Value,
    /// A switched-off API answers 503 `api_disabled`.
    pub is_active: bool,
    /// Whether consumers may send their key as `?api_key=`; addresses end up in logs, so it is off by default.
    pub allow_query_key: bool,
    pub limits: ApiLimits,
    /// The registered built-in sample, which answers without the internet.
    pub is_sample: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// `POST /apis`, and `PUT /apis/{id}`, where what is absent goes back to its default.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateApi {
    #[cfg_attr(feature = "openapi", schema(example = "Weather"))]
    pub name: String,
    /// Made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `http` or `https`, or `grpc` or `grpcs` for an upstream that speaks gRPC; a path is kept and put before the caller's.
    #[cfg_attr(feature = "openapi", schema(example = "https://api.example.com/v1"))]
    pub base_url: String,
    #[serde(default)]
    pub auth_type: AuthType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub auth_config: Option<Value>,
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub is_active: bool,
    #[serde(default)]
    pub allow_query_key: bool,
    #[serde(default)]
    pub limits: ApiLimits,
}

const fn yes() -> bool {
    true
}

impl CreateApi {
    /// Checks all but `base_url`'s syntax and `auth_config`, which need a URL parser and the
    /// stored secrets.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check_name(&mut v, &self.name);
        if let Some(slug) = &self.slug {
            check_slug(&mut v, slug);
        }
        check_description(&mut v, self.description.as_deref());
        v.check(!self.base_url.trim().is_empty(), "base_url", "is required");
        self.limits.validate(&mut v);
        v.finish()
    }
}

/// `PATCH /apis/{id}`: only what is named changes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchApi {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub description: Patch<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<AuthType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub auth_config: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_query_key: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ApiLimits>,
}

impl PatchApi {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Some(name) = &self.name {
            check_name(&mut v, name);
        }
        if let Some(slug) = &self.slug {
            check_slug(&mut v, slug);
        }
        check_description(&mut v, self.description.value().map(String::as_str));
        if let Some(limits) = &self.limits {
            limits.validate(&mut v);
        }
        v.finish()
    }
}

fn check_name(v: &mut Validation, name: &str) {
    v.check(is_name(name, 100), "name", "must have 1 to 100 characters");
}

fn check_slug(v: &mut Validation, slug: &str) {
    v.check(
        is_slug(slug),
        "slug",
        "must have 1 to 63 lower-case letters, digits and single dashes",
    );
}

fn check_description(v: &mut Validation, description: Option<&str>) {
    v.check(
        description.is_none_or(|text| text.chars().count() <= 2000),
        "description",
        "must have at most 2000 characters",
    );
}
