//! `Cache-Control` (RFC 9111, 5.2), of both sides, and the extensions of RFC 5861 and RFC 8246.

use http::HeaderName;

use crate::fields::members;

/// Above this a number of seconds makes no difference any more (RFC 9111, 1.2.2).
pub(crate) const MOST_SECONDS: u64 = 1 << 40;

/// A directive that may name fields: `no-cache`, `private`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Qualified {
    #[default]
    Absent,
    /// It is about these fields only.
    Fields(Vec<HeaderName>),
    All,
}

/// What a response says about being stored and reused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// Seconds. What is there but no number counts as 0: RFC 9111, 4.2.1 wants such an answer
    /// treated as stale.
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub no_store: bool,
    pub no_cache: Qualified,
    pub private: Qualified,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    /// Seconds (RFC 5861, 3).
    pub stale_while_revalidate: Option<u64>,
    /// Seconds (RFC 5861, 4).
    pub stale_if_error: Option<u64>,
}

impl ResponseDirectives {
    /// Reads a `Cache-Control` whose lines are combined. Unknown directives are passed over.
    #[must_use]
    pub fn parse(list: &[u8]) -> Self {
        let mut found = Self::default();
        for member in members(list) {
            let (name, value) = split(member);
            found.put(&name, value);
        }
        found
    }

    /// Takes over one directive. The first of several of a name counts (RFC 9111, 4.2.1).
    pub(crate) fn put(&mut self, name: &[u8], value: Option<&[u8]>) {
        match name {
            b"max-age" => first(&mut self.max_age, value),
            b"s-maxage" => first(&mut self.s_maxage, value),
            b"no-store" => self.no_store = true,
            b"no-cache" => widen(&mut self.no_cache, value),
            b"private" => widen(&mut self.private, value),
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"stale-while-revalidate" => first(&mut self.stale_while_revalidate, value),
            b"stale-if-error" => first(&mut self.stale_if_error, value),
            _ => {}
        }
    }

    /// The fields that must not be stored: those that `no-cache` and `private` name.
    pub(crate) fn withheld(&self) -> Vec<HeaderName> {
        let mut all = Vec::new();
        for qualified in [&self.no_cache, &self.private] {
            if let Qualified::Fields(names) = qualified {
                all.extend(names.iter().cloned());
            }
        }
        all
    }

    /// Whether an answer to somebody who authenticated may go to others (RFC 9111, 3.5).
    #[must_use]
    pub const fn allows_sharing(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }
}

/// `max-stale` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxStale {
    Any,
    Seconds(u64),
}

/// What a request says about stored answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    pub max_age: Option<u64>,
    pub max_stale: Option<MaxStale>,
    pub min_fresh: Option<u64>,
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub stale_if_error: Option<u64>,
}

impl RequestDirectives {
    /// Takes in one line of `Cache-Control`.
    pub fn add(&mut self, list: &[u8]) {
        for member in members(list) {
            let (name, value) = split(member);
            match name.as_slice() {
                b"max-age" => first(&mut self.max_age, value),
                b"min-fresh" => first(&mut self.min_fresh, value),
                b"stale-if-error" => first(&mut self.stale_if_error, value),
                b"max-stale" => {
                    self.max_stale = Some(match value.map(seconds) {
                        None => MaxStale::Any,
                        Some(seconds) => MaxStale::Seconds(seconds.unwrap_or(0)),
                    });
                }
                b"no-cache" => self.no_cache = true,
                b"no-store" => self.no_store = true,
                b"only-if-cached" => self.only_if_cached = true,
                _ => {}
            }
        }
    }
}

/// Name in lower case and value without its quotes.
fn split(member: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    match member.iter().position(|byte| *byte == b'=') {
        None => (member.to_ascii_lowercase(), None),
        // A blank before the sign makes another name of it, which nobody knows.
        Some(at) => (
            member[..at].to_ascii_lowercase(),
            Some(unquoted(&member[at + 1..])),
        ),
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

fn first(slot: &mut Option<u64>, value: Option<&[u8]>) {
    if slot.is_none() {
        *slot = Some(value.and_then(seconds).unwrap_or(0));
    }
}

fn widen(slot: &mut Qualified, value: Option<&[u8]>) {
    let names: Option<Vec<HeaderName>> = value.and_then(|value| {
        members(value)
            .map(|name| HeaderName::from_bytes(name).ok())
            .collect()
    });
    match (names, &mut *slot) {
        // A list that cannot be read, or none: all of the answer is meant.
        (None, _) => *slot = Qualified::All,
        (Some(names), _) if names.is_empty() => *slot = Qualified::All,
        (Some(_), Qualified::All) => {}
        (Some(names), Qualified::Absent) => *slot = Qualified::Fields(names),
        (Some(names), Qualified::Fields(all)) => all.extend(names),
    }
}

/// A number of seconds: digits, nothing else.
pub(crate) fn seconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    // More digits than fit are a very large number, not none.
    Some(text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn max_age(list: &str) -> Option<u64> {
        ResponseDirectives::parse(list.as_bytes()).max_age
    }

    #[test]
    fn max_age_is_digits() {
        for (list, expected) in [
            ("max-age=3600", Some(3600)),
            ("MaX-aGe=3600", Some(3600)),
            ("max-age=\"3600\"", Some(3600)),
            ("max-age=003600", Some(3600)),
            ("max-age=99999999999999999999999", Some(MOST_SECONDS)),
            ("max-age='3600'", Some(0)),
            ("max-age=-3600", Some(0)),
            ("max-age=3600a", Some(0)),
            ("max-age= 3600", Some(0)),
            ("max-age", Some(0)),
            ("max-age =3600", None),
            ("extension=\"max-age=3600\"", None),
            ("max-age=1, extension=\"max-age=3600\"", Some(1)),
            ("max-age=1, max-age=3600", Some(1)),
            ("foobar, max-age=3600", Some(3600)),
        ] {
            assert_eq!(max_age(list), expected, "{list}");
        }
    }

    #[test]
    fn fields_are_named_or_all_is_meant() {
        let found = ResponseDirectives::parse(b"no-cache=\"A, b\", private=\"set-cookie\"");
        let a = HeaderName::from_static("a");
        let b = HeaderName::from_static("b");
        assert_eq!(found.no_cache, Qualified::Fields(vec![a, b]));
        assert_eq!(found.withheld().len(), 3);
        for all in [
            "no-cache",
            "no-cache=\"\"",
            "no-cache=\"a b\"",
            "no-cache=\"a\", no-cache",
        ] {
            let found = ResponseDirectives::parse(all.as_bytes());
            assert_eq!(found.no_cache, Qualified::All, "{all}");
        }
    }

    #[test]
    fn requests_say_what_they_accept() {
        let mut found = RequestDirectives::default();
        found.add(b"max-stale, max-age=5");
        found.add(b"only-if-cached, no-store, max-age=7");
        assert_eq!(found.max_stale, Some(MaxStale::Any));
        assert_eq!(found.max_age, Some(5));
        assert!(found.only_if_cached && found.no_store && !found.no_cache);
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(list in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ResponseDirectives::parse(&list);
            RequestDirectives::default().add(&list);
        }

        #[test]
        fn order_does_not_matter(mut list in Just(vec![
            "max-age=5", "public", "s-maxage=9", "x=\"a,b\"", "no-cache=\"q\"",
        ]).prop_shuffle()) {
            let shuffled = ResponseDirectives::parse(list.join(", ").as_bytes());
            list.sort_unstable();
            prop_assert_eq!(shuffled, ResponseDirectives::parse(list.join(",").as_bytes()));
        }
    }
}
