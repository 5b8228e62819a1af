//! Taking one's data along, and leaving.

use apiverse_cluster::Change;
use apiverse_contract::auth::{AccountExport, DeleteAccount, OrganizationView, Role};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_store::UserDeleted;
use serde_json::json;

use crate::accounts::{user_event, view};
use crate::actor::Actor;
use crate::fault::{Invalid, LastOwner, UserGone, operation_error};
use crate::notifications::Notice;
use crate::platform::Platform;
use crate::sessions::SessionListError;

operation_error! {
    /// Why the data was not exported.
    ExportError { UserGone, SessionGone }
}
operation_error! {
    /// Why the account was not deleted.
    DeleteAccountError { Invalid, LastOwner, SlowDown, Busy, UserGone, Broken }
}

/// Lines of the audit log in an export.
const MOST_LINES: u32 = 10_000;

impl Platform {
    /// Everything this installation keeps about the actor as a person. What belongs to an
    /// organization (its APIs, keys and usage) is the organization's, and exported there.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub async fn account_export(&self, actor: &Actor) -> Result<AccountExport, ExportError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let memberships = self.store().memberships_of_user(user_id).await?;
        let organizations = memberships
            .into_iter()
            .filter_map(|(organization, membership)| {
                Some(OrganizationView {
                    id: organization.id,
                    name: organization.name,
                    slug: organization.slug,
                    role: Role::parse(&membership.role)?,
                })
            })
            .collect();
        let sessions = self.sessions(actor).await.map_err(|error| match error {
            SessionListError::SessionGone(kind) => ExportError::from(kind),
            SessionListError::Store(fault) => ExportError::Store(fault),
        })?;
        let lines = self.store().audit_of_user(user_id, MOST_LINES).await?;
        let chosen = self.store().preferences_of(user_id).await?;
        let passkeys = self.store().passkeys_of(user_id).await?;
        let phone = self.store().phone_get(user_id).await?;
        Ok(AccountExport {
            exported_at: self.now(),
            user: view(user),
            organizations,
            sessions,
            preferences: crate::notifications::preference_views(&chosen),
            passkeys: passkeys.into_iter().map(crate::passkeys::view).collect(),
            identities: self.identity_views(user_id).await?,
            phone: phone.map(|phone| phone.phone),
            activity: lines.into_iter().map(crate::audit::view).collect(),
        })
    }

    /// Deletes the actor's account, and the organizations nobody else is in with all they have.
    ///
    /// # Errors
    /// See [`DeleteAccountError`].
    pub async fn account_delete(
        &self,
        actor: &Actor,
        input: DeleteAccount,
    ) -> Result<(), DeleteAccountError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        if !self
            .is_own_password(actor, &user, input.current_password)
            .await??
        {
            return Err(Invalid::one("current_password", "is not your password").into());
        }
        // The organization's own log may go with it.
        let mut event = user_event("user.deleted", &user);
        event.details = json!({ "email": user.email });
        let who = (Some(user.id), user.email.clone());
        let line = self.audit_line(None, who, &actor.request, event);
        let message = self.message(Notice {
            event: NotificationEvent::AccountDeleted,
            channel: Channel::Email,
            to: &user.email,
            user_id: None,
            organization_id: None,
            cause: user.id.to_string(),
            link: None,
            values: self.whence(&actor.request),
        })?;
        match self.store().user_delete(user_id, &line, &[message]).await? {
            UserDeleted::Unknown => Err(UserGone.into()),
            UserDeleted::OnlyOwner(_) => Err(LastOwner.into()),
            UserDeleted::Gone(organizations) => {
                self.wake_outbox();
                if !organizations.is_empty() {
                    // Its APIs and keys have changes of their own; this is rare enough for all.
                    self.announce(Change::Resync).await;
                }
                Ok(())
            }
        }
    }
}
