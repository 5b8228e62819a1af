//! Clerk's session tokens in place of ours.

use apiverse_connectors::clerk::{Clerk, ClerkError, ClerkSession};
use apiverse_contract::OrganizationId;
use apiverse_contract::auth::Role;
use apiverse_store::{ExternalMark, MembershipRow, OrganizationRow, StoreError, UserRow};

use super::clerk::{PLACE, SESSION};
use super::identities::RecogniseError;
use crate::actor::{Actor, RequestInfo, Via};
use crate::fault::{ProviderAway, TokenInvalid};
use crate::platform::Platform;
use crate::sessions::BearerError;

impl Platform {
    /// Who a session token of Clerk is of. Somebody who was never here gets an account.
    pub(crate) async fn actor_from_clerk(
        &self,
        clerk: &Clerk,
        request: &RequestInfo,
        token: &str,
    ) -> Result<Actor, BearerError> {
        let now = self.now();
        let session = clerk
            .session(token, &self.own_origin(), now)
            .await
            .map_err(|error| refused(&error))?;
        let issuer = &clerk.config().issuer;
        // A token outlives its session by up to a minute, unless Clerk told us.
        let is_over = self
            .store()
            .external_is_gone(issuer, SESSION, &session.session_id)
            .await?;
        if is_over {
            return Err(TokenInvalid.into());
        }
        let throttle = &self.inner.throttle;
        throttle.elsewhere(issuer, &session.user_id, now)?;
        let external = self
            .clerk_user(clerk, &session)
            .await
            .map_err(|error| refused(&error))?;
        let external = external.ok_or(TokenInvalid)?;
        let recognised = self.recognise(request, &external).await;
        let user = recognised.map_err(|error| {
            let refused = match error {
                RecogniseError::NotVouchedFor(kind) => BearerError::from(kind),
                RecogniseError::AccountExists(kind) => kind.into(),
                RecogniseError::AccountOff(kind) => kind.into(),
                // Neither is about who they are.
                RecogniseError::Broken(kind) => return kind.into(),
                RecogniseError::Store(fault) => return BearerError::Store(fault),
            };
            throttle.elsewhere_failed(issuer, &session.user_id, now);
            refused
        })?;
        let (organization, membership) = self.clerk_place(issuer, &session, &user, request).await?;
        let role = Role::parse(&membership.role).ok_or(TokenInvalid)?;
        // Clerk asks for no code of ours: one that is wanted must have been asked for there.
        let is_wanted = organization.require_two_factor || self.has_second_factor(user.id).await?;
        Ok(Actor {
            user_id: Some(user.id),
            name: user.email,
            organization_id: organization.id,
            role,
            via: Via::External,
            request: request.clone(),
            grant: None,
            needs_two_factor: is_wanted && !session.second_factor,
            authenticated_at: session.authenticated_at,
        })
    }

    /// The organization the token names, else the one joined first.
    async fn clerk_place(
        &self,
        issuer: &str,
        session: &ClerkSession,
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<(OrganizationRow, MembershipRow), BearerError> {
        if let Some(membership) = &session.organization {
            let id = self
                .clerk_organization(issuer, (membership, None), user, request)
                .await?;
            if let Some(found) = self.store().membership_get(id, user.id).await? {
                return Ok(found);
            }
            // Not after it was reported that they left.
            let place = format!("{}/{}", membership.organization_id, session.user_id);
            let mark = ExternalMark {
                issuer,
                kind: PLACE,
                external_id: &place,
                version: session.issued_at.saturating_mul(1000),
                is_gone: false,
                now: self.now(),
            };
            if !self.store().external_mark(&mark).await? {
                return Err(TokenInvalid.into());
            }
            self.clerk_member(id, membership, user, request).await?;
            return self.member_of(id, user).await;
        }
        match self.store().membership_first(user.id).await? {
            Some(found) => Ok(found),
            None => Ok(self.personal_organization(user, request).await?),
        }
    }

    async fn member_of(
        &self,
        id: OrganizationId,
        user: &UserRow,
    ) -> Result<(OrganizationRow, MembershipRow), BearerError> {
        let found: Result<_, StoreError> = self.store().membership_get(id, user.id).await;
        Ok(found?.ok_or(TokenInvalid)?)
    }
}

fn refused(error: &ClerkError) -> BearerError {
    match error {
        ClerkError::Unavailable(_) => {
            tracing::warn!(%error, "a token of clerk could not be judged");
            ProviderAway.into()
        }
        ClerkError::NotAccepted(_) => {
            tracing::debug!(%error, "a token of clerk was refused");
            TokenInvalid.into()
        }
    }
}
