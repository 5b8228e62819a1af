//! The browser's half of what differs between server and browser.

mod json;

use std::cell::RefCell;

use apiverse_contract::{ErrorCode, Problem};
use chrono::{DateTime, Utc};
use leptos::prelude::window;
use leptos::server_fn::ServerFn;
use leptos::server_fn::error::ServerFnErrorErr;
use leptos::web_sys;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub use json::{is_json, read};

use crate::page_context::PageSeed;
use crate::rpc::{Answering, encode};
use crate::zone::Zone;

/// The seed comes with the page; this is never asked during hydration.
pub fn page_seed() -> PageSeed {
    PageSeed {
        now: now(),
        ..PageSeed::default()
    }
}

/// The browser's clock.
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
    let millis = js_sys::Date::now() as i64;
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

thread_local! {
    static ZONE: RefCell<Zone> = RefCell::default();
}

/// Shows times in a zone from now on.
pub fn set_zone(zone: Zone) {
    ZONE.with(|held| *held.borrow_mut() = zone);
}

/// Does something with the reader's zone. Times are shown on events too, far from any context.
pub fn with_zone<R>(run: impl FnOnce(&Zone) -> R) -> R {
    ZONE.with(|zone| run(&zone.borrow()))
}

/// The status of a page is the server's to set.
pub fn set_status(_status: u16) {}

/// Posts a function's arguments to its address.
pub fn run<F: ServerFn>(arguments: String) -> Answering {
    answer(F::PATH, arguments)
}

fn answer(path: &'static str, arguments: String) -> Answering {
    // Nothing in a browser leaves its one thread.
    Box::pin(SendWrapper::new(async move {
        match post(path, &arguments).await {
            Ok((true, text)) => format!("+{text}"),
            Ok((false, text)) => {
                let problem = read::<Problem>(&text);
                encode(Err::<(), _>(&problem.unwrap_or_else(|_| broken(""))))
            }
            Err(_) => encode(Err::<(), _>(&offline())),
        }
    }))
}

async fn post(path: &str, arguments: &str) -> Result<(bool, String), JsValue> {
    let headers = web_sys::Headers::new()?;
    headers.set("content-type", "application/json")?;
    headers.set("accept", "application/json")?;
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(arguments));
    let response = JsFuture::from(window().fetch_with_str_and_init(path, &init)).await?;
    let response: web_sys::Response = response.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.ok(), text.as_string().unwrap_or_default()))
}

fn offline() -> Problem {
    local(
        "offline",
        "The server cannot be reached",
        "check the connection, then try again",
    )
}

/// An answer of another shape than this page knows.
pub fn broken(_reason: &str) -> Problem {
    local(
        "unexpected_answer",
        "The server gave an answer that is not understood",
        "reload the page: it may be older than the server",
    )
}

/// A problem of the browser's own.
fn local(code: &str, title: &str, detail: &str) -> Problem {
    let mut problem = Problem::new(ErrorCode::ServiceUnavailable, detail);
    title.clone_into(&mut problem.title);
    code.clone_into(&mut problem.code);
    problem
}

/// Pages do not use the generated clients; this is for completeness.
pub fn rpc_fault(_fault: ServerFnErrorErr) -> Problem {
    offline()
}
