//! Routes: parts of an API with limits of their own.

use apiverse_contract::{ApiId, RouteId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::Rpc;
use super::apis::ApiRef;
use super::limits::LimitsView;

/// Which route is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteRef {
    pub api_id: ApiId,
    pub id: RouteId,
}

/// A route, with its own limits in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RouteLine {
    pub id: RouteId,
    pub name: String,
    /// In upper case; empty: all.
    pub methods: Vec<String>,
    /// `/users/{id}/*`
    pub path: String,
    /// `10 calls a second, for each key`
    pub limits: Vec<String>,
}

/// An API's routes, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Routes {
    pub routes: Vec<RouteLine>,
}

/// A route and what holds there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RouteDetail {
    pub api_name: String,
    pub route: RouteLine,
    pub limits: LimitsView,
}

/// A route that is made, or changed when it has an `id`. Limits are saved on their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SaveRoute {
    pub api_id: ApiId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RouteId>,
    pub name: String,
    /// Empty: all.
    #[serde(default)]
    pub methods: Vec<String>,
    pub path: String,
}

/// The routes of an API.
#[server(ListFn, prefix = "/api/fn", endpoint = "routes/list", input = Json)]
pub async fn list(input: ApiRef) -> Rpc<Routes> {
    use crate::ssr::call::member;
    use crate::ssr::routes;
    routes::list(&member().await?, input.id).await
}

/// One route.
#[server(OneFn, prefix = "/api/fn", endpoint = "routes/one", input = Json)]
pub async fn one(input: RouteRef) -> Rpc<RouteDetail> {
    use crate::ssr::call::member;
    use crate::ssr::routes;
    routes::one(&member().await?, input).await
}

/// Makes or changes a route. The gateway follows at once.
#[server(SaveFn, prefix = "/api/fn", endpoint = "routes/save", input = Json)]
pub async fn save(input: SaveRoute) -> Rpc<RouteRef> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::routes;
    let member = member().await?;
    routes::save(&member.platform, &member.actor, input)
        .await
        .map_err(|problem| answer(problem, None))
}

/// Deletes a route, and its limits with it.
#[server(DeleteFn, prefix = "/api/fn", endpoint = "routes/delete", input = Json)]
pub async fn delete(input: RouteRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .route_delete(&member.actor, input.api_id, input.id)
        .await
        .map_err(fail)
}
