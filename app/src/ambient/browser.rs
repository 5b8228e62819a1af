//! The browser's half of what differs between server and browser.

use apiverse_contract::{ErrorCode, Problem};
use chrono::{DateTime, Utc};
use leptos::server_fn::error::ServerFnErrorErr;

use crate::page_context::PageSeed;

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

/// The status of a page is the server's to set.
pub fn set_status(_status: u16) {}

/// A call that did not come to an answer.
pub fn rpc_fault(fault: ServerFnErrorErr) -> Problem {
    let mut problem = Problem::new(ErrorCode::ServiceUnavailable, "");
    problem.title = "The server cannot be reached".to_owned();
    "offline".clone_into(&mut problem.code);
    "check the connection, then try again".clone_into(&mut problem.detail);
    if !matches!(fault, ServerFnErrorErr::Request(_)) {
        problem.title = "The server gave an answer that is not understood".to_owned();
        "unexpected_answer".clone_into(&mut problem.code);
        "reload the page: it may be older than the server".clone_into(&mut problem.detail);
    }
    problem
}
