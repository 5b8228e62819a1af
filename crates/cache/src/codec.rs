//! A stored answer as bytes, for nodes that share one.
//!
//! Numbers are little-endian; texts have their length before them. The first byte is the version:
//! what another version wrote is not read.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::entry::Entry;
use crate::freshness::Freshness;
use crate::key::Audience;
use crate::selection::Selecting;

const VERSION: u8 = 1;
const EXPLICIT: u8 = 1;
const NO_CACHE: u8 = 2;
const MUST_REVALIDATE: u8 = 4;
const FOR_ALL: u8 = 8;
const HAS_KEY: u8 = 16;
const HAS_COOKIES: u8 = 32;
const HAS_LANGUAGE: u8 = 64;

/// The bytes are not a stored answer of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored answer")]
pub struct DecodeError;

/// Appends an answer.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let freshness = &entry.freshness;
    let audience = &entry.audience;
    let language = &entry.selecting.language;
    let flags = flag(EXPLICIT, freshness.is_explicit)
        | flag(NO_CACHE, freshness.no_cache)
        | flag(MUST_REVALIDATE, freshness.must_revalidate)
        | flag(FOR_ALL, entry.is_for_all)
        | flag(HAS_KEY, audience.key.is_some())
        | flag(HAS_COOKIES, audience.cookies.is_some())
        | flag(HAS_LANGUAGE, language.is_some());
    out.extend_from_slice(&[VERSION, flags]);
    out.extend_from_slice(&entry.status.to_le_bytes());
    for time in [
        freshness.came_ms,
        freshness.initial_age_ms,
        freshness.lifetime_ms,
        freshness.while_revalidate_ms,
        freshness.if_error_ms,
    ] {
        out.extend_from_slice(&time.to_le_bytes());
    }
    out.extend_from_slice(&audience.key.unwrap_or_default().to_le_bytes());
    out.extend_from_slice(&audience.cookies.unwrap_or_default());
    out.extend_from_slice(&entry.selecting.digest);
    out.extend_from_slice(&entry.rest);
    put(out, language.as_deref().unwrap_or_default().as_bytes());
    put(out, entry.path.as_bytes());
    put_count(out, entry.selecting.names.len());
    for name in &entry.selecting.names {
        put(out, name.as_str().as_bytes());
    }
    put_count(out, entry.tags.len());
    for tag in &entry.tags {
        put(out, tag.as_bytes());
    }
    put_count(out, entry.headers.len());
    for (name, value) in &entry.headers {
        put(out, name.as_str().as_bytes());
        put(out, value.as_bytes());
    }
    out.extend_from_slice(&entry.body);
}

/// Reads an answer. It is not prepared for the memory yet.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    read(bytes).ok_or(DecodeError)
}

fn read(bytes: &[u8]) -> Option<Entry> {
    let mut from = From(bytes);
    let [version, flags] = from.array()?;
    if version != VERSION {
        return None;
    }
    let has = |flag: u8| flags & flag != 0;
    let status = u16::from_le_bytes(from.array()?);
    if !(200..600).contains(&status) {
        return None;
    }
    let mut times = [0; 5];
    for time in &mut times {
        *time = i64::from_le_bytes(from.array()?);
    }
    let [
        came_ms,
        initial_age_ms,
        lifetime_ms,
        while_revalidate_ms,
        if_error_ms,
    ] = times;
    let key = u128::from_le_bytes(from.array()?);
    let cookies = from.array()?;
    let digest = from.array()?;
    let rest = from.array()?;
    let language = from.text()?;
    let path = from.text()?;
    let mut names = Vec::new();
    for _ in 0..from.count()? {
        names.push(HeaderName::from_bytes(from.take()?).ok()?);
    }
    let mut tags: Vec<Box<str>> = Vec::new();
    for _ in 0..from.count()? {
        tags.push(from.text()?.into());
    }
    let mut headers = HeaderMap::new();
    for _ in 0..from.count()? {
        let name = HeaderName::from_bytes(from.take()?).ok()?;
        let value = HeaderValue::from_bytes(from.take()?).ok()?;
        headers.append(name, value);
    }
    let freshness = Freshness {
        came_ms,
        initial_age_ms,
        lifetime_ms,
        is_explicit: has(EXPLICIT),
        no_cache: has(NO_CACHE),
        must_revalidate: has(MUST_REVALIDATE),
        while_revalidate_ms,
        if_error_ms,
    };
    let audience = Audience {
        key: has(HAS_KEY).then_some(key),
        cookies: has(HAS_COOKIES).then_some(cookies),
    };
    let selecting = Selecting {
        names: names.into(),
        digest,
        language: has(HAS_LANGUAGE).then(|| language.into()),
    };
    let draft = Entry::draft(
        status,
        headers,
        freshness,
        audience,
        has(FOR_ALL),
        selecting,
        rest,
        tags.into(),
        path,
    );
    Some(draft.with_body(Bytes::copy_from_slice(from.0)))
}

const fn flag(flag: u8, is_set: bool) -> u8 {
    if is_set { flag } else { 0 }
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    put_count(out, text.len());
    out.extend_from_slice(text);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

struct From<'a>(&'a [u8]);

impl<'a> From<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.take()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> Entry {
        Entry::for_tests(
            &[
                ("cache-control", "max-age=9, stale-while-revalidate=3"),
                ("vary", "accept-language, x"),
                ("content-language", "de"),
                ("cache-tag", "a b"),
                ("etag", "\"1\""),
            ],
            b"body",
        )
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut out = Vec::new();
        encode(entry, &mut out);
        out
    }

    #[test]
    fn an_answer_comes_back() {
        let stored = entry();
        let back = decode(&encoded(&stored)).unwrap();
        assert_eq!(back.headers, stored.headers);
        assert_eq!(back.body, stored.body);
        assert_eq!(back.head, stored.head);
        assert_eq!(back.freshness, stored.freshness);
        assert_eq!(back.audience, stored.audience);
        assert_eq!(back.selecting, stored.selecting);
        assert_eq!(
            (back.rest, back.tags, back.path),
            (stored.rest, stored.tags, stored.path)
        );
    }

    #[test]
    fn other_nodes_find_the_variant_and_know_its_purges() {
        use crate::purge::{Purge, What};
        use crate::selection::variant_of;
        let mut stored = entry();
        stored.api = 5;
        let mut back = decode(&encoded(&stored)).unwrap();
        back.api = 5;
        let request = HeaderMap::new();
        let same = variant_of(&back.varies_by(), &request);
        assert_eq!(same, Some(stored.variant()));
        let mut other = HeaderMap::new();
        other.insert("x", HeaderValue::from_static("1"));
        assert_ne!(variant_of(&back.varies_by(), &other), same);
        assert_ne!(variant_of("", &request), same);
        assert_eq!(variant_of("not a name", &request), None);
        for what in [
            What::All,
            What::Path("/x".to_owned()),
            What::Address("/x".to_owned()),
            What::Prefix("/".to_owned()),
            What::Tag("a".to_owned()),
        ] {
            let purge = Purge { api: 5, what };
            assert!(back.signs().contains(&purge.sign()), "{purge:?}");
        }
        assert_eq!(back.signs(), stored.signs());
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_an_error_or_an_answer(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = encoded(&entry());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..cut.index(bytes.len())]);
        }
    }
}
