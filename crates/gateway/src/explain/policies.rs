//! What policies would do to a call that is only asked about.

use std::sync::Arc;

use apiverse_contract::ErrorCode;
use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_transform::coding::Choice;
use apiverse_transform::is_preflight;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::build::told;
use super::dry_run::Course;
use crate::phases::{Located, Met, plan_without_key};
use crate::snapshot::{ApiRecord, KeyRecord, Plan, Snapshot};
use crate::transform::{Subject, verdict};

/// How a call would go on.
pub(super) enum Foretold {
    /// With another path and query, if a policy makes them.
    Forward(Option<(String, Option<String>)>),
    /// A policy answers with this status.
    Answered(u16),
}

impl Course {
    fn policy(
        &mut self,
        (kind, level): (PolicyKind, PolicyLevel),
        code: Option<ErrorCode>,
        said: &str,
    ) {
        self.end_of(kind.as_str(), code, Some(told(level, said)));
    }
}

/// The status of the answer to a preflight request, which needs no key; `None`: it is none, or
/// nothing is said about other sites.
pub(super) fn preflight(
    snapshot: &Snapshot,
    api: &ApiRecord,
    (method, headers): (&Method, &HeaderMap),
    located: &Located<'_>,
    course: &mut Course,
) -> Option<u16> {
    if !is_preflight(method, headers) {
        return None;
    }
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes();
    let asked = Method::from_bytes(asked).ok()?;
    let cors = plan_without_key(snapshot, api, &asked, located)?.cors?;
    let said = verdict(headers, &cors.policy.preflight(headers));
    course.policy((PolicyKind::Cors, cors.origin.level), None, said);
    Some(StatusCode::NO_CONTENT.as_u16())
}

/// The call as its policies would find it.
pub(super) fn subject(
    method: &Method,
    headers: HeaderMap,
    located: &Located<'_>,
    met: &Met,
    (key, api): (&Arc<KeyRecord>, &Arc<ApiRecord>),
) -> Subject {
    let mut head = http::Request::new(()).into_parts().0;
    head.method = method.clone();
    head.headers = headers;
    Subject::new(
        &head,
        (located.rest, located.query),
        met.captured(located.rest),
        HeaderValue::from_static("-"),
        key,
        api,
    )
}

/// The policies before the upstream, in their order. Of a body only the length is known.
pub(super) fn before(
    plan: &Plan,
    subject: &Subject,
    body_bytes: Option<u64>,
    course: &mut Course,
) -> Result<Foretold, ErrorCode> {
    if let Some(schema) = &plan.validation {
        let kind = (PolicyKind::Validation, schema.origin.level);
        let own = &schema.policy;
        let errors = own.check_head(subject.captured(), subject.query(), &subject.headers);
        if !errors.is_empty() {
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            let code = ErrorCode::RequestInvalid;
            course.policy(
                kind,
                Some(code),
                &format!("does not fit: {}", fields.join(", ")),
            );
            return Err(code);
        }
        let said = match own.wants_body() {
            true => "fits as far as its head; the body is not known",
            false => "the request fits",
        };
        course.policy(kind, None, said);
    }
    let mut method = subject.method.clone();
    let mut changed = None;
    if let Some(change) = &plan.request_transform {
        let kind = (PolicyKind::RequestTransform, change.origin.level);
        let own = &change.policy;
        let facts = subject.facts(None);
        let mut headers = subject.headers.clone();
        let made = own
            .address(&facts)
            .and_then(|address| own.headers(&facts, &mut headers).map(|()| address));
        let (rest, query) = match made {
            Ok(address) => address,
            Err(error) => {
                let code = ErrorCode::RequestTransformFailed;
                course.policy(kind, Some(code), &error.to_string());
                return Err(code);
            }
        };
        if let Some(new) = &own.method {
            method = new.clone();
        }
        let body = match own.body.is_some() && body_bytes.is_some_and(|bytes| bytes > 0) {
            true => "; its body, if it is JSON, is made anew",
            false => "",
        };
        course.policy(kind, None, &format!("{method} {rest}{body}"));
        changed = Some((rest, query));
    }
    if let Some(mock) = &plan.mock {
        let status = mock.policy.choose(&subject.headers).status.as_u16();
        let kind = (PolicyKind::Mock, mock.origin.level);
        course.policy(kind, None, &format!("status {status}"));
        return Ok(Foretold::Answered(status));
    }
    if plan.cache.is_some() {
        let said = match method {
            _ if body_bytes.is_some_and(|bytes| bytes > 0) => "passed by: it has a body",
            Method::GET | Method::HEAD => "looked up",
            Method::OPTIONS | Method::TRACE => "passed by: its method is not for caches",
            _ => "makes its address be fetched anew",
        };
        course.end_of(PolicyKind::Cache.as_str(), None, Some(said.to_owned()));
    }
    Ok(Foretold::Forward(changed))
}

/// What would be done to the answer, which is not known.
pub(super) fn after(plan: &Plan, subject: &Subject, course: &mut Course) {
    let mut skip = |kind: PolicyKind, level, said: &str| {
        course.skip_of(kind.as_str(), &told(level, said));
    };
    if let Some(tokens) = &plan.tokens {
        let said = "what the upstream tells of is counted";
        skip(PolicyKind::Tokens, tokens.origin.level, said);
    }
    if let Some(change) = &plan.response_transform {
        let said = match change.policy.body {
            Some(_) => "answers in JSON are made anew",
            None => "heads of answers are changed",
        };
        skip(PolicyKind::ResponseTransform, change.origin.level, said);
    }
    if let Some(compression) = &plan.compression {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let own = &compression.policy;
        let (method, accepts) = (&subject.method, &subject.headers);
        let choice = own.choose(method, accepts, StatusCode::OK, &headers, None);
        let said = match choice {
            Choice::Coded(coding) => format!("{} for texts", coding.as_str()),
            Choice::AsItIs | Choice::Never => "the caller takes no coding".to_owned(),
        };
        skip(PolicyKind::Compression, compression.origin.level, &said);
    }
    if let Some(cors) = &plan.cors {
        let mut headers = HeaderMap::new();
        cors.policy.answer(&subject.headers, &mut headers);
        let said = verdict(&subject.headers, &headers);
        skip(PolicyKind::Cors, cors.origin.level, said);
    }
}
