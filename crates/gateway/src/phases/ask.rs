//! `ask`: the exchange with the upstream, until its answer begins.

use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;

use super::direct::direct;
use super::locate::Located;
use super::outbound::outbound;
use super::refusal::Refusal;
use super::token::{bearer_token, forget_token};
use crate::body::{Clocks, RequestBody, RequestProgress, RequestSource};
use crate::call::CallRecord;
use crate::grpc;
use crate::snapshot::{ApiRecord, AuthPlan, Target};
use crate::targets::{Caller, Own, balanced};
use crate::timer::Deadline;
use crate::upstream::{Answer, Lease, Outbound, exchange};

/// An upstream's answer on its way to the caller.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(super) api: Arc<ApiRecord>,
    pub(crate) deadline: Deadline,
    pub(crate) clocks: Clocks,
    pub(super) by_query: bool,
    /// The answer is turned into gRPC-Web.
    pub(super) web: Option<grpc::Kind>,
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
