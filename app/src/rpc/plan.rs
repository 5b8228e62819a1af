//! A change that is not saved, tried on the calls of late.

use apiverse_contract::configuration::plan::TrafficPlan;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::Rpc;

/// A policy's or limit's form, as it would be posted to its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DraftRef {
    /// The page: `/console/policies/cache?on=api&id=…`, `/console/limits`, `/console/apis/{id}`,
    /// `/console/apis/{id}/routes/{route}` or `/console/keys/{id}`.
    pub at: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// What the change would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DraftPlan {
    /// What is changed: `Cache of the API Weather`.
    pub title: String,
    pub plan: TrafficPlan,
}

/// Replays recent calls against a change that is not saved. Nothing changes.
#[server(PlanFn, prefix = "/api/fn", endpoint = "plan", input = Json)]
pub async fn plan(input: DraftRef) -> Rpc<DraftPlan> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::plan;
    let member = member().await?;
    plan::of(&member, input)
        .await
        .map_err(|problem| answer(problem, None))
}
