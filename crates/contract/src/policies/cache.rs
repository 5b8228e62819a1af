//! Answers that are kept and given again (RFC 9111).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// A year.
const MOST_SECONDS: u32 = 31_536_000;
const MOST_OBJECT: u32 = 64 << 20;
const MOST_NAMES: usize = 32;
const LONGEST_NAME: usize = 128;
/// What the gateway writes itself, or what is about one connection: no part of a key.
const NO_KEY_HEADERS: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "traceparent",
    "transfer-encoding",
    "via",
    "x-api-key",
    "x-forwarded-for",
    "x-request-id",
];

/// How answers are kept. What an answer says about itself comes first: the times here are for
/// answers that say nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CachePolicy {
    /// False switches caching off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Seconds an answer stays fresh when it does not say itself, up to a year; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_ttl_seconds: Option<u32>,
    /// The same for other statuses than 200, by status: `{"404": 10}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub negative_ttl_seconds: BTreeMap<u16, u32>,
    /// No answer stays fresh for longer, whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_seconds: Option<u32>,
    /// Answers with `Last-Modified` alone stay fresh for a tenth of the time since then, at most
    /// a day (RFC 9111, 4.2.2).
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub heuristic: bool,
    /// Seconds a stale answer is given while it is fetched anew, where it does not say (RFC 5861).
    #[serde(default)]
    pub stale_while_revalidate_seconds: u32,
    /// Seconds a stale answer is given when the upstream cannot be reached or answers 500, 502,
    /// 503 or 504, where it does not say (RFC 5861).
    #[serde(default = "a_minute")]
    #[cfg_attr(feature = "openapi", schema(default = 60))]
    pub stale_if_error_seconds: u32,
    /// All keys of the API share answers, also those that do not say that they may be shared.
    /// Answers to requests with cookies or credentials of the caller's own stay apart.
    #[serde(default)]
    pub shared_between_keys: bool,
    /// Answers do not depend on cookies.
    #[serde(default)]
    pub ignore_cookies: bool,
    /// Callers cannot ask for newer answers by `Cache-Control`.
    #[serde(default)]
    pub ignore_request_directives: bool,
    /// Requests for an answer that is being fetched wait for it.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub collapse: bool,
    /// Largest body in bytes that is kept, up to 64 MiB.
    #[serde(default = "four_mebibytes")]
    #[cfg_attr(feature = "openapi", schema(default = 4_194_304))]
    pub max_object_bytes: u32,
    /// What tells answers apart besides host, path and `Vary`.
    #[serde(default, skip_serializing_if = "CacheKey::is_default")]
    pub key: CacheKey,
    /// Fields that come before `Cache-Control` (RFC 9213), the first that is there wins.
    #[serde(default = "targeted")]
    pub targeted_fields: Vec<String>,
    /// Fields of answers that hold tags, by which they are purged.
    #[serde(default = "tags")]
    pub tag_fields: Vec<String>,
    /// Answers say in `Cache-Status` what became of the request (RFC 9211).
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub cache_status: bool,
}

/// Parts of a request that tell answers apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CacheKey {
    /// Query parameters that count; the others do not. Without it all count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_only: Option<Vec<String>>,
    /// Query parameters that do not count; not together with `query_only`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_except: Vec<String>,
    /// Request headers that count, whatever `Vary` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

/// Which stored answers of an API are to be forgotten: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CachePurge {
    /// All of the API's.
    #[serde(default)]
    pub all: bool,
    /// A path below the API, with every query; with a query, that one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A path below the API and all below it, segment by segment: `/a` covers `/a/b`, not `/ab`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What carries this tag in `Surrogate-Key` or `Cache-Tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// What a purge came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CachePurged {
    /// Answers that the node forgot which was asked; the others are told.
    pub purged: u64,
}

impl CachePurge {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let texts = [&self.path, &self.prefix, &self.tag];
        let count = texts.iter().filter(|text| text.is_some()).count();
        v.check(
            count + usize::from(self.all) == 1,
            "all",
            "give exactly one of all, path, prefix and tag",
        );
        for (field, path) in [("path", &self.path), ("prefix", &self.prefix)] {
            v.check(
                path.as_ref()
                    .is_none_or(|path| path.starts_with('/') && path.len() <= 2048),
                field,
                "must begin with `/` and have at most 2048 characters",
            );
        }
        v.check(
            self.tag
                .as_ref()
                .is_none_or(|tag| (1..=256).contains(&tag.len()) && !tag.contains([' ', ','])),
            "tag",
            "must have 1 to 256 characters, without blanks and commas",
        );
        v.finish()
    }
}

impl CacheKey {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            default_ttl_seconds: None,
            negative_ttl_seconds: BTreeMap::new(),
            max_ttl_seconds: None,
            heuristic: true,
            stale_while_revalidate_seconds: 0,
            stale_if_error_seconds: a_minute(),
            shared_between_keys: false,
            ignore_cookies: false,
            ignore_request_directives: false,
            collapse: true,
            max_object_bytes: four_mebibytes(),
            key: CacheKey::default(),
            targeted_fields: targeted(),
            tag_fields: tags(),
            cache_status: true,
        }
    }
}

impl CachePolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let times = [
            ("default_ttl_seconds", self.default_ttl_seconds),
            ("max_ttl_seconds", self.max_ttl_seconds),
            (
                "stale_while_revalidate_seconds",
                Some(self.stale_while_revalidate_seconds),
            ),
            ("stale_if_error_seconds", Some(self.stale_if_error_seconds)),
        ];
        for (field, seconds) in times {
            v.check(
                seconds.is_none_or(|seconds| seconds <= MOST_SECONDS),
                field,
                "must be at most 31536000",
            );
        }
        for (status, seconds) in &self.negative_ttl_seconds {
            let field = format!("negative_ttl_seconds.{status}");
            v.check(
                (300..600).contains(status) && *status != 304,
                &field,
                "must be a status from 300 to 599, and not 304",
            );
            v.check(*seconds <= MOST_SECONDS, &field, "must be at most 31536000");
        }
        v.check(
            (1..=MOST_OBJECT).contains(&self.max_object_bytes),
            "max_object_bytes",
            "must be 1 to 67108864",
        );
        v.check(
            self.key.query_only.is_none() || self.key.query_except.is_empty(),
            "key.query_except",
            "cannot stand beside query_only",
        );
        let parameters = [
            ("key.query_only", self.key.query_only.as_deref()),
            ("key.query_except", Some(self.key.query_except.as_slice())),
        ];
        for (field, names) in parameters {
            v.check(
                names.is_none_or(|names| are_names(names, is_parameter)),
                field,
                "must have at most 32 names of up to 128 characters, without `&`, `=` and `#`",
            );
        }
        let headers = [
            ("key.headers", &self.key.headers),
            ("targeted_fields", &self.targeted_fields),
            ("tag_fields", &self.tag_fields),
        ];
        for (field, names) in headers {
            v.check(
                are_names(names, is_header),
                field,
                "must have at most 32 header names of up to 128 characters",
            );
        }
        let is_own = |name: &String| NO_KEY_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        v.check(
            !self.key.headers.iter().any(is_own),
            "key.headers",
            "must not name what the gateway writes itself, or credentials",
        );
        v.finish()
    }
}

fn are_names(names: &[String], is_name: fn(&str) -> bool) -> bool {
    names.len() <= MOST_NAMES
        && names
            .iter()
            .all(|name| (1..=LONGEST_NAME).contains(&name.len()) && is_name(name))
}

fn is_parameter(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"&=#".contains(&byte))
}

/// A token (RFC 9110, 5.6.2).
fn is_header(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

const fn a_minute() -> u32 {
    60
}

const fn four_mebibytes() -> u32 {
    4 << 20
}

fn targeted() -> Vec<String> {
    vec![
        "CDN-Cache-Control".to_owned(),
        "Surrogate-Control".to_owned(),
    ]
}

fn tags() -> Vec<String> {
    vec!["Surrogate-Key".to_owned(), "Cache-Tag".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Vec<String> {
        let policy: CachePolicy = serde_json::from_str(json).unwrap();
        let errors = policy.validate(PolicyLevel::Api).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn an_empty_document_is_the_default() {
        let policy: CachePolicy = serde_json::from_str("{}").unwrap();
        assert_eq!(policy, CachePolicy::default());
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<CachePolicy>(&text).unwrap(), policy);
    }

    #[test]
    fn every_field_has_bounds() {
        assert!(
            fields(r#"{"negative_ttl_seconds": {"404": 10}, "key": {"headers": ["X-Tier"]}}"#)
                .is_empty()
        );
        for (json, field) in [
            (
                r#"{"default_ttl_seconds": 31536001}"#,
                "default_ttl_seconds",
            ),
            (r#"{"max_object_bytes": 0}"#, "max_object_bytes"),
            (
                r#"{"negative_ttl_seconds": {"200": 1}}"#,
                "negative_ttl_seconds.200",
            ),
            (r#"{"key": {"headers": ["a b"]}}"#, "key.headers"),
            (r#"{"key": {"headers": ["X-Api-Key"]}}"#, "key.headers"),
            (r#"{"key": {"query_only": ["a&b"]}}"#, "key.query_only"),
            (
                r#"{"key": {"query_only": [], "query_except": ["a"]}}"#,
                "key.query_except",
            ),
            (r#"{"tag_fields": [""]}"#, "tag_fields"),
        ] {
            assert_eq!(fields(json), [field], "{json}");
        }
        assert!(serde_json::from_str::<CachePolicy>(r#"{"ttl": 1}"#).is_err());
    }
}
