//! Fresh answers, served from the edge's bytes.

use std::sync::Arc;

use apiverse_cache::{Asked, Condition, Conditions, Entry, KeyWriter, StatusLine, Use};
use http::Method;
use httparse::Header;

use super::ask::{Ask, Lines};
use super::compiled::CompiledCache;
use super::now_ms;
use crate::call::CallRecord;
use crate::phases::Located;
use crate::snapshot::{ApiRecord, Plan};

/// A stored answer that the caller gets at once.
pub(crate) struct Hit {
    entry: Arc<Entry>,
    policy: Arc<CompiledCache>,
    is_head: bool,
    now_ms: i64,
}

/// A fresh answer to a plain request, or to one whose conditions it meets. Everything else takes
/// the way through [`super::open`], which also counts it.
pub(crate) fn hit(
    record: &CallRecord,
    api: &ApiRecord,
    plan: &Plan,
    host: &[u8],
    fields: &[Header<'_>],
    located: &Located<'_>,
) -> Option<Hit> {
    let policy = plan.cache.as_ref()?;
    let is_head = match record.method {
        Method::GET => false,
        Method::HEAD => true,
        _ => return None,
    };
    let gateway = &record.worker.gateway;
    let pairs = fields
        .iter()
        .map(|field| (field.name.as_bytes(), field.value));
    let ask = Ask::of(pairs, &gateway.config.own_cookies);
    let directives = ask.directives(policy);
    if ask.is_misleading || ask.is_for_origin || ask.has_range || directives.no_store {
        return None;
    }
    let lines = Lines(fields);
    let mut keys = record.worker.cache_keys.borrow_mut();
    let keys: &mut KeyWriter = &mut keys;
    let (scheme, host) = ask.origin(&record.peer, host);
    let marks = plan.marks();
    // An API with versions, or with a canary, takes the other way; so does a call that a transform
    // tells something of its key.
    let (version, told) = (&[0; 16], &[0; 16]);
    let space: [&[u8]; 6] = [
        &api.cache_space,
        &policy.digest,
        &marks,
        version,
        &[0],
        told,
    ];
    let query = located.query.and_then(crate::keys::without_our_keys);
    keys.begin(
        &space,
        (scheme, &host),
        located.rest,
        query.as_deref(),
        &lines,
        &policy.rules,
    );
    let asked = Asked {
        visitor: ask.visitor(record.key_id?.0.as_u128(), policy),
        directives,
        fields: &lines,
    };
    let now_ms = now_ms();
    let caches = &gateway.caches;
    let entry = caches
        .memory
        .find(keys, &asked, &policy.rules, now_ms)
        .entry?;
    if entry.assess(&directives, now_ms) != Use::Fresh {
        return None;
    }
    if ask.has_conditions && Conditions::of(&lines).check(&entry) == Condition::NotModified {
        return None;
    }
    caches.meters.hit.increment(1);
    Some(Hit {
        entry,
        policy: Arc::clone(policy),
        is_head,
        now_ms,
    })
}

/// Writes the answer's head but for its end, and notes the answer on the record. The body that
/// follows the head, if any.
pub(crate) fn write_hit(hit: &Hit, record: &mut CallRecord, out: &mut Vec<u8>) -> bytes::Bytes {
    let entry = &hit.entry;
    record.status = entry.status;
    record.refused = false;
    out.extend_from_slice(&entry.head);
    let freshness = &entry.freshness;
    out.extend_from_slice(b"age: ");
    push_number(out, freshness.age_ms(hit.now_ms) / 1000);
    out.extend_from_slice(b"\r\n");
    let line = StatusLine::hit(freshness.left_ms(hit.now_ms).div_euclid(1000));
    record.notes.cache = Some((line, record.since_us()));
    if hit.policy.cache_status {
        let mut text = String::with_capacity(48);
        line.write(&mut text);
        out.extend_from_slice(b"cache-status: ");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if hit.is_head {
        return bytes::Bytes::new();
    }
    record.bytes_out = entry.body.len() as u64;
    let meters = &record.worker.gateway.caches.meters;
    meters.served.increment(entry.body.len() as u64);
    entry.body.clone()
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    apiverse_limits::header::write_number(out, u64::try_from(number).unwrap_or(0));
}
