//! Versions of an API: where each goes, how callers choose one, and when one ends.
//!
//! Every API has the version `default`, which goes to its base URL. Others have base URLs and
//! policies of their own, and end in two steps: deprecated, which callers are told (RFC 9745), and
//! past their sunset (RFC 8594), after which calls may be refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::patch::Patch;
use crate::validation::{is_header_value, is_token};
use crate::{ApiId, FieldError, KeyId, Validation, VersionId};

/// The name of the version that every API has.
pub const DEFAULT_VERSION: &str = "default";
/// Most versions of one API, beside `default`.
pub const MAX_VERSIONS: usize = 50;

/// Where callers say which version they want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VersionIn {
    /// The first segment of the path below the API; it is taken out before the call goes on.
    #[default]
    Path,
    /// A header field.
    Header,
    /// A query parameter; the upstream gets it too.
    Query,
}

/// How the version of a call is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Versioning {
    pub r#in: VersionIn,
    /// Name of the header field or query parameter; `X-API-Version` or `version` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the version that is meant when a call names none.
    pub default: String,
}

impl Default for Versioning {
    fn default() -> Self {
        Self {
            r#in: VersionIn::default(),
            name: None,
            default: DEFAULT_VERSION.to_owned(),
        }
    }
}

impl Versioning {
    /// Name of the header field or query parameter.
    #[must_use]
    pub fn parameter(&self) -> &str {
        match (&self.name, self.r#in) {
            (Some(name), _) => name,
            (None, VersionIn::Query) => "version",
            (None, VersionIn::Header | VersionIn::Path) => "x-api-version",
        }
    }

    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let name = self.name.as_deref();
        v.check(
            name.is_none_or(is_token),
            "name",
            "must be the name of a header or parameter: letters, digits and dashes",
        );
        v.check(
            name.is_none() || self.r#in != VersionIn::Path,
            "name",
            "is for `header` and `query` only",
        );
        check_name(&mut v, "default", &self.default);
        v.finish()
    }
}

/// A version as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionView {
    pub id: VersionId,
    pub api_id: ApiId,
    /// What callers write; unique in the API.
    pub name: String,
    pub base_url: String,
    /// Meant by calls that name none.
    pub is_default: bool,
    /// Since when, or from when on, callers are told not to build on it.
    pub deprecated_at: Option<DateTime<Utc>>,
    /// When it ends, as callers are told.
    pub sunset_at: Option<DateTime<Utc>>,
    /// Whether calls after `sunset_at` are answered 410 `version_retired`.
    pub refuse_after_sunset: bool,
    /// Where people read what to do instead.
    pub link: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// `POST /apis/{id}/versions`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateVersion {
    /// 1 to 64 letters, digits, dots, dashes and underscores.
    #[cfg_attr(feature = "openapi", schema(example = "v2"))]
    pub name: String,
    /// `http` or `https`; a path is kept and put before the caller's.
    #[cfg_attr(feature = "openapi", schema(example = "https://api.example.com/v2"))]
    pub base_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub refuse_after_sunset: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl CreateVersion {
    /// Checks all but `base_url`, which needs a URL parser.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check_name(&mut v, "name", &self.name);
        check_end(&mut v, self.deprecated_at, self.sunset_at);
        check_link(&mut v, self.link.as_deref());
        v.check(
            !self.refuse_after_sunset || self.sunset_at.is_some(),
            "sunset_at",
            "is required with `refuse_after_sunset`",
        );
        v.finish()
    }
}

/// `PATCH /apis/{id}/versions/{version_id}`: only what is named changes. Of the version `default`
/// name and base URL are the API's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchVersion {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub deprecated_at: Patch<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<DateTime<Utc>>))]
    pub sunset_at: Patch<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_after_sunset: Option<bool>,
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub link: Patch<String>,
}

/// Who calls a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionCaller {
    /// `null`: calls without a valid key.
    pub key_id: Option<KeyId>,
    /// `null` also when the key does not exist any more.
    pub key_name: Option<String>,
    /// In the time that is asked about, refused ones included.
    pub calls: u64,
    pub last_seen_at: DateTime<Utc>,
}

/// `GET /apis/{id}/versions/{version_id}/callers`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct CallersQuery {
    /// Since when; 30 days ago when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Rows, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

fn check_name(v: &mut Validation, field: &str, name: &str) {
    let fits = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !name.bytes().all(|b| b == b'.');
    v.check(
        fits,
        field,
        "must have 1 to 64 letters, digits, dots, dashes and underscores",
    );
}

fn check_end(
    v: &mut Validation,
    deprecated_at: Option<DateTime<Utc>>,
    sunset_at: Option<DateTime<Utc>>,
) {
    if let (Some(deprecated_at), Some(sunset_at)) = (deprecated_at, sunset_at) {
        // RFC 9745, 4: the sunset must not be earlier.
        v.check(
            deprecated_at <= sunset_at,
            "sunset_at",
            "must not be before `deprecated_at`",
        );
    }
}

fn check_link(v: &mut Validation, link: Option<&str>) {
    let fits = |link: &str| {
        (link.starts_with("https://") || link.starts_with("http://"))
            && link.len() <= 2048
            && is_header_value(link)
            && !link.contains(['<', '>', '"', ' '])
    };
    v.check(
        link.is_none_or(fits),
        "link",
        "must be a URL such as https://docs.example.com/v1-to-v2",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_before_it_is_deprecated_is_refused() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let mut version = CreateVersion {
            name: "v1".to_owned(),
            base_url: "https://example.com".to_owned(),
            deprecated_at: at(10),
            sunset_at: at(10),
            ..CreateVersion::default()
        };
        assert_eq!(version.validate(), Ok(()));
        version.sunset_at = at(9);
        version.name = "v 1".to_owned();
        version.link = Some("<https://example.com>".to_owned());
        let fields: Vec<_> = version.validate().unwrap_err();
        let fields: Vec<_> = fields.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "sunset_at", "link"]);
        version.name = "..".to_owned();
        version.sunset_at = None;
        version.refuse_after_sunset = true;
        let fields: Vec<_> = version.validate().unwrap_err();
        let fields: Vec<_> = fields.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "link", "sunset_at"]);
    }

    #[test]
    fn the_parameter_has_a_name() {
        let mut versioning = Versioning::default();
        assert_eq!(versioning.validate(), Ok(()));
        versioning.name = Some("v".to_owned());
        assert!(versioning.validate().is_err(), "a path has no name");
        versioning.r#in = VersionIn::Query;
        assert_eq!(
            (versioning.validate(), versioning.parameter()),
            (Ok(()), "v")
        );
        versioning.name = None;
        assert_eq!(versioning.parameter(), "version");
    }
}
