//! Limits as the pages show them: in words, with where each comes from.

use apiverse_contract::ErrorCode;
use apiverse_contract::Problem;
use apiverse_contract::limits::{
    EffectiveLimit, EffectiveQuery, LimitPolicy, OverriddenLimit, PolicyScope,
};
use apiverse_platform::PolicyTarget;

use super::call::{Member, answer, fail};
use super::{routes, views};
use crate::forms::limit::words;
use crate::rpc::limits::{CallLimits, LimitRow, LimitsRef, LimitsView};
use crate::rpc::routes::RouteRef;
use crate::rpc::{Rpc, RpcError};

/// # Errors
/// What the platform refuses.
pub async fn view(member: &Member, target: &LimitsRef) -> Rpc<LimitsView> {
    let Member { platform, actor } = member;
    if target.scope == PolicyScope::Route {
        let RouteRef { api_id, id } = route_of(target)?;
        let route = platform.route_get(actor, api_id, id).await.map_err(fail)?;
        return routes::limits(member, route).await;
    }
    let mut query = EffectiveQuery::default();
    let target = target_of(target)?;
    match target {
        PolicyTarget::Organization => {}
        PolicyTarget::Api(id) => query.api_id = Some(id),
        PolicyTarget::Key(id) => query.key_id = Some(id),
    }
    let own = platform.limits_get(actor, target).await.map_err(fail)?;
    let all = platform
        .limits_effective(actor, query)
        .await
        .map_err(fail)?;
    Ok(LimitsView {
        policy: own.policy,
        rows: all.limits.into_iter().map(row).collect(),
    })
}

/// # Errors
/// What the platform refuses.
pub async fn save(member: &Member, target: &LimitsRef, policy: LimitPolicy) -> Rpc<()> {
    let Member { platform, actor } = member;
    if target.scope == PolicyScope::Route {
        return routes::put_limits(platform, actor, route_of(target)?, policy)
            .await
            .map_err(|problem| answer(problem, None));
    }
    platform
        .limits_put(actor, target_of(target)?, policy)
        .await
        .map_err(fail)?;
    Ok(())
}

/// # Errors
/// What the platform refuses.
pub async fn of_call(member: &Member, query: EffectiveQuery) -> Rpc<CallLimits> {
    let Member { platform, actor } = member;
    let found = platform
        .limits_effective(actor, query)
        .await
        .map_err(fail)?;
    Ok(CallLimits {
        route: found.route.map(|route| route.name),
        rows: found.limits.into_iter().map(row).collect(),
        apis: views::api_names(member).await?,
        keys: views::key_names(member).await?,
    })
}

/// # Errors
/// An id that is none leads nowhere; a route's limits are its own document's.
fn target_of(target: &LimitsRef) -> Rpc<PolicyTarget> {
    let id = target.id.as_deref().unwrap_or_default();
    let parsed = match target.scope {
        PolicyScope::Organization => Some(PolicyTarget::Organization),
        PolicyScope::Api => id.parse().ok().map(PolicyTarget::Api),
        PolicyScope::Key => id.parse().ok().map(PolicyTarget::Key),
        PolicyScope::Route => None,
    };
    parsed.ok_or_else(nothing)
}

fn route_of(target: &LimitsRef) -> Rpc<RouteRef> {
    let id = target.id.as_deref().and_then(|id| id.parse().ok());
    let api_id = target.api_id.as_deref().and_then(|id| id.parse().ok());
    let (id, api_id) = id.zip(api_id).ok_or_else(nothing)?;
    Ok(RouteRef { api_id, id })
}

fn nothing() -> RpcError {
    answer(
        Problem::new(ErrorCode::NotFound, "there is nothing with this id"),
        None,
    )
}

/// A limit that holds, in words.
pub fn row(limit: EffectiveLimit) -> LimitRow {
    LimitRow {
        name: limit.limit.name().to_owned(),
        words: words(&limit.limit),
        scope: limit.from.scope,
        target_id: limit.from.target_id.to_string(),
        target_name: limit.from.target_name,
        replaces: limit.overrides.iter().map(replaced).collect(),
    }
}

fn replaced(limit: &OverriddenLimit) -> String {
    let from = match limit.from.scope {
        PolicyScope::Organization => "organization".to_owned(),
        PolicyScope::Api | PolicyScope::Route | PolicyScope::Key => limit.from.target_name.clone(),
    };
    format!("{} ({from})", words(&limit.limit))
}
