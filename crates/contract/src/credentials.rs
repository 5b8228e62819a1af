//! Upstream credentials: how the gateway proves to an upstream who it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::FieldError;
use crate::validation::{is_header_value, is_token};

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
