//! A call's way through the cache: before the upstream is asked ([`open`]), and when it has
//! answered ([`Caching::settle`]).

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apiverse_cache::{
    Answered, Asked, Audience, CAPABILITY, Candidate, Entry, Filling, Flight, Forwarded, Found,
    KeyWriter, Landing, NotStored, Purge, Reader, RequestDirectives, StatusLine, Stored, Targeted,
    Ticket, Times, Use, Visitor, What, invalidated_by, is_unsafe,
};
use http::header::{
    CONTENT_LENGTH, DATE, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, request, response};
use hyper::body::Incoming;

use super::ask::{Ask, pairs};
use super::compiled::CompiledCache;
use super::hints::Hint;
use super::pump::{self, PumpTask};
use super::{Caches, now_ms, refresh, reply};
use crate::body::{Clocks, GatewayBody};
use crate::call::CallRecord;
use crate::phases::{Located, original_host, strip_own_cookies};
use crate::snapshot::{ApiRecord, Plan, Target, VersionRecord};
use crate::targets::{Caller, Held};
use crate::timer::Deadline;
use crate::upstream::Lease;
use crate::worker::Worker;

static SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");
/// About the caller's limits at the gateway, or another caller's at the upstream.
const LIMIT_FIELDS: [&str; 2] = ["ratelimit", "ratelimit-policy"];
/// Exchanges of others that one call waits for, until it asks for itself.
const ROUNDS: usize = 3;

/// What the cache has to say before the upstream is asked.
#[expect(
    clippy::large_enum_variant,
    reason = "made once a call and taken apart at once: a box would be an allocation for each hit"
)]
pub(crate) enum Opened {
    /// The call is none of the cache's business.
    Off,
    Answer(Response<GatewayBody>, StatusLine),
    Forward(Box<Caching>),
}

/// The rest of an upstream's answer, and what is held until it is here.
pub(crate) struct Coming {
    pub(crate) body: Incoming,
    pub(crate) lease: Lease,
    /// Not set.
    pub(crate) deadline: Deadline,
    pub(crate) clocks: Clocks,
    /// The place at one of several targets.
    pub(crate) held: Option<Held>,
}

/// What the cache makes of the upstream's answer.
pub(crate) enum Outcome {
    /// The caller gets it.
    Pass(Coming),
    /// The caller gets it as it is stored. The length where it is known.
    Follow(Reader, Option<u64>),
    /// The caller gets another.
    Reply(Response<GatewayBody>),
}

/// Why the upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its answer may be stored.
    Fetch,
    /// For the fields of a stored answer.
    Head,
    /// It may make stored answers worthless.
    Unsafe,
    /// The cache looks on.
    Pass,
}

/// A call that the cache lets through to the upstream.
pub(crate) struct Caching {
    policy: Arc<CompiledCache>,
    api: Arc<ApiRecord>,
    version: Option<Arc<VersionRecord>>,
    keys: KeyWriter,
    visitor: Visitor,
    directives: RequestDirectives,
    /// The fields as they select answers.
    fields: HeaderMap,
    /// Below the API, with the query.
    path: String,
    kind: Kind,
    is_get: bool,
    /// What is stored and cannot be used as it is.
    entry: Option<Arc<Entry>>,
    /// The upstream was asked whether the stored answer still holds.
    is_validating: bool,
    ticket: Option<Ticket>,
    /// What follows the audience's key in the address that others find the exchange at.
    selection: Option<[u8; 16]>,
    begun: u64,
    asked_ms: i64,
    line: StatusLine,
}

/// Decides what a call gets. `parts`: the upstream's request so far; it is made conditional where
/// something stored can be validated.
pub(crate) async fn open(
    record: &mut CallRecord,
    api: &Arc<ApiRecord>,
    plan: &Plan,
    parts: &mut request::Parts,
    has_body: bool,
    located: &Located<'_>,
) -> Opened {
    let opened = opened(record, api, plan, parts, has_body, located).await;
    let line = match &opened {
        Opened::Off => return opened,
        Opened::Answer(_, line) => *line,
        Opened::Forward(caching) => caching.line,
    };
    record.notes.cache = Some((line, record.since_us()));
    opened
}

async fn opened(
    record: &mut CallRecord,
    api: &Arc<ApiRecord>,
    plan: &Plan,
    parts: &mut request::Parts,
    has_body: bool,
    located: &Located<'_>,
) -> Opened {
    let Some(policy) = plan.cache.clone() else {
        return Opened::Off;
    };
    if parts.headers.contains_key(UPGRADE) {
        return Opened::Off;
    }
    let worker = Rc::clone(&record.worker);
    let caches = &worker.gateway.caches;
    let kind = match &parts.method {
        &Method::GET => Kind::Fetch,
        &Method::HEAD => Kind::Head,
        method if is_unsafe(method) => Kind::Unsafe,
        _ => return Opened::Off,
    };
    let own_cookies = &worker.gateway.config.own_cookies;
    let ask = Ask::of(pairs(&parts.headers), own_cookies);
    let key = record.key_id.map_or(0, |id| id.0.as_u128());
    let mut caching = Box::new(Caching {
        visitor: ask.visitor(key, &policy),
        directives: ask.directives(&policy),
        keys: keys(record, api, plan, &policy, &ask, parts, located),
        fields: parts.headers.clone(),
        path: below(located),
        api: Arc::clone(api),
        version: record.version.clone(),
        is_get: kind == Kind::Fetch,
        kind,
        entry: None,
        is_validating: false,
        ticket: None,
        selection: None,
        begun: caches.memory.purges().count(),
        asked_ms: now_ms(),
        line: StatusLine::forwarded(Forwarded::Method),
        policy,
    });
    if kind == Kind::Unsafe {
        return Opened::Forward(caching);
    }
    if has_body || ask.is_misleading || ask.is_for_origin {
        caches.meters.bypass.increment(1);
        caching.pass(Forwarded::Bypass);
        return Opened::Forward(caching);
    }
    if caching.directives.no_store {
        caches.meters.bypass.increment(1);
        caching.pass(Forwarded::Request);
        return Opened::Forward(caching);
    }
    caching.look(record, parts, &ask, located).await
}

/// Unlike for any other version of the API.
fn version_mark(record: &CallRecord) -> [u8; 16] {
    let Some(version) = &record.version else {
        return [0; 16];
    };
    let hash = blake3::hash(version.name.as_bytes());
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

fn keys(
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

impl Caching {
    /// Looks for a stored answer, and for others who fetch it.
    async fn look(
        mut self: Box<Self>,
        record: &mut CallRecord,
        parts: &mut request::Parts,
        ask: &Ask,
        located: &Located<'_>,
    ) -> Opened {
        let worker = Rc::clone(&record.worker);
        let caches = &worker.gateway.caches;
        for round in 0.. {
            let now = now_ms();
            let found = self.find(caches, now);
            if let Some(entry) = &found.entry {
                match entry.assess(&self.directives, now) {
                    Use::Fresh => {
                        caches.meters.hit.increment(1);
                        return self.answer_from(entry, caches, now);
                    }
                    Use::Stale => {
                        caches.meters.stale.increment(1);
                        return self.answer_from(entry, caches, now);
                    }
                    Use::WhileRevalidate => {
                        caches.meters.stale.increment(1);
                        let entry = Arc::clone(entry);
                        let answer = self.answer_from(&entry, caches, now);
                        self.refresh(record, parts, located, entry);
                        return answer;
                    }
                    Use::Validate => {}
                }
            }
            if self.directives.only_if_cached {
                let line = StatusLine {
                    detail: Some("only-if-cached"),
                    ..StatusLine::forwarded(Forwarded::Request)
                };
                return Opened::Answer(reply::bare(504, self.shown(line)), line);
            }
            self.line = StatusLine::forwarded(match (&found.entry, &found.sample) {
                (Some(_), _) if self.directives.no_cache => Forwarded::Request,
                (Some(_), _) => Forwarded::Stale,
                (None, Some(_)) => Forwarded::VaryMiss,
                (None, None) => Forwarded::UriMiss,
            });
            self.begun = caches.memory.purges().count();
            self.asked_ms = now;
            self.entry = found.entry;
            // Who wants a part of what is not there, or brings conditions of its own, would get an
            // answer that is not the others'.
            let is_like_others = self.is_get
                && (self.entry.is_some() || !(ask.has_range || ask.has_conditions))
                && !self.directives.no_cache;
            if !is_like_others || !self.policy.collapse || round >= ROUNDS {
                break;
            }
            let Some(address) = self.flight_key(caches, found.sample.as_deref(), round, now) else {
                break;
            };
            match caches.flights.board(&address) {
                Ok(ticket) => {
                    // Somebody may have stored it between the look and the lead.
                    self.ticket = Some(ticket);
                    break;
                }
                Err(flight) => {
                    let limit = self.api.limits.first_byte;
                    if let Some(response) = self.wait(&worker, &flight, limit).await {
                        caches.meters.collapsed.increment(1);
                        let line = StatusLine {
                            collapsed: true,
                            ..self.line
                        };
                        return Opened::Answer(response, line);
                    }
                }
            }
        }
        if self.ticket.is_some() {
            let now = now_ms();
            let found = self.find(caches, now);
            let is_fresh = |entry: &Arc<Entry>| entry.assess(&self.directives, now) == Use::Fresh;
            if let Some(entry) = found.entry.filter(is_fresh) {
                caches.meters.hit.increment(1);
                return self.answer_from(&entry, caches, now);
            }
        }
        self.prepare(parts);
        Opened::Forward(self)
    }

    fn find(&mut self, caches: &Caches, now_ms: i64) -> Found {
        let asked = Asked {
            visitor: self.visitor,
            directives: self.directives,
            fields: &self.fields,
        };
        caches
            .memory
            .find(&mut self.keys, &asked, &self.policy.rules, now_ms)
    }

    /// Makes the request conditional, and says what we understand.
    fn prepare(&mut self, parts: &mut request::Parts) {
        let headers = &mut parts.headers;
        if self
            .policy
            .rules
            .targeted
            .contains(&Targeted::SurrogateControl)
        {
            headers.append(&SURROGATE_CAPABILITY, HeaderValue::from_static(CAPABILITY));
        }
        let (Some(entry), true) = (&self.entry, self.is_get) else {
            return;
        };
        // Of the whole: a part is cut out of what is stored then.
        for name in [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            headers.remove(name);
        }
        if let Some(etag) = entry.etag() {
            headers.insert(IF_NONE_MATCH, etag.clone());
            self.is_validating = true;
        }
        if let Some(changed) = entry.last_modified() {
            headers.insert(IF_MODIFIED_SINCE, changed.clone());
            self.is_validating = true;
        }
    }

    /// Under what others are found who fetch the same; `None`: nobody is to be waited for.
    fn flight_key(
        &mut self,
        caches: &Caches,
        sample: Option<&Entry>,
        round: usize,
        now_ms: i64,
    ) -> Option<Vec<u8>> {
        let hint = caches.hints.get(self.keys.common(), now_ms);
        if hint == Hint::NotStored || self.visitor.is_authorized {
            return None;
        }
        let own = self.visitor.own(&self.policy.rules);
        let audience = match hint {
            Hint::Shared => Audience::ANYONE,
            // Nobody knows yet whose the answer will be: all wait for the first, once.
            Hint::Unknown if own.cookies.is_none() && round == 0 => Audience::ANYONE,
            _ => own,
        };
        self.selection = sample.map(|sample| sample.selection_of(&self.fields));
        let mut address = self.keys.key(&audience).to_vec();
        address.extend_from_slice(self.selection.as_ref().map_or(&[], |marks| marks));
        Some(address)
    }

    /// Waits for another's exchange; `None`: it came to nothing that this call could use.
    async fn wait(
        &mut self,
        worker: &Worker,
        flight: &Flight,
        limit: Duration,
    ) -> Option<Response<GatewayBody>> {
        let deadline = worker.timer.deadline();
        deadline.set(limit);
        let landed = poll_fn(|cx| match flight.poll_landing(cx) {
            Poll::Ready(landed) => Poll::Ready(landed),
            Poll::Pending if deadline.poll(cx).is_ready() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let landed = landed.await?;
        let asked = Asked {
            visitor: self.visitor,
            directives: self.directives,
            fields: &self.fields,
        };
        let is_mine = |entry: &Entry| {
            entry.is_for(&asked) && self.visitor.is_in(&entry.audience, &self.policy.rules)
        };
        let now = now_ms();
        let line = |entry: &Entry| StatusLine {
            collapsed: true,
            ttl_s: Some(entry.freshness.left_ms(now) / 1000),
            ..self.line
        };
        match landed {
            Landing::Apart => None,
            Landing::Stored(entry) => is_mine(&entry).then(|| {
                let line = self.shown(line(&entry));
                reply::reply(&entry, &self.fields, self.is_get, line, now)
            }),
            Landing::Filling { head, filling } => {
                if !is_mine(&head) {
                    return None;
                }
                let reader = filling.read()?;
                let mut headers = head.headers.clone();
                reply::add_line(&mut headers, self.shown(line(&head)));
                let length = headers
                    .get(CONTENT_LENGTH)
                    .and_then(|length| length.to_str().ok()?.parse().ok());
                let body = GatewayBody::follow(reader, length);
                let mut response = Response::new(body);
                *response.status_mut() = http::StatusCode::from_u16(head.status).ok()?;
                *response.headers_mut() = headers;
                Some(response)
            }
        }
    }

    fn answer_from(&self, entry: &Entry, caches: &Caches, now_ms: i64) -> Opened {
        let line = StatusLine::hit(entry.freshness.left_ms(now_ms).div_euclid(1000));
        let response = reply::reply(entry, &self.fields, self.is_get, self.shown(line), now_ms);
        caches.meters.served.increment(entry.body.len() as u64);
        Opened::Answer(response, line)
    }

    /// What of a line callers get to see.
    fn shown(&self, line: StatusLine) -> Option<StatusLine> {
        self.policy.cache_status.then_some(line)
    }

    fn pass(&mut self, why: Forwarded) {
        self.kind = Kind::Pass;
        self.line = StatusLine::forwarded(why);
    }

    /// Fetches the answer anew while the caller has the stale one, unless somebody does already.
    fn refresh(
        mut self: Box<Self>,
        record: &CallRecord,
        parts: &request::Parts,
        located: &Located<'_>,
        entry: Arc<Entry>,
    ) {
        let caches = &record.worker.gateway.caches;
        let mut address = self.keys.key(&entry.audience).to_vec();
        address.extend_from_slice(&entry.selection_of(&self.fields));
        let Ok(ticket) = caches.flights.board(&address) else {
            return;
        };
        let mut request = http::Request::new(()).into_parts().0;
        request.method = Method::GET;
        request.uri = parts.uri.clone();
        request.version = parts.version;
        request.headers = parts.headers.clone();
        self.ticket = Some(ticket);
        self.entry = Some(entry);
        self.is_get = true;
        self.kind = Kind::Fetch;
        self.begun = caches.memory.purges().count();
        self.asked_ms = now_ms();
        self.line = StatusLine::forwarded(Forwarded::Stale);
        self.prepare(&mut request);
        refresh::spawn(record, Arc::clone(&self.api), request, located, self);
    }

    /// An answer in place of one that cannot be had.
    pub(crate) fn stand_in(&self, worker: &Worker) -> Option<Response<GatewayBody>> {
        self.stale(&worker.gateway.caches, None)
    }

    fn stale(&self, caches: &Caches, status: Option<u16>) -> Option<Response<GatewayBody>> {
        let entry = self.entry.as_ref()?;
        let now = now_ms();
        if !entry.may_stand_in(&self.directives, now) {
            return None;
        }
        if let Some(ticket) = &self.ticket {
            ticket.land(Landing::Stored(Arc::clone(entry)));
        }
        caches.meters.stale.increment(1);
        caches.meters.served.increment(entry.body.len() as u64);
        let line = StatusLine {
            forwarded_status: status,
            ttl_s: Some(entry.freshness.left_ms(now).div_euclid(1000)),
            detail: Some("stale-if-error"),
            ..self.line
        };
        let line = self.shown(line);
        Some(reply::reply(entry, &self.fields, self.is_get, line, now))
    }

    /// Takes in the upstream's answer. `parts`: as the caller is to see it, but for what is the
    /// gateway's own to say.
    pub(crate) fn settle(
        mut self: Box<Self>,
        worker: &Rc<Worker>,
        parts: &mut response::Parts,
        coming: Coming,
    ) -> Outcome {
        let caches = &worker.gateway.caches;
        match self.kind {
            Kind::Pass => {}
            Kind::Unsafe => {
                let chosen = coming.held.as_ref().map(Held::target);
                self.invalidate(caches, parts, chosen);
            }
            Kind::Head => self.update_by_head(caches, parts),
            Kind::Fetch => return self.settle_fetch(worker, parts, coming),
        }
        reply::add_line(&mut parts.headers, self.shown(self.line));
        Outcome::Pass(coming)
    }

    fn settle_fetch(
        &mut self,
        worker: &Rc<Worker>,
        parts: &mut response::Parts,
        coming: Coming,
    ) -> Outcome {
        let caches = &worker.gateway.caches;
        let body = &coming.body;
        let status = parts.status.as_u16();
        if let (304, true, Some(entry)) = (status, self.is_validating, self.entry.clone()) {
            let is_over = http_body::Body::is_end_stream(body);
            coming.lease.give_back(&worker.pool, is_over);
            caches.meters.revalidated.increment(1);
            return Outcome::Reply(self.freshen(worker, &entry, parts));
        }
        if matches!(status, 500 | 502 | 503 | 504)
            && let Some(response) = self.stale(caches, Some(status))
        {
            return Outcome::Reply(response);
        }
        caches.meters.miss.increment(1);
        let times = Times {
            asked_ms: self.asked_ms,
            came_ms: now_ms(),
        };
        let headers = self.storable_headers(worker, &parts.headers);
        let answered = Answered {
            status,
            headers: &headers,
            times,
        };
        let most = self.policy.rules.max_object.min(caches.memory.largest());
        let length: Option<u64> = http_body::Body::size_hint(body).exact();
        let judged = self.candidate().judge(&answered, &self.policy.rules);
        let judged = match judged {
            Ok(_) if length.is_some_and(|length| length > most as u64) => Err(NotStored::TooLarge),
            judged => judged,
        };
        let draft = match judged {
            Ok(draft) => draft,
            Err(reason) => {
                self.not_stored(caches, status, reason);
                self.line.detail = Some(reason.as_str());
                reply::add_line(&mut parts.headers, self.shown(self.line));
                return Outcome::Pass(coming);
            }
        };
        let hint = if draft.audience == Audience::ANYONE {
            Hint::Shared
        } else {
            Hint::Own
        };
        caches.hints.set(self.keys.common(), hint, times.came_ms);
        self.line.stored = true;
        self.line.ttl_s = Some(draft.freshness.left_ms(times.came_ms).div_euclid(1000));
        let draft = caches
            .memory
            .prepare(draft, self.api.id.0.as_u128(), self.begun);
        let (pump, filling) = Filling::begin(most);
        // Before the task begins: it may be over at once.
        let Some(reader) = filling.read() else {
            return Outcome::Pass(coming);
        };
        let mut ticket = self.ticket.take();
        if let Some(ticket) = &mut ticket {
            // Whose the answer is was not known when it was asked for; now those who come look there.
            let mut address = self.keys.key(&draft.audience).to_vec();
            address.extend_from_slice(self.selection.as_ref().map_or(&[], |marks| marks));
            ticket.also(&address);
            ticket.land(Landing::Filling {
                head: Arc::new(draft.clone()),
                filling,
            });
        }
        pump::spawn(PumpTask {
            worker: Rc::clone(worker),
            coming,
            pump,
            draft,
            keys: std::mem::take(&mut self.keys),
            ticket,
        });
        reply::add_line(&mut parts.headers, self.shown(self.line));
        Outcome::Follow(reader, length)
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            method: &Method::GET,
            visitor: self.visitor,
            directives: self.directives,
            fields: &self.fields,
            path: &self.path,
        }
    }

    /// An upstream's fields without what is not the stored answer's.
    fn storable_headers(&self, worker: &Worker, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        for name in LIMIT_FIELDS {
            headers.remove(name);
        }
        strip_own_cookies(&mut headers, &worker.gateway.config.own_cookies);
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::from_bytes(&worker.date())
        {
            headers.insert(DATE, date);
        }
        headers
    }

    fn not_stored(&mut self, caches: &Caches, status: u16, reason: NotStored) {
        if let Some(ticket) = &self.ticket {
            ticket.land(Landing::Apart);
            let says_nothing = matches!(reason, NotStored::Method | NotStored::Request);
            if !says_nothing {
                caches
                    .hints
                    .set(self.keys.common(), Hint::NotStored, now_ms());
            }
        }
        // There is a newer answer, so the older one must not be given any more.
        if let (Some(entry), true) = (&self.entry, (200..500).contains(&status) && status != 206) {
            caches.memory.forget(&mut self.keys, entry);
        }
    }

    /// The stored answer, which the upstream says still holds.
    fn freshen(
        &mut self,
        worker: &Rc<Worker>,
        entry: &Arc<Entry>,
        parts: &response::Parts,
    ) -> Response<GatewayBody> {
        let caches = &worker.gateway.caches;
        let now = now_ms();
        let headers = self.storable_headers(worker, &parts.headers);
        let answered = Answered {
            status: 304,
            headers: &headers,
            times: Times {
                asked_ms: self.asked_ms,
                came_ms: now,
            },
        };
        let freshened = entry.freshened(&self.candidate(), &answered, &self.policy.rules);
        let current = match freshened {
            Ok(newer) => {
                let newer = caches
                    .memory
                    .prepare(newer, self.api.id.0.as_u128(), self.begun);
                if newer.audience != entry.audience {
                    caches.memory.forget(&mut self.keys, entry);
                }
                self.line.stored = true;
                let current = Arc::new(newer.clone());
                match caches.memory.store(&mut self.keys, newer, now) {
                    Stored::Yes(stored) => stored,
                    Stored::Purged => current,
                }
            }
            Err(_) => {
                caches.memory.forget(&mut self.keys, entry);
                let mut once = Entry::clone(entry);
                once.headers = entry.merged_headers(&headers);
                once.freshness.came_ms = now;
                once.freshness.initial_age_ms = 0;
                once.is_for_all = false;
                Arc::new(once)
            }
        };
        if let Some(ticket) = &self.ticket {
            let landing = match self.line.stored {
                true => Landing::Stored(Arc::clone(&current)),
                false => Landing::Apart,
            };
            ticket.land(landing);
        }
        self.line.forwarded_status = Some(304);
        self.line.ttl_s = Some(current.freshness.left_ms(now).div_euclid(1000));
        caches.meters.served.increment(current.body.len() as u64);
        reply::reply(
            &current,
            &self.fields,
            self.is_get,
            self.shown(self.line),
            now,
        )
    }

    /// RFC 9111, 4.3.5.
    fn update_by_head(&mut self, caches: &Caches, parts: &response::Parts) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        let status = parts.status.as_u16();
        if !(200..400).contains(&status) || status == 304 {
            return;
        }
        if !entry.is_same_as(status, &parts.headers) {
            caches.memory.forget(&mut self.keys, &entry);
            return;
        }
        let answered = Answered {
            status,
            headers: &parts.headers,
            times: Times {
                asked_ms: self.asked_ms,
                came_ms: now_ms(),
            },
        };
        match entry.freshened(&self.candidate(), &answered, &self.policy.rules) {
            Ok(newer) => {
                let newer = caches
                    .memory
                    .prepare(newer, self.api.id.0.as_u128(), self.begun);
                if newer.audience != entry.audience {
                    caches.memory.forget(&mut self.keys, &entry);
                }
                // Whether a purge came between makes no difference here.
                let _ = caches.memory.store(&mut self.keys, newer, now_ms());
            }
            Err(_) => caches.memory.forget(&mut self.keys, &entry),
        }
    }

    /// RFC 9111, 4.4.
    fn invalidate(&self, caches: &Caches, parts: &response::Parts, chosen: Option<&Target>) {
        let target = chosen.or(match &self.version {
            Some(version) => version.target.as_ref(),
            None => self.api.target.as_ref(),
        });
        let Some(target) = target else {
            return;
        };
        let base = target
            .base_path
            .strip_suffix('/')
            .unwrap_or(&target.base_path);
        let origin = format!("{}://{}", target.scheme, target.authority);
        let own = format!("{base}{}", self.path);
        let status = parts.status.as_u16();
        for address in invalidated_by(status, &parts.headers, &origin, &own) {
            let Some(below) = address.strip_prefix(base) else {
                continue;
            };
            let below = match below.chars().next() {
                Some('/') => below.to_owned(),
                Some('?') | None => format!("/{below}"),
                Some(_) => continue,
            };
            caches.memory.mark(&Purge {
                api: self.api.id.0.as_u128(),
                what: What::Address(below),
            });
        }
    }
}
