//! Conditional requests, answered from what is stored (RFC 9110, 13; RFC 9111, 4.3.2).

use crate::date;
use crate::entry::Entry;
use crate::fields::{RequestFields, members};

/// The conditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    none_match: Option<Vec<u8>>,
    modified_since: Option<Vec<u8>>,
    /// `If-Match` or `If-Unmodified-Since`: only the origin can say.
    pub for_origin: bool,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The caller gets the answer.
    Met,
    /// It has it already.
    NotModified,
}

impl Conditions {
    #[must_use]
    pub fn of(fields: &dyn RequestFields) -> Self {
        let none_match = fields.combined("if-none-match");
        // With the other, this one does not count (RFC 9110, 13.1.3).
        let modified_since = match none_match {
            None => fields.combined("if-modified-since"),
            Some(_) => None,
        };
        Self {
            none_match,
            modified_since,
            for_origin: fields.has("if-match") || fields.has("if-unmodified-since"),
        }
    }

    /// Whether there are any that a stored answer decides.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.none_match.is_none() && self.modified_since.is_none()
    }

    /// What they come to for a stored answer.
    #[must_use]
    pub fn check(&self, entry: &Entry) -> Condition {
        // Conditions are about representations: not about redirects and failures (RFC 9110, 13.2.1).
        if !(200..300).contains(&entry.status) {
            return Condition::Met;
        }
        let is_had = match (&self.none_match, &self.modified_since) {
            (Some(tags), _) => {
                entry
                    .etag()
                    .is_some_and(|etag| lists(tags, etag.as_bytes()))
                    || tags.trim_ascii() == b"*"
            }
            (None, Some(since)) => date::parse(since).is_some_and(|since| {
                let changed = entry.last_modified_s().unwrap_or_else(|| entry.date_s());
                changed <= since
            }),
            (None, None) => false,
        };
        if is_had {
            Condition::NotModified
        } else {
            Condition::Met
        }
    }
}

/// Whether a list of entity tags has one, by the weak comparison (RFC 9110, 8.8.3.2).
fn lists(tags: &[u8], etag: &[u8]) -> bool {
    members(tags).any(|tag| opaque(tag) == opaque(etag))
}

fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether two entity tags are equal by the strong comparison.
pub(crate) fn is_same_strong(one: &[u8], other: &[u8]) -> bool {
    let is_strong = |tag: &[u8]| tag.starts_with(b"\"");
    is_strong(one) && one == other
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn check(stored: &[(&'static str, &str)], asked: &[(&'static str, &str)]) -> Condition {
        let mut all = vec![("cache-control", "max-age=60")];
        all.extend_from_slice(stored);
        let entry = Entry::for_tests(&all, b"x");
        let mut fields = HeaderMap::new();
        for (name, value) in asked {
            fields.append(*name, value.parse().unwrap());
        }
        Conditions::of(&fields).check(&entry)
    }

    #[test]
    fn tags_are_compared_weakly() {
        let tagged = |tag: &str, asked: &str| check(&[("etag", tag)], &[("if-none-match", asked)]);
        for (tag, asked) in [
            ("\"a\"", "\"a\""),
            ("W/\"a\"", "\"a\""),
            ("\"a\"", "W/\"a\""),
            ("\"a\"", "\"1\", \"a\", \"2\""),
            ("\"a,b\"", "\"a,b\""),
            ("\"a\"", "*"),
            ("a", "a"),
        ] {
            assert_eq!(tagged(tag, asked), Condition::NotModified, "{tag} {asked}");
        }
        for (tag, asked) in [
            ("\"a\"", "\"b\""),
            ("\"a\"", "a"),
            ("\"a\"", "\"A\""),
            ("\"a\"", ""),
        ] {
            assert_eq!(tagged(tag, asked), Condition::Met, "{tag} {asked}");
        }
    }

    #[test]
    fn dates_count_only_without_tags() {
        let changed = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        let since = |date| ("if-modified-since", date);
        let later = since("Mon, 07 Nov 1994 08:49:37 GMT");
        let earlier = since("Sat, 05 Nov 1994 08:49:37 GMT");
        assert_eq!(
            check(&[changed], &[since(changed.1)]),
            Condition::NotModified
        );
        assert_eq!(check(&[changed], &[later]), Condition::NotModified);
        assert_eq!(check(&[changed], &[earlier]), Condition::Met);
        assert_eq!(check(&[changed], &[since("yesterday")]), Condition::Met);
        let tag = ("etag", "\"a\"");
        let other = ("if-none-match", "\"b\"");
        assert_eq!(check(&[changed, tag], &[later, other]), Condition::Met);
        assert_eq!(
            check(&[], &[later]),
            Condition::Met,
            "it is younger than that"
        );
        assert_eq!(check(&[changed], &[]), Condition::Met);
    }
}
