//! APIs: registered upstreams and their credentials.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::patch::Patch;
use crate::redacted::redacted_debug;
use crate::validation::{is_header_value, is_name, is_slug, is_token};
use crate::{ApiId, FieldError, Validation};

redacted_debug! {
    UpstreamAuth {}
    CreateApi { name, slug, base_url, auth_type, is_active }
    PatchApi { name, slug, base_url, auth_type, is_active }
}

/// How the gateway authenticates itself to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    #[default]
    None,
    ApiKey,
    Bearer,
    Basic,
    Oauth2,
}

impl AuthType {
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::ApiKey,
        Self::Bearer,
        Self::Basic,
        Self::Oauth2,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Oauth2 => "oauth2",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where an upstream's key goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyLocation {
    #[default]
    Header,
    Query,
}

/// The upstream credentials in full, as the gateway needs them. Encrypted at rest, never returned.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum UpstreamAuth {
    #[default]
    None,
    /// A fixed key in a header or a query parameter.
    ApiKey {
        name: String,
        value: String,
        r#in: KeyLocation,
    },
    /// `Authorization: Bearer` (RFC 6750).
    Bearer { token: String },
    /// `Authorization: Basic` (RFC 7617).
    Basic { username: String, password: String },
    /// Client credentials (RFC 6749, 4.4); the token is fetched and kept until shortly before it expires.
    Oauth2 {
        token_url: String,
        client_id: String,
        client_secret: String,
        #[serde(default)]
        scope: Option<String>,
        #[serde(default)]
        audience: Option<String>,
    },
}

impl UpstreamAuth {
    #[must_use]
    pub const fn auth_type(&self) -> AuthType {
        match self {
            Self::None => AuthType::None,
            Self::ApiKey { .. } => AuthType::ApiKey,
            Self::Bearer { .. } => AuthType::Bearer,
            Self::Basic { .. } => AuthType::Basic,
            Self::Oauth2 { .. } => AuthType::Oauth2,
        }
    }

    /// Reads `auth_config` as `auth_type` wants it. A secret that is absent is taken from `old`
    /// when that is of the same type: a settings form does not know secrets.
    ///
    /// # Errors
    /// Every field that is missing, unknown or not acceptable.
    pub fn from_config(
        auth_type: AuthType,
        config: Option<&Value>,
        old: Option<&Self>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut fields = ConfigFields::new(config)?;
        let auth = match auth_type {
            AuthType::None => Self::None,
            AuthType::ApiKey => {
                let old_value = match old {
                    Some(Self::ApiKey { value, .. }) => Some(value),
                    _ => None,
                };
                let location = match fields.text("in").as_deref() {
                    None | Some("header") => KeyLocation::Header,
                    Some("query") => KeyLocation::Query,
                    Some(_) => {
                        fields.error("in", "must be header or query");
                        KeyLocation::Header
                    }
                };
                let name = fields
                    .text("name")
                    .unwrap_or_else(|| "X-API-Key".to_owned());
                if !is_token(&name) {
                    fields.error("name", "must be a header or parameter name");
                }
                Self::ApiKey {
                    name,
                    value: fields.secret("value", old_value),
                    r#in: location,
                }
            }
            AuthType::Bearer => {
                let old_token = match old {
                    Some(Self::Bearer { token }) => Some(token),
                    _ => None,
                };
                Self::Bearer {
                    token: fields.secret("token", old_token),
                }
            }
            AuthType::Basic => {
                let old_password = match old {
                    Some(Self::Basic { password, .. }) => Some(password),
                    _ => None,
                };
                let username = fields.required("username");
                if username.contains(':') {
                    fields.error("username", "must not contain a colon");
                }
                Self::Basic {
                    username,
                    password: fields.secret("password", old_password),
                }
            }
            AuthType::Oauth2 => {
                let old_secret = match old {
                    Some(Self::Oauth2 { client_secret, .. }) => Some(client_secret),
                    _ => None,
                };
                Self::Oauth2 {
                    token_url: fields.required("token_url"),
                    client_id: fields.required("client_id"),
                    client_secret: fields.secret("client_secret", old_secret),
                    scope: fields.text("scope"),
                    audience: fields.text("audience"),
                }
            }
        };
        fields.finish(auth)
    }

    /// `auth_config` as it may be shown: the same fields without the secrets.
    #[must_use]
    pub fn public_config(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::ApiKey { name, r#in, .. } => serde_json::json!({ "name": name, "in": r#in }),
            Self::Bearer { .. } => serde_json::json!({}),
            Self::Basic { username, .. } => serde_json::json!({ "username": username }),
            Self::Oauth2 {
                token_url,
                client_id,
                scope,
                audience,
                ..
            } => serde_json::json!({
                "token_url": token_url, "client_id": client_id, "scope": scope, "audience": audience,
            }),
        }
    }
}

/// Takes fields out of `auth_config` one by one, so that what is left is unknown.
struct ConfigFields {
    rest: serde_json::Map<String, Value>,
    errors: Vec<FieldError>,
}

impl ConfigFields {
    fn new(config: Option<&Value>) -> Result<Self, Vec<FieldError>> {
        let rest = match config {
            None | Some(Value::Null) => serde_json::Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => return Err(vec![FieldError::new("auth_config", "must be an object")]),
        };
        Ok(Self {
            rest,
            errors: Vec::new(),
        })
    }

    fn error(&mut self, field: &str, message: &str) {
        self.errors
            .push(FieldError::new(format!("auth_config.{field}"), message));
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.rest.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => {
                if !is_header_value(&text) {
                    self.error(field, "must be printable ASCII, at most 8192 characters");
                }
                Some(text)
            }
            Some(_) => {
                self.error(field, "must be text");
                None
            }
        }
    }

    fn required(&mut self, field: &str) -> String {
        let before = self.errors.len();
        match self.text(field) {
            Some(text) => text,
            None => {
                if self.errors.len() == before {
                    self.error(field, "is required");
                }
                String::new()
            }
        }
    }

    fn secret(&mut self, field: &str, old: Option<&String>) -> String {
        match old {
            Some(old) => self.text(field).unwrap_or_else(|| old.clone()),
            None => self.required(field),
        }
    }

    fn finish<T>(mut self, value: T) -> Result<T, Vec<FieldError>> {
        let unknown: Vec<String> = self.rest.keys().cloned().collect();
        for field in unknown {
            self.error(&field, "is not a field of this auth_type");
        }
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(self.errors)
        }
    }
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
    /// `http` or `https`; a path is kept and put before the caller's.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn auth_config_follows_its_type() {
        let auth = UpstreamAuth::from_config(
            AuthType::Basic,
            Some(&json!({ "username": "u", "password": "p" })),
            None,
        );
        assert!(matches!(auth, Ok(UpstreamAuth::Basic { .. })));

        let errors =
            UpstreamAuth::from_config(AuthType::Bearer, Some(&json!({ "tokn": "x" })), None)
                .err()
                .expect("missing token, unknown tokn");
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["auth_config.token", "auth_config.tokn"]);
    }

    #[test]
    fn an_absent_secret_keeps_the_old_one() {
        let old = UpstreamAuth::Bearer {
            token: "kept".into(),
        };
        let auth = UpstreamAuth::from_config(AuthType::Bearer, None, Some(&old)).ok();
        assert!(auth == Some(old));
    }

    #[test]
    fn a_secret_with_a_line_break_is_refused() {
        let config = json!({ "token": "x\r\nHost: evil" });
        assert!(UpstreamAuth::from_config(AuthType::Bearer, Some(&config), None).is_err());
    }

    #[test]
    fn public_config_has_no_secret() {
        let auth = UpstreamAuth::Oauth2 {
            token_url: "https://t".into(),
            client_id: "c".into(),
            client_secret: "hush".into(),
            scope: None,
            audience: None,
        };
        assert!(!auth.public_config().to_string().contains("hush"));
    }
}
