//! From a caller's head to the upstream's, in one step that waits for nothing.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use httparse::Header;

use super::field::{Field, tokens};
use super::lines::{Lines, push_field};
use super::request::{Framing, Head};
use crate::cache::{self, Hit};
use crate::call::{CallRecord, unix_micros};
use crate::grpc;
use crate::keys::{Candidate, IdentifyError, bearer_of_ours, missing};
use crate::limits::{Step, Taking, Wait};
use crate::peer::Peer;
use crate::phases::{self, Applied, Identified, InvalidPath, Located, MAX_PASSES, Met, Refusal};
use crate::snapshot::{ApiRecord, AuthPlan, Plan, Wanted};
use crate::worker::Worker;

/// What is to be done with a call.
pub(super) enum Prepared {
    /// The upstream's head is written; the exchange can begin.
    Forward(Forward),
    Refuse {
        record: Box<CallRecord>,
        refusal: Refusal,
    },
    /// It is answered from the cache.
    Hit {
        record: Box<CallRecord>,
        hit: Hit,
        by_query: bool,
    },
    /// The cache has to do with it: it takes the phases that know of policies.
    Through(Box<Through>),
    /// Its limits have to be waited for; prepare it again after that. Nothing was counted or
    /// recorded.
    Wait(Wait),
    /// Its key has to be read; prepare it again after that. The same holds.
    Read(Wanted),
    /// The path that knows all of HTTP has to take it. Nothing was counted or recorded.
    General,
}

/// A call without a body that goes through the cache.
pub(super) struct Through {
    pub(super) record: Box<CallRecord>,
    pub(super) api: Arc<ApiRecord>,
    pub(super) parts: Parts,
    pub(super) by_query: bool,
}

/// A call on its way upstream.
pub(super) struct Forward {
    pub(super) record: Box<CallRecord>,
    pub(super) api: Arc<ApiRecord>,
    pub(super) framing: Framing,
    /// The key came in the address.
    pub(super) by_query: bool,
    /// The API's OAuth token that was sent along.
    pub(super) token: Option<HeaderValue>,
}

/// What earlier attempts for the same head have come to.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) taking: Taking,
    /// The key could not be read.
    pub(super) is_key_unread: bool,
}

/// Prepares a call; see [`prepare_plain`].
pub(super) fn prepare(
    worker: &Rc<Worker>,
    peer: &Rc<Peer>,
    head: &Head<'_, '_>,
    out: &mut Vec<u8>,
    earlier: &mut Earlier,
) -> Prepared {
    let field = |wanted: &str| {
        let mut fields = head.fields.iter();
        fields.find(|field| field.name.eq_ignore_ascii_case(wanted))
    };
    // A browser asks whether it may call; the key comes with the call.
    if head.method == "OPTIONS" && field("access-control-request-method").is_some() {
        return Prepared::General;
    }
    let mut prepared = prepare_plain(worker, peer, head, out, earlier);
    if let Prepared::Refuse { record, .. } = &mut prepared {
        record.origin = field("origin").and_then(|field| HeaderValue::from_bytes(field.value).ok());
    }
    prepared
}

/// Runs the phases up to the exchange and writes the upstream's head into `out`, which is empty.
fn prepare_plain(
    worker: &Rc<Worker>,
    peer: &Rc<Peer>,
    head: &Head<'_, '_>,
    out: &mut Vec<u8>,
    earlier: &mut Earlier,
) -> Prepared {
    let facts = Facts::gather(head.fields);
    let started_us = unix_micros();
    let unix_ms = u64::try_from(started_us / 1000).unwrap_or(0);
    let request_id = match facts.request_id {
        Some(id) if phases::is_request_id(id) => HeaderValue::from_bytes(id).ok(),
        _ => None,
    };
    let (Ok(method), Ok(target)) = (
        Method::from_bytes(head.method.as_bytes()),
        PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(head.target.as_bytes())),
    ) else {
        return Prepared::General;
    };
    let address = target.clone();
    let Some(located) = phases::locate(&address) else {
        return Prepared::General;
    };
    if !earlier.is_key_unread {
        let snapshot = worker.gateway.loader.current();
        let offered = facts.offered();
        let wanted = missing(worker, peer, &snapshot, &located, &offered, started_us);
        if let Some(wanted) = wanted {
            return Prepared::Read(wanted);
        }
    }
    let mut record = CallRecord::begin(
        Rc::clone(worker),
        Rc::clone(peer),
        request_id.unwrap_or_else(|| phases::new_request_id(unix_ms)),
        method,
        target,
        located.below,
        started_us,
    );
    record.begin_trace(facts.trace);

    if let Some(content_type) = facts.content_type {
        record.grpc = grpc::Kind::of(content_type);
    }
    let identified = {
        let snapshot = worker.gateway.loader.current();
        let trusted = &worker.gateway.config.trusted_proxies;
        phases::identify(&mut record, &snapshot, &located, facts.offered(), |peer| {
            client_address(peer, head.fields, trusted)
        })
    };
    let identified = match identified {
        Ok(identified) => identified,
        Err(Refusal::Key(IdentifyError::Invalid)) if earlier.is_key_unread => {
            let refusal = Refusal::KeyUnread;
            return Prepared::Refuse { record, refusal };
        }
        Err(refusal) => return Prepared::Refuse { record, refusal },
    };
    if let Err(refusal) = phases::authorize(&identified, &record.method) {
        return Prepared::Refuse { record, refusal };
    }
    record.notes.admitted_us = Some(record.since_us());
    let met = {
        let snapshot = worker.gateway.loader.current();
        let (key, api) = (&identified.key, &identified.api);
        phases::meet(&snapshot, key, api, &record.method, record.path())
    };
    if let Err(refusal) = met.within_budgets(&identified.key, &identified.api, started_us) {
        return Prepared::Refuse { record, refusal };
    }
    if identified.api.versions.is_some() {
        record.discard();
        return Prepared::General;
    }
    let api = Arc::clone(&identified.api);
    let by_query = identified.by_query;
    if let Some(plan) = met.plan(&identified.key, &identified.api, None) {
        let is_plain =
            head.framing == Framing::None && matches!(record.method, Method::GET | Method::HEAD);
        if !is_plain || !plan.is_cache_only() {
            record.discard();
            return Prepared::General;
        }
        return match limit(record, head.fields, &identified, &met, &mut earlier.taking) {
            Limited::Free(record) => cached(record, api, plan, by_query, head, &located),
            Limited::Refused { record, refusal } => Prepared::Refuse { record, refusal },
            Limited::Wait(wait) => Prepared::Wait(wait),
        };
    }
    let Some(target) = &api.target else {
        let refusal = Refusal::NoTarget;
        return Prepared::Refuse { record, refusal };
    };
    if target.origin.tls || target.is_grpc || record.grpc == grpc::Kind::Grpc {
        record.discard();
        return Prepared::General;
    }
    let token = match token(worker, &api) {
        Token::None => None,
        Token::Known(token) => Some(token),
        Token::Unknown => {
            record.discard();
            return Prepared::General;
        }
        Token::Refused(refusal) => return Prepared::Refuse { record, refusal },
    };
    // After all that gives the call away, which would take it a second time.
    let record = match limit(record, head.fields, &identified, &met, &mut earlier.taking) {
        Limited::Free(record) => record,
        Limited::Refused { record, refusal } => return Prepared::Refuse { record, refusal },
        Limited::Wait(wait) => return Prepared::Wait(wait),
    };
    let limit = api.limits.max_body;
    if matches!(head.framing, Framing::Length(length) if length > limit) {
        let refusal = Refusal::Body { limit };
        return Prepared::Refuse { record, refusal };
    }
    let in_query = match &api.auth {
        AuthPlan::Query { name, value } => Some((&**name, value)),
        _ => None,
    };
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    if let Err(error) = phases::write_address(out, target, &located, in_query) {
        let refusal = error.into();
        return Prepared::Refuse { record, refusal };
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    push_field(out, b"host", target.host.as_bytes());
    let credential: Option<(&HeaderName, &HeaderValue)> = match (&api.auth, &token) {
        (AuthPlan::Header { name, value }, _) => Some((name, value)),
        (AuthPlan::Oauth2 { .. }, Some(token)) => Some((&http::header::AUTHORIZATION, token)),
        _ => None,
    };
    if let Err(refusal) = write_fields(out, &record, head, &facts, credential) {
        return Prepared::Refuse { record, refusal };
    }
    Prepared::Forward(Forward {
        record,
        framing: head.framing,
        by_query,
        token,
        api,
    })
}

/// What the limits say.
enum Limited {
    Free(Box<CallRecord>),
    Refused {
        record: Box<CallRecord>,
        refusal: Refusal,
    },
    Wait(Wait),
}

fn limit(
    mut record: Box<CallRecord>,
    fields: &[Header<'_>],
    identified: &Identified,
    met: &Met,
    taking: &mut Taking,
) -> Limited {
    let worker = Rc::clone(&record.worker);
    let gateway = &worker.gateway;
    let trusted = &gateway.config.trusted_proxies;
    let address = |peer: &Peer| client_address(peer, fields, trusted);
    let Some((set, caller)) = phases::limit(&record, identified, met, address) else {
        return Limited::Free(record);
    };
    let now = gateway.limiter.began(&record);
    let step = taking.attempt(gateway, &set, &caller, 1, now);
    record.limits = Some(set);
    match step {
        Step::Taken(grant) => record.grant = Some(grant),
        Step::Refused(refusal) => {
            let refusal = refusal.into();
            return Limited::Refused { record, refusal };
        }
        Step::Wait(wait) => {
            record.discard();
            return Limited::Wait(wait);
        }
    }
    record.notes.limited_us = Some(record.since_us());
    Limited::Free(record)
}

/// A call that only the cache has to do with.
fn cached(
    mut record: Box<CallRecord>,
    api: Arc<ApiRecord>,
    plan: Plan,
    by_query: bool,
    head: &Head<'_, '_>,
    located: &Located<'_>,
) -> Prepared {
    if let Some(hit) = cache::hit(&record, &api, &plan, head.host, head.fields, located) {
        return Prepared::Hit {
            record,
            hit,
            by_query,
        };
    }
    let Some(parts) = parts(head, &record) else {
        let refusal = Refusal::Path(InvalidPath);
        return Prepared::Refuse { record, refusal };
    };
    record.applied = Some(Rc::new(Applied::new(plan, None, by_query)));
    Prepared::Through(Box::new(Through {
        record,
        api,
        parts,
        by_query,
    }))
}

/// The head in the form of the phases that know of policies.
fn parts(head: &Head<'_, '_>, record: &CallRecord) -> Option<Parts> {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = record.method.clone();
    parts.uri = http::Uri::from(record.target.clone());
    parts.headers.reserve(head.fields.len());
    for field in head.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        parts.headers.append(name, value);
    }
    Some(parts)
}

/// What the phases ask about a head, found in one pass.
#[derive(Default)]
struct Facts<'b> {
    api_key: Option<&'b [u8]>,
    api_keys: usize,
    /// A bearer token that looks like a key of ours.
    bearer: Option<&'b [u8]>,
    /// An `Authorization` that no upstream may see.
    is_authorization_ours: bool,
    /// `None` also when there are several.
    request_id: Option<&'b [u8]>,
    request_ids: usize,
    trace: Option<&'b [u8]>,
    traces: usize,
    content_type: Option<&'b [u8]>,
}

impl<'b> Facts<'b> {
    fn gather(fields: &[Header<'b>]) -> Self {
        let mut facts = Self::default();
        for field in fields {
            match Field::of_request(field.name.as_bytes()) {
                Field::ApiKey => {
                    facts.api_key = Some(field.value);
                    facts.api_keys += 1;
                }
                Field::Authorization => {
                    if let Some(token) = bearer_of_ours(field.value) {
                        facts.is_authorization_ours = true;
                        if facts.bearer.is_none() {
                            facts.bearer = token;
                        }
                    }
                }
                Field::RequestId => {
                    facts.request_ids += 1;
                    facts.request_id = (facts.request_ids == 1).then_some(field.value);
                }
                Field::TraceParent => {
                    facts.traces += 1;
                    facts.trace = (facts.traces == 1).then_some(field.value);
                }
                Field::ContentType => facts.content_type = Some(field.value),
                _ => {}
            }
        }
        facts
    }

    fn offered(&self) -> Candidate<'b> {
        match (self.api_key, self.api_keys, self.bearer) {
            (Some(key), 1, _) => Candidate::Text(key),
            (Some(_), ..) => Candidate::Ambiguous,
            (None, _, Some(token)) => Candidate::Text(token),
            (None, _, None) => Candidate::None,
        }
    }
}

enum Token {
    /// The API needs none.
    None,
    Known(HeaderValue),
    /// It has to be fetched.
    Unknown,
    Refused(Refusal),
}

fn token(worker: &Worker, api: &ApiRecord) -> Token {
    let version = match &api.auth {
        AuthPlan::Oauth2 { version, .. } => *version,
        AuthPlan::Unreadable => return Token::Refused(Refusal::Credentials),
        AuthPlan::None | AuthPlan::Header { .. } | AuthPlan::Query { .. } => return Token::None,
    };
    let cached = worker
        .gateway
        .tokens
        .cached(api.id.0, version, Instant::now());
    let Some(token) = cached else {
        return Token::Unknown;
    };
    match phases::bearer_value(&token) {
        Ok(value) => Token::Known(value),
        Err(refusal) => Token::Refused(refusal),
    }
}

/// See [`Peer::client_address`]; the fields it reads are copied only when they are believed.
fn client_address(peer: &Peer, fields: &[Header<'_>], trusted: &[ipnet::IpNet]) -> IpAddr {
    let mut headers = HeaderMap::new();
    if peer.is_trusted {
        for field in fields {
            let kind = Field::of_request(field.name.as_bytes());
            if matches!(kind, Field::ForwardedFor | Field::Forwarded)
                && let (Ok(name), Ok(value)) = (
                    HeaderName::from_bytes(field.name.as_bytes()),
                    HeaderValue::from_bytes(field.value),
                )
            {
                headers.append(name, value);
            }
        }
    }
    peer.client_address(&headers, trusted)
}

/// The caller's fields without what is not the upstream's, then the gateway's own. The same rules
/// as in `phases::outbound`, on bytes.
fn write_fields(
    out: &mut Vec<u8>,
    record: &CallRecord,
    head: &Head<'_, '_>,
    facts: &Facts<'_>,
    credential: Option<(&HeaderName, &HeaderValue)>,
) -> Result<(), Refusal> {
    let peer = &record.peer;
    let config = &record.worker.gateway.config;
    let (trace, goes_on) = match &record.trace {
        Some(context) => (context.traceparent(), context.parent.is_some()),
        None => phases::next_traceparent(facts.trace),
    };
    let mut has_proto = false;
    let mut has_host = false;
    let mut passes = 0;
    let mut lines = Lines::of(head.bytes);
    for field in head.fields {
        let name = field.name.as_bytes();
        match Field::of_request(name) {
            Field::Other | Field::ContentLength | Field::ContentType => {}
            Field::TransferEncoding => {
                lines.flush(out);
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                continue;
            }
            Field::Authorization if facts.is_authorization_ours => continue,
            Field::Authorization => {}
            Field::Cookie => {
                lines.flush(out);
                push_cookies(out, field.value, &config.own_cookies);
                continue;
            }
            Field::Via => {
                let own = |hop: &&[u8]| second_word(hop) == Some(config.via.as_bytes());
                passes += tokens(field.value).filter(own).count();
                if passes >= MAX_PASSES {
                    return Err(Refusal::Loop);
                }
            }
            Field::TraceState if goes_on => {}
            Field::Forwarded | Field::RealIp if peer.is_trusted => {}
            Field::ForwardedProto if peer.is_trusted => has_proto = true,
            Field::ForwardedHost if peer.is_trusted => has_host = true,
            Field::Dropped
            | Field::Host
            | Field::Connection
            | Field::Upgrade
            | Field::Expect
            | Field::Te
            | Field::ApiKey
            | Field::Forwarded
            | Field::ForwardedFor
            | Field::ForwardedHost
            | Field::ForwardedProto
            | Field::RealIp
            | Field::RequestId
            | Field::TraceParent
            | Field::TraceState => continue,
        }
        if let Some((own, _)) = credential
            && name.eq_ignore_ascii_case(own.as_str().as_bytes())
        {
            continue;
        }
        lines.pass(out, field);
    }
    lines.flush(out);
    let via = record.worker.via[1].as_bytes();
    if peer.is_trusted {
        push_field(out, b"via", via);
        push_forwarded_for(out, peer, head.fields);
        let forwarded = peer.forwarded(Some(head.host));
        push_field(out, b"forwarded", forwarded.as_bytes());
        if !has_proto {
            push_field(out, b"x-forwarded-proto", peer.scheme().as_bytes());
        }
        if !has_host {
            push_field(out, b"x-forwarded-host", head.host);
        }
    } else {
        peer.push_own_fields(head.host, via, out);
    }
    push_field(out, b"x-request-id", record.request_id.as_bytes());
    push_field(out, b"traceparent", &trace);
    if let Some((name, value)) = credential {
        push_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The list a trusted proxy sent, and the proxy itself.
fn push_forwarded_for(out: &mut Vec<u8>, peer: &Peer, fields: &[Header<'_>]) {
    out.extend_from_slice(b"x-forwarded-for: ");
    for field in fields {
        if Field::of_request(field.name.as_bytes()) == Field::ForwardedFor {
            out.extend_from_slice(field.value);
            out.extend_from_slice(b", ");
        }
    }
    out.extend_from_slice(peer.forwarded_for.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The cookies but ours.
fn push_cookies(out: &mut Vec<u8>, value: &[u8], ours: &[String]) {
    let is_ours = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next();
        let name = name.unwrap_or_default().trim_ascii();
        ours.iter().any(|own| own.as_bytes() == name)
    };
    let pairs = || value.split(|byte| *byte == b';');
    if !pairs().any(is_ours) {
        push_field(out, b"cookie", value);
        return;
    }
    let kept: Vec<&[u8]> = pairs().filter(|pair| !is_ours(pair)).collect();
    let joined = kept.join(&b';');
    let joined = joined.trim_ascii();
    if !joined.is_empty() {
        push_field(out, b"cookie", joined);
    }
}

fn second_word(text: &[u8]) -> Option<&[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(1)
}
