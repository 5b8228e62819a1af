//! Limits of the organization, an API or a key.

use apiverse_contract::limits::{EffectiveQuery, LimitPolicy, PolicyScope};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// What limits are attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitsRef {
    /// `organization`, `api`, `route` or `key`.
    pub scope: PolicyScope,
    /// The API's, the route's or the key's; the organization is always one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of which API the route is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<String>,
}

/// The limits that are attached to one thing, and all that hold there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LimitsView {
    /// Its own.
    pub policy: LimitPolicy,
    /// Its own and those from above.
    pub rows: Vec<LimitRow>,
}

/// A limit that holds, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LimitRow {
    pub name: String,
    /// `10 calls a second, for each key`
    pub words: String,
    /// What it is attached to.
    pub scope: PolicyScope,
    pub target_id: String,
    pub target_name: String,
    /// What it holds in the place of: `100 calls a minute (organization)`.
    pub replaces: Vec<String>,
}

/// The new limits of one thing, all of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SaveLimits {
    pub target: LimitsRef,
    pub policy: LimitPolicy,
}

/// What holds for a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CallLimits {
    /// Name of the route that method and path come to.
    pub route: Option<String>,
    pub rows: Vec<LimitRow>,
    /// APIs to choose from.
    pub apis: Vec<Named>,
    /// Keys to choose from.
    pub keys: Vec<Named>,
}

/// The limits of one thing.
#[server(ViewFn, prefix = "/api/fn", endpoint = "limits/view", input = Json)]
pub async fn view(input: LimitsRef) -> Rpc<LimitsView> {
    use crate::ssr::call::member;
    use crate::ssr::limits;
    limits::view(&member().await?, &input).await
}

/// Replaces the limits of one thing. The gateway follows at once.
#[server(SaveFn, prefix = "/api/fn", endpoint = "limits/save", input = Json)]
pub async fn save(input: SaveLimits) -> Rpc<()> {
    use crate::ssr::call::member;
    use crate::ssr::limits;
    limits::save(&member().await?, &input.target, input.policy).await
}

/// The limits that hold for a call.
#[server(CallFn, prefix = "/api/fn", endpoint = "limits/call", input = Json)]
pub async fn of_call(input: EffectiveQuery) -> Rpc<CallLimits> {
    use crate::ssr::call::member;
    use crate::ssr::limits;
    limits::of_call(&member().await?, input).await
}
