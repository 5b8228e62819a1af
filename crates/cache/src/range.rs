//! Parts of a stored answer (RFC 9110, 14).

use crate::conditional::is_same_strong;
use crate::date;
use crate::entry::Entry;
use crate::fields::RequestFields;

/// A part: from the first byte to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub from: usize,
    pub to: usize,
}

/// What a request wants of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranged {
    Whole,
    Part(Piece),
    /// It has no such part: 416.
    None,
}

impl Ranged {
    /// What `Range` and `If-Range` ask of a whole answer. More than one part, other units and what
    /// cannot be read are answered with the whole, as RFC 9110, 14.2 allows.
    #[must_use]
    pub fn of(fields: &dyn RequestFields, entry: &Entry) -> Self {
        let Some(range) = fields.combined("range") else {
            return Self::Whole;
        };
        if entry.status != 200 || !is_unchanged(fields, entry) {
            return Self::Whole;
        }
        part(&range, entry.body.len())
    }
}

/// `If-Range`: whether the caller's other parts are of the same answer.
fn is_unchanged(fields: &dyn RequestFields, entry: &Entry) -> bool {
    let Some(validator) = fields.combined("if-range") else {
        return true;
    };
    if let Some(etag) = entry.etag()
        && is_same_strong(&validator, etag.as_bytes())
    {
        return true;
    }
    let changed = entry.last_modified_s();
    // A date is strong only if the answer did not change within its second (RFC 9110, 8.8.2.2).
    let is_strong = changed.is_some_and(|changed| entry.date_s() - changed >= 1);
    is_strong && date::parse(&validator) == changed
}

fn part(range: &[u8], length: usize) -> Ranged {
    let Some(spec) = std::str::from_utf8(range)
        .ok()
        .and_then(|text| text.trim().strip_prefix("bytes="))
    else {
        return Ranged::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Ranged::Whole;
    };
    let number = |text: &str| -> Option<usize> {
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    match (first, last) {
        ("", last) => match number(last) {
            Some(0) => Ranged::None,
            Some(_) if length == 0 => Ranged::None,
            Some(count) => Ranged::Part(Piece {
                from: length - count.min(length),
                to: length,
            }),
            None => Ranged::Whole,
        },
        (first, last) => {
            let Some(from) = number(first) else {
                return Ranged::Whole;
            };
            let to = match last {
                "" => length,
                last => match number(last) {
                    Some(last) if last >= from => last.saturating_add(1).min(length),
                    _ => return Ranged::Whole,
                },
            };
            if from >= length {
                return Ranged::None;
            }
            Ranged::Part(Piece { from, to })
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_cut_out() {
        let piece = |from, to| Ranged::Part(Piece { from, to });
        for (range, expected) in [
            ("bytes=0-1", piece(0, 2)),
            ("bytes=1-", piece(1, 10)),
            ("bytes=-1", piece(9, 10)),
            ("bytes=-99", piece(0, 10)),
            ("bytes=9-99", piece(9, 10)),
            ("bytes=10-", Ranged::None),
            ("bytes=-0", Ranged::None),
            ("bytes=5-4", Ranged::Whole),
            ("bytes=0-1,3-4", Ranged::Whole),
            ("bytes=a-b", Ranged::Whole),
            ("lines=0-1", Ranged::Whole),
            ("bytes=", Ranged::Whole),
            ("bytes=+1-2", Ranged::Whole),
        ] {
            assert_eq!(part(range.as_bytes(), 10), expected, "{range}");
        }
    }

    #[test]
    fn parts_of_another_answer_are_not_added() {
        let changed = "Sun, 06 Nov 1994 08:49:37 GMT";
        let of = |etag: &'static str, if_range: &str| {
            let pairs = [
                ("cache-control", "max-age=9"),
                ("etag", etag),
                ("last-modified", changed),
            ];
            let entry = Entry::for_tests(&pairs, b"0123456789");
            let mut fields = HeaderMap::new();
            fields.insert("range", "bytes=0-0".parse().unwrap());
            fields.insert("if-range", if_range.parse().unwrap());
            Ranged::of(&fields, &entry) != Ranged::Whole
        };
        assert!(of("\"a\"", "\"a\""));
        assert!(of("\"a\"", changed));
        assert!(!of("\"a\"", "\"b\""));
        assert!(!of("W/\"a\"", "W/\"a\""), "weak tags say nothing of bytes");
        assert!(!of("\"a\"", "Mon, 07 Nov 1994 08:49:37 GMT"));
    }

    proptest! {
        #[test]
        fn parts_lie_within(range in "bytes=[0-9,-]{0,9}", length in 0usize..20) {
            if let Ranged::Part(Piece { from, to }) = part(range.as_bytes(), length) {
                prop_assert!(from < to && to <= length);
            }
        }
    }
}
