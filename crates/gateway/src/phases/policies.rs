//! `policies`: what policies do to a call before and after the upstream.
//!
//! The running order, which is that of [`PolicyKind::ALL`](apiverse_contract::policies::PolicyKind):
//!
//! - before the upstream, after the limits: `cors`, `validation`, `request_transform`, `mock`,
//!   `cache` (a hit ends here), `upstream`;
//! - after it: `cache` (what the upstream said is kept), `tokens` (read in passing), `response_transform`, `compression`,
//!   `cors`. An answer that a policy made itself passes the steps after the one that made it.
//!
//! So the cache keeps what the upstream was asked and said, once for all callers, and what a key's
//! transforms make of it is made anew for each call.

use std::borrow::Cow;
use std::rc::Rc;

use apiverse_contract::policies::PolicyKind;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;

use super::inbound::seal;
use super::refusal::{Refusal, X_APIVERSE_ERROR, X_REQUEST_ID, problem};
use crate::body::{GatewayBody, RequestSource};
use crate::call::CallRecord;
use crate::limits::add_fields;
use crate::snapshot::Plan;
use crate::transform::{self, Subject};
use crate::worker::Worker;

/// A request on its way through the policies, which change it in place.
pub(crate) struct PolicyRequest {
    /// Of the head only method, version and fields are used.
    pub(crate) parts: Parts,
    pub(crate) body: RequestSource,
    /// There when the call has policies.
    pub(crate) changed: Option<Address>,
}

/// Where a call goes below its API.
pub(crate) struct Address {
    /// The path below the API: empty, or `/` and more.
    pub(crate) rest: String,
    /// Without the question mark.
    pub(crate) query: Option<String>,
}

/// The policies of a call, and what those after the upstream want to know of its request.
pub(crate) struct Applied {
    pub(crate) plan: Plan,
    /// The call as it came; policies may ask the upstream for something else. `None`: they change
    /// nothing about the call.
    subject: Option<Subject>,
    /// The key came in the address.
    by_query: bool,
}

/// How the call goes on after the policies before the upstream.
pub(crate) enum Flow {
    Forward,
    /// A policy has the answer; the upstream is not asked.
    Answer(Box<Response<GatewayBody>>),
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerOf {
    Upstream,
    Policy,
    /// The gateway's, that the call ends here.
    Refusal,
}

/// What an answer that went through policies needs of its call, which may be over by then.
pub(crate) struct Finish {
    worker: Rc<Worker>,
    applied: Rc<Applied>,
    request_id: HeaderValue,
}

impl Applied {
    pub(crate) const fn new(plan: Plan, subject: Option<Subject>, by_query: bool) -> Self {
        Self {
            plan,
            subject,
            by_query,
        }
    }

    /// Runs the policies before the upstream.
    pub(crate) async fn before(
        &self,
        record: &mut CallRecord,
        request: &mut PolicyRequest,
    ) -> Result<Flow, Refusal> {
        let Some(subject) = &self.subject else {
            return Ok(Flow::Forward);
        };
        let worker = Rc::clone(&record.worker);
        if let Some(schema) = &self.plan.validation {
            let began_us = record.since_us();
            let checked = transform::validate(&worker, schema, subject, request).await;
            let refusal = checked.as_ref().err();
            let said = refusal.map_or("the request fits".into(), said_of);
            let kind = (PolicyKind::Validation, schema.origin.level);
            record.note_policy(kind, began_us, refusal.map(Refusal::code), said);
            checked?;
        }
        if let Some(change) = &self.plan.request_transform {
            let began_us = record.since_us();
            let changed = transform::change_request(&worker, change, subject, request).await;
            let refusal = changed.as_ref().err();
            let said = refusal.map_or_else(|| made_of(request).into(), said_of);
            let kind = (PolicyKind::RequestTransform, change.origin.level);
            record.note_policy(kind, began_us, refusal.map(Refusal::code), said);
            changed?;
        }
        let changes_answer = self.plan.response_transform.as_ref();
        if changes_answer.is_some_and(|change| change.policy.body.is_some()) {
            transform::ask_for_whole(request);
        }
        if self.plan.tokens.is_some() {
            transform::ask_for_plain(request);
        }
        if let Some(mock) = &self.plan.mock {
            let began_us = record.since_us();
            let response = transform::mocked(&worker, mock, subject).await;
            let said = format!("status {}", response.status().as_u16());
            let kind = (PolicyKind::Mock, mock.origin.level);
            record.note_policy(kind, began_us, None, said);
            return Ok(Flow::Answer(Box::new(response)));
        }
        Ok(Flow::Forward)
    }

    /// Runs the policies after the upstream.
    async fn after(
        &self,
        worker: &Worker,
        of: AnswerOf,
        request_id: &HeaderValue,
        response: &mut Response<GatewayBody>,
    ) -> AnswerOf {
        let Some(subject) = &self.subject else {
            return of;
        };
        let mut of = of;
        if let (Some(change), true) = (&self.plan.response_transform, of != AnswerOf::Refusal) {
            let began_us = response
                .body_mut()
                .record_mut()
                .map(|record| record.since_us());
            let changed = transform::change_response(worker, change, subject, response).await;
            let failed = changed.err();
            let status = response.status().as_u16();
            if let (Some(record), Some(began_us)) = (response.body_mut().record_mut(), began_us) {
                let code = failed.as_ref().map(|failed| failed.code);
                let said = match &failed {
                    Some(failed) => failed.detail.clone(),
                    None => format!("status {status}"),
                };
                let kind = (PolicyKind::ResponseTransform, change.origin.level);
                record.note_policy(kind, began_us, code, said);
                record.status = code.map_or(status, |code| code.status());
            }
            if let Some(failed) = failed {
                let record = response.body_mut().take_record();
                *response = problem(failed.code, failed.detail, request_id, &subject.method);
                if let Some(mut record) = record {
                    record.error = Some(failed.code);
                    record.bytes_out = 0;
                    if let Some(grant) = &record.grant {
                        add_fields(&grant.fields, response.headers_mut());
                    }
                    response.body_mut().record_with(record);
                }
                of = AnswerOf::Refusal;
            }
        }
        if let (Some(compression), true) = (&self.plan.compression, of != AnswerOf::Refusal) {
            let said = transform::compress(compression, subject, response);
            if let Some(record) = response.body_mut().record_mut() {
                let kind = (PolicyKind::Compression, compression.origin.level);
                record.note_policy(kind, record.since_us(), None, said);
            }
        }
        if let Some(cors) = &self.plan.cors {
            let said = transform::answer_cors(cors, &subject.headers, response.headers_mut());
            if let Some(record) = response.body_mut().record_mut() {
                let kind = (PolicyKind::Cors, cors.origin.level);
                record.note_policy(kind, record.since_us(), None, said);
            }
        }
        of
    }
}

impl Finish {
    /// `None`: the call has no policies.
    pub(crate) fn new(record: &CallRecord) -> Option<Self> {
        Some(Self {
            worker: Rc::clone(&record.worker),
            applied: Rc::clone(record.applied.as_ref()?),
            request_id: record.request_id.clone(),
        })
    }

    /// Runs the policies after the upstream, and sees to it that they cannot say what is only the
    /// gateway's to say.
    pub(crate) async fn run(
        self,
        of: AnswerOf,
        mut response: Response<GatewayBody>,
    ) -> Response<GatewayBody> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        let (applied, id) = (&self.applied, &self.request_id);
        let of = applied.after(&self.worker, of, id, &mut response).await;
        let own_cookies = &self.worker.gateway.config.own_cookies;
        let headers = response.headers_mut();
        seal(headers, own_cookies, self.applied.by_query);
        if of != AnswerOf::Refusal {
            headers.remove(&X_APIVERSE_ERROR);
        }
        headers.insert(&X_REQUEST_ID, self.request_id);
        response.body_mut().let_go();
        response
    }
}

/// What is told of a refusal to people who may see how calls went; no values are in it.
fn said_of(refusal: &Refusal) -> Cow<'static, str> {
    let Refusal::Policy { detail, errors, .. } = refusal else {
        return refusal.external().into();
    };
    match errors.as_slice() {
        [] => detail.clone().into(),
        errors => {
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            format!("does not fit: {}", fields.join(", ")).into()
        }
    }
}

/// What was made of a request, without its query.
fn made_of(request: &PolicyRequest) -> String {
    let path = request.changed.as_ref().map_or("", |address| &address.rest);
    format!("{} {path}", request.parts.method)
}

/// Records a call that a policy has answered: it is served, though no upstream saw it.
pub(crate) fn own_answer(
    mut record: Box<CallRecord>,
    mut response: Response<GatewayBody>,
) -> Response<GatewayBody> {
    record.status = response.status().as_u16();
    record.refused = false;
    if record.method == Method::HEAD && response.status() != StatusCode::NOT_MODIFIED {
        let length = response.body().size_hint().exact();
        if let Some(length) = length {
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = GatewayBody::Empty;
    }
    if let Some(grant) = &record.grant {
        add_fields(&grant.fields, response.headers_mut());
    }
    let is_changed = record
        .applied
        .as_ref()
        .is_some_and(|applied| applied.subject.is_some());
    match response.body_mut() {
        // The call is over when its body is.
        GatewayBody::Followed(body) => body.attach(record),
        body if is_changed => body.record_with(record),
        body => record.bytes_out = body.size_hint().lower(),
    }
    response
}
