//! Fields that speak to caches like this one and replace `Cache-Control` there: targeted ones as
//! RFC 9213 has them (`CDN-Cache-Control`), and the older `Surrogate-Control` of the Edge
//! Architecture note.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::directives::{MOST_SECONDS, ResponseDirectives, seconds};
use crate::fields::{combined, members};

/// What a request upstream says of us in `Surrogate-Capability`.
pub const CAPABILITY: &str = "apiverse=\"Surrogate/1.0\"";
/// Our name in it, by which `Surrogate-Control` can address us.
const OWN_NAME: &[u8] = b"apiverse";

/// A field that comes before `Cache-Control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targeted {
    /// A dictionary of cache directives (RFC 9213).
    Field(HeaderName),
    SurrogateControl,
}

impl Targeted {
    /// The one that a header's name means.
    #[must_use]
    pub fn of(name: HeaderName) -> Self {
        if name.as_str() == "surrogate-control" {
            Self::SurrogateControl
        } else {
            Self::Field(name)
        }
    }

    fn read(&self, headers: &HeaderMap) -> Option<ResponseDirectives> {
        match self {
            Self::Field(name) => dictionary(&combined(headers, name.as_str())?),
            Self::SurrogateControl => surrogate(&combined(headers, "surrogate-control")?),
        }
    }
}

/// The directives of an answer, and whether they come from a targeted field; then `Expires` says
/// nothing either (RFC 9213, 2.2).
pub(crate) fn directives(headers: &HeaderMap, targeted: &[Targeted]) -> (ResponseDirectives, bool) {
    for field in targeted {
        if let Some(found) = field.read(headers) {
            return (found, true);
        }
    }
    let list = combined(headers, "cache-control").unwrap_or_default();
    (ResponseDirectives::parse(&list), false)
}

/// `None`: the field is to be ignored, as it is empty, no dictionary, or has a known directive of
/// another type.
fn dictionary(list: &[u8]) -> Option<ResponseDirectives> {
    let parsed: Dictionary = Parser::new(list).parse().ok()?;
    if parsed.is_empty() {
        return None;
    }
    let mut found = ResponseDirectives::default();
    for (key, entry) in &parsed {
        let ListEntry::Item(item) = entry else {
            return None;
        };
        let name = key.as_str();
        match name {
            "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error" => {
                let BareItem::Integer(value) = &item.bare_item else {
                    return None;
                };
                let value = i64::from(*value).max(0).to_string();
                found.put(name.as_bytes(), Some(value.as_bytes()));
            }
            "no-cache" | "private" => match &item.bare_item {
                BareItem::Boolean(true) => found.put(name.as_bytes(), None),
                BareItem::Boolean(false) => {}
                BareItem::String(names) => {
                    found.put(name.as_bytes(), Some(names.as_str().as_bytes()));
                }
                _ => return None,
            },
            _ => match &item.bare_item {
                BareItem::Boolean(true) => found.put(name.as_bytes(), None),
                _ => continue,
            },
        }
    }
    Some(found)
}

/// `max-age=3600+600;name`: seconds, seconds more while it is revalidated, and whom it is for.
/// `None`: nothing in it is for us.
fn surrogate(list: &[u8]) -> Option<ResponseDirectives> {
    let mut found = ResponseDirectives::default();
    let mut is_ours = false;
    for member in members(list) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let directive = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut targets = parts.filter(|part| !part.is_empty()).peekable();
        if targets.peek().is_some() && !targets.any(|name| name.eq_ignore_ascii_case(OWN_NAME)) {
            continue;
        }
        match directive.as_slice() {
            b"no-store" => found.no_store = true,
            directive => {
                let Some(value) = directive.strip_prefix(b"max-age=") else {
                    continue;
                };
                let (fresh, more) = match value.iter().position(|byte| *byte == b'+') {
                    Some(at) => (&value[..at], seconds(&value[at + 1..])),
                    None => (value, None),
                };
                found.max_age = Some(seconds(fresh).unwrap_or(0).min(MOST_SECONDS));
                found.stale_while_revalidate = more;
            }
        }
        is_ours = true;
    }
    is_ours.then_some(found)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> (ResponseDirectives, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let cdn = Targeted::of(HeaderName::from_static("cdn-cache-control"));
        directives(&headers, &[cdn, Targeted::SurrogateControl])
    }

    #[test]
    fn a_targeted_field_replaces_cache_control() {
        let (found, targeted) = of(&[
            ("cache-control", "no-store"),
            ("cdn-cache-control", "max-age=60, must-revalidate"),
        ]);
        assert!(targeted && found.must_revalidate && !found.no_store);
        assert_eq!(found.max_age, Some(60));
    }

    #[test]
    fn what_is_no_structured_field_is_ignored() {
        for bad in [
            "",
            "max-age=10000, &&&&&",
            "max-age=\"10000\"",
            "max-age=1.5",
            "MaX-aGe=3600",
            "max-age=(1 2)",
            "max-age",
        ] {
            let (found, targeted) =
                of(&[("cache-control", "no-store"), ("cdn-cache-control", bad)]);
            assert!(found.no_store && !targeted, "{bad}");
        }
        let (found, _) = of(&[(
            "cdn-cache-control",
            "max-age=-5, no-cache=?0, private=\"a\"",
        )]);
        assert_eq!(found.max_age, Some(0));
        assert_eq!(found.withheld().len(), 1);
    }

    #[test]
    fn surrogate_control_has_addressees() {
        let max_age = |value| {
            let (found, targeted) =
                of(&[("cache-control", "max-age=1"), ("surrogate-control", value)]);
            (found.max_age, targeted)
        };
        assert_eq!(max_age("max-age=3600"), (Some(3600), true));
        assert_eq!(max_age("MaX-aGe=3600;apiverse"), (Some(3600), true));
        assert_eq!(max_age("max-age=3600;other"), (Some(1), false));
        assert_eq!(
            max_age("foobar, max-age=99999999999"),
            (Some(99_999_999_999), true)
        );
        assert_eq!(max_age("content=\"ESI/1.0\""), (Some(1), false));
        let (found, _) = of(&[("surrogate-control", "no-store, max-age=5+9")]);
        assert!(found.no_store);
        assert_eq!(found.stale_while_revalidate, Some(9));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(list in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = dictionary(&list);
            let _ = surrogate(&list);
        }
    }
}
