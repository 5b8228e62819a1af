//! An event as the journal holds it.
//!
//! Numbers are little-endian. Version 3: version, flags (1 byte each), status (2), lengths of
//! method, error code (1 each), request id, path (2 each), id, organization (16 each), start,
//! latency, bytes in, bytes out (8 each); then, as the flags say, API, key (16 each), time until
//! the upstream answered (8), route (16), calls that a verification counts for (4), the API's
//! version (16), what the cache did (1, always there), in version 4 tokens read and written (8 each);
//! then the texts. Without tokens a record is one of version 3. Version 2 had no cache,
//! version 1 neither route, verification nor version. A record of an older version
//! is read by every later version, as it may lie in a journal while the program is replaced.

use apiverse_contract::usage::{CacheState, Tokens};
use apiverse_contract::{
    ApiId, ErrorCode, KeyId, OrganizationId, RouteId, UsageEventId, VersionId,
};
use apiverse_store::UsageEvent;
use http::Method;
use uuid::Uuid;

const VERSION: u8 = 3;
const WITH_TOKENS: u8 = 4;
/// The first version that says what the cache did.
const WITH_CACHE: u8 = 3;
const OLDEST: u8 = 1;
const FIXED: usize = 74;
/// Longest path that is kept; the rest is cut off.
const MAX_PATH: usize = 2048;
/// The same for request ids and methods, which are bounded where they come from.
const MAX_REQUEST_ID: usize = 256;
const MAX_METHOD: usize = 64;

const HAS_API: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_UPSTREAM: u8 = 4;
const HAS_ERROR: u8 = 8;
const REFUSED: u8 = 16;
const HAS_ROUTE: u8 = 32;
const IS_VERIFICATION: u8 = 64;
const HAS_VERSION: u8 = 128;

/// One call, as it is over.
pub(crate) struct Event<'a> {
    pub(crate) id: UsageEventId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) api_id: Option<ApiId>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) request_id: &'a str,
    /// Microseconds since 1970.
    pub(crate) started_at_us: i64,
    pub(crate) method: &'a Method,
    /// Below the API, without the query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) latency_us: i64,
    pub(crate) upstream_us: Option<i64>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) refused: bool,
    pub(crate) route_id: Option<RouteId>,
    /// A verification, which counts for so many calls.
    pub(crate) verified: Option<u32>,
    /// `None`: `default`.
    pub(crate) version_id: Option<VersionId>,
    /// `None`: the call has nothing to do with the cache.
    pub(crate) cache: Option<CacheState>,
    pub(crate) tokens: Tokens,
}

/// An event that is about to be written: its texts are cut, its length is known.
pub(crate) struct Record<'a> {
    event: &'a Event<'a>,
    method: &'a str,
    error: &'a str,
    request_id: &'a str,
    path: &'a str,
}

impl<'a> Record<'a> {
    pub(crate) fn new(event: &'a Event<'a>) -> Self {
        Self {
            method: cut(event.method.as_str(), MAX_METHOD),
            error: event.error.map_or("", ErrorCode::as_str),
            request_id: cut(event.request_id, MAX_REQUEST_ID),
            path: cut(event.path, MAX_PATH),
            event,
        }
    }

    pub(crate) fn len(&self) -> usize {
        let event = self.event;
        let options = 16 * usize::from(event.api_id.is_some())
            + 16 * usize::from(event.key_id.is_some())
            + 8 * usize::from(event.upstream_us.is_some())
            + 16 * usize::from(event.route_id.is_some())
            + 4 * usize::from(event.verified.is_some())
            + 16 * usize::from(event.version_id.is_some())
            + 16 * usize::from(event.tokens.counted().is_some());
        let texts = self.method.len() + self.error.len() + self.request_id.len() + self.path.len();
        // And a byte for the cache.
        FIXED + 1 + options + texts
    }

    /// Writes the record into exactly [`Record::len`] bytes.
    pub(crate) fn write(&self, to: &mut [u8]) {
        let event = self.event;
        let flags = flag(HAS_API, event.api_id.is_some())
            | flag(HAS_KEY, event.key_id.is_some())
            | flag(HAS_UPSTREAM, event.upstream_us.is_some())
            | flag(HAS_ERROR, event.error.is_some())
            | flag(REFUSED, event.refused)
            | flag(HAS_ROUTE, event.route_id.is_some())
            | flag(IS_VERIFICATION, event.verified.is_some())
            | flag(HAS_VERSION, event.version_id.is_some());
        let mut to = Cursor(to);
        let tokens = event.tokens.counted();
        let version = tokens.map_or(VERSION, |_| WITH_TOKENS);
        to.put([version, flags]);
        to.put(event.status.to_le_bytes());
        // All are cut to less than their lengths can say.
        to.put([self.method.len() as u8, self.error.len() as u8]);
        to.put((self.request_id.len() as u16).to_le_bytes());
        to.put((self.path.len() as u16).to_le_bytes());
        to.put(*event.id.0.as_bytes());
        to.put(*event.organization_id.0.as_bytes());
        to.put(event.started_at_us.to_le_bytes());
        to.put(event.latency_us.to_le_bytes());
        to.put(event.bytes_in.to_le_bytes());
        to.put(event.bytes_out.to_le_bytes());
        if let Some(api) = event.api_id {
            to.put(*api.0.as_bytes());
        }
        if let Some(key) = event.key_id {
            to.put(*key.0.as_bytes());
        }
        if let Some(upstream_us) = event.upstream_us {
            to.put(upstream_us.to_le_bytes());
        }
        if let Some(route) = event.route_id {
            to.put(*route.0.as_bytes());
        }
        if let Some(calls) = event.verified {
            to.put(calls.to_le_bytes());
        }
        if let Some(version) = event.version_id {
            to.put(*version.0.as_bytes());
        }
        to.put([event.cache.map_or(0, CacheState::code)]);
        if let Some(tokens) = tokens {
            to.put(tokens.input.to_le_bytes());
            to.put(tokens.output.to_le_bytes());
        }
        to.put_text(self.method);
        to.put_text(self.error);
        to.put_text(self.request_id);
        to.put_text(self.path);
    }
}

/// Reads a record. `None`: it is none that this version understands.
pub(crate) fn decode(record: &[u8]) -> Option<UsageEvent<'_>> {
    let mut from = Reader(record);
    let [version, flags] = from.take()?;
    if !(OLDEST..=WITH_TOKENS).contains(&version) {
        return None;
    }
    let status = u16::from_le_bytes(from.take()?);
    let [method_len, error_len] = from.take()?;
    let request_id_len = u16::from_le_bytes(from.take()?);
    let path_len = u16::from_le_bytes(from.take()?);
    let id = UsageEventId(from.uuid()?);
    let organization_id = OrganizationId(from.uuid()?);
    let started_at_us = i64::from_le_bytes(from.take()?);
    let latency_us = i64::from_le_bytes(from.take()?);
    let bytes_in = u64::from_le_bytes(from.take()?);
    let bytes_out = u64::from_le_bytes(from.take()?);
    let has = |flag: u8| flags & flag != 0;
    let api_id = match has(HAS_API) {
        true => Some(ApiId(from.uuid()?)),
        false => None,
    };
    let key_id = match has(HAS_KEY) {
        true => Some(KeyId(from.uuid()?)),
        false => None,
    };
    let upstream_us = match has(HAS_UPSTREAM) {
        true => Some(i64::from_le_bytes(from.take()?)),
        false => None,
    };
    let route_id = match has(HAS_ROUTE) {
        true => Some(RouteId(from.uuid()?)),
        false => None,
    };
    let verified = match has(IS_VERIFICATION) {
        true => Some(i64::from(u32::from_le_bytes(from.take()?))),
        false => None,
    };
    let version_id = match has(HAS_VERSION) {
        true => Some(VersionId(from.uuid()?)),
        false => None,
    };
    let cache = match version {
        WITH_CACHE.. => CacheState::from_code(u8::from_le_bytes(from.take()?)),
        _ => None,
    };
    let tokens = match version {
        WITH_TOKENS.. => Tokens {
            input: u64::from_le_bytes(from.take()?),
            output: u64::from_le_bytes(from.take()?),
        },
        _ => Tokens::default(),
    };
    let method = from.text(method_len.into())?;
    let error = from.text(error_len.into())?;
    let request_id = from.text(request_id_len.into())?;
    let path = from.text(path_len.into())?;
    let stored = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    from.0.is_empty().then_some(UsageEvent {
        id,
        organization_id,
        api_id,
        key_id,
        request_id,
        started_at_us,
        method,
        path,
        status: status.into(),
        error_code: has(HAS_ERROR).then_some(error),
        latency_us,
        upstream_us,
        bytes_in: stored(bytes_in),
        bytes_out: stored(bytes_out),
        refused: has(REFUSED),
        route_id,
        verified,
        version_id,
        cache,
        tokens,
    })
}

fn flag(flag: u8, is_set: bool) -> u8 {
    if is_set { flag } else { 0 }
}

/// At most `max` bytes of `text`, ending between characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Where the next bytes go. There is always room: the length was asked for before.
struct Cursor<'a>(&'a mut [u8]);

impl Cursor<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((first, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut() {
            *first = bytes;
            self.0 = rest;
        }
    }

    fn put_text(&mut self, text: &str) {
        if let Some((first, rest)) = std::mem::take(&mut self.0).split_at_mut_checked(text.len()) {
            first.copy_from_slice(text.as_bytes());
            self.0 = rest;
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }

    fn text(&mut self, len: usize) -> Option<&'a str> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(first).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(event: &Event<'_>) -> Vec<u8> {
        let record = Record::new(event);
        let mut bytes = vec![0xff; record.len()];
        record.write(&mut bytes);
        bytes
    }

    fn event<'a>(request_id: &'a str, path: &'a str, method: &'a Method) -> Event<'a> {
        Event {
            id: UsageEventId(Uuid::from_u128(1)),
            organization_id: OrganizationId(Uuid::from_u128(2)),
            api_id: None,
            key_id: None,
            request_id,
            started_at_us: -5,
            method,
            path,
            status: 502,
            error: Some(ErrorCode::UpstreamUnreachable),
            latency_us: i64::MAX,
            upstream_us: None,
            bytes_in: u64::MAX,
            bytes_out: 2,
            refused: true,
            route_id: None,
            verified: None,
            version_id: None,
            cache: None,
            tokens: Tokens::default(),
        }
    }

    #[test]
    fn an_event_comes_back() {
        let mut whole = event("r-1", "/ä", &Method::DELETE);
        for optional in [false, true] {
            if optional {
                whole.api_id = Some(ApiId(Uuid::from_u128(3)));
                whole.key_id = Some(KeyId(Uuid::from_u128(4)));
                whole.upstream_us = Some(-1);
                whole.error = None;
                whole.refused = false;
                whole.route_id = Some(RouteId(Uuid::from_u128(5)));
                whole.verified = Some(u32::MAX);
                whole.version_id = Some(VersionId(Uuid::from_u128(5)));
                whole.cache = Some(CacheState::Stale);
                whole.tokens = Tokens {
                    input: 7,
                    output: u64::MAX,
                };
            }
            let bytes = written(&whole);
            let back = decode(&bytes).unwrap();
            assert_eq!(back.id, whole.id);
            assert_eq!(back.organization_id, whole.organization_id);
            assert_eq!((back.api_id, back.key_id), (whole.api_id, whole.key_id));
            assert_eq!((back.request_id, back.path), ("r-1", "/ä"));
            assert_eq!((back.method, back.status), ("DELETE", 502));
            assert_eq!(back.error_code, whole.error.map(ErrorCode::as_str));
            assert_eq!(back.started_at_us, -5);
            assert_eq!(back.latency_us, i64::MAX);
            assert_eq!(back.upstream_us, whole.upstream_us);
            assert_eq!((back.bytes_in, back.bytes_out), (i64::MAX, 2));
            assert_eq!(back.refused, whole.refused);
            assert_eq!(back.route_id, whole.route_id);
            assert_eq!(back.verified, whole.verified.map(i64::from));
            assert_eq!(back.version_id, whole.version_id);
            assert_eq!(back.cache, whole.cache);
            assert_eq!(back.tokens, whole.tokens);
        }
    }

    #[test]
    fn records_of_the_versions_before_are_read() {
        let mut bytes = written(&event("r-1", "/a", &Method::GET));
        // They had no byte for the cache.
        let cache = bytes.remove(FIXED);
        assert_eq!(cache, 0);
        for version in [1, 2] {
            bytes[0] = version;
            let back = decode(&bytes).unwrap();
            assert_eq!(
                (back.path, back.route_id, back.verified, back.cache),
                ("/a", None, None, None)
            );
        }
        bytes[0] = WITH_TOKENS + 1;
        assert_eq!(decode(&bytes), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(40_000);
        let method = Method::from_bytes("X".repeat(300).as_bytes()).unwrap();
        let bytes = written(&event(&long, &long, &method));
        let back = decode(&bytes).unwrap();
        assert_eq!(back.path, "ä".repeat(MAX_PATH / 2));
        assert_eq!(back.request_id, "ä".repeat(MAX_REQUEST_ID / 2));
        assert_eq!(back.method, "X".repeat(MAX_METHOD));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut bytes in prop::collection::vec(any::<u8>(), 0..400), ours in any::<bool>()) {
            if let (true, Some(first)) = (ours, bytes.first_mut()) {
                *first = VERSION + *first % 2;
            }
            let _ = decode(&bytes);
        }

        #[test]
        fn a_cut_record_is_none(keep in any::<prop::sample::Index>()) {
            let bytes = written(&event("r-1", "/path", &Method::GET));
            prop_assert_eq!(decode(&bytes[..keep.index(bytes.len())]), None);
        }
    }
}
