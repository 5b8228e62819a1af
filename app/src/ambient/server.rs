//! The server's half of what differs between server and browser.

use apiverse_contract::{ErrorCode, Problem};
use chrono::{DateTime, Utc};
use http::request::Parts;
use leptos::prelude::*;
use leptos::server_fn::error::ServerFnErrorErr;

use crate::page_context::PageSeed;
use crate::ssr::{ConsoleState, call};

/// What the gate found out about the request. The listing of routes runs without one.
pub fn page_seed() -> PageSeed {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<PageSeed>().cloned())
        .unwrap_or_default()
}

/// The platform's clock.
pub fn now() -> DateTime<Utc> {
    use_context::<ConsoleState>().map_or_else(DateTime::default, |state| state.platform.now())
}

/// The status of the page that is being drawn.
pub fn set_status(status: u16) {
    if let (Some(response), Ok(status)) = (
        use_context::<leptos_axum::ResponseOptions>(),
        http::StatusCode::from_u16(status),
    ) {
        response.set_status(status);
    }
}

/// A body that is JSON but not the function's arguments, or a fault of ours.
pub fn rpc_fault(fault: ServerFnErrorErr) -> Problem {
    let problem = match fault {
        ServerFnErrorErr::Args(message)
        | ServerFnErrorErr::MissingArg(message)
        | ServerFnErrorErr::Deserialization(message) => {
            Problem::new(ErrorCode::ValidationFailed, message)
        }
        fault => {
            tracing::error!(error = %fault, "a server function could not be run");
            Problem::new(
                ErrorCode::Internal,
                "the request could not be answered; try again",
            )
        }
    };
    call::answer(problem, None).0
}
