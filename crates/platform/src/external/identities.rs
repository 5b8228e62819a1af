//! Which account somebody is who signed in elsewhere.
//!
//! An identity is the pair of issuer and subject, and nothing else: addresses change hands. The
//! address an issuer vouches for opens a new account only. One that has an account already is not
//! signed in to it: whoever owns the account signs in to it and links the identity there. See
//! docs/decisions/0012.

use apiverse_connectors::oidc::ExternalUser;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::sign_in::IdentityView;
use apiverse_contract::validation::is_email;
use apiverse_contract::{IdentityId, UserId};
use apiverse_store::{IdentityRemoved, IdentityRow, NotificationRow, StoreError, UserRow};
use chrono::TimeDelta;
use serde_json::json;

use crate::accounts::{AddedAs, Newcomer, RegisterError, normal_email};
use crate::actor::{Actor, RequestInfo};
use crate::clock::new_id;
use crate::fault::{
    AccountExists, AccountOff, Broken, IdentityGone, IdentityTaken, LastWayIn, NotVouchedFor,
    UserGone, operation_error,
};
use crate::notifications::Notice;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why identities were not listed.
    IdentityListError { UserGone }
}
operation_error! {
    /// Why an identity was not taken away.
    IdentityRemoveError { IdentityGone, LastWayIn, UserGone, Broken }
}
operation_error! {
    /// Why somebody who signed in elsewhere is nobody here.
    RecogniseError { NotVouchedFor, AccountExists, AccountOff, Broken }
}
operation_error! {
    /// Why an identity was not linked.
    LinkError { Forbidden, IdentityTaken, NotVouchedFor, UserGone, Broken }
}

/// Longest name that is taken over from elsewhere.
const NAME_MAX: usize = 200;

impl Platform {
    /// Who the actor is elsewhere.
    ///
    /// # Errors
    /// See [`IdentityListError`].
    pub async fn identities(&self, actor: &Actor) -> Result<Vec<IdentityView>, IdentityListError> {
        Ok(self.identity_views(actor.account()?).await?)
    }

    pub(crate) async fn identity_views(
        &self,
        user_id: UserId,
    ) -> Result<Vec<IdentityView>, StoreError> {
        let rows = self.store().identities_of_user(user_id).await?;
        Ok(rows
            .into_iter()
            .map(|row| IdentityView {
                id: row.id,
                provider: self.issuer_name(&row.issuer),
                issuer: row.issuer,
                email: row.email,
                created_at: row.created_at,
                last_used_at: row.last_used_at,
            })
            .collect())
    }

    /// Takes an identity away, unless the actor has no other way to sign in.
    ///
    /// # Errors
    /// See [`IdentityRemoveError`].
    pub async fn identity_remove(
        &self,
        actor: &Actor,
        id: IdentityId,
    ) -> Result<(), IdentityRemoveError> {
        let user_id = actor.account()?;
        let rows = self.store().identities_of_user(user_id).await?;
        let row = rows.into_iter().find(|row| row.id == id);
        let row = row.ok_or(IdentityGone)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let line = self.audit(actor, identity_event("identity.unlinked", &row));
        let message = self.identity_message(&user, actor, "unlinked", &row)?;
        let removed = self
            .store()
            .identity_remove(user_id, id, &line, &[message])
            .await?;
        match removed {
            IdentityRemoved::Done => {
                self.wake_outbox();
                Ok(())
            }
            IdentityRemoved::Unknown => Err(IdentityGone.into()),
            IdentityRemoved::LastWay => Err(LastWayIn.into()),
        }
    }

    /// Makes somebody elsewhere the actor, from now on.
    pub(super) async fn identity_link(
        &self,
        actor: &Actor,
        external: &ExternalUser,
    ) -> Result<(), LinkError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        // Whoever opened an account with an address that is not theirs must not be able to leave a
        // way in behind for the day its owner claims it.
        if user.email_verified_at.is_none() {
            return Err(NotVouchedFor.into());
        }
        let row = self.identity_row(user_id, external);
        let line = self.audit(actor, identity_event("identity.linked", &row));
        let message = self.identity_message(&user, actor, "linked", &row)?;
        let is_new = self
            .store()
            .identity_insert(&row, &line, &[message])
            .await?;
        if is_new {
            self.wake_outbox();
            return Ok(());
        }
        let found = self
            .store()
            .identity_find(&external.issuer, &external.subject)
            .await?;
        if found.is_some_and(|found| found.user_id == user_id) {
            return Ok(());
        }
        Err(IdentityTaken.into())
    }

    /// Tells the owner that a way to sign in is there, or is not any more.
    fn identity_message(
        &self,
        user: &UserRow,
        actor: &Actor,
        change: &str,
        row: &IdentityRow,
    ) -> Result<NotificationRow, Broken> {
        let mut values = self.whence(&actor.request);
        values.push(("change", change.to_owned()));
        values.push(("provider", self.issuer_name(&row.issuer)));
        values.push(("account", row.email.clone().unwrap_or_default()));
        self.message(Notice {
            event: NotificationEvent::IdentityChanged,
            channel: Channel::Email,
            to: &user.email,
            user_id: Some(user.id),
            organization_id: None,
            cause: format!("{change}:{}", row.id),
            link: Some("/console/settings/security".to_owned()),
            values,
        })
    }

    /// The account of somebody elsewhere: the one they are known as, or a new one. A new one's
    /// audit line tells where they came from.
    pub(super) async fn recognise(
        &self,
        request: &RequestInfo,
        external: &ExternalUser,
    ) -> Result<UserRow, RecogniseError> {
        if let Some(user) = self.known_as(external).await? {
            return Ok(user);
        }
        let email = external.email.as_deref().map(normal_email);
        let email = email.filter(|email| external.email_verified && is_email(email));
        let email = email.ok_or(NotVouchedFor)?;
        if self.store().user_by_email(&email).await?.is_some() {
            self.note_refused(request, external, &email).await?;
            return Err(AccountExists.into());
        }
        let name = external.name.as_deref().map(|name| {
            let plain = name.trim().chars().filter(|c| !c.is_control());
            plain.take(NAME_MAX).collect::<String>()
        });
        let newcomer = Newcomer {
            email,
            // There is no password, and none that anybody types is it.
            password_hash: String::new(),
            full_name: name.filter(|name| !name.is_empty()),
        };
        let identity = |user_id| self.identity_row(user_id, external);
        match self.add_user_as(request, newcomer, true, identity).await {
            Ok(AddedAs::New(user)) => Ok(user),
            // Another request of the same person was faster.
            Ok(AddedAs::Known) => {
                let user = self.known_as(external).await?;
                user.ok_or_else(|| Broken.into())
            }
            Err(RegisterError::EmailTaken(_)) => match self.known_as(external).await? {
                Some(user) => Ok(user),
                None => Err(AccountExists.into()),
            },
            Err(RegisterError::Store(fault)) => Err(RecogniseError::Store(fault)),
            Err(
                RegisterError::Invalid(_)
                | RegisterError::SlowDown(_)
                | RegisterError::Busy(_)
                | RegisterError::Broken(_),
            ) => Err(Broken.into()),
        }
    }

    async fn known_as(&self, external: &ExternalUser) -> Result<Option<UserRow>, RecogniseError> {
        let found = self
            .store()
            .identity_find(&external.issuer, &external.subject)
            .await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let user = self.store().user_get(found.user_id).await?;
        let user = user.filter(|user| user.is_active).ok_or(AccountOff)?;
        // Tokens come with every request; a minute is close enough.
        let now = self.now();
        let is_news = external.email.is_some() && external.email != found.email;
        if is_news || now - found.last_used_at >= TimeDelta::minutes(1) {
            self.store()
                .identity_used(found.id, external.email.as_deref(), now)
                .await?;
        }
        Ok(Some(user))
    }

    fn identity_row(&self, user_id: UserId, external: &ExternalUser) -> IdentityRow {
        let now = self.now();
        IdentityRow {
            id: new_id!(self.inner.clock, IdentityId),
            user_id,
            issuer: external.issuer.clone(),
            subject: external.subject.clone(),
            email: external.email.clone(),
            created_at: now,
            last_used_at: now,
        }
    }

    /// The organization of the account sees that somebody elsewhere has its address.
    async fn note_refused(
        &self,
        request: &RequestInfo,
        external: &ExternalUser,
        email: &str,
    ) -> Result<(), StoreError> {
        let Some(user) = self.store().user_by_email(email).await? else {
            return Ok(());
        };
        let line = self.audit_line(
            self.first_organization(user.id).await?,
            (None, "unknown".to_owned()),
            request,
            Event {
                action: "user.sign_in_failed",
                target_type: "user",
                target_id: user.id.to_string(),
                details: json!({
                    "email": email,
                    "provider": self.issuer_name(&external.issuer),
                    "reason": "not linked",
                }),
            },
        );
        self.store().audit_insert(&line).await
    }
}

fn identity_event<'a>(action: &'a str, row: &IdentityRow) -> Event<'a> {
    Event {
        action,
        target_type: "user",
        target_id: row.user_id.to_string(),
        details: json!({
            "issuer": row.issuer,
            "subject": row.subject,
            "email": row.email,
        }),
    }
}
