//! Request id, log line and metrics of every request.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use apiverse_platform::RequestInfo;
use apiverse_telemetry::{Kind, Span};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method};
use tracing::Instrument;

use crate::layers::request_id::{RequestId, X_REQUEST_ID};
use crate::{Caller, RestState, problem};

const REQUESTS: &str = "apiverse_http_requests_total";
const SECONDS: &str = "apiverse_http_request_duration_seconds";

/// Says what the metrics mean.
pub fn describe() {
    metrics::describe_counter!(
        REQUESTS,
        "Requests to the console and the REST API that were answered"
    );
    metrics::describe_histogram!(
        SECONDS,
        metrics::Unit::Seconds,
        "Time until the head of their answer"
    );
}

pub async fn observe(State(state): State<RestState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let id = RequestId::take_or_make(&parts.headers);
    // Cannot fail: an id is visible ASCII.
    let header = HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("-"));
    parts.headers.insert(X_REQUEST_ID, header.clone());
    parts.extensions.insert(id.clone());
    // Never what came along from elsewhere.
    parts.extensions.remove::<RequestInfo>();
    let Caller(info) = Caller::from_parts(&parts);
    parts.extensions.insert(info);
    let request = Request::from_parts(parts, body);

    let started = Instant::now();
    let method = request.method().clone();
    // Without the query: it may carry search words and tokens.
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|matched| route_of(matched.as_str()));

    let tracer = state.shared.settings.tracer.as_ref();
    let trace = tracer.map(|tracer| {
        let mut given = request.headers().get_all("traceparent").iter();
        tracer.begin(match (given.next(), given.next()) {
            (Some(value), None) => Some(value.as_bytes()),
            _ => None,
        })
    });
    let started_us = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64);
    let span = tracing::info_span!("request", request_id = %id.0);
    let mut response = next.run(request).instrument(span.clone()).await;
    problem::number(&mut response, &id.0);
    response.headers_mut().insert(X_REQUEST_ID, header);

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let latency_ms = elapsed.as_micros() as f64 / 1000.0;
    span.in_scope(|| {
        if is_quiet(&path) {
            tracing::debug!(%method, path, status, latency_ms, "answered");
        } else {
            tracing::info!(%method, path, status, latency_ms, "answered");
        }
    });

    if let (Some(tracer), Some(trace)) = (tracer, trace)
        && trace.is_sampled
        && !is_quiet(&path)
    {
        let route = route.as_deref().unwrap_or("other");
        tracer.record(vec![Span {
            trace_id: trace.trace_id,
            id: trace.span,
            parent: trace.parent,
            name: format!("{method} {route}").into(),
            kind: Kind::Server,
            started_us,
            ended_us: started_us.saturating_add(elapsed.as_micros() as i64),
            attributes: vec![
                ("http.request.method", method.as_str().to_owned().into()),
                ("http.route", route.to_owned().into()),
                ("http.response.status_code", i64::from(status).into()),
                ("apiverse.request_id", id.0.clone().into()),
            ],
            has_failed: status >= 500,
        }]);
    }

    let method = method_label(&method);
    let route = route.unwrap_or_else(|| "other".to_owned());
    metrics::counter!(
        REQUESTS,
        "method" => method, "route" => route.clone(), "status_class" => class_label(status),
    )
    .increment(1);
    metrics::histogram!(
        SECONDS, "method" => method, "route" => route,
    )
    .record(elapsed.as_secs_f64());
    response
}

/// The same operation has one name under its two addresses.
fn route_of(matched: &str) -> String {
    matched
        .strip_prefix("/api/v1")
        .unwrap_or(matched)
        .to_owned()
}

/// What probes and browsers fetch all the time.
fn is_quiet(path: &str) -> bool {
    path.starts_with("/health") || path.starts_with("/pkg/") || path == "/metrics"
}

/// Callers may invent methods; labels must not grow with them.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn class_label(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
