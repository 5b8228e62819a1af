//! The server's half of what differs between server and browser.

use std::future::Future;
use std::sync::Arc;

use apiverse_contract::{ErrorCode, Problem};
use chrono::{DateTime, Utc};
use http::request::Parts;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos::server_fn::error::ServerFnErrorErr;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::page_context::PageSeed;
use crate::rpc::{Answering, RpcError, encode};
use crate::ssr::{ConsoleState, call};
use crate::zone::Zone;

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

tokio::task_local! {
    /// The zone of whoever posts a form.
    static ZONE: Arc<Zone>;
}

/// Runs what answers a request in the zone of whoever asks.
pub async fn in_zone<F: Future>(zone: Zone, answer: F) -> F::Output {
    ZONE.scope(Arc::new(zone), answer).await
}

/// Shows times in a zone on the page that is being drawn.
pub fn set_zone(zone: Zone) {
    provide_context(Arc::new(zone));
}

/// Does something with the reader's zone: that of the page that is drawn, or of the form that is
/// read; UTC without either.
pub fn with_zone<R>(run: impl FnOnce(&Zone) -> R) -> R {
    if let Some(zone) = use_context::<Arc<Zone>>() {
        return run(&zone);
    }
    match ZONE.try_with(Arc::clone) {
        Ok(zone) => run(&zone),
        Err(_) => run(&Zone::default()),
    }
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

/// Runs a function in process, in the context of the page that is being drawn.
pub fn run<F>(arguments: String) -> Answering
where
    F: ServerFn<Error = RpcError> + DeserializeOwned + 'static,
    F::Output: Serialize,
{
    Box::pin(async move {
        let function: F = match serde_json::from_str(&arguments) {
            Ok(function) => function,
            Err(error) => return encode(Err::<(), _>(&broken(&error.to_string()))),
        };
        match function.run_body().await {
            Ok(output) => encode(Ok(output)),
            Err(RpcError(problem)) => encode(Err::<(), _>(&problem)),
        }
    })
}

/// Reads a value from its JSON.
pub fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text)
}

/// Whether a text is JSON.
pub fn is_json(text: &str) -> bool {
    read::<serde::de::IgnoredAny>(text).is_ok()
}

/// Types that do not fit together: a fault of ours.
pub fn broken(reason: &str) -> Problem {
    tracing::error!(reason, "a page could not call a server function");
    Problem::new(ErrorCode::Internal, "the page could not be put together")
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
