//! Members of an organization and their roles.

use apiverse_contract::auth::Role;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::organizations::{ChangeRole, MemberView, TransferOwnership};
use apiverse_contract::{ListQuery, OrganizationId, Page, UserId};
use apiverse_store::{MemberChange, MemberRow, NotificationRow, StoreError};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{
    Broken, Forbidden, Invalid, LastOwner, MemberGone, OwnersOnly, operation_error,
};
use crate::notifications::Notice;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why members were not listed.
    MemberListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a role was not changed.
    MemberRoleError { Forbidden, OwnersOnly, MemberGone, LastOwner, Broken }
}
operation_error! {
    /// Why a member was not taken out.
    MemberRemoveError { Forbidden, OwnersOnly, MemberGone, LastOwner, Broken }
}
operation_error! {
    /// Why an organization was not left.
    LeaveError { MemberGone, LastOwner }
}
operation_error! {
    /// Why ownership was not handed over.
    TransferError { Forbidden, Invalid, MemberGone, Broken }
}

impl Platform {
    /// The members, in a stable order.
    ///
    /// # Errors
    /// See [`MemberListError`].
    pub async fn members(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<MemberView>, MemberListError> {
        let permit = actor.require(Permission::MembersRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(UserId);
        let organization_id = permit.organization_id();
        let rows = self
            .store()
            .member_list(organization_id, after, limit + 1)
            .await?;
        let page = Page::from_rows(rows, limit, |row| cursor::of_id(row.user_id.0));
        Ok(page.map(|row| view(row, actor)))
    }

    /// Gives a member another role. Only owners make owners, or change one.
    ///
    /// # Errors
    /// See [`MemberRoleError`].
    pub async fn member_role(
        &self,
        actor: &Actor,
        user_id: UserId,
        input: ChangeRole,
    ) -> Result<MemberView, MemberRoleError> {
        let permit = actor.require(Permission::MembersWrite)?;
        let organization_id = permit.organization_id();
        let found = self.store().member_get(organization_id, user_id).await?;
        let mut row = found.ok_or(MemberGone)?;
        let about_owners = input.role == Role::Owner || is_owner(&row);
        if about_owners && actor.role != Role::Owner {
            return Err(OwnersOnly.into());
        }
        let role = input.role.as_str();
        let details = json!({ "role": { "before": row.role, "after": role } });
        let line = self.audit(actor, member_event("member.role_changed", &row, details));
        let cause = line.id.to_string();
        let messages = self
            .role_messages(actor, organization_id, &row, (Some(role), cause))
            .await??;
        let place = (organization_id, user_id);
        let by_owner = actor.role == Role::Owner;
        match self
            .store()
            .member_set_role(place, (role, by_owner), &line, &messages)
            .await?
        {
            MemberChange::Done => {}
            MemberChange::OwnersOnly => return Err(OwnersOnly.into()),
            MemberChange::Unknown => return Err(MemberGone.into()),
            MemberChange::LastOwner => return Err(LastOwner.into()),
        }
        self.wake_outbox();
        row.role = role.to_owned();
        Ok(view(row, actor))
    }

    /// Takes a member out. Only owners take owners out.
    ///
    /// # Errors
    /// See [`MemberRemoveError`].
    pub async fn member_remove(
        &self,
        actor: &Actor,
        user_id: UserId,
    ) -> Result<(), MemberRemoveError> {
        let permit = actor.require(Permission::MembersWrite)?;
        let organization_id = permit.organization_id();
        let found = self.store().member_get(organization_id, user_id).await?;
        let row = found.ok_or(MemberGone)?;
        if is_owner(&row) && actor.role != Role::Owner {
            return Err(OwnersOnly.into());
        }
        let line = self.audit(actor, member_event("member.removed", &row, json!({})));
        let cause = line.id.to_string();
        let messages = if actor.user_id == Some(user_id) {
            Vec::new()
        } else {
            self.role_messages(actor, organization_id, &row, (None, cause))
                .await??
        };
        let removed = self
            .store()
            .member_remove(
                (organization_id, user_id),
                actor.role == Role::Owner,
                &line,
                &messages,
            )
            .await?;
        match removed {
            MemberChange::Done => {
                self.wake_outbox();
                Ok(())
            }
            MemberChange::OwnersOnly => Err(OwnersOnly.into()),
            MemberChange::Unknown => Err(MemberGone.into()),
            MemberChange::LastOwner => Err(LastOwner.into()),
        }
    }

    /// Leaves the organization the actor acts in.
    ///
    /// # Errors
    /// See [`LeaveError`].
    pub async fn organization_leave(&self, actor: &Actor) -> Result<(), LeaveError> {
        let user_id = actor.account().map_err(|_| MemberGone)?;
        let organization_id = actor.organization_id;
        let found = self.store().member_get(organization_id, user_id).await?;
        let row = found.ok_or(MemberGone)?;
        let line = self.audit(actor, member_event("member.left", &row, json!({})));
        let left = self
            .store()
            .member_remove((organization_id, user_id), true, &line, &[])
            .await?;
        match left {
            MemberChange::Done => Ok(()),
            MemberChange::Unknown | MemberChange::OwnersOnly => Err(MemberGone.into()),
            MemberChange::LastOwner => Err(LastOwner.into()),
        }
    }

    /// Makes another member owner; the actor becomes admin.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub async fn ownership_transfer(
        &self,
        actor: &Actor,
        input: TransferOwnership,
    ) -> Result<(), TransferError> {
        let permit = actor.require(Permission::OrganizationDelete)?;
        actor.require_recent(self.now())?;
        let from = actor.user_id.ok_or(Forbidden::Role)?;
        if input.user_id == from {
            return Err(Invalid::one("user_id", "is yourself").into());
        }
        let organization_id = permit.organization_id();
        let found = self
            .store()
            .member_get(organization_id, input.user_id)
            .await?;
        let row = found.ok_or(MemberGone)?;
        let details = json!({ "from": actor.name, "to": row.email });
        let line = self.audit(
            actor,
            member_event("organization.transferred", &row, details),
        );
        let change = (Some(Role::Owner.as_str()), line.id.to_string());
        let messages = self
            .role_messages(actor, organization_id, &row, change)
            .await??;
        let moved = self
            .store()
            .ownership_transfer(organization_id, from, input.user_id, &line, &messages)
            .await?;
        if moved != MemberChange::Done {
            return Err(MemberGone.into());
        }
        self.wake_outbox();
        Ok(())
    }

    /// What a member is told of a change that somebody else made; `None` as role: removed.
    async fn role_messages(
        &self,
        actor: &Actor,
        organization_id: OrganizationId,
        row: &MemberRow,
        (role, cause): (Option<&str>, String),
    ) -> Result<Result<Vec<NotificationRow>, Broken>, StoreError> {
        let event = NotificationEvent::RoleChanged;
        if actor.user_id == Some(row.user_id)
            || !self.wants(row.user_id, event, Channel::Email).await?
        {
            return Ok(Ok(Vec::new()));
        }
        let found = self.store().organization_get(organization_id).await?;
        let organization = found.map(|found| found.name).unwrap_or_default();
        let message = self.message(Notice {
            event,
            channel: Channel::Email,
            to: &row.email,
            user_id: Some(row.user_id),
            organization_id: None,
            cause,
            link: None,
            values: vec![
                ("organization", organization),
                ("actor", actor.name.clone()),
                ("role", role.unwrap_or_default().to_owned()),
                ("before", row.role.clone()),
            ],
        });
        Ok(message.map(|message| vec![message]))
    }
}

fn is_owner(row: &MemberRow) -> bool {
    row.role == Role::Owner.as_str()
}

pub(crate) fn member_event<'a>(action: &'a str, row: &MemberRow, mut details: Value) -> Event<'a> {
    details["email"] = json!(row.email);
    Event {
        action,
        target_type: "member",
        target_id: row.user_id.to_string(),
        details,
    }
}

fn view(row: MemberRow, actor: &Actor) -> MemberView {
    // How well others guard their account is for those who look after them.
    let sees_more = actor.require(Permission::MembersWrite).is_ok();
    MemberView {
        is_self: actor.user_id == Some(row.user_id),
        user_id: row.user_id,
        email: row.email,
        full_name: row.full_name,
        // The database takes none but these roles.
        role: Role::parse(&row.role).unwrap_or(Role::Viewer),
        joined_at: row.joined_at,
        two_factor: sees_more.then_some(row.two_factor),
        last_seen_at: row.last_seen_at.filter(|_| sees_more),
    }
}
