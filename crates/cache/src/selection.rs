//! `Vary` (RFC 9110, 12.5.5): which requests a stored answer was selected for.

use http::{HeaderMap, HeaderName};

use crate::fields::{RequestFields, combined, members};
use crate::key::digest;

/// Request fields that the gateway writes itself, differently for each call or caller. What varies
/// by them cannot be found again.
const OWN_FIELDS: [&str; 10] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "via",
    "x-request-id",
    "traceparent",
    "tracestate",
    "connection",
    "x-forwarded-port",
    "x-forwarded-prefix",
];
/// These too, but they are part of every key.
const KEYED_FIELDS: [&str; 3] = ["host", "x-forwarded-host", "x-forwarded-proto"];

/// What an answer varies by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vary {
    By {
        names: Vec<HeaderName>,
        /// Also by who calls: the field is the gateway's key, which the upstream does not see.
        consumer: bool,
    },
    /// By something that is not in requests.
    Anything,
}

impl Vary {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut names: Vec<HeaderName> = Vec::new();
        let mut consumer = false;
        let list = combined(headers, "vary").unwrap_or_default();
        for member in members(&list) {
            // A star, or what is no name: nobody can say what is meant.
            let Ok(name) = HeaderName::from_bytes(member) else {
                return Self::Anything;
            };
            let text = name.as_str();
            if text == "*" || OWN_FIELDS.contains(&text) {
                return Self::Anything;
            }
            consumer |= text == "x-api-key";
            if !KEYED_FIELDS.contains(&text) && text != "x-api-key" && !names.contains(&name) {
                names.push(name);
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Self::By { names, consumer }
    }
}

/// The fields an answer was selected by, and a digest of their values: they may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selecting {
    pub(crate) names: Box<[HeaderName]>,
    pub(crate) digest: [u8; 16],
    /// The languages of the answer, when it varies by language.
    pub(crate) language: Option<Box<str>>,
}

impl Selecting {
    pub(crate) fn new(
        names: Vec<HeaderName>,
        request: &dyn RequestFields,
        headers: &HeaderMap,
    ) -> Self {
        let by_language = names.iter().any(|name| name.as_str() == "accept-language");
        let language = by_language
            .then(|| combined(headers, "content-language"))
            .flatten()
            .and_then(|text| String::from_utf8(text).ok())
            .filter(|text| !text.contains(','))
            .map(|text| text.trim().to_ascii_lowercase().into());
        Self {
            digest: values(&names, request, None),
            names: names.into(),
            language,
        }
    }

    /// Whether a request would select this answer.
    pub(crate) fn matches(&self, request: &dyn RequestFields) -> bool {
        if self.names.is_empty() || values(&self.names, request, None) == self.digest {
            return true;
        }
        false
    }

    /// Whether a request for which `stored` was selected differs in language only, and asks for
    /// the language of the answer first (RFC 9110, 12.5.4). `stored` are the stored request's
    /// values without its languages.
    pub(crate) fn matches_language(&self, request: &dyn RequestFields, rest: &[u8; 16]) -> bool {
        let Some(language) = &self.language else {
            return false;
        };
        let wanted = request.combined("accept-language").unwrap_or_default();
        best_language(&wanted).is_some_and(|best| best == language.as_bytes())
            && values(&self.names, request, Some("accept-language")) == *rest
    }

    /// The fields, as a text for [`variant_of`].
    pub(crate) fn list(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(HeaderName::as_str).collect();
        names.join(",")
    }

    pub(crate) fn rest(&self, request: &dyn RequestFields) -> [u8; 16] {
        values(&self.names, request, Some("accept-language"))
    }

    /// Bytes it takes, about.
    pub(crate) fn size(&self) -> usize {
        48 * self.names.len() + 64
    }
}

/// What tells the answers of one key apart, for nodes that share them: by which fields they vary,
/// as [`Entry::varies_by`](crate::Entry::varies_by) tells, and what `request` has in them. `None`:
/// it is no such list.
#[must_use]
pub fn variant_of(list: &str, request: &dyn RequestFields) -> Option<[u8; 16]> {
    let mut names = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        names.push(HeaderName::from_bytes(name.as_bytes()).ok()?);
    }
    Some(variant(list, &values(&names, request, None)))
}

pub(crate) fn variant(list: &str, values: &[u8; 16]) -> [u8; 16] {
    digest(&[list.as_bytes(), b"\n", values].concat())
}

/// A digest of what a request has in `names`, each normalised; `without` is left out.
pub(crate) fn values(
    names: &[HeaderName],
    request: &dyn RequestFields,
    without: Option<&str>,
) -> [u8; 16] {
    if names.is_empty() {
        return [0; 16];
    }
    let mut text = Vec::with_capacity(128);
    for name in names {
        if without == Some(name.as_str()) {
            continue;
        }
        text.extend_from_slice(name.as_str().as_bytes());
        match request.combined(name.as_str()) {
            None => text.push(b'\n'),
            Some(value) => {
                text.push(b':');
                normalise(name.as_str(), &value, &mut text);
                text.push(b'\n');
            }
        }
    }
    digest(&text)
}

/// Lists that mean the same get the same text (RFC 9111, 4.1).
fn normalise(name: &str, value: &[u8], out: &mut Vec<u8>) {
    // Where a comma does not part members, or blanks mean something, values stay as they are.
    let is_list = !matches!(name, "cookie" | "authorization" | "user-agent" | "referer");
    if !is_list {
        out.extend_from_slice(value.trim_ascii());
        return;
    }
    let mut all: Vec<Vec<u8>> = members(value).map(<[u8]>::to_vec).collect();
    if name.starts_with("accept") {
        for member in &mut all {
            member.retain(|byte| !byte.is_ascii_whitespace());
            member.make_ascii_lowercase();
        }
        // What is preferred is said by weights, not by the order.
        all.sort_unstable();
        all.dedup();
    }
    for (number, member) in all.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(member);
    }
}

/// The one language that a request likes best; `None` when several share the first place.
fn best_language(list: &[u8]) -> Option<Vec<u8>> {
    let mut best: Option<(u32, Vec<u8>)> = None;
    let mut is_tie = false;
    for member in members(list) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts
            .find_map(|part| part.strip_prefix(b"q="))
            .map_or(1000, weight);
        match &best {
            Some((most, _)) if weight < *most => {}
            Some((most, _)) if weight == *most => is_tie = true,
            _ => {
                best = Some((weight, language));
                is_tie = false;
            }
        }
    }
    best.filter(|(weight, _)| !is_tie && *weight > 0)
        .map(|(_, language)| language)
}

/// A weight in thousandths (RFC 9110, 12.4.2); 0 when it is none.
fn weight(text: &[u8]) -> u32 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let Ok(value) = text.parse::<f32>() else {
        return 0;
    };
    if !(0.0..=1.0).contains(&value) {
        return 0;
    }
    (value * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn selects(
        vary: &str,
        stored: &[(&'static str, &str)],
        asked: &[(&'static str, &str)],
    ) -> bool {
        let headers = fields(&[("vary", vary)]);
        let Vary::By { names, .. } = Vary::of(&headers) else {
            return false;
        };
        Selecting::new(names, &fields(stored), &headers).matches(&fields(asked))
    }

    #[test]
    fn stars_and_what_the_gateway_writes_select_nothing() {
        for list in [
            "*",
            "*, *",
            ", *",
            "a, *",
            "a b",
            "X-Forwarded-For",
            "a, Via",
        ] {
            assert_eq!(
                Vary::of(&fields(&[("vary", list)])),
                Vary::Anything,
                "{list}"
            );
        }
        let found = Vary::of(&fields(&[("vary", "X-Api-Key, Host, B, a, A")]));
        let names = vec![HeaderName::from_static("a"), HeaderName::from_static("b")];
        assert_eq!(
            found,
            Vary::By {
                names,
                consumer: true
            }
        );
    }

    #[test]
    fn what_means_the_same_selects_the_same() {
        assert!(selects(
            "foo",
            &[("foo", "1, 2")],
            &[("foo", "1"), ("foo", "2")]
        ));
        assert!(selects("foo", &[("foo", "1,2")], &[("foo", " 1, 2 ")]));
        assert!(selects("foo, bar", &[("foo", "1")], &[("foo", "1")]));
        let languages = [("accept-language", "en, de")];
        assert!(selects(
            "accept-language",
            &languages,
            &[("accept-language", "De,eN")]
        ));
        assert!(!selects("foo", &[("foo", "1")], &[("foo", "2")]));
        assert!(!selects("foo", &[("foo", "1")], &[]));
        assert!(!selects("foo", &[], &[("foo", "")]));
        assert!(!selects("foo", &[("foo", "1, 2")], &[("foo", "2, 1")]));
        assert!(!selects(
            "cookie",
            &[("cookie", "a=1")],
            &[("cookie", "a=2")]
        ));
        // One field's value cannot pass for two fields.
        assert!(!selects(
            "a, b",
            &[("a", "1"), ("b", "2")],
            &[("a", "1 b:2")]
        ));
    }

    #[test]
    fn a_language_is_selected_by_its_weight() {
        let best = |list: &str| {
            best_language(list.as_bytes()).map(|best| String::from_utf8(best).unwrap())
        };
        assert_eq!(best("fr;q=0.5, DE;q=1.0").as_deref(), Some("de"));
        assert_eq!(best("en, de"), None);
        assert_eq!(best("en;q=0"), None);
        assert_eq!(best("en;q=7, de;q=0.1").as_deref(), Some("de"));
        assert_eq!(best(""), None);
    }

    proptest! {
        #[test]
        fn a_request_selects_its_own_answer(foo in "[ -~]{0,20}", bar in proptest::option::of("[ -~]{0,20}")) {
            let mut pairs = vec![("foo", foo.as_str())];
            if let Some(bar) = &bar {
                pairs.push(("accept", bar.as_str()));
            }
            prop_assert!(selects("foo, accept", &pairs, &pairs));
        }

        #[test]
        fn foreign_text_never_panics(list in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = best_language(&list);
            normalise("accept", &list, &mut Vec::new());
        }
    }
}
