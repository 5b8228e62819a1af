//! Whether an answer is stored, and for whom (RFC 9111, 3).

use http::{HeaderMap, Method};

use crate::directives::{Qualified, RequestDirectives};
use crate::entry::Entry;
use crate::fields::{RequestFields, combined, stored};
use crate::freshness::{Freshness, Times};
use crate::key::{Audience, Visitor};
use crate::rules::Rules;
use crate::selection::{Selecting, Vary};
use crate::targeted::directives;

/// Statuses whose meaning for caches is known here (RFC 9111, 5.2.2.3).
const UNDERSTOOD: [u16; 33] = [
    200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406,
    409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 500, 501, 503, 504,
];
/// More tags than this of one answer are not remembered.
const MOST_TAGS: usize = 64;
const LONGEST_TAG: usize = 256;

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    #[error("the method's answers are not stored")]
    Method,
    #[error("the status is not one that is stored")]
    Status,
    #[error("the request says no-store")]
    Request,
    #[error("the answer says no-store")]
    NoStore,
    #[error("the answer is private")]
    Private,
    #[error("the answer is to credentials and does not say that it may be shared")]
    Authorized,
    #[error("the answer varies by what cannot be known")]
    Vary,
    #[error("the answer sets a cookie and does not say how long it is fresh")]
    Cookie,
    #[error("the answer is stale at once and cannot be validated")]
    Useless,
    #[error("the answer is larger than the policy's limit")]
    TooLarge,
}

impl NotStored {
    /// A token for `Cache-Status` and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::Request => "request-no-store",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorized => "authorization",
            Self::Vary => "vary",
            Self::Cookie => "set-cookie",
            Self::Useless => "not-fresh",
            Self::TooLarge => "too-large",
        }
    }
}

/// An answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub times: Times,
}

/// A request whose answer may be stored.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    pub method: &'a Method,
    pub visitor: Visitor,
    pub directives: RequestDirectives,
    /// The fields as the caller sent them.
    pub fields: &'a dyn RequestFields,
    /// The path below the API, with the query.
    pub path: &'a str,
}

impl Candidate<'_> {
    /// The answer as it would be stored, without its body yet.
    ///
    /// # Errors
    /// See [`NotStored`].
    pub fn judge(&self, answered: &Answered<'_>, rules: &Rules) -> Result<Entry, NotStored> {
        if *self.method != Method::GET {
            return Err(NotStored::Method);
        }
        if self.directives.no_store && !rules.ignore_request_directives {
            return Err(NotStored::Request);
        }
        let Answered {
            status,
            headers,
            times,
        } = *answered;
        // Parts are not put together, and 304 is about what is stored already.
        if !(200..600).contains(&status) || matches!(status, 206 | 304) {
            return Err(NotStored::Status);
        }
        let (directives, is_targeted) = directives(headers, &rules.targeted);
        if directives.must_understand && !UNDERSTOOD.contains(&status) {
            return Err(NotStored::Status);
        }
        if directives.no_store && !directives.must_understand {
            return Err(NotStored::NoStore);
        }
        if directives.private == Qualified::All {
            return Err(NotStored::Private);
        }
        let Vary::By { names, consumer } = Vary::of(headers) else {
            return Err(NotStored::Vary);
        };
        let sets_cookie = headers.contains_key("set-cookie");
        let may_share = directives.allows_sharing();
        let is_for_all = may_share && !sets_cookie && !consumer;
        if self.visitor.is_authorized && !is_for_all {
            return Err(NotStored::Authorized);
        }
        if consumer && rules.shared {
            return Err(NotStored::Vary);
        }
        let freshness = Freshness::new(status, headers, &directives, is_targeted, times, rules);
        if sets_cookie && !freshness.is_explicit {
            return Err(NotStored::Cookie);
        }
        let can_be_validated =
            headers.contains_key("etag") || headers.contains_key("last-modified");
        let is_fresh = freshness.left_ms(times.came_ms) > 0 && !freshness.no_cache;
        // What only a failure of the upstream could make use of is no reason to store.
        let is_of_use = is_fresh || can_be_validated || freshness.while_revalidate_ms > 0;
        let says_anything = freshness.lifetime_ms > 0 || freshness.is_explicit || can_be_validated;
        if !is_of_use || !says_anything {
            return Err(NotStored::Useless);
        }
        let audience = if is_for_all {
            Audience::ANYONE
        } else {
            let own = self.visitor.own(rules);
            // A cookie that is set is for the one who asked.
            match sets_cookie {
                true => Audience {
                    key: Some(self.visitor.key),
                    ..own
                },
                false => own,
            }
        };
        if sets_cookie && rules.shared {
            return Err(NotStored::Cookie);
        }
        let headers = stored(headers, &directives.withheld());
        let selecting = Selecting::new(names, self.fields, &headers);
        let rest = selecting.rest(self.fields);
        let tags = tags(&headers, rules);
        Ok(Entry::draft(
            status, headers, freshness, audience, is_for_all, selecting, rest, tags, self.path,
        ))
    }
}

fn tags(headers: &HeaderMap, rules: &Rules) -> Box<[Box<str>]> {
    let mut all: Vec<Box<str>> = Vec::new();
    for name in &rules.tag_fields {
        let Some(list) = combined(headers, name.as_str()) else {
            continue;
        };
        let Ok(list) = String::from_utf8(list) else {
            continue;
        };
        for tag in list.split([' ', ',']).filter(|tag| !tag.is_empty()) {
            let is_known = all.iter().any(|known| **known == *tag);
            if !is_known && all.len() < MOST_TAGS && tag.len() <= LONGEST_TAG {
                all.push(tag.into());
            }
        }
    }
    all.into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TIMES: Times = Times {
        asked_ms: 1_700_000_000_000,
        came_ms: 1_700_000_000_000,
    };

    struct Case {
        method: Method,
        visitor: Visitor,
        request: HeaderMap,
        status: u16,
        rules: Rules,
    }

    impl Default for Case {
        fn default() -> Self {
            let rules = Rules::default();
            Self {
                method: Method::GET,
                visitor: Visitor::new(7, None, false, &rules),
                request: HeaderMap::new(),
                status: 200,
                rules,
            }
        }
    }

    impl Case {
        fn judge(&self, pairs: &[(&'static str, &'static str)]) -> Result<Audience, NotStored> {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let mut directives = RequestDirectives::default();
            self.request
                .each("cache-control", &mut |line| directives.add(line));
            let candidate = Candidate {
                method: &self.method,
                visitor: self.visitor,
                directives,
                fields: &self.request,
                path: "/x",
            };
            let answered = Answered {
                status: self.status,
                headers: &headers,
                times: TIMES,
            };
            candidate
                .judge(&answered, &self.rules)
                .map(|entry| entry.audience)
        }
    }

    const OWN: Result<Audience, NotStored> = Ok(Audience {
        key: Some(7),
        cookies: None,
    });
    const ALL: Result<Audience, NotStored> = Ok(Audience::ANYONE);

    #[test]
    fn an_answer_is_its_callers_unless_it_says_otherwise() {
        let case = Case::default();
        let judge = |control| case.judge(&[("cache-control", control)]);
        assert_eq!(judge("max-age=5"), OWN);
        for shared in [
            "max-age=5, public",
            "s-maxage=5",
            "max-age=5, must-revalidate",
        ] {
            assert_eq!(judge(shared), ALL, "{shared}");
        }
        assert_eq!(judge("max-age=5, private"), Err(NotStored::Private));
        assert_eq!(judge("max-age=5, private=\"a\""), OWN);
        assert_eq!(judge("max-age=5, no-store"), Err(NotStored::NoStore));
        assert_eq!(judge("max-age=0"), Err(NotStored::Useless));
        assert_eq!(judge("max-age=0, stale-while-revalidate=5"), OWN);
        assert_eq!(case.judge(&[]), Err(NotStored::Useless));
        assert_eq!(case.judge(&[("etag", "\"a\"")]), OWN);
        let rules = Rules {
            shared: true,
            ..Rules::default()
        };
        let case = Case {
            rules,
            ..Case::default()
        };
        assert_eq!(case.judge(&[("cache-control", "max-age=5")]), ALL);
    }

    #[test]
    fn credentials_and_cookies_keep_an_answer_apart() {
        let rules = Rules::default();
        let authorized = Case {
            visitor: Visitor::new(7, None, true, &rules),
            ..Case::default()
        };
        let plain = [("cache-control", "max-age=5")];
        assert_eq!(authorized.judge(&plain), Err(NotStored::Authorized));
        assert_eq!(authorized.judge(&[("cache-control", "s-maxage=5")]), ALL);

        let cookies = Case {
            visitor: Visitor::new(7, Some(b"a=1"), false, &rules),
            ..Case::default()
        };
        let found = cookies.judge(&plain).unwrap();
        assert!(found.cookies.is_some() && found.key == Some(7));

        let case = Case::default();
        let cookie = ("set-cookie", "a=1");
        assert_eq!(
            case.judge(&[cookie, ("cache-control", "max-age=5, public")]),
            OWN
        );
        let guessed = [cookie, ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(case.judge(&guessed), Err(NotStored::Cookie));
        let by_key = [
            ("vary", "X-Api-Key"),
            ("cache-control", "max-age=5, public"),
        ];
        assert_eq!(case.judge(&by_key), OWN);
    }

    #[test]
    fn some_answers_are_never_stored() {
        let fresh = [("cache-control", "max-age=5")];
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            let case = Case {
                method,
                ..Case::default()
            };
            assert_eq!(case.judge(&fresh), Err(NotStored::Method));
        }
        for status in [100, 101, 206, 304, 600] {
            let case = Case {
                status,
                ..Case::default()
            };
            assert_eq!(case.judge(&fresh), Err(NotStored::Status), "{status}");
        }
        let unknown = Case {
            status: 599,
            ..Case::default()
        };
        assert_eq!(unknown.judge(&fresh), OWN);
        let must = [("cache-control", "max-age=5, must-understand")];
        assert_eq!(unknown.judge(&must), Err(NotStored::Status));
        let must = [("cache-control", "max-age=5, must-understand, no-store")];
        assert_eq!(Case::default().judge(&must), OWN);
        let mut no_store = Case::default();
        no_store
            .request
            .insert("cache-control", HeaderValue::from_static("no-store"));
        assert_eq!(no_store.judge(&fresh), Err(NotStored::Request));
        let vary = [("cache-control", "max-age=5"), ("vary", "a, *")];
        assert_eq!(Case::default().judge(&vary), Err(NotStored::Vary));
    }
}
