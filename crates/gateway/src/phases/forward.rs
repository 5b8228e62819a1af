//! `forward`: the call as a whole, from the request's head to the answer's.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use apiverse_contract::ErrorCode;
use http::header::{CONNECTION, ORIGIN, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::authorize::authorize;
use super::direct::direct;
use super::identify::{Identified, identify};
use super::inbound::{inbound, switched_protocol};
use super::limit::limit;
use super::locate::{Located, locate};
use super::meet::meet;
use super::outbound::outbound;
use super::policies::{Address, AnswerOf, Applied, Finish, Flow, PolicyRequest, own_answer};
use super::refusal::Refusal;
use super::trace::request_id;
use crate::body::{Clocks, GatewayBody, RequestBody, RequestProgress, RequestSource, UpstreamBody};
use crate::cache::{self, Caching, Coming, Opened, Outcome};
use crate::call::{CallRecord, unix_micros};
use crate::grpc;
use crate::keys::{self, IdentifyError};
use crate::limits::{add_fields, take};
use crate::peer::Peer;
use crate::snapshot::{ApiRecord, AuthPlan, Target};
use crate::targets::{Caller, Own, balanced};
use crate::timer::Deadline;
use crate::transform::{Subject, preflight, refusal_cors};
use crate::upstream::{Answer, Lease, Outbound, TunnelLimits, exchange, tunnel};
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

/// An upstream's answer on its way to the caller.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    api: Arc<ApiRecord>,
    pub(crate) deadline: Deadline,
    pub(crate) clocks: Clocks,
    by_query: bool,
    /// The answer is turned into gRPC-Web.
    web: Option<grpc::Kind>,
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

/// The exchange with the upstream, until its answer begins.
pub(crate) async fn ask_upstream(
    record: &mut CallRecord,
    api: &Arc<ApiRecord>,
    by_query: bool,
    mut parts: Parts,
    body: RequestSource,
    located: &Located<'_>,
) -> Result<Answered, Refusal> {
    let worker = Rc::clone(&record.worker);
    let version = record.version.clone();
    let target = match &version {
        Some(version) => version.target.as_ref(),
        None => api.target.as_ref(),
    };
    let in_query = match &api.auth {
        AuthPlan::Query { name, value } => Some((&**name, value)),
        _ => None,
    };
    let most = api.limits.max_body;
    if body.size_hint().lower() > most {
        return Err(Refusal::Body { limit: most });
    }

    let token = bearer_token(&worker, api).await?;
    let web = match record.grpc {
        kind @ grpc::Kind::Web { .. } if target.is_some_and(|target| target.is_grpc) => Some(kind),
        _ => None,
    };
    if web.is_some() {
        grpc::set_kind(&mut parts.headers, grpc::Kind::Grpc);
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let targets = record
        .applied
        .as_ref()
        .and_then(|applied| applied.plan.upstream.clone());
    let choice = targets
        .as_ref()
        .map(|targets| targets.choice(api, &Caller::of(record, &parts.headers)));
    let mut outbound = assemble(record, parts, body, api, token.as_ref())?;
    record.refused = false;
    let asked_us = record.since_us();
    record.notes.prepared_us = Some(asked_us);
    let (answer, deadline, clocks) = match (&targets, choice) {
        (Some(targets), Some(choice)) => {
            let body = std::mem::replace(outbound.request.body_mut(), RequestBody::empty());
            *outbound.request.body_mut() = body.kept(targets.keeps());
            let address = |target: &Target| direct(target, located, in_query);
            let own = Own {
                target,
                version: version.as_ref().and_then(|version| version.id),
            };
            let called = balanced(record, api, own, targets, choice, outbound, &address).await?;
            let clocks = Clocks {
                idle: called.limits.idle,
                until: called.until,
            };
            record.held = Some(called.held);
            (called.answer, called.deadline, clocks)
        }
        _ => {
            let target = target.ok_or(Refusal::NoTarget)?;
            outbound.path = direct(target, located, in_query)?;
            let deadline = worker.timer.deadline();
            let (limits, notes, began) = (&api.limits, &mut record.notes, record.started);
            let asked = exchange(&worker, limits, target, outbound, &deadline, notes, began);
            let answer = asked.await.map_err(|failed| failed.error)?;
            let clocks = Clocks {
                idle: api.limits.idle,
                until: None,
            };
            (answer, deadline, clocks)
        }
    };
    let Answer { response, lease } = answer;
    let answered_us = record.since_us();
    record.notes.answered(answered_us);
    record.upstream_us = Some(i64::from(answered_us - asked_us));
    if let (Some(token), StatusCode::UNAUTHORIZED) = (&token, response.status()) {
        forget_token(&worker, api, token);
    }
    Ok(Answered {
        response,
        lease,
        api: Arc::clone(api),
        deadline,
        clocks,
        by_query,
        web,
    })
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

/// The upstream's request, but for what depends on its target and connection.
fn assemble(
    record: &mut CallRecord,
    mut parts: Parts,
    body: RequestSource,
    api: &ApiRecord,
    token: Option<&HeaderValue>,
) -> Result<Outbound, Refusal> {
    let credential: Option<(&HeaderName, &HeaderValue)> = match (&api.auth, token) {
        (AuthPlan::Header { name, value }, _) => Some((name, value)),
        (AuthPlan::Oauth2 { .. }, Some(token)) => Some((&header::AUTHORIZATION, token)),
        _ => None,
    };
    let wishes = outbound(record, &mut parts, credential)?;
    let is_grpc = api.target.as_ref().is_some_and(|target| target.is_grpc);
    let (body, progress) = if body.is_end_stream() {
        (RequestBody::empty(), None)
    } else {
        let progress = RequestProgress::new(record.worker.timer.clone());
        record.progress = Some(Rc::clone(&progress));
        let body = RequestBody::new(body, Rc::clone(&progress), api.limits.max_body);
        let is_text = record.grpc == grpc::Kind::Web { is_text: true };
        let body = if is_grpc && is_text {
            body.decoded()
        } else {
            body
        };
        (body, Some(progress))
    };
    parts.extensions = http::Extensions::new();
    Ok(Outbound {
        request: Request::from_parts(parts, body),
        // Each target has its own.
        path: PathAndQuery::from_static("/"),
        wants_trailers: wishes.trailers || is_grpc,
        upgrade: wishes.upgrade,
        // gRPC has no form without HTTP/2.
        over_http2: is_grpc || record.grpc == grpc::Kind::Grpc,
        progress,
    })
}

/// The API's OAuth token, from memory nearly always.
async fn bearer_token(
    worker: &Worker,
    api: &Arc<ApiRecord>,
) -> Result<Option<HeaderValue>, Refusal> {
    let (credentials, version) = match &api.auth {
        AuthPlan::Oauth2 {
            credentials,
            version,
        } => (credentials, *version),
        AuthPlan::Unreadable => return Err(Refusal::Credentials),
        AuthPlan::None | AuthPlan::Header { .. } | AuthPlan::Query { .. } => return Ok(None),
    };
    let gateway = &worker.gateway;
    let token = match gateway.tokens.cached(api.id.0, version, Instant::now()) {
        Some(token) => token,
        None => {
            // On the control plane's runtime, which all threads share: the client's connections
            // live where they were made.
            let (gateway, id) = (Arc::clone(gateway), api.id.0);
            let runtime = gateway.runtime.clone();
            let credentials = credentials.clone();
            let fetch = runtime.spawn(async move {
                let now = Instant::now();
                gateway.tokens.token(id, version, &credentials, now).await
            });
            fetch.await.map_err(|_| Refusal::Internal)??
        }
    };
    bearer_value(&token).map(Some)
}

/// A token as it is sent.
pub(crate) fn bearer_value(token: &str) -> Result<HeaderValue, Refusal> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Refusal::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The upstream did not take the token: the next call gets a new one.
pub(crate) fn forget_token(worker: &Worker, api: &ApiRecord, sent: &HeaderValue) {
    let token = sent
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    if let Some(token) = token {
        // Whether another try would help: the caller decides that here, not we.
        let _ = worker
            .gateway
            .tokens
            .reject(api.id.0, token, Instant::now());
    }
}

fn pass_on(
    mut record: Box<CallRecord>,
    answered: Answered,
    caching: Option<Box<Caching>>,
    client_upgrade: Option<OnUpgrade>,
) -> Response<GatewayBody> {
    let Answered {
        mut response,
        lease,
        api,
        deadline,
        clocks,
        by_query,
        web,
    } = answered;
    record.status = response.status().as_u16();
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upstream_upgrade = switched.then(|| hyper::upgrade::on(&mut response));
    let (mut parts, body) = response.into_parts();
    let protocol = switched_protocol(&parts);
    inbound(&record, &mut parts, &body, by_query);
    let mut coming = Coming {
        body,
        lease,
        deadline,
        clocks,
        held: record.held.take(),
    };
    if let Some(caching) = caching {
        let worker = Rc::clone(&record.worker);
        match caching.settle(&worker, &mut parts, coming) {
            Outcome::Pass(passed) => coming = passed,
            Outcome::Reply(response) => return own_answer(record, response),
            Outcome::Follow(reader, length) => {
                let body = GatewayBody::follow(reader, length);
                return own_answer(record, Response::from_parts(parts, body));
            }
        }
    }
    let Coming {
        body,
        lease,
        deadline,
        clocks,
        held,
    } = coming;
    record.held = held;
    if let Some(grant) = &record.grant {
        add_fields(&grant.fields, &mut parts.headers);
    }

    if let (Some(upstream), Some(client)) = (upstream_upgrade, client_upgrade) {
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        let is_websocket = protocol
            .as_ref()
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if let Some(protocol) = protocol {
            parts.headers.insert(UPGRADE, protocol);
        }
        if let Lease::Http1(connection, _) = lease {
            connection.detach();
        }
        let activity = record.worker.activities.begin();
        let limits = TunnelLimits {
            idle: api.limits.tunnel_idle,
            lifetime: record.worker.gateway.config.tunnel_lifetime,
            is_websocket,
        };
        tokio::task::spawn_local(tunnel(client, upstream, record, limits, activity));
        return Response::from_parts(parts, GatewayBody::Empty);
    }
    let pool = record.worker.pool.clone();
    let progress = record.progress.clone();
    let mut body = UpstreamBody::new(body, record, lease, pool, progress, clocks, deadline);
    if let Some(kind @ grpc::Kind::Web { is_text }) = web
        && grpc::Kind::of_headers(&parts.headers) == grpc::Kind::Grpc
    {
        grpc::set_kind(&mut parts.headers, kind);
        parts.headers.remove(header::CONTENT_LENGTH);
        // No policy changes it.
        body.let_go();
        let body = grpc::WebBody::new(body, is_text);
        return Response::from_parts(parts, GatewayBody::Web(body));
    }
    Response::from_parts(parts, GatewayBody::Upstream(body))
}

fn refuse(mut record: Box<CallRecord>, refusal: &Refusal, has_body: bool) -> Response<GatewayBody> {
    let response = note_refusal(&mut record, refusal);
    if has_body {
        record.peer.linger();
    }
    response
}

/// Notes on the record why the call ends, and makes the answer that says so.
pub(crate) fn note_refusal(record: &mut CallRecord, refusal: &Refusal) -> Response<GatewayBody> {
    let code = refusal.code();
    if refusal.is_upstream_fault() {
        tracing::info!(
            request_id = ?record.request_id,
            api_id = record.api.as_ref().map(|api| tracing::field::display(api.id)),
            code = code.as_str(),
            error = %causes(refusal),
            "a call was not answered by its upstream"
        );
    }
    record.status = code.status();
    record.error = Some(code);
    record.refused = refusal.is_before_upstream();
    if let Refusal::Limited(refusal) = refusal {
        record.notes.refused_levels.clone_from(&refusal.levels);
    }
    let mut response = refusal.answer(&record.request_id, &record.method);
    if let Some(grant) = &record.grant {
        add_fields(&grant.fields, response.headers_mut());
    }
    if record.grpc != grpc::Kind::Other {
        grpc::refuse(&mut response, code, &refusal.external(), record.grpc);
    }
    if record.applied.is_none() {
        refusal_cors(record, response.headers_mut());
    }
    record.bytes_out = response.body().size_hint().lower();
    if code == ErrorCode::MethodNotAllowed {
        let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// An error and what led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
