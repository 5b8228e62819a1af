//! Error answers: problem documents (RFC 9457).

use std::fmt::Write as _;

use apiverse_contract::{ErrorCode, FieldError, Problem};
use apiverse_platform::Fault;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error on its way out. Made from any [`Fault`] with `?`, or by hand where the HTTP side
/// itself refuses.
#[derive(Debug)]
pub struct ApiProblem {
    /// Boxed, so that a `Result` with it stays small.
    problem: Box<Problem>,
    retry_after: Option<u32>,
}

/// Marks an answer whose body is this problem, so that the request id, which the layers know,
/// gets into it.
#[derive(Clone)]
pub(crate) struct Unnumbered(pub Box<Problem>);

impl ApiProblem {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(code, detail)),
            retry_after: None,
        }
    }

    /// Names what is wrong with which field.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.problem.errors = errors;
        self
    }

    /// 422 with the fields that are wrong.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("`{}` {}", one.field, one.message),
            many => format!("{} fields are not valid; see `errors`", many.len()),
        };
        Self::new(ErrorCode::ValidationFailed, detail).with_errors(errors)
    }

    /// A fault of ours. What happened belongs in the log, not here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            ErrorCode::Internal,
            "the request could not be completed; name the request id when asking for help",
        )
    }

    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl<F: Fault> From<F> for ApiProblem {
    fn from(fault: F) -> Self {
        let code = fault.code();
        // The one place where the REST side logs a fault; the span around carries the request id.
        match code {
            ErrorCode::Internal => {
                tracing::error!(error = %chain(&fault), "request failed");
                return Self::internal();
            }
            ErrorCode::ServiceUnavailable => {
                tracing::warn!(error = %chain(&fault), "dependency unavailable");
            }
            _ => {}
        }
        Self {
            problem: Box::new(fault.problem()),
            retry_after: fault.retry_after(),
        }
    }
}

/// An error with all its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = problem_body(&self.problem);
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.problem.status == 401 {
            // RFC 9110, 11.6.1: every 401 carries a challenge; RFC 6750, 3: what is wrong with
            // the token is told only when one was sent.
            let challenge = if self.problem.code == ErrorCode::InvalidToken.as_str() {
                r#"Bearer realm="apiverse", error="invalid_token""#
            } else {
                r#"Bearer realm="apiverse""#
            };
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        response.extensions_mut().insert(Unnumbered(self.problem));
        response
    }
}

fn problem_body(problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response
}

/// Writes the request id into an answer that is a problem of ours.
pub(crate) fn number(response: &mut Response, request_id: &str) {
    let Some(Unnumbered(mut problem)) = response.extensions_mut().remove::<Unnumbered>() else {
        return;
    };
    // The answer to HEAD has no body, but its length is the one GET would get.
    let is_empty = axum::body::HttpBody::is_end_stream(response.body());
    problem.request_id = Some(request_id.to_owned());
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if !is_empty {
        *response.body_mut() = Body::from(body);
    }
}
