//! Limits as the pages show them: in words, with where each comes from.

use apiverse_contract::ErrorCode;
use apiverse_contract::Problem;
use apiverse_contract::limits::{
    EffectiveLimit, EffectiveQuery, LimitPolicy, OverriddenLimit, PolicyScope,
};
use apiverse_platform::PolicyTarget;

use super::call::{Member, fail};
use super::views;
use crate::forms::limit::words;
use crate::rpc::limits::{CallLimits, LimitRow, LimitsRef, LimitsView};
use crate::rpc::{Rpc, RpcError};

/// # Errors
/// What the platform refuses.
pub async fn view(member: &Member, target: &LimitsRef) -> Rpc<LimitsView> {
    let Member { platform, actor } = member;
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
/// An id that is none leads nowhere; a route's limits are edited elsewhere.
pub fn target_of(target: &LimitsRef) -> Rpc<PolicyTarget> {
    let id = target.id.as_deref().unwrap_or_default();
    let parsed = match target.scope {
        PolicyScope::Organization => Some(PolicyTarget::Organization),
        PolicyScope::Api => id.parse().ok().map(PolicyTarget::Api),
        PolicyScope::Key => id.parse().ok().map(PolicyTarget::Key),
        PolicyScope::Route => None,
    };
    let problem = || Problem::new(ErrorCode::NotFound, "there is nothing with this id");
    parsed.ok_or_else(|| RpcError(problem()))
}

fn row(limit: EffectiveLimit) -> LimitRow {
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
