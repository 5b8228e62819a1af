//! `policies`: what policies do to a call before and after the upstream.
//!
//! The running order, which is that of [`PolicyKind::ALL`](apiverse_contract::policies::PolicyKind):
//!
//! - before the upstream, after the limits: `cors`, `validation`, `request_transform`, `mock`,
//!   `cache` (a hit ends here), `upstream`;
//! - after it: `cache` (what the upstream said is kept), `response_transform`, `compression`,
//!   `cors`. An answer that a policy made itself passes the steps after the one that made it.
//!
//! So the cache keeps what the upstream was asked and said, once for all callers, and what a key's
//! transforms make of it is made anew for each call.

use std::rc::Rc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body;

use super::inbound::seal;
use super::refusal::{Refusal, X_APIVERSE_ERROR, X_REQUEST_ID};
use crate::body::{GatewayBody, RequestSource};
use crate::call::CallRecord;
use crate::limits::add_fields;
use crate::snapshot::Plan;
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
    /// The caller's method; policies may ask the upstream with another.
    #[expect(
        dead_code,
        reason = "for the first policy that asks for it after the upstream"
    )]
    pub(crate) method: Method,
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
    pub(crate) fn new(plan: Plan, parts: &Parts, by_query: bool) -> Self {
        Self {
            plan,
            method: parts.method.clone(),
            by_query,
        }
    }

    /// Runs the policies before the upstream.
    pub(crate) async fn before(
        &self,
        _record: &mut CallRecord,
        request: &mut PolicyRequest,
    ) -> Result<Flow, Refusal> {
        if let Some(transform) = &self.plan.request_transform {
            let changes = &transform.document.headers;
            change_headers(&mut request.parts.headers, &changes.remove, &changes.set);
        }
        if let Some(mock) = &self.plan.mock {
            let document = &mock.document;
            let mut response = Response::new(GatewayBody::Full(Some(document.body.clone().into())));
            *response.status_mut() =
                StatusCode::from_u16(document.status).unwrap_or(StatusCode::OK);
            change_headers(response.headers_mut(), &[], &document.headers);
            return Ok(Flow::Answer(Box::new(response)));
        }
        Ok(Flow::Forward)
    }

    /// Runs the policies after the upstream.
    async fn after(&self, of: AnswerOf, response: &mut Response<GatewayBody>) {
        if let (Some(transform), true) = (&self.plan.response_transform, of != AnswerOf::Refusal) {
            let changes = &transform.document.headers;
            change_headers(response.headers_mut(), &changes.remove, &changes.set);
        }
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
        self.applied.after(of, &mut response).await;
        let own_cookies = &self.worker.gateway.config.own_cookies;
        let headers = response.headers_mut();
        seal(headers, own_cookies, self.applied.by_query);
        if of != AnswerOf::Refusal {
            headers.remove(&X_APIVERSE_ERROR);
        }
        headers.insert(&X_REQUEST_ID, self.request_id);
        response
    }
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
    if let GatewayBody::Followed(body) = response.body_mut() {
        // The call is over when its body is.
        body.attach(record);
    } else {
        record.bytes_out = response.body().size_hint().lower();
    }
    response
}

fn change_headers<'a>(
    headers: &mut HeaderMap,
    remove: &[String],
    set: impl IntoIterator<Item = (&'a String, &'a String)>,
) {
    for name in remove {
        headers.remove(name);
    }
    for (name, value) in set {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            headers.insert(name, value);
        }
    }
}
