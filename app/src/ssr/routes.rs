//! Routes as the pages show them, and making them.

use apiverse_contract::limits::{
    CreateRoute, EffectiveQuery, LimitPolicy, PatchRoute, RouteView, limits_of,
};
use apiverse_contract::patch::Patch;
use apiverse_contract::{ApiId, ListQuery, Problem};
use apiverse_platform::{Actor, Platform};

use super::call::{Member, fail, problem_of};
use super::limits::row;
use crate::forms::limit::words;
use crate::rpc::Rpc;
use crate::rpc::limits::LimitsView;
use crate::rpc::routes::{RouteDetail, RouteLine, RouteRef, Routes, SaveRoute};

/// Routes that a page shows of an API.
const MOST: u32 = 200;

/// # Errors
/// What the platform refuses.
pub async fn list(member: &Member, api_id: ApiId) -> Rpc<Routes> {
    let Member { platform, actor } = member;
    let query = ListQuery {
        limit: Some(MOST),
        ..ListQuery::default()
    };
    let page = platform
        .route_list(actor, api_id, query)
        .await
        .map_err(fail)?;
    Ok(Routes {
        routes: page.data.iter().map(line).collect(),
    })
}

/// # Errors
/// What the platform refuses.
pub async fn one(member: &Member, which: RouteRef) -> Rpc<RouteDetail> {
    let Member { platform, actor } = member;
    let api = platform.api_get(actor, which.api_id).await.map_err(fail)?;
    let route = platform
        .route_get(actor, which.api_id, which.id)
        .await
        .map_err(fail)?;
    Ok(RouteDetail {
        api_name: api.name,
        route: line(&route),
        limits: limits(member, route).await?,
    })
}

/// What holds for the calls of a route.
///
/// # Errors
/// What the platform refuses.
pub async fn limits(member: &Member, route: RouteView) -> Rpc<LimitsView> {
    let Member { platform, actor } = member;
    // The template is a path that it matches itself: what is open stands for any one segment.
    let query = EffectiveQuery {
        api_id: Some(route.api_id),
        key_id: None,
        method: Some(
            route
                .methods
                .first()
                .map_or("ANY", String::as_str)
                .to_owned(),
        ),
        path: Some(route.path),
    };
    let all = platform
        .limits_effective(actor, query)
        .await
        .map_err(fail)?;
    Ok(LimitsView {
        policy: route.policy,
        rows: all.limits.into_iter().map(row).collect(),
    })
}

/// Replaces a route's limits.
///
/// # Errors
/// What the platform refuses.
pub async fn put_limits(
    platform: &Platform,
    actor: &Actor,
    which: RouteRef,
    policy: LimitPolicy,
) -> Result<(), Problem> {
    let patch = PatchRoute {
        policy: Some(policy),
        ..PatchRoute::default()
    };
    let patched = platform
        .route_patch(actor, which.api_id, which.id, patch)
        .await;
    patched.map(|_| ()).map_err(problem_of)
}

/// # Errors
/// What the platform refuses.
pub async fn save(
    platform: &Platform,
    actor: &Actor,
    input: SaveRoute,
) -> Result<RouteRef, Problem> {
    let SaveRoute {
        api_id,
        id,
        name,
        methods,
        path,
    } = input;
    let saved = match id {
        Some(id) => {
            let patch = PatchRoute {
                name: Some(name),
                methods: Patch::Value(methods),
                path: Some(path),
                policy: None,
            };
            platform
                .route_patch(actor, api_id, id, patch)
                .await
                .map_err(problem_of)?
        }
        None => {
            let route = CreateRoute {
                name,
                methods,
                path,
                policy: LimitPolicy::default(),
            };
            platform
                .route_create(actor, api_id, route)
                .await
                .map_err(problem_of)?
        }
    };
    Ok(RouteRef {
        api_id,
        id: saved.id,
    })
}

fn line(route: &RouteView) -> RouteLine {
    RouteLine {
        id: route.id,
        name: route.name.clone(),
        methods: route.methods.clone(),
        path: route.path.clone(),
        limits: limits_of(&route.policy)
            .map(|limit| words(&limit))
            .collect(),
    }
}
