//! How callers choose a version: the form, and what it means.

use apiverse_contract::versions::{DEFAULT_VERSION, VersionIn, VersionView, Versioning};
use chrono::{DateTime, Utc};

use super::Fields;

/// How callers choose, as it was typed.
#[must_use]
pub fn versioning(fields: &Fields) -> Versioning {
    let place = match fields.raw("in") {
        "header" => VersionIn::Header,
        "query" => VersionIn::Query,
        _ => VersionIn::Path,
    };
    Versioning {
        r#in: place,
        // A path has no name: what stands in the hidden field is not meant.
        name: fields
            .optional("parameter")
            .filter(|_| place != VersionIn::Path),
        default: fields
            .optional("default")
            .unwrap_or_else(|| DEFAULT_VERSION.to_owned()),
    }
}

/// How a call names a version: `/proxy/weather/v2/…`.
#[must_use]
pub fn example(versioning: &Versioning, slug: &str, version: &str) -> String {
    match versioning.r#in {
        VersionIn::Path => format!("/proxy/{slug}/{version}/…"),
        VersionIn::Header => format!("{}: {version}", versioning.parameter()),
        VersionIn::Query => format!("?{}={version}", versioning.parameter()),
    }
}

/// The state of a version in a word: `Deprecated`; `None` for one that is simply served.
#[must_use]
pub fn state(version: &VersionView, now: DateTime<Utc>) -> Option<&'static str> {
    let is_past = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time <= now);
    if is_past(version.sunset_at) {
        return Some(if version.refuse_after_sunset {
            "Retired"
        } else {
            "Past its end"
        });
    }
    if is_past(version.deprecated_at) {
        return Some("Deprecated");
    }
    let is_announced = version.deprecated_at.is_some() || version.sunset_at.is_some();
    is_announced.then_some("End announced")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_path_has_no_name() {
        let read = versioning(&fields(&[
            ("in", "path"),
            ("parameter", "v"),
            ("default", "v2"),
        ]));
        assert_eq!((read.name.clone(), read.default.as_str()), (None, "v2"));
        assert_eq!(example(&read, "weather", "v1"), "/proxy/weather/v1/…");
        let read = versioning(&fields(&[
            ("in", "query"),
            ("parameter", ""),
            ("default", ""),
        ]));
        assert_eq!(example(&read, "weather", "v1"), "?version=v1");
        assert_eq!(read.default, DEFAULT_VERSION);
    }
}
