//! Live: calls as they come, as Server-Sent Events (HTML, 9.2).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use apiverse_contract::usage::{LiveCall, LiveDropped, LiveQuery};
use apiverse_platform::{LiveEvent, LiveStream};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::time::Instant;

use crate::openapi::problems::{QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiProblem, ApiQuery, Authenticated, RestState};

problems!(LiveProblems: SIGNED_IN, ROLE, QUERY);

/// After this long the stream ends, and whoever still may watch comes back: a role or session
/// that is gone is noticed.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Watch calls
///
/// A stream of events: `calls` with an array of calls as soon as they are stored, which is within
/// a second; `counters` every second; `dropped` when the reader is too slow or there are more
/// calls than can be told; `gap` when `Last-Event-ID` names a place that is not kept any more, two
/// minutes. The stream ends after a quarter of an hour; with the id of the last event in
/// `Last-Event-ID` it goes on where it was.
#[utoipa::path(
    get, path = "/usage/live", operation_id = "watch_calls", tag = "usage",
    params(
        LiveQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came"),
    ),
    responses(
        (status = 200, description = "The stream; each `calls` event is an array of these",
         body = LiveCall, content_type = "text/event-stream"),
        LiveProblems,
    ),
)]
pub async fn live(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<LiveQuery>,
) -> Result<Response, ApiProblem> {
    let after = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or("?"))
        .filter(|id| !id.is_empty());
    let stream = state.platform.usage_live(&actor, query, after).await?;
    let reading = Reading {
        stream,
        until: Instant::now() + LONGEST,
        // At once, so that proxies and browsers see that it works.
        parts: VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]),
    };
    let parts = futures_util::stream::unfold(reading, |mut reading| async move {
        let part = reading.next().await?;
        Some((Ok::<_, Infallible>(part), reading))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // nginx would hold events back otherwise.
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// A stream that is being sent.
struct Reading {
    stream: LiveStream,
    until: Instant,
    /// Of the event that is being sent. The calls themselves are shared by all who read them.
    parts: VecDeque<Bytes>,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(part) = self.parts.pop_front() {
            return Some(part);
        }
        let event = tokio::time::timeout_at(self.until, self.stream.next())
            .await
            .ok()??;
        match event {
            LiveEvent::Calls { place, json } => {
                self.parts.extend([json, Bytes::from_static(b"\n\n")]);
                Some(format!("event: calls\nid: {place}\ndata: ").into())
            }
            LiveEvent::Counters { place, counters } => {
                let data = json(&counters);
                Some(format!("event: counters\nid: {place}\ndata: {data}\n\n").into())
            }
            LiveEvent::Dropped(calls) => {
                let data = json(&LiveDropped { calls });
                Some(format!("event: dropped\ndata: {data}\n\n").into())
            }
            LiveEvent::Gap => Some(Bytes::from_static(b"event: gap\ndata: {}\n\n")),
        }
    }
}

fn json<T: serde::Serialize>(data: &T) -> String {
    serde_json::to_string(data).unwrap_or_default()
}
