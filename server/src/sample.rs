//! The built-in sample upstream: an echo API in the same process, so that a first call can be
//! proxied without the internet. It listens on loopback only and is off in production.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Longest answer of `/bytes/{n}`.
const MOST_BYTES: u64 = 1 << 30;
/// Longest pause of `/delay/{ms}`.
const MOST_DELAY: Duration = Duration::from_secs(30);
const MOST_EVENTS: u32 = 10_000;
/// Most of a request body that is echoed.
const MOST_BODY: usize = 1 << 20;

/// Starts the sample on a free port of loopback.
///
/// # Errors
/// When no port is free.
pub async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/status/{code}", any(status))
        .route("/delay/{milliseconds}", any(delay))
        .route("/bytes/{count}", any(bytes))
        .route("/events/{count}", any(events))
        .fallback(any(echo));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the sample upstream ended");
        }
    });
    Ok(address)
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, request: Request) -> Response {
    let Ok(body) = axum::body::to_bytes(request.into_body(), MOST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut seen = Map::new();
    for (name, value) in &headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match seen.entry(name.as_str()) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(Value::String(text));
            }
            serde_json::map::Entry::Occupied(mut entry) => {
                let joined = format!("{}, {text}", entry.get().as_str().unwrap_or_default());
                entry.insert(Value::String(joined));
            }
        }
    }
    Json(json!({
        "message": "this is the sample upstream of APIverse",
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "headers": seen,
        "body": String::from_utf8_lossy(&body),
        "body_bytes": body.len(),
    }))
    .into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(status) if !status.is_informational() => {
            (status, Json(json!({ "status": code }))).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn delay(Path(milliseconds): Path<u64>) -> Response {
    let pause = Duration::from_millis(milliseconds).min(MOST_DELAY);
    tokio::time::sleep(pause).await;
    Json(json!({ "waited_ms": pause.as_millis() })).into_response()
}

/// `count` bytes, always the same ones.
async fn bytes(Path(count): Path<u64>) -> Response {
    const CHUNK: u64 = 64 * 1024;
    let count = count.min(MOST_BYTES);
    let chunk: Bytes = (0..CHUNK).map(|n| b'a' + (n % 26) as u8).collect();
    let body = Body::from_stream(stream::unfold(count, move |left| {
        let chunk = chunk.clone();
        async move {
            let take = left.min(CHUNK);
            (take > 0).then(|| {
                let part = chunk.slice(..usize::try_from(take).unwrap_or(0));
                (Ok::<_, Infallible>(part), left - take)
            })
        }
    }));
    ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

/// `count` server-sent events, one each 100 ms.
async fn events(Path(count): Path<u32>) -> Response {
    let count = count.min(MOST_EVENTS);
    let body = Body::from_stream(stream::unfold(0, move |n| async move {
        if n >= count {
            return None;
        }
        if n > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let event = format!("id: {n}\ndata: {{\"n\":{n}}}\n\n");
        Some((Ok::<_, Infallible>(Bytes::from(event)), n + 1))
    }));
    (
        [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}
