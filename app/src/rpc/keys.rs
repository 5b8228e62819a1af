//! API keys.

use apiverse_contract::keys::{ApiKeyCreated, ApiKeyView, CreateApiKey, KeyTicket, PatchApiKey};
use apiverse_contract::usage::CallView;
use apiverse_contract::{KeyId, ListQuery, Page};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::limits::LimitsView;
use super::{Named, Rpc};

/// Which key is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRef {
    pub id: KeyId,
}

/// Which key changes, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateKey {
    pub id: KeyId,
    pub changes: PatchApiKey,
}

/// Which key gets a new secret, and how long the old one lives on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    pub id: KeyId,
    /// Seconds the old secret goes on working; a day when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
}

/// A key with the calls made with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct KeyDetail {
    pub key: ApiKeyView,
    /// All APIs of the organization, to choose from.
    pub apis: Vec<Named>,
    /// Calls in the last 24 hours.
    pub calls_24h: u64,
    /// The latest calls.
    pub calls: Vec<CallView>,
    pub limits: LimitsView,
}

/// What hangs on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct KeyImpact {
    /// Calls in the last 24 hours.
    pub calls_24h: u64,
    /// Of those, in the last hour.
    pub calls_1h: u64,
}

/// What a form for a new key offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct KeyChoices {
    /// All APIs of the organization.
    pub apis: Vec<Named>,
}

/// A page of keys, newest first.
#[server(prefix = "/api/fn", endpoint = "keys/list", input = Json)]
pub async fn list(input: ListQuery) -> Rpc<Page<ApiKeyView>> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .key_list(&member.actor, input)
        .await
        .map_err(fail)
}

/// What a new key can be limited to.
#[server(prefix = "/api/fn", endpoint = "keys/choices", input = Json)]
pub async fn choices() -> Rpc<KeyChoices> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    Ok(KeyChoices {
        apis: views::api_names(&member().await?).await?,
    })
}

/// Makes a key. Its text is in the answer and nowhere else.
#[server(prefix = "/api/fn", endpoint = "keys/create", input = Json)]
pub async fn create(input: CreateApiKey) -> Rpc<ApiKeyCreated> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .key_create(&member.actor, input)
        .await
        .map_err(fail)
}

/// A key and its latest calls.
#[server(prefix = "/api/fn", endpoint = "keys/detail", input = Json)]
pub async fn detail(input: KeyRef) -> Rpc<KeyDetail> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    views::key_detail(&member().await?, input.id).await
}

/// How much a key is used, to be told before it is revoked.
#[server(prefix = "/api/fn", endpoint = "keys/impact", input = Json)]
pub async fn impact(input: KeyRef) -> Rpc<KeyImpact> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    views::key_impact(&member().await?, input.id).await
}

/// Changes what is named.
#[server(prefix = "/api/fn", endpoint = "keys/update", input = Json)]
pub async fn update(input: UpdateKey) -> Rpc<ApiKeyView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .key_patch(&member.actor, input.id, input.changes)
        .await
        .map_err(fail)
}

/// Ends a key for good, within a second on every node.
#[server(prefix = "/api/fn", endpoint = "keys/revoke", input = Json)]
pub async fn revoke(input: KeyRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .key_revoke(&member.actor, input.id)
        .await
        .map_err(fail)
}

/// Gives a key a new secret. Its text is in the answer and nowhere else.
#[server(prefix = "/api/fn", endpoint = "keys/rotate", input = Json)]
pub async fn rotate(input: RotateKey) -> Rpc<ApiKeyCreated> {
    use crate::ssr::call::{fail, member};
    use apiverse_contract::keys::RotateApiKey;
    let how = RotateApiKey {
        grace_seconds: input.grace_seconds,
    };
    let member = member().await?;
    member
        .platform
        .key_rotate(&member.actor, input.id, how)
        .await
        .map_err(fail)
}

/// A ticket that acts as the key for about a minute.
#[server(prefix = "/api/fn", endpoint = "keys/ticket", input = Json)]
pub async fn ticket(input: KeyRef) -> Rpc<KeyTicket> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .key_ticket(&member.actor, input.id)
        .await
        .map_err(fail)
}
