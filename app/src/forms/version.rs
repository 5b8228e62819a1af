//! The forms of a version, and of how callers choose one.

use apiverse_contract::FieldError;
use apiverse_contract::patch::Patch;
use apiverse_contract::versions::{
    CreateVersion, DEFAULT_VERSION, PatchVersion, VersionIn, VersionView, Versioning,
};
use chrono::{DateTime, Utc};

use super::Fields;
use crate::format::parse_input_minute;

/// # Errors
/// Fields that hold no value of their kind. All else is the service's to check.
pub fn create(fields: &Fields) -> Result<CreateVersion, Vec<FieldError>> {
    let End {
        deprecated_at,
        sunset_at,
    } = end(fields)?;
    Ok(CreateVersion {
        name: fields.text("name"),
        base_url: fields.text("base_url"),
        deprecated_at,
        sunset_at,
        refuse_after_sunset: fields.flag("refuse_after_sunset"),
        link: fields.optional("link"),
    })
}

/// Of the version `default` the form has no name and no base URL.
///
/// # Errors
/// Like [`create`].
pub fn patch(fields: &Fields) -> Result<PatchVersion, Vec<FieldError>> {
    let End {
        deprecated_at,
        sunset_at,
    } = end(fields)?;
    Ok(PatchVersion {
        name: fields.optional("name"),
        base_url: fields.optional("base_url"),
        deprecated_at: whole(deprecated_at),
        sunset_at: whole(sunset_at),
        refuse_after_sunset: Some(fields.flag("refuse_after_sunset")),
        link: whole(fields.optional("link")),
    })
}

/// An empty field takes the value away.
fn whole<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Null, Patch::Value)
}

struct End {
    deprecated_at: Option<DateTime<Utc>>,
    sunset_at: Option<DateTime<Utc>>,
}

fn end(fields: &Fields) -> Result<End, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut time = |name: &str| {
        fields.optional(name)?;
        let time = parse_input_minute(fields.raw(name));
        if time.is_none() {
            errors.push(FieldError::new(name, "must be a date and a time"));
        }
        time
    };
    let end = End {
        deprecated_at: time("deprecated_at"),
        sunset_at: time("sunset_at"),
    };
    if errors.is_empty() {
        Ok(end)
    } else {
        Err(errors)
    }
}

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
        name: fields.optional("name").filter(|_| place != VersionIn::Path),
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
    fn an_empty_time_is_taken_away_and_a_wrong_one_is_told() {
        let patch = patch(&fields(&[("sunset_at", ""), ("link", "https://a.example")])).unwrap();
        assert_eq!(patch.sunset_at, Patch::Null);
        assert_eq!(patch.link, Patch::Value("https://a.example".to_owned()));
        assert_eq!(patch.name, None);
        let errors = create(&fields(&[("deprecated_at", "soon")])).unwrap_err();
        assert_eq!(errors[0].field, "deprecated_at");
    }

    #[test]
    fn a_path_has_no_name() {
        let read = versioning(&fields(&[("in", "path"), ("name", "v"), ("default", "v2")]));
        assert_eq!((read.name.clone(), read.default.as_str()), (None, "v2"));
        assert_eq!(example(&read, "weather", "v1"), "/proxy/weather/v1/…");
        let read = versioning(&fields(&[("in", "query"), ("name", ""), ("default", "")]));
        assert_eq!(example(&read, "weather", "v1"), "?version=v1");
        assert_eq!(read.default, DEFAULT_VERSION);
    }
}
