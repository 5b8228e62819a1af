//! Who a session at Clerk is of, and where they belong.

use apiverse_connectors::clerk::{Clerk, ClerkError, ClerkMembership, ClerkSession};
use apiverse_connectors::oidc::ExternalUser;
use apiverse_contract::OrganizationId;
use apiverse_contract::auth::Role;
use apiverse_store::{AuditRow, MembershipRow, StoreError, UserRow};
use serde_json::json;

use crate::actor::RequestInfo;
use crate::platform::{Event, Platform};

/// Kinds of things at Clerk of which the latest report is remembered.
pub(super) const USER: &str = "user";
pub(super) const SESSION: &str = "session";
pub(super) const ORGANIZATION: &str = "organization";
pub(super) const MEMBERSHIP: &str = "membership";
/// Somebody's place in an organization, whatever membership it is by.
pub(super) const PLACE: &str = "place";

impl Platform {
    /// The user of a session. Clerk is asked only for somebody who is not known here; `None` when
    /// it knows nobody of this id, or does not let them in any more.
    pub(super) async fn clerk_user(
        &self,
        clerk: &Clerk,
        session: &ClerkSession,
    ) -> Result<Option<ExternalUser>, ClerkError> {
        let issuer = &clerk.config().issuer;
        let known = self.store().identity_find(issuer, &session.user_id).await;
        // When the database is away, that shows soon enough.
        if let Ok(Some(known)) = known {
            return Ok(Some(ExternalUser {
                issuer: known.issuer,
                subject: known.subject,
                email: None,
                email_verified: false,
                name: None,
                second_factor: session.second_factor,
            }));
        }
        let found = clerk.user(&session.user_id).await?;
        let found = found.filter(|user| !user.banned && !user.locked);
        Ok(found.map(|user| user.external(issuer, session.second_factor)))
    }

    /// Our organization of one at Clerk, made for its first member here.
    pub(super) async fn clerk_organization(
        &self,
        issuer: &str,
        (membership, name): (&ClerkMembership, Option<&str>),
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<OrganizationId, StoreError> {
        let theirs = &membership.organization_id;
        if let Some(found) = self.store().external_organization(issuer, theirs).await? {
            return Ok(found);
        }
        let name = name
            .or(membership.slug.as_deref())
            .filter(|name| !name.is_empty());
        let name: String = name.unwrap_or("Organization").chars().take(100).collect();
        let (made, _) = self.new_organization(user, request, (&name, None)).await?;
        if self
            .store()
            .external_organization_link(issuer, theirs, made.id)
            .await?
        {
            return Ok(made.id);
        }
        // Somebody else was first: theirs is the one.
        let line = self.clerk_line(request, "organization.deleted", made.id.to_string(), None);
        self.store().organization_delete(made.id, &line).await?;
        let found = self.store().external_organization(issuer, theirs).await?;
        Ok(found.unwrap_or(made.id))
    }

    /// Gives somebody their place in an organization. Its owners stay owners.
    pub(super) async fn clerk_member(
        &self,
        organization_id: OrganizationId,
        membership: &ClerkMembership,
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<(), StoreError> {
        let role = role_of(&membership.role);
        let row = MembershipRow {
            organization_id,
            user_id: user.id,
            role: role.as_str().to_owned(),
            created_at: self.now(),
        };
        let event = Event {
            action: "member.role_changed",
            target_type: "member",
            target_id: user.id.to_string(),
            details: json!({ "email": user.email, "role": role.as_str(), "by": "clerk" }),
        };
        let who = (None, "clerk".to_owned());
        let line = self.audit_line(Some(organization_id), who, request, event);
        self.store().external_member_set(&row, &line).await?;
        Ok(())
    }

    pub(super) fn clerk_line(
        &self,
        request: &RequestInfo,
        action: &str,
        target_id: String,
        organization_id: Option<OrganizationId>,
    ) -> AuditRow {
        let target_type = action.split('.').next().unwrap_or_default();
        let event = Event {
            action,
            target_type,
            target_id,
            details: json!({ "by": "clerk" }),
        };
        self.audit_line(organization_id, (None, "clerk".to_owned()), request, event)
    }
}

/// Clerk's two roles, and ours for those who name theirs so. Nobody becomes owner from there.
fn role_of(theirs: &str) -> Role {
    match theirs {
        "admin" => Role::Admin,
        "billing" => Role::Billing,
        "viewer" => Role::Viewer,
        _ => Role::Developer,
    }
}
