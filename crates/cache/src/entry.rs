//! A stored answer.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::date;
use crate::directives::{MaxStale, RequestDirectives};
use crate::fields::RequestFields;
use crate::freshness::Freshness;
use crate::key::{Audience, Visitor};
use crate::selection::Selecting;

/// What an entry costs besides its texts.
const OVERHEAD: usize = 512;

/// An answer that may be used again.
#[derive(Clone, Debug)]
pub struct Entry {
    pub status: u16,
    /// What is stored of its fields, with a `Content-Length` where there is a body.
    pub headers: HeaderMap,
    pub body: Bytes,
    pub freshness: Freshness,
    pub audience: Audience,
    /// It says itself that it may be given to everybody.
    pub is_for_all: bool,
    pub(crate) selecting: Selecting,
    /// The selecting values without the language.
    pub(crate) rest: [u8; 16],
    pub tags: Box<[Box<str>]>,
    /// The path below the API, with the query.
    pub path: Box<str>,
    /// The API.
    pub api: u128,
    /// The count of purges when it was asked for.
    pub begun: u64,
    /// Status line and fields as HTTP/1.1 has them, without the empty line.
    pub head: Bytes,
    /// Where the marks of its purges are.
    pub(crate) marks: Box<[u32]>,
}

/// What a caller asks of stored answers.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub visitor: Visitor,
    pub directives: RequestDirectives,
    pub fields: &'a dyn RequestFields,
}

/// How a stored answer may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Fresh,
    /// The caller wants it although it is stale.
    Stale,
    /// At once, and it is to be fetched anew meanwhile.
    WhileRevalidate,
    /// Not before the upstream was asked.
    Validate,
}

impl Entry {
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, which has just found them all"
    )]
    pub(crate) fn draft(
        status: u16,
        headers: HeaderMap,
        freshness: Freshness,
        audience: Audience,
        is_for_all: bool,
        selecting: Selecting,
        rest: [u8; 16],
        tags: Box<[Box<str>]>,
        path: &str,
    ) -> Self {
        Self {
            status,
            headers,
            body: Bytes::new(),
            freshness,
            audience,
            is_for_all,
            selecting,
            rest,
            tags,
            path: path.into(),
            api: 0,
            begun: 0,
            head: Bytes::new(),
            marks: Box::default(),
        }
    }

    /// The same with its body: ready to be stored.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        if self.status == 204 {
            self.headers.remove(header::CONTENT_LENGTH);
        } else {
            let length = HeaderValue::from(body.len());
            self.headers.insert(header::CONTENT_LENGTH, length);
        }
        self.headers.remove(header::AGE);
        self.body = body;
        self.head = self.written_head();
        self
    }

    fn written_head(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        // Writing into memory does not fail.
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.into()
    }

    /// Whether the caller's request selects this answer, and it may have it.
    #[must_use]
    pub fn is_for(&self, asked: &Asked<'_>) -> bool {
        if asked.visitor.is_authorized && !self.is_for_all {
            return false;
        }
        self.selecting.matches(asked.fields)
            || self.selecting.matches_language(asked.fields, &self.rest)
    }

    /// How the answer may be used at a moment.
    #[must_use]
    pub fn assess(&self, asked: &RequestDirectives, now_ms: i64) -> Use {
        let freshness = &self.freshness;
        if freshness.no_cache || asked.no_cache {
            return Use::Validate;
        }
        let age_ms = freshness.age_ms(now_ms);
        let left_ms = freshness.left_ms(now_ms);
        let millis = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX / 2000) * 1000;
        if asked.max_age.is_some_and(|most| age_ms > millis(most))
            || asked.min_fresh.is_some_and(|least| left_ms < millis(least))
        {
            return Use::Validate;
        }
        if left_ms > 0 {
            return Use::Fresh;
        }
        let accepts = match asked.max_stale {
            None => false,
            Some(MaxStale::Any) => true,
            Some(MaxStale::Seconds(most)) => -left_ms <= millis(most),
        };
        if accepts && !freshness.must_revalidate {
            return Use::Stale;
        }
        // Who asks for something young did not mean this.
        let is_choosy = asked.max_age.is_some() || asked.min_fresh.is_some();
        if -left_ms < freshness.while_revalidate_ms && !is_choosy {
            return Use::WhileRevalidate;
        }
        Use::Validate
    }

    /// Whether it may stand in for an answer that cannot be had (RFC 5861, 4).
    #[must_use]
    pub fn may_stand_in(&self, asked: &RequestDirectives, now_ms: i64) -> bool {
        let freshness = &self.freshness;
        // A failure does not make up for another.
        if freshness.no_cache || self.status >= 500 {
            return false;
        }
        let asked_ms = match asked.stale_if_error {
            Some(seconds) if !freshness.must_revalidate => {
                i64::try_from(seconds).unwrap_or(i64::MAX / 2000) * 1000
            }
            _ => 0,
        };
        -freshness.left_ms(now_ms) < freshness.if_error_ms.max(asked_ms)
    }

    #[must_use]
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.headers.get(header::ETAG)
    }

    #[must_use]
    pub fn last_modified(&self) -> Option<&HeaderValue> {
        self.headers.get(header::LAST_MODIFIED)
    }

    pub(crate) fn last_modified_s(&self) -> Option<i64> {
        date::parse(self.last_modified()?.as_bytes())
    }

    /// When it was made, in seconds since 1970, by its `Date` or else by when it came.
    pub(crate) fn date_s(&self) -> i64 {
        let stated = self.headers.get(header::DATE);
        stated
            .and_then(|value| date::parse(value.as_bytes()))
            .unwrap_or_else(|| self.freshness.came_ms.div_euclid(1000))
    }

    /// Whether two are for the same requests, so that one replaces the other.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.selecting.names == other.selecting.names
            && self.selecting.digest == other.selecting.digest
    }

    /// Whether a request of these fields is selected by this one's `Vary`: for collapsing.
    #[must_use]
    pub fn selection_of(&self, fields: &dyn RequestFields) -> [u8; 16] {
        crate::selection::values(&self.selecting.names, fields, None)
    }

    /// The fields it varies by, for [`variant_of`](crate::variant_of).
    #[must_use]
    pub fn varies_by(&self) -> String {
        self.selecting.list()
    }

    /// What [`variant_of`](crate::variant_of) makes of the requests it is for.
    #[must_use]
    pub fn variant(&self) -> [u8; 16] {
        crate::selection::variant(&self.selecting.list(), &self.selecting.digest)
    }

    /// Bytes it takes in memory, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 16).sum();
        let fields: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 96)
            .sum();
        OVERHEAD
            + self.body.len()
            + self.head.len()
            + fields
            + tags
            + self.path.len()
            + self.selecting.size()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(pairs: &[(&'static str, &str)], body: &'static [u8]) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let request = HeaderMap::new();
        let rules = crate::rules::Rules::default();
        let candidate = crate::storable::Candidate {
            method: &http::Method::GET,
            visitor: Visitor::new(7, None, false, &rules),
            directives: RequestDirectives::default(),
            fields: &request,
            path: "/x",
        };
        let answered = crate::storable::Answered {
            status: 200,
            headers: &headers,
            times: crate::freshness::Times {
                asked_ms: 1_700_000_000_000,
                came_ms: 1_700_000_000_000,
            },
        };
        let draft = candidate.judge(&answered, &rules).unwrap();
        draft.with_body(Bytes::from_static(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: i64 = 1_700_000_000_000;

    fn asked(control: &str) -> RequestDirectives {
        let mut directives = RequestDirectives::default();
        directives.add(control.as_bytes());
        directives
    }

    #[test]
    fn uses_depend_on_age_and_on_what_is_asked() {
        let entry = Entry::for_tests(
            &[("cache-control", "max-age=10, stale-while-revalidate=5")],
            b"x",
        );
        let at = |seconds: i64, control: &str| entry.assess(&asked(control), CAME + seconds * 1000);
        assert_eq!(at(9, ""), Use::Fresh);
        assert_eq!(at(10, ""), Use::WhileRevalidate);
        assert_eq!(at(14, ""), Use::WhileRevalidate);
        assert_eq!(at(15, ""), Use::Validate);
        assert_eq!(at(15, "max-stale"), Use::Stale);
        assert_eq!(at(15, "max-stale=5"), Use::Stale);
        assert_eq!(at(16, "max-stale=5"), Use::Validate);
        assert_eq!(at(1, "no-cache"), Use::Validate);
        assert_eq!(at(3, "max-age=2"), Use::Validate);
        assert_eq!(at(3, "max-age=3"), Use::Fresh);
        assert_eq!(at(3, "min-fresh=8"), Use::Validate);
        assert_eq!(at(3, "min-fresh=7"), Use::Fresh);
        assert_eq!(at(-5, ""), Use::Fresh, "a clock that goes back");
    }

    #[test]
    fn what_must_be_validated_is_not_served_stale() {
        for control in [
            "max-age=10, must-revalidate",
            "max-age=10, proxy-revalidate",
            "s-maxage=10",
        ] {
            let entry = Entry::for_tests(&[("cache-control", control)], b"x");
            let late = CAME + 11_000;
            assert_eq!(
                entry.assess(&asked("max-stale"), late),
                Use::Validate,
                "{control}"
            );
            assert!(
                !entry.may_stand_in(&asked("stale-if-error=99"), late),
                "{control}"
            );
        }
        let entry = Entry::for_tests(&[("cache-control", "max-age=10")], b"x");
        assert!(entry.may_stand_in(&asked(""), CAME + 60_000));
        assert!(!entry.may_stand_in(&asked(""), CAME + 70_000));
        assert!(entry.may_stand_in(&asked("stale-if-error=99"), CAME + 70_000));
        let mut failure = entry.clone();
        failure.status = 503;
        assert!(!failure.may_stand_in(&asked(""), CAME + 60_000));
        let entry = Entry::for_tests(&[("cache-control", "no-cache"), ("etag", "\"a\"")], b"x");
        assert_eq!(entry.assess(&asked(""), CAME), Use::Validate);
        assert!(!entry.may_stand_in(&asked(""), CAME));
    }

    #[test]
    fn a_head_is_written_once() {
        let pairs = [
            ("cache-control", "max-age=10"),
            ("age", "3"),
            ("content-length", "999"),
        ];
        let entry = Entry::for_tests(&pairs, b"body");
        assert_eq!(
            std::str::from_utf8(&entry.head).unwrap(),
            "HTTP/1.1 200 OK\r\ncache-control: max-age=10\r\ncontent-length: 4\r\n"
        );
    }
}
