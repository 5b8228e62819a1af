//! A stored answer, freshened by a 304 (RFC 9111, 4.3.4) or by the answer to a HEAD (4.3.5).

use http::{HeaderMap, Method};

use crate::entry::Entry;
use crate::rules::Rules;
use crate::storable::{Answered, Candidate, NotStored};

/// Fields that say something about the stored body, which stays (RFC 9111, 3.2).
const OF_THE_BODY: [&str; 7] = [
    "content-length",
    "content-encoding",
    "content-md5",
    "content-range",
    "content-digest",
    "repr-digest",
    "etag",
];

impl Entry {
    /// This answer with the fields of a 304, judged anew for the one who asked.
    ///
    /// # Errors
    /// When the answer is not to be stored any more; what is stored then goes.
    pub fn freshened(
        &self,
        candidate: &Candidate<'_>,
        answered: &Answered<'_>,
        rules: &Rules,
    ) -> Result<Self, NotStored> {
        let headers = merged(&self.headers, answered.headers);
        let as_get = Candidate {
            method: &Method::GET,
            ..*candidate
        };
        let answered = Answered {
            status: self.status,
            headers: &headers,
            times: answered.times,
        };
        let draft = as_get.judge(&answered, rules)?;
        Ok(draft.with_body(self.body.clone()))
    }

    /// The stored answer with a 304's fields, whether it is to be stored or not.
    #[must_use]
    pub fn merged_headers(&self, newer: &HeaderMap) -> HeaderMap {
        merged(&self.headers, newer)
    }

    /// Whether the answer to a HEAD is about this very answer.
    #[must_use]
    pub fn is_same_as(&self, status: u16, headers: &HeaderMap) -> bool {
        let agrees = |name: &str| match (headers.get(name), self.headers.get(name)) {
            (Some(new), Some(old)) => new == old,
            (Some(_), None) => false,
            (None, _) => true,
        };
        status == self.status
            && agrees("etag")
            && agrees("last-modified")
            && agrees("content-length")
    }
}

fn merged(older: &HeaderMap, newer: &HeaderMap) -> HeaderMap {
    let mut headers = older.clone();
    // How old the stored one was when it came says nothing about now.
    headers.remove("age");
    for name in newer.keys() {
        if OF_THE_BODY.contains(&name.as_str()) {
            continue;
        }
        headers.remove(name);
        for value in newer.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_about_the_body_stays() {
        let older = map(&[
            ("etag", "\"a\""),
            ("content-length", "5"),
            ("x", "1"),
            ("y", "1"),
            ("age", "9"),
        ]);
        let newer = map(&[
            ("etag", "\"b\""),
            ("content-length", "0"),
            ("x", "2"),
            ("x", "3"),
            ("content-encoding", "br"),
        ]);
        let found = merged(&older, &newer);
        assert_eq!(found.get("etag").unwrap(), "\"a\"");
        assert_eq!(found.get("content-length").unwrap(), "5");
        assert_eq!(found.get_all("x").iter().count(), 2);
        assert_eq!(found.get("y").unwrap(), "1");
        assert!(!found.contains_key("content-encoding") && !found.contains_key("age"));
    }

    #[test]
    fn an_answer_to_head_may_be_of_another() {
        let entry = Entry::for_tests(
            &[("cache-control", "max-age=1"), ("etag", "\"a\"")],
            b"12345",
        );
        assert!(entry.is_same_as(200, &map(&[("etag", "\"a\""), ("content-length", "5")])));
        assert!(entry.is_same_as(200, &map(&[])));
        assert!(!entry.is_same_as(200, &map(&[("etag", "\"b\"")])));
        assert!(!entry.is_same_as(200, &map(&[("content-length", "6")])));
        assert!(!entry.is_same_as(404, &map(&[])));
    }
}
