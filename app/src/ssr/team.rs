//! What the pages about the organization show, put together from the platform's services.

use apiverse_contract::ListQuery;
use apiverse_contract::auth::Role;
use apiverse_contract::organizations::InvitationStatus;
use apiverse_platform::Permission;

use super::call::{Member, fail};
use super::views::first;
use crate::rpc::team::{MembersShown, OrganizationShown, RoleRight, ServiceAccountsShown};
use crate::rpc::{Named, Rpc};

/// Rows of what is not leafed through.
const MOST: u32 = 200;

/// The organization and what may be changed of it.
///
/// # Errors
/// What the platform refuses.
pub async fn organization(member: &Member) -> Rpc<OrganizationShown> {
    let Member { platform, actor } = member;
    actor.require(Permission::OrganizationRead).map_err(fail)?;
    let me = platform.me(actor).await.map_err(fail)?;
    let two_factor = platform.two_factor(actor).await.map_err(fail)?;
    let may_delete = actor.require(Permission::OrganizationDelete).is_ok();
    let mut shown = OrganizationShown {
        organization: me.organization,
        two_factor_required: two_factor.required,
        has_two_factor: two_factor.totp || two_factor.passkeys > 0 || two_factor.phone.is_some(),
        heirs: Vec::new(),
        apis: 0,
        keys: 0,
        may_change: actor.require(Permission::OrganizationWrite).is_ok(),
        may_delete,
    };
    if may_delete {
        let members = platform.members(actor, first(MOST)).await.map_err(fail)?;
        let others = members.data.into_iter().filter(|one| !one.is_self);
        shown.heirs = others
            .map(|one| Named {
                id: one.user_id.to_string(),
                name: one.email,
            })
            .collect();
        let apis = platform.api_list(actor, first(MOST)).await.map_err(fail)?;
        let keys = platform.key_list(actor, first(MOST)).await.map_err(fail)?;
        shown.apis = apis.data.len();
        shown.keys = keys.data.iter().filter(|key| key.is_active).count();
    }
    Ok(shown)
}

/// Members, invitations, and what roles may do.
///
/// # Errors
/// What the platform refuses.
pub async fn members(member: &Member, query: ListQuery) -> Rpc<MembersShown> {
    let Member { platform, actor } = member;
    let members = platform.members(actor, query).await.map_err(fail)?;
    let may_change = actor.require(Permission::MembersWrite).is_ok();
    let mut invitations = Vec::new();
    if may_change {
        let found = platform.invitations(actor, first(MOST)).await;
        invitations = found.map_err(fail)?.data;
        invitations.retain(|one| {
            matches!(
                one.status,
                InvitationStatus::Pending | InvitationStatus::Expired
            )
        });
    }
    let rights = Permission::ALL
        .into_iter()
        .map(|permission| RoleRight {
            scope: permission.scope().to_owned(),
            words: words(permission.scope()),
            roles: permission.roles().to_vec(),
        })
        .collect();
    Ok(MembersShown {
        members,
        invitations,
        rights,
        may_change,
        is_owner: may_change && actor.role == Role::Owner,
    })
}

/// A permission for people; one that has no words here yet says its name.
fn words(scope: &str) -> String {
    let words = match scope {
        "organization:read" => "See the organization and its limits",
        "organization:write" => "Change name, slug and what members need",
        "organization:delete" => "Delete it, hand it over",
        "members:read" => "See members and service accounts",
        "members:write" => "Invite, change roles, take members out",
        "apis:read" => "See APIs, routes, versions, policies",
        "apis:write" => "Register and change them",
        "keys:read" => "See API keys",
        "keys:write" => "Make, change, rotate and revoke keys",
        "keys:verify" => "Ask whether a key may do something",
        "usage:read" => "See calls, usage, costs and insights",
        "usage:write" => "Take note of insights, mute them",
        "costs:write" => "Set prices and budgets",
        "audit:read" => "Read and export the audit log",
        "outbox:read" => "See messages that were sent",
        "outbox:write" => "Let messages through to an address again",
        "tokens:read" => "See their own access tokens",
        "tokens:write" => "Make and revoke their own access tokens",
        "service_accounts:write" => "Make and delete service accounts and their tokens",
        other => return other.replace([':', '_'], " "),
    };
    words.to_owned()
}

/// Service accounts and their tokens.
///
/// # Errors
/// What the platform refuses.
pub async fn service_accounts(member: &Member) -> Rpc<ServiceAccountsShown> {
    let Member { platform, actor } = member;
    let accounts = platform.service_accounts(actor, first(MOST)).await;
    let accounts = accounts.map_err(fail)?.data;
    let may_change = actor.require(Permission::ServiceAccountsWrite).is_ok();
    let mut tokens = Vec::new();
    if may_change {
        let found = platform.access_tokens(actor, first(MOST), true).await;
        tokens = found.map_err(fail)?.data;
    }
    Ok(ServiceAccountsShown {
        accounts,
        tokens,
        scopes: actor.scopes(),
        may_change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_said_in_words() {
        for permission in Permission::ALL {
            let words = words(permission.scope());
            assert!(!words.contains([':', '_']), "{words}");
        }
        assert_eq!(words("new_things:write"), "new things write");
    }
}
