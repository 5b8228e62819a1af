//! Keys. They are whole texts, not hashes: two requests share an answer only if all that is in the
//! key is equal.

use crate::fields::RequestFields;
use crate::rules::Rules;

/// Whose an answer is. An answer is found again only by who is in its audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Audience {
    /// The API key it was given to; `None`: whoever may call the API.
    pub key: Option<u128>,
    /// The digest of the cookies it was given for; `None`: without cookies.
    pub cookies: Option<[u8; 16]>,
}

impl Audience {
    pub const ANYONE: Self = Self {
        key: None,
        cookies: None,
    };
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The API key.
    pub key: u128,
    pub cookies: Option<[u8; 16]>,
    /// The upstream gets credentials of the caller's own (`Authorization`).
    pub is_authorized: bool,
}

impl Visitor {
    /// `cookies`: what is passed on of `Cookie`.
    #[must_use]
    pub fn new(key: u128, cookies: Option<&[u8]>, is_authorized: bool, rules: &Rules) -> Self {
        let cookies = cookies.filter(|_| !rules.ignore_cookies);
        Self {
            key,
            cookies: cookies.map(digest),
            is_authorized,
        }
    }

    /// Whether the caller is in an audience.
    #[must_use]
    pub fn is_in(&self, audience: &Audience, rules: &Rules) -> bool {
        self.audiences(rules).contains(&Some(*audience))
    }

    /// The narrowest audience that the caller is in, which is where its answer goes unless the
    /// answer may be shared.
    #[must_use]
    pub fn own(&self, rules: &Rules) -> Audience {
        Audience {
            key: (!rules.shared).then_some(self.key),
            cookies: self.cookies,
        }
    }

    /// Where to look for an answer, the narrowest first. Who brings credentials of its own gets
    /// only what is for everybody: an answer to nobody in particular could be another one than
    /// the upstream would give to it.
    #[must_use]
    pub fn audiences(&self, rules: &Rules) -> [Option<Audience>; 3] {
        if self.is_authorized {
            return [Some(Audience::ANYONE), None, None];
        }
        let own = self.own(rules);
        let without_cookies = Audience {
            cookies: None,
            ..own
        };
        let mut all = [Some(own), Some(without_cookies), Some(Audience::ANYONE)];
        if own == without_cookies {
            all[1] = None;
        }
        if own == Audience::ANYONE || without_cookies == Audience::ANYONE {
            all[2] = None;
        }
        if own == Audience::ANYONE {
            all = [Some(own), None, None];
        }
        all
    }
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(bytes);
    let (half, _) = hash.as_bytes().split_at(16);
    half.try_into().unwrap_or_default()
}

/// Writes keys into a buffer that is used again.
#[derive(Debug, Default)]
pub struct KeyWriter {
    bytes: Vec<u8>,
    /// Where the part begins that is the same for every audience.
    common: usize,
}

impl KeyWriter {
    /// Begins with what all audiences share. `space`, whose parts have fixed lengths, is unlike
    /// that of every other API, and changes with whatever makes older answers worthless; `origin` is the scheme and host the
    /// caller asked for, which the upstream is told and may answer by; `path` and `query` are as
    /// the upstream gets them.
    pub fn begin(
        &mut self,
        space: &[&[u8]],
        origin: (&str, &[u8]),
        path: &str,
        query: Option<&str>,
        fields: &dyn RequestFields,
        rules: &Rules,
    ) {
        let bytes = &mut self.bytes;
        bytes.clear();
        bytes.extend_from_slice(&[0; AUDIENCE_LEN]);
        self.common = bytes.len();
        for part in space {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(origin.0.as_bytes());
        bytes.push(b'\n');
        bytes.extend(origin.1.iter().map(u8::to_ascii_lowercase));
        bytes.push(b'\n');
        bytes.extend_from_slice(path.as_bytes());
        if let Some(query) = query {
            bytes.push(b'?');
            rules.key.query.write(query, bytes);
        }
        for name in &rules.key.headers {
            // Values have no line ends, so that one cannot pass for two.
            bytes.push(b'\n');
            if let Some(value) = fields.combined(name.as_str()) {
                bytes.push(b'=');
                bytes.extend_from_slice(&value);
            }
        }
    }

    /// The key for an audience.
    pub fn key(&mut self, audience: &Audience) -> &[u8] {
        let head: &mut [u8] = &mut self.bytes[..AUDIENCE_LEN];
        head.fill(0);
        if let Some(key) = audience.key {
            head[0] |= 1;
            head[1..17].copy_from_slice(&key.to_be_bytes());
        }
        if let Some(cookies) = &audience.cookies {
            head[0] |= 2;
            head[17..].copy_from_slice(cookies);
        }
        &self.bytes
    }

    /// The part that is the same for every audience.
    #[must_use]
    pub fn common(&self) -> &[u8] {
        &self.bytes[self.common..]
    }
}

const AUDIENCE_LEN: usize = 33;

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn rules(shared: bool) -> Rules {
        Rules {
            shared,
            ..Rules::default()
        }
    }

    #[test]
    fn who_finds_what() {
        let count = |visitor: Visitor, shared| {
            visitor
                .audiences(&rules(shared))
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        let plain = Visitor::new(7, None, false, &rules(false));
        assert_eq!(count(plain, false).len(), 2);
        assert_eq!(count(plain, true), [Audience::ANYONE]);
        let cookies = Visitor::new(7, Some(b"a=1"), false, &rules(false));
        assert_eq!(count(cookies, false).len(), 3);
        assert_eq!(count(cookies, true).len(), 2);
        let authorized = Visitor::new(7, Some(b"a=1"), true, &rules(false));
        assert_eq!(count(authorized, false), [Audience::ANYONE]);
    }

    proptest! {
        /// Requests that differ in anything have different keys.
        #[test]
        fn keys_are_unlike(
            one in ("(http|https)", "[a-c.]{0,3}", "/[a-b]{0,3}", proptest::option::of("[a-b=&]{0,4}"), proptest::option::of("[a-b]{0,2}"), 0u128..3),
            other in ("(http|https)", "[a-c.]{0,3}", "/[a-b]{0,3}", proptest::option::of("[a-b=&]{0,4}"), proptest::option::of("[a-b]{0,2}"), 0u128..3),
        ) {
            type Parts = (String, String, String, Option<String>, Option<String>, u128);
            let write = |parts: &Parts| {
                let mut rules = rules(false);
                rules.key.headers = vec!["x-tier".parse().unwrap()];
                let mut fields = HeaderMap::new();
                if let Some(tier) = &parts.4 {
                    fields.insert("x-tier", tier.parse().unwrap());
                }
                let mut writer = KeyWriter::default();
                let origin = (parts.0.as_str(), parts.1.as_bytes());
                writer.begin(&[&[1; 16]], origin, &parts.2, parts.3.as_deref(), &fields, &rules);
                writer.key(&Audience { key: Some(parts.5), cookies: None }).to_vec()
            };
            prop_assert_eq!(write(&one) == write(&other), one == other);
        }
    }
}
