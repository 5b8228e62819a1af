//! Where an answer is stored: the parts of the key that a call has.

use apiverse_cache::KeyWriter;
use http::{HeaderMap, HeaderValue, request};

use super::ask::Ask;
use super::compiled::CompiledCache;
use crate::call::CallRecord;
use crate::phases::{Located, original_host};
use crate::snapshot::{ApiRecord, Plan};
use crate::targets::Caller;

/// Unlike for any other version of the API, and for the same at another address.
fn version_mark(record: &CallRecord) -> [u8; 16] {
    let Some(version) = &record.version else {
        return [0; 16];
    };
    let mut hash = blake3::Hasher::new();
    hash.update(version.name.as_bytes());
    if let Some(target) = &version.target {
        // Between texts, as neither has it.
        for part in [
            target.scheme.as_str(),
            target.authority.as_str(),
            &target.base_path,
        ] {
            hash.update(&[0]);
            hash.update(part.as_bytes());
        }
    }
    let hash = hash.finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Callers of a canary get what the canary's targets answer, and no other caller does.
fn part_mark(record: &CallRecord, api: &ApiRecord, plan: &Plan, headers: &HeaderMap) -> [u8; 1] {
    let is_canary = plan.upstream.as_ref().is_some_and(|targets| {
        targets.has_canary() && targets.is_canary(api.id, &Caller::of(record, headers))
    });
    [u8::from(is_canary)]
}

/// The path below the API with the query, without our key. An empty path is the root's.
pub(super) fn below(located: &Located<'_>) -> String {
    let path = if located.rest.is_empty() {
        "/"
    } else {
        located.rest
    };
    match located.query.and_then(crate::keys::without_our_keys) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

pub(super) fn keys(
    record: &CallRecord,
    api: &ApiRecord,
    plan: &Plan,
    policy: &CompiledCache,
    ask: &Ask,
    parts: &request::Parts,
    located: &Located<'_>,
) -> KeyWriter {
    let mut keys = KeyWriter::default();
    let host = original_host(parts);
    let host = host.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let (scheme, host) = ask.origin(&record.peer, host);
    let key = record.key_id.map_or(0, |id| id.0.as_u128());
    // What else is done to a request decides what the upstream answers.
    let marks = plan.marks();
    let version = version_mark(record);
    let part = part_mark(record, api, plan, &parts.headers);
    let told = match &plan.request_transform {
        Some(change) if change.policy.tells_key() => key.to_le_bytes(),
        _ => [0; 16],
    };
    let api_space = &api.cache_space;
    let space: [&[u8]; 6] = [api_space, &policy.digest, &marks, &version, &part, &told];
    let query = located.query.and_then(crate::keys::without_our_keys);
    keys.begin(
        &space,
        (scheme, &host),
        located.rest,
        query.as_deref(),
        &parts.headers,
        &policy.rules,
    );
    keys
}
