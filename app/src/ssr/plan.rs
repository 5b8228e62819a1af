//! A form that is not saved yet, as the change it would make.

use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::{ErrorCode, Problem};
use apiverse_platform::{Draft, PolicyTarget};
use uuid::Uuid;

use super::call::{Member, problem_of};
use super::forms::changed_limits;
use super::policies;
use crate::forms::{Fields, policy};
use crate::rpc::plan::{DraftPlan, DraftRef};
use crate::urlencoded::decode;

/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn of(member: &Member, input: DraftRef) -> Result<DraftPlan, Problem> {
    let fields = Fields(input.fields);
    let (path, query) = input.at.split_once('?').unwrap_or((&input.at, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match *parts {
        ["console", "policies", kind] => of_policy(member, kind, query, &fields).await,
        ["console", "limits"] => of_limits(member, PolicyLevel::Organization, None, &fields).await,
        ["console", "apis", id] => of_limits(member, PolicyLevel::Api, Some(id), &fields).await,
        ["console", "apis", _, "routes", id] => {
            of_limits(member, PolicyLevel::Route, Some(id), &fields).await
        }
        ["console", "keys", id] => of_limits(member, PolicyLevel::Key, Some(id), &fields).await,
        _ => Err(nothing()),
    }
}

async fn of_policy(
    member: &Member,
    kind: &str,
    query: &str,
    fields: &Fields,
) -> Result<DraftPlan, Problem> {
    let Member { platform, actor } = member;
    let query = decode(query);
    let value = |name: &str| {
        let pair = query.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str())
    };
    let which = policy::read(kind, value("on"), value("id")).ok_or_else(nothing)?;
    let document = policies::drafted(member, &which, fields).await?;
    let id = match &which.place.id {
        Some(id) => Some(id.parse().map_err(|_| nothing())?),
        None => None,
    };
    let found = platform
        .policy_place_found(actor, which.place.level, id)
        .await
        .map_err(problem_of)?;
    let plan = platform
        .draft_plan(
            actor,
            (found.level, found.id),
            Draft::Policy(Box::new(document)),
        )
        .await
        .map_err(problem_of)?;
    let title = policy::title(which.kind);
    Ok(DraftPlan {
        title: titled(title, found.level, &found.name),
        plan,
    })
}

async fn of_limits(
    member: &Member,
    level: PolicyLevel,
    id: Option<&str>,
    fields: &Fields,
) -> Result<DraftPlan, Problem> {
    let Member { platform, actor } = member;
    let id: Option<Uuid> = match id {
        Some(id) => Some(id.parse().map_err(|_| nothing())?),
        None => None,
    };
    let found = platform
        .policy_place_found(actor, level, id)
        .await
        .map_err(problem_of)?;
    let old: LimitPolicy = match (level, &found.api) {
        (PolicyLevel::Route, Some((api, _))) => {
            let route = platform.route_get(actor, *api, apiverse_contract::RouteId(found.id));
            route.await.map_err(problem_of)?.policy
        }
        _ => {
            let target = match level {
                PolicyLevel::Api => PolicyTarget::Api(apiverse_contract::ApiId(found.id)),
                PolicyLevel::Key => PolicyTarget::Key(apiverse_contract::KeyId(found.id)),
                _ => PolicyTarget::Organization,
            };
            let view = platform.limits_get(actor, target).await;
            view.map_err(problem_of)?.policy
        }
    };
    let new = changed_limits(&old, fields)?;
    let plan = platform
        .draft_plan(actor, (level, found.id), Draft::Limits(new))
        .await
        .map_err(problem_of)?;
    Ok(DraftPlan {
        title: titled("Limits", level, &found.name),
        plan,
    })
}

fn titled(what: &str, level: PolicyLevel, name: &str) -> String {
    match level {
        PolicyLevel::Organization => format!("{what} of the organization"),
        PolicyLevel::Api => format!("{what} of the API {name}"),
        level => format!("{what} of the {level} {name}"),
    }
}

fn nothing() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is no such form")
}
