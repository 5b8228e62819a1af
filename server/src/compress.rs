//! Compression of what the console and the REST API answer.
//!
//! Only answers that are whole in memory: events, exports and files leave as they come. No page carries
//! a secret beside text that somebody else can choose, as forms are guarded by their origin and not
//! by tokens in the page; otherwise lengths could give a secret away (BREACH).

use std::sync::Arc;

use apiverse_contract::policies::CompressionPolicy;
use apiverse_contract::policies::compression::Coding;
use apiverse_transform::add_vary;
use apiverse_transform::coding::{Choice, Compression, Encoder};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;

/// A body above this leaves as it is: compressing it at once would hold up a thread.
const MOST_BYTES: u64 = 8 << 20;
/// A body up to this is compressed where it is; others not on a thread that serves calls.
const BRIEF: usize = 32 << 10;

/// The negotiation, with the defaults of a compression policy.
pub(crate) fn negotiation() -> Arc<Compression> {
    Arc::new(Compression::new(&CompressionPolicy {
        enabled: true,
        min_bytes: None,
        codings: Vec::new(),
        types: Vec::new(),
    }))
}

/// Compresses an answer if its asker reads that.
pub(crate) async fn compress(
    State(negotiation): State<Arc<Compression>>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let asked = request.headers().clone();
    let response = next.run(request).await;
    let (status, headers) = (response.status(), response.headers());
    let length = response.body().size_hint().exact();
    // Pages are rendered whole, though they come as a stream of one part.
    let is_whole = length.is_some_and(|length| length <= MOST_BYTES) || is_page(headers);
    if !is_whole || has_strong_tag(headers) {
        return response;
    }
    // The answer to HEAD has no body, and its head is that of the one to GET.
    let known = length.filter(|_| method != Method::HEAD);
    let choice = negotiation.choose(&method, &asked, status, headers, known);
    let (mut parts, body) = response.into_parts();
    if choice != Choice::Never {
        add_vary(&mut parts.headers, "accept-encoding");
    }
    let Choice::Coded(coding) = choice else {
        return Response::from_parts(parts, body);
    };
    if method == Method::HEAD {
        return Response::from_parts(parts, body);
    }
    let plain = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            // It was said to be whole; what is left of it is an answer cut short, and shown as one.
            let broken = futures_util::stream::once(async move { Err::<bytes::Bytes, _>(error) });
            return Response::from_parts(parts, Body::from_stream(broken));
        }
    };
    let coded = if plain.len() <= BRIEF {
        encode(coding, &plain)
    } else {
        let plain = plain.clone();
        let work = move || encode(coding, &plain);
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    };
    let Some(coded) = coded else {
        return Response::from_parts(parts, Body::from(plain));
    };
    parts.headers.remove(CONTENT_LENGTH);
    let name = HeaderValue::from_static(coding.as_str());
    parts.headers.insert(CONTENT_ENCODING, name);
    Response::from_parts(parts, Body::from(coded))
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/html"))
}

/// Whether a validator stands for these very bytes, and comes back in `If-Match`.
fn has_strong_tag(headers: &HeaderMap) -> bool {
    let tag = headers.get(ETAG).map(HeaderValue::as_bytes);
    tag.is_some_and(|tag| !tag.starts_with(b"W/"))
}

/// `None` when there is no memory for it.
fn encode(coding: Coding, plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(coding).ok()?;
    let mut coded = encoder.push(plain).ok()?;
    coded.append(&mut encoder.finish().ok()?);
    Some(coded)
}
