//! Sending the call: a ticket for the key, then a fetch to the gateway like any consumer's.

use apiverse_contract::{KeyId, Problem};
use leptos::prelude::*;
use leptos::web_sys;
use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::browser;
use crate::rpc::keys::{KeyRef, Ticket};
use crate::rpc::{self, RpcError};

/// More of a body is not shown: a page with megabytes of text is of no use.
const SHOWN_BYTES: usize = 512 * 1024;

/// What is to be sent.
#[derive(Clone)]
pub struct Call {
    pub key: KeyId,
    pub method: String,
    /// `/proxy/{slug}/{path}`, query included.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// Empty: none.
    pub body: String,
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub status_text: String,
    /// Until the head had arrived, and until the body had.
    pub head_ms: f64,
    pub total_ms: f64,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// Where redirects led, if they did.
    pub redirected_to: Option<String>,
}

#[derive(Clone)]
pub enum Body {
    Empty,
    /// With its whole size in bytes; the text may be cut.
    Text {
        text: String,
        size: u64,
        cut: bool,
    },
    /// Not text: only its size is told.
    Binary {
        size: u64,
    },
}

#[derive(Clone)]
pub enum State {
    Idle,
    Sending,
    Answered(Box<Answer>),
    /// The console itself refused: no ticket.
    Refused(Problem),
    /// The browser got no answer it may show.
    Failed(String),
}

/// What is needed of the answer that carries a ticket.
#[derive(Deserialize)]
struct Got {
    ticket: String,
}

pub async fn send(call: Call) -> State {
    let input = KeyRef { id: call.key };
    let ticket = match rpc::call::<_, Got>(Ticket { input }).await {
        Ok(got) => got.ticket,
        Err(RpcError(problem)) => return State::Refused(problem),
    };
    match fetch(&call, &ticket).await {
        Ok(answer) => State::Answered(Box::new(answer)),
        Err(error) => State::Failed(describe(&error)),
    }
}

async fn fetch(call: &Call, ticket: &str) -> Result<Answer, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &call.headers {
        headers.append(name, value)?;
    }
    headers.set("x-api-key", ticket)?;
    let init = web_sys::RequestInit::new();
    init.set_method(&call.method);
    init.set_headers(&headers);
    // The gateway must not be sent the console's cookie.
    init.set_credentials(web_sys::RequestCredentials::Omit);
    if !call.body.is_empty() {
        init.set_body(&JsValue::from_str(&call.body));
    }
    let start = browser::stopwatch();
    let response = JsFuture::from(window().fetch_with_str_and_init(&call.url, &init)).await?;
    let response: web_sys::Response = response.dyn_into()?;
    let head_ms = browser::stopwatch() - start;
    let bytes = JsFuture::from(response.array_buffer()?).await?;
    let total_ms = browser::stopwatch() - start;
    let content_type = response.headers().get("content-type")?.unwrap_or_default();
    Ok(Answer {
        status: response.status(),
        status_text: response.status_text(),
        head_ms,
        total_ms,
        headers: header_list(&response.headers()),
        body: body(&js_sys::Uint8Array::new(&bytes), &content_type),
        redirected_to: response.redirected().then(|| response.url()),
    })
}

fn header_list(headers: &web_sys::Headers) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for entry in headers.entries().into_iter().flatten() {
        let entry = js_sys::Array::from(&entry);
        let text = |i| entry.get(i).as_string().unwrap_or_default();
        list.push((text(0), text(1)));
    }
    list
}

fn body(bytes: &js_sys::Uint8Array, content_type: &str) -> Body {
    let size = u64::from(bytes.length());
    if size == 0 {
        return Body::Empty;
    }
    let shown = usize::try_from(size).unwrap_or(usize::MAX).min(SHOWN_BYTES);
    let end = u32::try_from(shown).unwrap_or(u32::MAX);
    let mut raw = bytes.subarray(0, end).to_vec();
    let cut = (shown as u64) < size;
    if cut {
        // A character must not be cut in its middle.
        let whole = match std::str::from_utf8(&raw) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => raw.len(),
        };
        raw.truncate(whole);
    }
    match String::from_utf8(raw) {
        Ok(text) if !text.contains('\0') => Body::Text { text, size, cut },
        Err(error) if content_type.starts_with("text/") => Body::Text {
            text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            size,
            cut,
        },
        _ => Body::Binary { size },
    }
}

/// Browsers hide why a fetch failed; what they say is kept, and what it means is added by the page.
fn describe(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(
        || "unknown".to_owned(),
        |error| String::from(error.message()),
    )
}
