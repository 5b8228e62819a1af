//! Invitations by e-mail.

use apiverse_contract::auth::Role;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::organizations::{
    CreateInvitation, InvitationOffer, InvitationStatus, InvitationToken, InvitationView,
    MembershipView,
};
use apiverse_contract::{InvitationId, ListQuery, Page};
use apiverse_store::{InvitationRow, NotificationRow, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::accounts::normal_email;
use crate::actor::Actor;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{
    Broken, Invalid, InvitationForOther, InvitationGone, LinkInvalid, SlowDown, UserGone,
    operation_error,
};
use crate::notifications::Notice;
use crate::organizations::membership_view;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::tokens::Tokens;

operation_error! {
    /// Why nobody was invited.
    InvitationCreateError { Forbidden, Invalid, SlowDown, Broken }
}
operation_error! {
    /// Why invitations were not listed.
    InvitationListError { Forbidden, Invalid }
}
operation_error! {
    /// Why an invitation was not sent again.
    InvitationResendError { Forbidden, InvitationGone, SlowDown, Broken }
}
operation_error! {
    /// Why an invitation was not taken back.
    InvitationRevokeError { Forbidden, InvitationGone }
}
operation_error! {
    /// Why an invitation was not shown.
    InvitationOfferError { LinkInvalid }
}
operation_error! {
    /// Why an invitation was not accepted.
    InvitationAcceptError { LinkInvalid, InvitationForOther, UserGone, Broken }
}

/// How long an invitation is open.
const LIFETIME: TimeDelta = TimeDelta::days(7);
/// What callers wait when an address was written to too often.
const WAIT_SECONDS: u32 = 3600;

impl Platform {
    /// Invites somebody. The answer is the same whether they have an account or not.
    ///
    /// # Errors
    /// See [`InvitationCreateError`].
    pub async fn invitation_create(
        &self,
        actor: &Actor,
        mut input: CreateInvitation,
    ) -> Result<InvitationView, InvitationCreateError> {
        let permit = actor.require(Permission::MembersWrite)?;
        input.email = normal_email(&input.email);
        input.validate().map_err(Invalid)?;
        self.may_write_to(&input.email, actor)?;
        let now = self.now();
        let secret = Tokens::link(self.inner.clock.random());
        let row = InvitationRow {
            id: new_id!(self.inner.clock, InvitationId),
            organization_id: permit.organization_id(),
            email: input.email,
            role: input.role.as_str().to_owned(),
            token_hash: self.inner.tokens.link_hash(&secret).to_vec(),
            invited_by: actor.user_id,
            created_at: now,
            sent_at: now,
            expires_at: now + LIFETIME,
            accepted_at: None,
            revoked_at: None,
        };
        let line = self.audit(actor, invitation_event("invitation.created", &row));
        let message = self.invitation_message(actor, &row, &secret).await??;
        self.store()
            .invitation_insert(&row, &line, &message)
            .await?;
        self.wake_outbox();
        Ok(view(row, now))
    }

    /// Newest first.
    ///
    /// # Errors
    /// See [`InvitationListError`].
    pub async fn invitations(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<InvitationView>, InvitationListError> {
        let permit = actor.require(Permission::MembersWrite)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(InvitationId);
        let rows = self
            .store()
            .invitation_list(permit.organization_id(), after, limit + 1)
            .await?;
        let now = self.now();
        let page = Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0));
        Ok(page.map(|row| view(row, now)))
    }

    /// Sends an open or expired invitation again, with another link and more time.
    ///
    /// # Errors
    /// See [`InvitationResendError`].
    pub async fn invitation_resend(
        &self,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<InvitationView, InvitationResendError> {
        let permit = actor.require(Permission::MembersWrite)?;
        let found = self
            .store()
            .invitation_get(permit.organization_id(), id)
            .await?;
        let mut row = found.ok_or(InvitationGone)?;
        self.may_write_to(&row.email, actor)?;
        let now = self.now();
        let secret = Tokens::link(self.inner.clock.random());
        row.token_hash = self.inner.tokens.link_hash(&secret).to_vec();
        row.sent_at = now;
        row.expires_at = now + LIFETIME;
        let line = self.audit(actor, invitation_event("invitation.resent", &row));
        let message = self.invitation_message(actor, &row, &secret).await??;
        if !self.store().invitation_renew(&row, &line, &message).await? {
            return Err(InvitationGone.into());
        }
        self.wake_outbox();
        Ok(view(row, now))
    }

    /// Takes an open invitation back: its link ends.
    ///
    /// # Errors
    /// See [`InvitationRevokeError`].
    pub async fn invitation_revoke(
        &self,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<(), InvitationRevokeError> {
        let permit = actor.require(Permission::MembersWrite)?;
        let organization_id = permit.organization_id();
        let found = self.store().invitation_get(organization_id, id).await?;
        let row = found.ok_or(InvitationGone)?;
        let line = self.audit(actor, invitation_event("invitation.revoked", &row));
        let now = self.now();
        if self
            .store()
            .invitation_revoke(organization_id, id, now, &line)
            .await?
        {
            Ok(())
        } else {
            Err(InvitationGone.into())
        }
    }

    /// What an invitation offers, for whoever has its link.
    ///
    /// # Errors
    /// See [`InvitationOfferError`].
    pub async fn invitation_offer(
        &self,
        input: &InvitationToken,
    ) -> Result<InvitationOffer, InvitationOfferError> {
        let row = self.invitation_of(input).await?.ok_or(LinkInvalid)?;
        let found = self.store().organization_get(row.organization_id).await?;
        let organization = found.ok_or(LinkInvalid)?;
        Ok(InvitationOffer {
            organization_name: organization.name,
            email: row.email,
            role: Role::parse(&row.role).ok_or(LinkInvalid)?,
            expires_at: row.expires_at,
        })
    }

    /// Joins the organization. The actor's address must be the one that was invited; following the
    /// link proves that it is theirs. Their session acts in the organization from now on.
    ///
    /// # Errors
    /// See [`InvitationAcceptError`].
    pub async fn invitation_accept(
        &self,
        actor: &Actor,
        input: &InvitationToken,
    ) -> Result<MembershipView, InvitationAcceptError> {
        let user_id = actor.account()?;
        let row = self.invitation_of(input).await?.ok_or(LinkInvalid)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        if user.email != row.email {
            return Err(InvitationForOther.into());
        }
        let now = self.now();
        let who = (Some(user_id), user.email.clone());
        let event = invitation_event("invitation.accepted", &row);
        let line = self.audit_line(Some(row.organization_id), who, &actor.request, event);
        let messages = self.accepted_messages(&row, &user.email).await??;
        if !self
            .store()
            .invitation_accept(&row, user_id, now, &line, &messages)
            .await?
        {
            return Err(LinkInvalid.into());
        }
        self.wake_outbox();
        let organization_id = row.organization_id;
        if let Some(session_id) = actor.session_id() {
            self.store()
                .session_switch(session_id, organization_id)
                .await?;
        }
        let found = self
            .store()
            .membership_get(organization_id, user_id)
            .await?;
        let (organization, membership) = found.ok_or(LinkInvalid)?;
        let view = membership_view(organization, &membership, organization_id);
        view.ok_or_else(|| Broken.into())
    }

    async fn invitation_of(
        &self,
        input: &InvitationToken,
    ) -> Result<Option<InvitationRow>, StoreError> {
        let hash = self.inner.tokens.link_hash(&input.token);
        self.store().invitation_by_token(&hash, self.now()).await
    }

    fn may_write_to(&self, email: &str, actor: &Actor) -> Result<(), SlowDown> {
        if self
            .inner
            .throttle
            .mail(email, actor.request.ip, self.now())?
        {
            return Ok(());
        }
        Err(SlowDown {
            retry_after: WAIT_SECONDS,
        })
    }

    async fn invitation_message(
        &self,
        actor: &Actor,
        row: &InvitationRow,
        secret: &str,
    ) -> Result<Result<NotificationRow, Broken>, StoreError> {
        let found = self.store().organization_get(row.organization_id).await?;
        let organization = found.map(|found| found.name).unwrap_or_default();
        Ok(self.message(Notice {
            event: NotificationEvent::Invitation,
            channel: Channel::Email,
            to: &row.email,
            user_id: None,
            organization_id: Some(row.organization_id),
            cause: self.one_time(),
            link: Some(format!("/join?token={secret}")),
            values: vec![
                ("inviter", actor.name.clone()),
                ("organization", organization),
                ("role", row.role.clone()),
                ("expires", Self::moment(row.expires_at)),
            ],
        }))
    }

    /// What whoever invited somebody is told.
    async fn accepted_messages(
        &self,
        row: &InvitationRow,
        member: &str,
    ) -> Result<Result<Vec<NotificationRow>, Broken>, StoreError> {
        let event = NotificationEvent::InvitationAccepted;
        let Some(inviter) = row.invited_by else {
            return Ok(Ok(Vec::new()));
        };
        let inviter = self.store().user_get(inviter).await?;
        let organization = self.store().organization_get(row.organization_id).await?;
        let (Some(inviter), Some(organization)) = (inviter, organization) else {
            return Ok(Ok(Vec::new()));
        };
        if !self.wants(inviter.id, event, Channel::Email).await? {
            return Ok(Ok(Vec::new()));
        }
        let message = self.message(Notice {
            event,
            channel: Channel::Email,
            to: &inviter.email,
            user_id: Some(inviter.id),
            organization_id: Some(row.organization_id),
            cause: row.id.to_string(),
            link: Some("/console/members".to_owned()),
            values: vec![
                ("member", member.to_owned()),
                ("organization", organization.name),
                ("role", row.role.clone()),
            ],
        });
        Ok(message.map(|message| vec![message]))
    }
}

fn invitation_event<'a>(action: &'a str, row: &InvitationRow) -> Event<'a> {
    Event {
        action,
        target_type: "invitation",
        target_id: row.id.to_string(),
        details: json!({ "email": row.email, "role": row.role }),
    }
}

fn view(row: InvitationRow, now: DateTime<Utc>) -> InvitationView {
    let status = if row.accepted_at.is_some() {
        InvitationStatus::Accepted
    } else if row.revoked_at.is_some() {
        InvitationStatus::Revoked
    } else if row.expires_at <= now {
        InvitationStatus::Expired
    } else {
        InvitationStatus::Pending
    };
    InvitationView {
        id: row.id,
        email: row.email,
        // The database takes none but these roles.
        role: Role::parse(&row.role).unwrap_or(Role::Viewer),
        status,
        invited_by: row.invited_by,
        created_at: row.created_at,
        sent_at: row.sent_at,
        expires_at: row.expires_at,
        accepted_at: row.accepted_at,
    }
}
