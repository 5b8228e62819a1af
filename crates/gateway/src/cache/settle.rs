//! A call's way through the cache when the upstream has answered, or has not: [`Caching::settle`].

use std::rc::Rc;
use std::sync::Arc;

use apiverse_cache::{
    Answered, Audience, Candidate, Entry, Filling, Landing, NotStored, Purge, Reader, StatusLine,
    Stored, Times, What, invalidated_by,
};
use http::header::DATE;
use http::{HeaderMap, HeaderValue, Method, Response, response};
use hyper::body::Incoming;

use super::call::{Caching, Kind};
use super::hints::Hint;
use super::pump::{self, PumpTask};
use super::{Caches, now_ms, reply};
use crate::body::{Clocks, GatewayBody};
use crate::phases::strip_own_cookies;
use crate::snapshot::Target;
use crate::targets::Held;
use crate::timer::Deadline;
use crate::upstream::Lease;
use crate::worker::Worker;

/// About the caller's limits at the gateway, or another caller's at the upstream.
const LIMIT_FIELDS: [&str; 2] = ["ratelimit", "ratelimit-policy"];

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

impl Caching {
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
            count: self.count.take(),
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
            caches.forget(&mut self.keys, entry);
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
                    caches.forget(&mut self.keys, entry);
                }
                self.line.stored = true;
                let current = Arc::new(newer.clone());
                match caches.memory.store(&mut self.keys, newer, now) {
                    Stored::Yes(stored) => {
                        caches.share(&mut self.keys, &stored, self.count.take());
                        stored
                    }
                    Stored::Purged => current,
                }
            }
            Err(_) => {
                caches.forget(&mut self.keys, entry);
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
            caches.forget(&mut self.keys, &entry);
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
                    caches.forget(&mut self.keys, &entry);
                }
                // Whether a purge came between makes no difference here.
                let _ = caches.memory.store(&mut self.keys, newer, now_ms());
            }
            Err(_) => caches.forget(&mut self.keys, &entry),
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
            caches.void(&Purge {
                api: self.api.id.0.as_u128(),
                what: What::Address(below),
            });
        }
    }
}
