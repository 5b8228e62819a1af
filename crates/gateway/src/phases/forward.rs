//! `forward`: the call as a whole, from the request's head to the answer's.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{ORIGIN, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::ask::{Answered, ask_upstream};
use super::authorize::authorize;
use super::identify::{Identified, identify};
use super::limit::limit;
use super::locate::{Located, locate};
use super::meet::meet;
use super::pass_on::pass_on;
use super::policies::{Address, AnswerOf, Applied, Finish, Flow, PolicyRequest, own_answer};
use super::refusal::Refusal;
use super::refuse::refuse;
use super::trace::{callers_traceparent, request_id};
use crate::body::{GatewayBody, RequestSource};
use crate::cache::{self, Caching, Opened};
use crate::call::{CallRecord, unix_micros};
use crate::grpc;
use crate::keys::{self, IdentifyError};
use crate::limits::take;
use crate::peer::Peer;
use crate::snapshot::ApiRecord;
use crate::transform::{Subject, preflight};
use crate::worker::Worker;

/// Serves one call below `/proxy/`. Dropping the future ends the call: the upstream's connection
/// is closed, and the call is recorded as given up by the caller.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    peer: Rc<Peer>,
    mut request: Request<Incoming>,
) -> Response<GatewayBody> {
    let target = match request.uri().path_and_query() {
        Some(target) => target.clone(),
        None => PathAndQuery::from_static("/"),
    };
    let below = locate(&target).map_or(0, |located| located.below);
    let started_us = unix_micros();
    let unix_ms = u64::try_from(started_us / 1000).unwrap_or(0);
    let mut record = CallRecord::begin(
        worker,
        peer,
        request_id(request.headers(), unix_ms),
        request.method().clone(),
        target,
        below,
        started_us,
    );
    record.begin_trace(callers_traceparent(request.headers()));
    record.grpc = grpc::Kind::of_headers(request.headers());
    let has_body = !request.body().is_end_stream();
    record.origin = request.headers().get(ORIGIN).cloned();
    if let Some(response) = preflight(&mut record, request.headers()) {
        return own_answer(record, response);
    }
    let client_upgrade = request
        .headers()
        .contains_key(UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));

    let answered = answer(&mut record, request).await;
    conclude(record, answered, client_upgrade, has_body).await
}

/// Makes the caller's answer of what a call has come to.
pub(crate) async fn conclude(
    record: Box<CallRecord>,
    answered: Result<Reply, Refusal>,
    client_upgrade: Option<OnUpgrade>,
    has_body: bool,
) -> Response<GatewayBody> {
    let finish = Finish::new(&record);
    let version = record.version.clone();
    let (of, response) = match answered {
        Ok(Reply::Upstream(answered, caching)) => {
            let response = pass_on(record, answered, caching, client_upgrade);
            (AnswerOf::Upstream, response)
        }
        Ok(Reply::Policy(response)) => {
            if has_body {
                record.peer.linger();
            }
            (AnswerOf::Policy, own_answer(record, response))
        }
        Err(refusal) => (AnswerOf::Refusal, refuse(record, &refusal, has_body)),
    };
    let mut response = match finish {
        Some(finish) => finish.run(of, response).await,
        None => response,
    };
    if let Some(version) = version {
        version.tell(response.headers_mut());
    }
    response
}

/// What a call has come to.
pub(crate) enum Reply {
    Upstream(Answered, Option<Box<Caching>>),
    /// A policy's answer: no upstream was asked.
    Policy(Response<GatewayBody>),
}

async fn answer(record: &mut CallRecord, request: Request<Incoming>) -> Result<Reply, Refusal> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    let address = record.target.clone();
    let located = locate(&address).ok_or(Refusal::ApiNotFound)?;
    let worker = Rc::clone(&record.worker);
    let wanted = {
        let snapshot = worker.gateway.loader.current();
        let offered = keys::from_headers(&parts.headers);
        let (peer, now_us) = (&record.peer, record.started_at_us);
        keys::missing(&worker, peer, &snapshot, &located, &offered, now_us)
    };
    let is_key_unread = match wanted {
        Some(wanted) => !keys::read(&worker, &Rc::clone(&record.peer), wanted).await,
        None => false,
    };
    let identified = {
        let snapshot = worker.gateway.loader.current();
        let offered = keys::from_headers(&parts.headers);
        let trusted = &worker.gateway.config.trusted_proxies;
        identify(record, &snapshot, &located, offered, |peer| {
            peer.client_address(&parts.headers, trusted)
        })
    };
    let identified = match identified {
        Err(Refusal::Key(IdentifyError::Invalid)) if is_key_unread => {
            return Err(Refusal::KeyUnread);
        }
        other => other?,
    };
    authorize(&identified, &parts.method)?;
    record.notes.admitted_us = Some(record.since_us());
    let located = choose_version(record, &identified.api, located, &parts)?;
    let version = record.version.clone();
    let met = {
        let snapshot = worker.gateway.loader.current();
        let (key, api) = (&identified.key, &identified.api);
        meet(&snapshot, key, api, &parts.method, located.rest)
    };
    met.within_budgets(&identified.key, &identified.api, record.started_at_us)?;
    let plan = met.plan(&identified.key, &identified.api, version.as_deref());
    if let Some(plan) = plan {
        let subject = plan.changes_calls().then(|| {
            Subject::new(
                &parts,
                (located.rest, located.query),
                met.captured(located.rest),
                record.request_id.clone(),
                &identified.key,
                &identified.api,
            )
        });
        let applied = Applied::new(plan, subject, identified.by_query);
        record.applied = Some(Rc::new(applied));
    }
    let trusted = &worker.gateway.config.trusted_proxies;
    let address = |peer: &Peer| peer.client_address(&parts.headers, trusted);
    if let Some((set, caller)) = limit(record, &identified, &met, address) {
        let now = worker.gateway.limiter.began(record);
        let taken = take(&worker.gateway, &set, &caller, 1, now).await;
        record.limits = Some(set);
        record.grant = Some(taken?);
        record.notes.limited_us = Some(record.since_us());
    }
    let Identified { api, by_query, .. } = identified;
    let body = RequestSource::Incoming(body);
    proceed(record, &api, by_query, parts, body, located).await
}

/// The call after all that may refuse it: through the policies, to the upstream.
pub(crate) async fn proceed(
    record: &mut CallRecord,
    api: &Arc<ApiRecord>,
    by_query: bool,
    parts: Parts,
    body: RequestSource,
    located: Located<'_>,
) -> Result<Reply, Refusal> {
    let worker = Rc::clone(&record.worker);
    let mut request = PolicyRequest {
        parts,
        body,
        changed: None,
    };
    if let Some(applied) = record.applied.clone() {
        request.changed = Some(Address {
            rest: located.rest.to_owned(),
            query: located.query.map(str::to_owned),
        });
        if let Flow::Answer(response) = applied.before(record, &mut request).await? {
            return Ok(Reply::Policy(*response));
        }
    }
    let PolicyRequest {
        mut parts,
        body,
        changed,
    } = request;
    let located = match &changed {
        Some(address) => Located {
            rest: &address.rest,
            query: address.query.as_deref(),
            ..located
        },
        None => located,
    };
    let mut caching = None;
    if let Some(applied) = record.applied.clone() {
        let has_body = !body.is_end_stream();
        let opened = cache::open(record, api, &applied.plan, &mut parts, has_body, &located);
        match opened.await {
            Opened::Off => {}
            Opened::Answer(response, _) => return Ok(Reply::Policy(response)),
            Opened::Forward(through) => caching = Some(through),
        }
    }
    let asked = ask_upstream(record, api, by_query, parts, body, &located).await;
    match (asked, caching) {
        (Ok(answered), caching) => Ok(Reply::Upstream(answered, caching)),
        (Err(refusal), Some(caching)) if refusal.is_for_want_of_upstream() => {
            caching.stand_in(&worker).map(Reply::Policy).ok_or(refusal)
        }
        (Err(refusal), _) => Err(refusal),
    }
}

/// Finds the version of the API that is meant; what only said that is taken out of the path.
fn choose_version<'a>(
    record: &mut CallRecord,
    api: &ApiRecord,
    located: Located<'a>,
    parts: &Parts,
) -> Result<Located<'a>, Refusal> {
    let Some(versions) = &api.versions else {
        return Ok(located);
    };
    let (version, said) = versions.choose(located.rest, located.query, &parts.headers)?;
    let served = version.check(record.started_at_us);
    record.version = Some(version);
    served?;
    Ok(Located {
        rest: located.rest.get(said..).unwrap_or_default(),
        ..located
    })
}
