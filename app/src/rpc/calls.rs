//! Single calls: how one went, and what would happen to one.

use apiverse_contract::explain::{ExplainRequest, Explanation};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Private, Rpc};

/// Which call is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallRef {
    /// The answer's `x-request-id`.
    pub request_id: String,
}

/// How a call went, or would go, with what the gateway's verdict asks of its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Explained {
    /// `null` when nothing was kept of the call: every failed call and a sample of the others are
    /// kept for three days.
    pub explanation: Option<Explanation>,
    /// What to mend when the gateway refused it, for people.
    pub mend: Option<String>,
    /// Where that is done: a page of the console.
    pub mend_at: Option<String>,
}

/// What a choice of calls offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CallChoices {
    pub apis: Vec<Named>,
    pub keys: Vec<Named>,
}

/// How one call went.
#[server(OneFn, prefix = "/api/fn", endpoint = "calls/one", input = Json)]
pub async fn one(input: CallRef) -> Rpc<Explained> {
    use crate::ssr::call::member;
    use crate::ssr::explain;
    explain::one(&member().await?, &input.request_id).await
}

/// What would happen to a call. Nothing is sent, nothing is counted.
#[server(AskFn, prefix = "/api/fn", endpoint = "calls/explain", input = Json)]
pub async fn ask(input: Private<ExplainRequest>) -> Rpc<Explained> {
    use crate::ssr::call::{member, visitor};
    use crate::ssr::explain;
    let visitor = visitor()?;
    explain::ask(&member().await?, &visitor, &input.0)
}

/// The APIs and keys that calls can be of; none for a role that does not see them: who looks after
/// the bills may watch calls and price them all the same.
#[server(ChoicesFn, prefix = "/api/fn", endpoint = "calls/choices", input = Json)]
pub async fn choices() -> Rpc<CallChoices> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    let member = member().await?;
    Ok(CallChoices {
        apis: views::api_names_seen(&member).await?,
        keys: views::key_names_seen(&member).await?,
    })
}
