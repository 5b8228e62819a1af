//! The targets of an API as the node that answers knows them.

use apiverse_contract::policies::upstream::{CircuitState, TargetState};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::apis::ApiRef;
use super::{Named, Rpc};

/// The targets of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TargetsView {
    pub api: Named,
    /// Those of each upstream policy that calls of the API have met; the API's own first.
    pub groups: Vec<TargetsGroup>,
}

/// The targets of one upstream policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TargetsGroup {
    /// What the policy is attached to: `the API Weather`.
    pub place: String,
    /// The policy's page.
    pub page: String,
    /// `null`: the policy has no breaker.
    pub circuit: Option<CircuitState>,
    pub targets: Vec<TargetState>,
}

/// How the targets of an API are now.
#[server(TargetsFn, prefix = "/api/fn", endpoint = "targets", input = Json)]
pub async fn targets(input: ApiRef) -> Rpc<TargetsView> {
    use crate::ssr::call::{member, visitor};
    use crate::ssr::targets;
    let visitor = visitor()?;
    targets::of_api(&member().await?, &visitor, input.id).await
}
