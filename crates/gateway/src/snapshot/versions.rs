//! Versions of an API as the hot path needs them.

use std::sync::Arc;

use apiverse_contract::VersionId;
use apiverse_contract::versions::{DEFAULT_VERSION, VersionIn, Versioning};
use apiverse_store::VersionRow;
use chrono::{DateTime, Utc};
use http::header::LINK;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::form_urlencoded;

use super::Target;
use super::plan::Policies;

static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
static SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The versions of an API that has more than `default`, or whose `default` has something of its
/// own.
pub(crate) struct Versions {
    by: By,
    /// Meant by calls that name none.
    default: Arc<VersionRecord>,
    all: Vec<Arc<VersionRecord>>,
}

enum By {
    Path,
    Header(HeaderName),
    Query(Box<str>),
}

/// One version.
pub(crate) struct VersionRecord {
    /// `None`: it is `default`.
    pub(crate) id: Option<VersionId>,
    pub(crate) name: Box<str>,
    /// `None` when the stored address cannot be used.
    pub(crate) target: Option<Target>,
    pub(crate) policies: Policies,
    /// What callers are told of its end.
    notices: Vec<(HeaderName, HeaderValue)>,
    /// Microseconds since 1970 after which calls are refused.
    refused_after_us: Option<i64>,
}

/// The API has no version of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the api has no such version")]
pub(crate) struct UnknownVersion;

/// The version is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the version {name} is over")]
pub(crate) struct RetiredVersion {
    pub(crate) name: Box<str>,
    pub(crate) since: DateTime<Utc>,
}

impl VersionRecord {
    pub(super) fn new(row: &VersionRow, target: Option<Target>, policies: Policies) -> Self {
        let mut notices = Vec::new();
        let mut note = |name: &HeaderName, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                notices.push((name.clone(), value));
            }
        };
        if let Some(at) = row.deprecated_at {
            // RFC 9745, 2.1: a Date of structured fields.
            note(&DEPRECATION, format!("@{}", at.timestamp()));
        }
        if let Some(at) = row.sunset_at {
            // RFC 8594, 3: an HTTP-date.
            note(&SUNSET, httpdate::fmt_http_date(at.into()));
        }
        if let (Some(link), true) = (&row.link, row.deprecated_at.or(row.sunset_at).is_some()) {
            let relation = match row.deprecated_at {
                Some(_) => "deprecation",
                None => "sunset",
            };
            note(
                &LINK,
                format!("<{link}>; rel=\"{relation}\"; type=\"text/html\""),
            );
        }
        Self {
            id: (row.name != DEFAULT_VERSION).then_some(row.id),
            name: row.name.as_str().into(),
            target,
            policies,
            notices,
            refused_after_us: row
                .sunset_at
                .filter(|_| row.refuse_after_sunset)
                .map(|at| at.timestamp_micros()),
        }
    }

    /// Whether it is served as of `now_us`.
    pub(crate) fn check(&self, now_us: i64) -> Result<(), RetiredVersion> {
        match self.refused_after_us {
            Some(at) if at <= now_us => Err(RetiredVersion {
                name: self.name.clone(),
                since: DateTime::from_timestamp_micros(at).unwrap_or_default(),
            }),
            _ => Ok(()),
        }
    }

    /// Tells a caller of its end.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.notices {
            if *name == LINK {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
    }
}

impl Versions {
    /// `all` holds `default`. A setting that names what is not there means `default`.
    pub(super) fn new(versioning: &Versioning, all: Vec<Arc<VersionRecord>>) -> Option<Self> {
        let named = |name: &str| all.iter().find(|version| *version.name == *name);
        let default = named(&versioning.default).or_else(|| named(DEFAULT_VERSION))?;
        let default = Arc::clone(default);
        let by = match versioning.r#in {
            VersionIn::Path => By::Path,
            VersionIn::Query => By::Query(versioning.parameter().into()),
            VersionIn::Header => {
                By::Header(HeaderName::from_bytes(versioning.parameter().as_bytes()).ok()?)
            }
        };
        Some(Self { by, default, all })
    }

    /// The version that a call means, and how much of the front of `rest` only said that. A path
    /// whose first segment is no version is one of the default version.
    pub(crate) fn choose(
        &self,
        rest: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(Arc<VersionRecord>, usize), UnknownVersion> {
        let named = |name: &[u8]| self.all.iter().find(|v| v.name.as_bytes() == name).cloned();
        let default = || (Arc::clone(&self.default), 0);
        match &self.by {
            By::Path => {
                let after = rest.strip_prefix('/').unwrap_or_default();
                let segment = after.split('/').next().unwrap_or_default();
                let version = named(segment.as_bytes());
                Ok(version.map_or_else(default, |version| (version, segment.len() + 1)))
            }
            By::Header(name) => match headers.get(name) {
                None => Ok(default()),
                Some(value) => {
                    let version = named(value.as_bytes().trim_ascii()).ok_or(UnknownVersion)?;
                    Ok((version, 0))
                }
            },
            By::Query(name) => {
                let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
                match pairs.find(|(parameter, _)| *parameter == **name) {
                    None => Ok(default()),
                    Some((_, value)) => {
                        let version = named(value.as_bytes()).ok_or(UnknownVersion)?;
                        Ok((version, 0))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use apiverse_contract::ApiId;
    use uuid::Uuid;

    use super::*;

    fn row(name: &str) -> VersionRow {
        VersionRow {
            id: VersionId(Uuid::from_u128(1)),
            api_id: ApiId(Uuid::from_u128(2)),
            name: name.to_owned(),
            base_url: String::new(),
            deprecated_at: None,
            sunset_at: None,
            refuse_after_sunset: false,
            link: None,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
        }
    }

    fn versions(r#in: VersionIn, default: &str) -> Versions {
        let versioning = Versioning {
            r#in,
            name: None,
            default: default.to_owned(),
        };
        let all = ["default", "v1", "v2"]
            .map(|name| Arc::new(VersionRecord::new(&row(name), None, None)));
        Versions::new(&versioning, all.to_vec()).expect("has a default")
    }

    fn chosen(
        versions: &Versions,
        rest: &str,
        query: &str,
        header: &str,
    ) -> Option<(String, usize)> {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert("x-api-version", header.parse().expect("a value"));
        }
        let (version, skipped) = versions.choose(rest, Some(query), &headers).ok()?;
        Some((version.name.to_string(), skipped))
    }

    #[test]
    fn a_version_is_chosen() {
        let is = |name: &str, skipped| Some((name.to_owned(), skipped));
        let path = versions(VersionIn::Path, "v2");
        assert_eq!(chosen(&path, "/v1/users", "", ""), is("v1", 3));
        assert_eq!(chosen(&path, "/v1", "", ""), is("v1", 3));
        assert_eq!(chosen(&path, "/v10/users", "", ""), is("v2", 0));
        assert_eq!(chosen(&path, "", "", "v1"), is("v2", 0));
        let header = versions(VersionIn::Header, "gone");
        assert_eq!(chosen(&header, "/v1", "", ""), is("default", 0));
        assert_eq!(chosen(&header, "/v1", "", " v2 "), is("v2", 0));
        assert_eq!(chosen(&header, "/v1", "", "v3"), None);
        let query = versions(VersionIn::Query, "v1");
        assert_eq!(chosen(&query, "/", "a=b&version=v2", ""), is("v2", 0));
        assert_eq!(chosen(&query, "/", "a=b", ""), is("v1", 0));
        assert_eq!(chosen(&query, "/", "version=", ""), None);
    }

    #[test]
    fn callers_are_told_of_the_end() {
        let mut row = row("v1");
        row.deprecated_at = DateTime::from_timestamp(1_688_169_599, 0);
        row.sunset_at = DateTime::from_timestamp(1_730_000_000, 0);
        row.link = Some("https://example.com/new".to_owned());
        let version = VersionRecord::new(&row, None, None);
        let mut headers = HeaderMap::new();
        headers.insert("sunset", HeaderValue::from_static("the upstream's"));
        version.tell(&mut headers);
        assert_eq!(headers["deprecation"], "@1688169599");
        assert_eq!(headers["sunset"], "Sun, 27 Oct 2024 03:33:20 GMT");
        let link = "<https://example.com/new>; rel=\"deprecation\"; type=\"text/html\"";
        assert_eq!(headers["link"], link);
        assert_eq!(version.check(i64::MAX), Ok(()), "told, but still served");
        row.refuse_after_sunset = true;
        let version = VersionRecord::new(&row, None, None);
        assert_eq!(version.check(1_730_000_000_000_000 - 1), Ok(()));
        assert!(version.check(1_730_000_000_000_000).is_err());
    }
}
