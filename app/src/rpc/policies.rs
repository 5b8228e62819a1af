//! Policies of the organization, an API, a version, a route or a key.

use apiverse_contract::policies::preview::Preview;
use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// What policies are attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlaceRef {
    pub level: PolicyLevel,
    /// The organization is always one's own, and needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// One policy, there or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    pub place: PlaceRef,
    pub kind: PolicyKind,
}

/// What policies are attached to, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PlaceName {
    pub level: PolicyLevel,
    pub id: String,
    pub name: String,
    /// The API that the version or route is of.
    pub api: Option<Named>,
}

/// Where the policy that holds at a place comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CardState {
    /// It is the place's own.
    Own,
    /// From farther away.
    Inherited,
    /// A document here or farther away switches the kind off.
    Off,
    /// There is none.
    Absent,
}

/// A kind of policy as it holds at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PolicyCard {
    pub kind: PolicyKind,
    /// What it does there, or what one could do.
    pub words: String,
    pub state: CardState,
    /// What it is attached to, when that is not the place itself: `the organization`.
    pub from: Option<String>,
    /// What it did for the calls of the last day, where usage tells.
    pub effect: Option<String>,
}

/// Every kind that can be attached to a place, in the order in which calls meet them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PolicyCards {
    pub place: PlaceName,
    pub cards: Vec<PolicyCard>,
}

/// How a field is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FieldInput {
    /// One line.
    Line,
    /// Several lines.
    Area,
    /// A box to tick; its value is `true` or empty.
    Flag,
    /// One of `options`.
    Choice,
}

/// A field of a policy's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct FormField {
    /// Path of the document's field: `retries.max`.
    pub name: String,
    pub label: String,
    pub help: String,
    pub placeholder: String,
    pub input: FieldInput,
    pub value: String,
    /// Values and what is shown for them.
    pub options: Vec<(String, String)>,
}

/// Fields that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct FormSection {
    pub title: String,
    /// The part is there when this is ticked; without it always.
    pub switch: Option<FormField>,
    pub fields: Vec<FormField>,
}

/// A state that a policy had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PolicyState {
    pub version: u32,
    pub words: String,
    pub changed_at: DateTime<Utc>,
    pub changed_by: String,
}

/// A policy at a place, with the form that changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct OnePolicy {
    pub place: PlaceName,
    pub kind: PolicyKind,
    /// The place's own document's; 0 when there is none.
    pub version: u32,
    pub state: CardState,
    /// What holds at the place.
    pub words: String,
    /// What it is attached to, when that is not the place itself.
    pub from: Option<String>,
    pub sections: Vec<FormSection>,
    /// The place's own document, else the one that holds: as JSON text.
    pub document: String,
    /// The newest first; not all of a long history.
    pub history: Vec<PolicyState>,
    /// Latest calls, to try a transform on: `GET /orders?page=2`.
    pub recent: Vec<String>,
}

/// A policy that is set. The fields are those of the form; or `document` alone, the whole as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SavePolicy {
    pub policy: PolicyRef,
    /// The version that was looked at; 0 when there was none. Another's change meanwhile is not
    /// overwritten.
    pub version: u32,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// An earlier state that is to hold again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RollBackPolicy {
    pub policy: PolicyRef,
    pub version: u32,
}

/// A transform that is tried before it is saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TryPolicy {
    pub policy: PolicyRef,
    /// Those of the policy's form.
    pub fields: Vec<(String, String)>,
    /// The call: `try.request` (`GET /orders?page=2`), `try.headers` and `try.body`; of the answer
    /// `try.status`, `try.answer_headers` and `try.answer_body`. Headers are `Name: value` lines.
    pub call: Vec<(String, String)>,
}

/// The policies that hold at a place.
#[server(CardsFn, prefix = "/api/fn", endpoint = "policies/cards", input = Json)]
pub async fn cards(input: PlaceRef) -> Rpc<PolicyCards> {
    use crate::ssr::call::member;
    use crate::ssr::policies;
    policies::cards(&member().await?, &input).await
}

/// One policy with its form.
#[server(OneFn, prefix = "/api/fn", endpoint = "policies/one", input = Json)]
pub async fn one(input: PolicyRef) -> Rpc<OnePolicy> {
    use crate::ssr::call::member;
    use crate::ssr::policies;
    policies::one(&member().await?, &input).await
}

/// Sets a policy. The gateway follows at once.
#[server(SaveFn, prefix = "/api/fn", endpoint = "policies/save", input = Json)]
pub async fn save(input: SavePolicy) -> Rpc<()> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::policies;
    let member = member().await?;
    policies::save(&member, input)
        .await
        .map_err(|problem| answer(problem, None))
}

/// Removes a policy: what is attached farther away counts again.
#[server(RemoveFn, prefix = "/api/fn", endpoint = "policies/remove", input = Json)]
pub async fn remove(input: PolicyRef) -> Rpc<()> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::policies;
    let member = member().await?;
    policies::remove(&member, &input)
        .await
        .map_err(|problem| answer(problem, None))
}

/// Makes an earlier state of a policy the present one.
#[server(RollBackFn, prefix = "/api/fn", endpoint = "policies/roll-back", input = Json)]
pub async fn roll_back(input: RollBackPolicy) -> Rpc<()> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::policies;
    let member = member().await?;
    policies::roll_back(&member, input)
        .await
        .map_err(|problem| answer(problem, None))
}

/// What a transform would make of a call. Nothing is sent or kept.
#[server(TryFn, prefix = "/api/fn", endpoint = "policies/try", input = Json)]
pub async fn try_out(input: TryPolicy) -> Rpc<Preview> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::policies;
    let member = member().await?;
    policies::try_out(&member, input)
        .await
        .map_err(|problem| answer(problem, None))
}
