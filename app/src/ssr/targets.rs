//! Targets as the page shows them.

use apiverse_contract::ApiId;
use apiverse_contract::policies::{PolicyKind, PolicyLevel};

use super::call::{Member, Visitor, fail};
use crate::forms::policy::address;
use crate::rpc::policies::{PlaceRef, PolicyRef};
use crate::rpc::targets::{TargetsGroup, TargetsView};
use crate::rpc::{Named, Rpc};

/// # Errors
/// What the platform refuses.
pub async fn of_api(member: &Member, visitor: &Visitor, id: ApiId) -> Rpc<TargetsView> {
    let Member { platform, actor } = member;
    let api = platform.api_get(actor, id).await.map_err(fail)?;
    let known = &visitor.state.targets;
    let mut groups = Vec::new();
    for policy in known(actor.organization_id, id) {
        let found = platform
            .policy_place_found(actor, policy.level, Some(policy.target_id))
            .await;
        // Gone since the gateway met it.
        let Ok(found) = found else { continue };
        let which = PolicyRef {
            place: PlaceRef {
                level: policy.level,
                id: Some(policy.target_id.to_string()),
            },
            kind: PolicyKind::Upstream,
        };
        groups.push(TargetsGroup {
            place: match policy.level {
                PolicyLevel::Organization => "the organization".to_owned(),
                PolicyLevel::Api => format!("the API {}", found.name),
                level => format!("the {level} {}", found.name),
            },
            page: address(&which),
            circuit: policy.circuit,
            targets: policy.targets,
        });
    }
    Ok(TargetsView {
        api: Named {
            id: id.to_string(),
            name: api.name,
        },
        groups,
    })
}
