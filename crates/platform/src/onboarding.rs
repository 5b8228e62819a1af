//! How far a new organization has come, beyond its APIs, keys and calls.

use crate::actor::Actor;
use crate::fault::{OrganizationGone, UserGone, operation_error};
use crate::organizations::personal_name;
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why it is not known how far an organization has come.
    OnboardingError { Forbidden, OrganizationGone, UserGone }
}

/// What was done of the first steps, told from what is really there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onboarding {
    /// The actor's address is known to be theirs.
    pub email_verified: bool,
    /// The organization has another name than the one it came with, or its settings were saved.
    pub named: bool,
    /// Somebody else is in the organization, or was invited.
    pub invited: bool,
    /// The actor does not want to see the steps any more.
    pub dismissed: bool,
}

impl Platform {
    /// How far the actor's organization has come.
    ///
    /// # Errors
    /// See [`OnboardingError`].
    pub async fn onboarding(&self, actor: &Actor) -> Result<Onboarding, OnboardingError> {
        let id = actor.require(Permission::MembersRead)?.organization_id();
        let user_id = actor.user_id.ok_or(UserGone)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let found = self.store().organization_get(id).await?;
        let organization = found.ok_or(OrganizationGone)?;
        let others = self.store().member_list(id, None, 2).await?.len() > 1;
        let invited = others || !self.store().invitation_list(id, None, 1).await?.is_empty();
        Ok(Onboarding {
            email_verified: user.email_verified_at.is_some(),
            named: organization.name != personal_name(&user)
                || organization.updated_at > organization.created_at,
            invited,
            dismissed: self
                .store()
                .onboarding_dismissed(id, user_id)
                .await?
                .is_some(),
        })
    }

    /// Does not show the actor the first steps of this organization any more.
    ///
    /// # Errors
    /// See [`OnboardingError`].
    pub async fn onboarding_dismiss(&self, actor: &Actor) -> Result<(), OnboardingError> {
        let id = actor.require(Permission::MembersRead)?.organization_id();
        let user_id = actor.user_id.ok_or(UserGone)?;
        let now = self.now();
        self.store().onboarding_dismiss(id, user_id, now).await?;
        Ok(())
    }
}
