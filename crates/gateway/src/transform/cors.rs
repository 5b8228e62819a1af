//! `cors`: for preflight requests, for answers, and for what the gateway refuses.

use std::sync::Arc;

use apiverse_contract::policies::PolicyKind;
use apiverse_transform::{Cors, is_preflight};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method, Response, StatusCode};

use super::ready::Ready;
use crate::body::GatewayBody;
use crate::call::CallRecord;
use crate::phases::{X_REQUEST_ID, locate, plan_without_key};

/// The answer to a preflight request; `None`: it is none, or nothing is said about other sites.
///
/// It has no key: what counts is the API's policy and that of the route which the call would take.
pub(crate) fn preflight(
    record: &mut CallRecord,
    headers: &HeaderMap,
) -> Option<Response<GatewayBody>> {
    if !is_preflight(&record.method, headers) {
        return None;
    }
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes();
    let method = Method::from_bytes(asked).ok()?;
    let (cors, api) = policy(record, &method)?;
    record.organization_id = Some(api.organization_id);
    record.api = Some(api);
    let mut response = Response::new(GatewayBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = cors.policy.preflight(headers);
    let kind = (PolicyKind::Cors, cors.origin.level);
    let said = verdict(headers, response.headers());
    record.note_policy(kind, record.since_us(), None, said);
    let id = record.request_id.clone();
    response.headers_mut().insert(&X_REQUEST_ID, id);
    Some(response)
}

/// Lets a page of another site read why its call was refused before its policies were known.
pub(crate) fn refusal_cors(record: &CallRecord, response: &mut HeaderMap) {
    let Some(origin) = &record.origin else {
        return;
    };
    if let Some((cors, _)) = policy(record, &record.method) {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.clone());
        cors.policy.answer(&headers, response);
    }
}

/// Says in an answer which pages may read it, and tells that.
pub(crate) fn answer_cors(
    cors: &Ready<Cors>,
    request: &HeaderMap,
    response: &mut HeaderMap,
) -> &'static str {
    cors.policy.answer(request, response);
    verdict(request, response)
}

/// What the fields of an answer say to the page that asked.
pub(crate) fn verdict(request: &HeaderMap, response: &HeaderMap) -> &'static str {
    match request.contains_key(ORIGIN) {
        false => "no page of another site asks",
        true if response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) => "the site may read it",
        true => "the site may not read it",
    }
}

type Found = (Arc<Ready<Cors>>, Arc<crate::snapshot::ApiRecord>);

fn policy(record: &CallRecord, method: &Method) -> Option<Found> {
    let located = locate(&record.target)?;
    let snapshot = record.worker.gateway.loader.current();
    let api = match &record.api {
        Some(api) => Arc::clone(api),
        None => Arc::clone(snapshot.api_of_anyone(located.selector)?),
    };
    let plan = plan_without_key(&snapshot, &api, method, &located)?;
    Some((plan.cors?, api))
}
