//! `/api/docs`: the OpenAPI document as a page. Everything is in the one answer; nothing is
//! fetched from elsewhere.

mod html;
mod page;
mod schema;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::Value;
use utoipa::openapi::OpenApi;
use uuid::Uuid;

/// Stands for the nonce in the rendered page until an answer is made.
const NONCE: &str = "@@nonce@@";

/// The page, rendered once; only the nonce is new in each answer.
#[derive(Clone)]
pub struct Page {
    /// The pieces between the nonces.
    pieces: std::sync::Arc<[String]>,
}

impl Page {
    #[must_use]
    pub fn render(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).unwrap_or(Value::Null);
        let page = page::render(&document);
        Self {
            pieces: page.split(NONCE).map(str::to_owned).collect(),
        }
    }

    #[must_use]
    pub fn answer(&self) -> Response {
        let nonce = Uuid::from_bytes(rand::random()).simple().to_string();
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
             connect-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        let mut response = Response::new(Body::from(self.pieces.join(&nonce)));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}
