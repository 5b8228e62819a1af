//! APIs.

use apiverse_contract::apis::{ApiView, CreateApi, PatchApi};
use apiverse_contract::usage::{CallView, TopRow, UsageReport};
use apiverse_contract::{ApiId, ListQuery, Page};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::limits::LimitsView;
use super::{Private, Rpc};

/// Which API is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiRef {
    pub id: ApiId,
}

/// What a page needs of an API it has just registered.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Registered {
    pub id: ApiId,
}

/// Which API changes, and how.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateApi {
    pub id: ApiId,
    pub changes: PatchApi,
}

/// An API with what went through it in the last 24 hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ApiDetail {
    pub api: ApiView,
    pub usage: UsageReport,
    /// The keys that called it, the busiest first.
    pub keys: Vec<TopRow>,
    /// The latest calls.
    pub calls: Vec<CallView>,
    pub limits: LimitsView,
}

/// A page of APIs, newest first.
#[server(prefix = "/api/fn", endpoint = "apis/list", input = Json)]
pub async fn list(input: ListQuery) -> Rpc<Page<ApiView>> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .api_list(&member.actor, input)
        .await
        .map_err(fail)
}

/// Registers an API.
#[server(prefix = "/api/fn", endpoint = "apis/create", input = Json)]
pub async fn create(input: Private<CreateApi>) -> Rpc<ApiView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .api_create(&member.actor, input.0)
        .await
        .map_err(fail)
}

/// An API, its figures and its latest calls.
#[server(prefix = "/api/fn", endpoint = "apis/detail", input = Json)]
pub async fn detail(input: ApiRef) -> Rpc<ApiDetail> {
    use crate::ssr::call::member;
    use crate::ssr::views;
    views::api_detail(&member().await?, input.id).await
}

/// Changes what is named.
#[server(prefix = "/api/fn", endpoint = "apis/update", input = Json)]
pub async fn update(input: Private<UpdateApi>) -> Rpc<ApiView> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let Private(UpdateApi { id, changes }) = input;
    member
        .platform
        .api_patch(&member.actor, id, changes)
        .await
        .map_err(fail)
}

/// Deletes an API. Calls to it are answered 404 from then on.
#[server(prefix = "/api/fn", endpoint = "apis/delete", input = Json)]
pub async fn delete(input: ApiRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .api_delete(&member.actor, input.id)
        .await
        .map_err(fail)
}
