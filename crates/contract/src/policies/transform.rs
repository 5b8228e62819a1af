//! Changes to requests and answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::validation::is_token;
use crate::{FieldError, Validation};

/// Most entries of one list of changes.
const MOST_CHANGES: usize = 50;
/// Longest value or template in bytes.
const LONGEST_VALUE: usize = 4096;
/// Longest jq expression in bytes.
const LONGEST_EXPRESSION: usize = 4096;
/// Largest body that is changed, in bytes.
const LARGEST_BODY: u32 = 16 << 20;
/// Longest time for changing a body, in milliseconds.
const LONGEST_TIME_MS: u32 = 5_000;

/// Changes to fields or parameters, in this order: `remove`, `rename`, `set`, `append`, `default`.
///
/// Values are templates: `{request.method}`, `{request.path}`, `{request.id}`,
/// `{request.query.NAME}`, `{request.header.NAME}`, `{path.NAME}` (captured by the route),
/// `{key.id}`, `{key.name}`, `{key.environment}`, `{api.id}`, `{api.slug}`, and in answers
/// `{response.status}` and `{response.header.NAME}`. `{{` and `}}` are braces. A value that is one
/// variable alone, and that has nothing in this call, changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Names that are taken out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Old names and new ones; what had the new one is replaced.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Names and the one value they have then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Names and a value that is added to those there are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub append: BTreeMap<String, String>,
    /// Names and the value they have when they had none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub default: BTreeMap<String, String>,
}

impl Changes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.rename.is_empty()
            && self.set.is_empty()
            && self.append.is_empty()
            && self.default.is_empty()
    }

    fn check(&self, v: &mut Validation, field: &str, name_is_ok: fn(&str) -> Result<(), &str>) {
        let lists = [
            self.remove.len(),
            self.rename.len(),
            self.set.len(),
            self.append.len(),
            self.default.len(),
        ];
        v.check(
            lists.iter().sum::<usize>() <= MOST_CHANGES,
            field,
            "must have at most 50 changes",
        );
        let mut check_name = |list: &str, name: &str| {
            if let Err(message) = name_is_ok(name) {
                v.push(FieldError::new(format!("{field}.{list}.{name}"), message));
            }
        };
        for name in &self.remove {
            check_name("remove", name);
        }
        for (old, new) in &self.rename {
            check_name("rename", old);
            check_name("rename", new);
        }
        for (list, values) in self.values() {
            for name in values.keys() {
                check_name(list, name);
            }
        }
        for (list, values) in self.values() {
            for (name, value) in values {
                v.check(
                    value.len() <= LONGEST_VALUE && !value.chars().any(char::is_control),
                    &format!("{field}.{list}.{name}"),
                    "must have at most 4096 bytes and no control characters",
                );
            }
        }
    }

    /// The lists that have values, with their names.
    #[must_use]
    pub fn values(&self) -> [(&'static str, &BTreeMap<String, String>); 3] {
        [
            ("set", &self.set),
            ("append", &self.append),
            ("default", &self.default),
        ]
    }
}

/// Whether a header field is the gateway's to write, or no field of the message at all: it cannot
/// be changed by a policy. Hop-by-hop fields (RFC 9110, 7.6.1), framing, routing, credentials, and
/// what the gateway says of itself.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_str(),
        "host"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "upgrade"
            | "expect"
            | "authorization"
            | "cookie"
            | "x-api-key"
            | "via"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-real-ip"
            | "x-request-id"
            | "traceparent"
            | "tracestate"
            | "content-encoding"
            | "ratelimit"
            | "ratelimit-policy"
    ) || name.starts_with("x-apiverse-")
        || name.starts_with("access-control-")
        || name.starts_with("sec-")
}

pub(super) fn header_name(name: &str) -> Result<(), &'static str> {
    if !is_token(name) {
        Err("must be the name of a header")
    } else if is_reserved_header(name) {
        Err("is a header that policies cannot change")
    } else {
        Ok(())
    }
}

fn parameter_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        Err("must be the name of a parameter, at most 256 bytes")
    } else if name.eq_ignore_ascii_case("api_key") {
        Err("is a parameter that policies cannot change")
    } else {
        Ok(())
    }
}

/// A new path below the API; the base URL's path stays before it. `strip_prefix` comes first, then
/// `template` or `add_prefix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PathChange {
    /// Taken away where the path begins with it, whole segments only: `/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// Put before the path: `/internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<String>,
    /// The whole new path, with variables: `/users/{path.id}`. Their values are percent-encoded;
    /// `{request.path}` is put in as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl PathChange {
    fn check(&self, v: &mut Validation) {
        let is_path = |path: &Option<String>| {
            path.as_ref().is_none_or(|path| {
                path.starts_with('/')
                    && path.len() <= LONGEST_VALUE
                    && path.bytes().all(|byte| (0x21..0x7f).contains(&byte))
                    && !path.contains(['?', '#', '\\'])
            })
        };
        let message = "must be a path that begins with a slash";
        v.check(is_path(&self.strip_prefix), "path.strip_prefix", message);
        v.check(is_path(&self.add_prefix), "path.add_prefix", message);
        v.check(is_path(&self.template), "path.template", message);
        v.check(
            self.add_prefix.is_none() || self.template.is_none(),
            "path",
            "must have either add_prefix or template",
        );
    }
}

/// A JSON body made from another by a jq expression, which has one result.
///
/// Variables: `$request` (`method`, `path`, `query`, `headers`, `params`, `id`), `$response`
/// (`status`, `headers`; null in requests), `$key` (`id`, `name`, `environment`), `$api` (`id`,
/// `slug`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BodyChange {
    /// The expression, at most 4096 bytes.
    pub jq: String,
    /// Largest body that is changed, up to 16 MiB; 1 MiB when absent. A larger one is refused, or,
    /// in an answer, the call fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u32>,
    /// Longest time for the expression, up to 5000 ms; 250 ms when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u32>,
}

impl BodyChange {
    /// Largest body in bytes.
    #[must_use]
    pub fn most_bytes(&self) -> u32 {
        self.max_bytes.unwrap_or(1 << 20)
    }

    /// Longest time in milliseconds.
    #[must_use]
    pub fn most_ms(&self) -> u32 {
        self.max_ms.unwrap_or(250)
    }

    fn check(&self, v: &mut Validation) {
        v.check(
            !self.jq.trim().is_empty() && self.jq.len() <= LONGEST_EXPRESSION,
            "body.jq",
            "must be an expression of at most 4096 bytes",
        );
        v.check(
            (1..=LARGEST_BODY).contains(&self.most_bytes()),
            "body.max_bytes",
            "must be between 1 and 16777216",
        );
        v.check(
            (1..=LONGEST_TIME_MS).contains(&self.most_ms()),
            "body.max_ms",
            "must be between 1 and 5000",
        );
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
    /// The method the upstream is asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathChange>,
    /// Changes to the query's parameters.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub query: Changes,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub headers: Changes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyChange>,
}

/// The methods that a request may be changed to.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl RequestTransformPolicy {
    /// # Errors
    /// Every field that is not acceptable. Whether templates and expressions can be read is
    /// looked at where they are compiled.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.method
                .as_ref()
                .is_none_or(|method| METHODS.contains(&method.as_str())),
            "method",
            "must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS",
        );
        if let Some(path) = &self.path {
            path.check(&mut v);
        }
        self.query.check(&mut v, "query", parameter_name);
        self.headers.check(&mut v, "headers", header_name);
        if let Some(body) = &self.body {
            body.check(&mut v);
        }
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
    /// Only answers of these are changed: `404`, or `5xx`; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_status: Vec<String>,
    /// The status the caller gets, 200 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub headers: Changes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyChange>,
}

impl ResponseTransformPolicy {
    /// # Errors
    /// See [`RequestTransformPolicy::validate`].
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.on_status.len() <= MOST_CHANGES
                && self.on_status.iter().all(|text| is_status_pattern(text)),
            "on_status",
            "must be statuses such as 404, or classes such as 5xx",
        );
        v.check(
            self.status.is_none_or(|status| {
                (200..=599).contains(&status) && !matches!(status, 204 | 205 | 304)
            }),
            "status",
            "must be between 200 and 599, and one that can have a body",
        );
        self.headers.check(&mut v, "headers", header_name);
        if let Some(body) = &self.body {
            body.check(&mut v);
        }
        v.finish()
    }

    /// Whether answers with this status are changed.
    #[must_use]
    pub fn is_for(&self, status: u16) -> bool {
        if self.on_status.is_empty() {
            return true;
        }
        let exact = status.to_string();
        self.on_status.iter().any(|pattern| {
            *pattern == exact || (pattern.ends_with("xx") && pattern[..1] == exact[..1])
        })
    }
}

fn is_status_pattern(text: &str) -> bool {
    matches!(
        text.as_bytes(),
        [b'2'..=b'5', b'x', b'x'] | [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']
    )
}
