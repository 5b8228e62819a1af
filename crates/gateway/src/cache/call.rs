//! A call's way through the cache before the upstream is asked: [`open`].

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apiverse_cache::{
    Asked, Audience, CAPABILITY, Entry, Flight, Forwarded, Found, KeyWriter, Landing,
    RequestDirectives, StatusLine, Targeted, Ticket, Use, Visitor, is_unsafe,
};
use apiverse_cluster::Count;
use http::header::{CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, request};

use super::address::{below, keys};
use super::ask::{Ask, pairs};
use super::compiled::CompiledCache;
use super::hints::Hint;
use super::{Caches, now_ms, refresh, reply};
use crate::body::GatewayBody;
use crate::call::CallRecord;
use crate::phases::Located;
use crate::snapshot::{ApiRecord, Plan, VersionRecord};
use crate::worker::Worker;

static SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");
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

/// Why the upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
    pub(super) policy: Arc<CompiledCache>,
    pub(super) api: Arc<ApiRecord>,
    pub(super) version: Option<Arc<VersionRecord>>,
    pub(super) keys: KeyWriter,
    pub(super) visitor: Visitor,
    pub(super) directives: RequestDirectives,
    /// The fields as they select answers.
    pub(super) fields: HeaderMap,
    /// Below the API, with the query.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) is_get: bool,
    /// What is stored and cannot be used as it is.
    pub(super) entry: Option<Arc<Entry>>,
    /// The upstream was asked whether the stored answer still holds.
    pub(super) is_validating: bool,
    pub(super) ticket: Option<Ticket>,
    /// What follows the audience's key in the address that others find the exchange at.
    pub(super) selection: Option<[u8; 16]>,
    pub(super) begun: u64,
    /// The same in Redis; `None`: it was not asked, and what is fetched is not shared.
    pub(super) count: Option<Count>,
    pub(super) asked_ms: i64,
    pub(super) line: StatusLine,
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
        count: None,
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
        let mut sample = None;
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
                if let Some(answer) = self.shared(caches, found.sample.as_deref()).await {
                    return answer;
                }
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
            sample = found.sample;
            // Who wants a part of what is not there, or brings conditions of its own, would get an
            // answer that is not the others'.
            let is_like_others = self.is_get
                && (self.entry.is_some() || !(ask.has_range || ask.has_conditions))
                && !self.directives.no_cache;
            if !is_like_others || !self.policy.collapse || round >= ROUNDS {
                break;
            }
            let Some(address) = self.flight_key(caches, sample.as_deref(), round, now) else {
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
        if let Some(answer) = self.shared(caches, sample.as_deref()).await {
            return answer;
        }
        self.asked_ms = now_ms();
        self.prepare(parts);
        Opened::Forward(self)
    }

    /// The answer from what another node has stored.
    async fn shared(&mut self, caches: &Caches, sample: Option<&Entry>) -> Option<Opened> {
        let entry = self.consult(caches, sample).await?;
        let now = now_ms();
        let is_fresh = match entry.assess(&self.directives, now) {
            Use::Fresh => true,
            Use::Stale => false,
            Use::WhileRevalidate | Use::Validate => {
                self.entry = Some(entry);
                return None;
            }
        };
        if let (Some(ticket), true) = (&self.ticket, is_fresh) {
            ticket.land(Landing::Stored(Arc::clone(&entry)));
        }
        caches.meters.shared.increment(1);
        caches.meters.served.increment(entry.body.len() as u64);
        let line = StatusLine {
            detail: Some("shared"),
            ..StatusLine::hit(entry.freshness.left_ms(now).div_euclid(1000))
        };
        let shown = self.shown(line);
        let response = reply::reply(&entry, &self.fields, self.is_get, shown, now);
        Some(Opened::Answer(response, line))
    }

    /// Whether another node has fetched anew what is stale here; those who wait get it then.
    pub(super) async fn is_fresh_elsewhere(&mut self, caches: &Caches) -> bool {
        let entry = self.entry.clone();
        let Some(newer) = self.consult(caches, entry.as_deref()).await else {
            return false;
        };
        let is_fresh = newer.assess(&self.directives, now_ms()) == Use::Fresh;
        if let (Some(ticket), true) = (&self.ticket, is_fresh) {
            ticket.land(Landing::Stored(newer));
        }
        is_fresh
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
    pub(super) fn shown(&self, line: StatusLine) -> Option<StatusLine> {
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
}
