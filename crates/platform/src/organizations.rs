//! Organizations: several for each user, and which one a session acts in.

use apiverse_cluster::Change;
use apiverse_contract::OrganizationId;
use apiverse_contract::auth::Role;
use apiverse_contract::organizations::{
    CreateOrganization, DeleteOrganization, MembershipView, UpdateOrganization,
};
use apiverse_contract::validation::slugify;
use apiverse_store::{Conflict, MembershipRow, OrganizationRow, StoreError, UserRow};
use serde_json::{Value, json};

use crate::actor::{Actor, RequestInfo};
use crate::clock::new_id;
use crate::fault::{
    Broken, Invalid, OrganizationGone, OrganizationSlugInUse, StoreFault, UserGone, operation_error,
};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why organizations were not listed.
    OrganizationListError { UserGone }
}
operation_error! {
    /// Why no organization was created.
    OrganizationCreateError { Invalid, OrganizationSlugInUse, SlowDown, UserGone, Broken }
}
operation_error! {
    /// Why the session does not act in another organization.
    OrganizationSwitchError { OrganizationGone }
}
operation_error! {
    /// Why an organization was not changed.
    OrganizationUpdateError { Forbidden, Invalid, OrganizationGone, OrganizationSlugInUse }
}
operation_error! {
    /// Why an organization was not deleted.
    OrganizationDeleteError { Forbidden, Invalid, OrganizationGone }
}

/// How often another slug is tried for a new organization.
const SLUG_TRIES: u32 = 20;

impl Platform {
    /// The actor's organizations, the one joined first at the top.
    ///
    /// # Errors
    /// See [`OrganizationListError`].
    pub async fn organizations(
        &self,
        actor: &Actor,
    ) -> Result<Vec<MembershipView>, OrganizationListError> {
        let user_id = actor.user_id.ok_or(UserGone)?;
        let rows = self.store().memberships_of_user(user_id).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(organization, membership)| {
                membership_view(organization, &membership, actor.organization_id)
            })
            .collect())
    }

    /// Creates an organization that the actor owns. The session goes on acting where it does.
    ///
    /// # Errors
    /// See [`OrganizationCreateError`].
    pub async fn organization_create(
        &self,
        actor: &Actor,
        input: CreateOrganization,
    ) -> Result<MembershipView, OrganizationCreateError> {
        let user_id = actor.account()?;
        input.validate().map_err(Invalid)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        self.inner.throttle.register(actor.request.ip, self.now())?;
        let name = input.name.trim().to_owned();
        let made = self
            .new_organization(&user, &actor.request, (&name, input.slug.as_deref()))
            .await;
        let (organization, membership) = made.map_err(|error| match error {
            StoreError::Conflict(Conflict::OrganizationSlug) => OrganizationSlugInUse.into(),
            error => OrganizationCreateError::Store(StoreFault(error)),
        })?;
        membership_view(organization, &membership, actor.organization_id)
            .ok_or_else(|| Broken.into())
    }

    /// An organization for a user who is in none, so that there is always one to act in.
    pub(crate) async fn personal_organization(
        &self,
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<(OrganizationRow, MembershipRow), StoreError> {
        let name = personal_name(user);
        self.new_organization(user, request, (&name, None)).await
    }

    /// A slug that was not chosen is made from the name, with something random behind it when it
    /// is taken.
    pub(crate) async fn new_organization(
        &self,
        user: &UserRow,
        request: &RequestInfo,
        (name, slug): (&str, Option<&str>),
    ) -> Result<(OrganizationRow, MembershipRow), StoreError> {
        let now = self.now();
        let base = slug.map_or_else(|| slugify(name), str::to_owned);
        let mut organization = OrganizationRow {
            id: new_id!(self.inner.clock, OrganizationId),
            name: name.to_owned(),
            slug: base.clone(),
            require_two_factor: false,
            created_at: now,
            updated_at: now,
        };
        let membership = MembershipRow {
            organization_id: organization.id,
            user_id: user.id,
            role: Role::Owner.as_str().to_owned(),
            created_at: now,
        };
        let mut tries = 0;
        loop {
            let line = self.audit_line(
                Some(organization.id),
                (Some(user.id), user.email.clone()),
                request,
                organization_event(
                    "organization.created",
                    organization.id,
                    json!({ "name": name, "slug": organization.slug }),
                ),
            );
            tries += 1;
            match self
                .store()
                .organization_insert(&organization, &membership, &line)
                .await
            {
                Ok(()) => return Ok((organization, membership)),
                Err(StoreError::Conflict(Conflict::OrganizationSlug))
                    if slug.is_none() && tries < SLUG_TRIES =>
                {
                    let [a, b, c]: [u8; 3] = self.inner.clock.random();
                    organization.slug = format!("{base}-{a:02x}{b:02x}{c:02x}");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets the actor's session act in another of their organizations, from the next request on.
    ///
    /// # Errors
    /// See [`OrganizationSwitchError`].
    pub async fn organization_switch(
        &self,
        actor: &Actor,
        id: OrganizationId,
    ) -> Result<MembershipView, OrganizationSwitchError> {
        // What is not a session belongs to one organization for good.
        let user_id = actor.user_id.ok_or(OrganizationGone)?;
        let session_id = actor.session_id().ok_or(OrganizationGone)?;
        let found = self.store().membership_get(id, user_id).await?;
        let (organization, membership) = found.ok_or(OrganizationGone)?;
        if !self.store().session_switch(session_id, id).await? {
            return Err(OrganizationGone.into());
        }
        let view = membership_view(organization, &membership, id);
        view.ok_or_else(|| OrganizationGone.into())
    }

    /// Changes name or slug of the organization.
    ///
    /// # Errors
    /// See [`OrganizationUpdateError`].
    pub async fn organization_update(
        &self,
        actor: &Actor,
        input: UpdateOrganization,
    ) -> Result<MembershipView, OrganizationUpdateError> {
        let permit = actor.require(Permission::OrganizationWrite)?;
        input.validate().map_err(Invalid)?;
        let id = permit.organization_id();
        let found = self.store().organization_get(id).await?;
        let mut row = found.ok_or(OrganizationGone)?;
        let before = json!({ "name": row.name, "slug": row.slug });
        if let Some(name) = input.name {
            row.name = name.trim().to_owned();
        }
        if let Some(slug) = input.slug {
            row.slug = slug;
        }
        row.updated_at = self.now();
        let after = json!({ "name": row.name, "slug": row.slug });
        let details = json!({ "before": before, "after": after });
        let line = self.audit(
            actor,
            organization_event("organization.updated", id, details),
        );
        match self.store().organization_update(&row, &line).await {
            Ok(true) => {}
            Ok(false) => return Err(OrganizationGone.into()),
            Err(StoreError::Conflict(Conflict::OrganizationSlug)) => {
                return Err(OrganizationSlugInUse.into());
            }
            Err(error) => return Err(error.into()),
        }
        let membership = match actor.user_id {
            Some(user_id) => self.store().membership_get(id, user_id).await?,
            None => None,
        };
        Ok(MembershipView {
            id,
            name: row.name,
            slug: row.slug,
            role: actor.role,
            current: true,
            joined_at: membership.map_or(row.created_at, |(_, found)| found.created_at),
        })
    }

    /// Deletes the organization with all it has: APIs, keys, members, its audit log.
    ///
    /// # Errors
    /// See [`OrganizationDeleteError`].
    pub async fn organization_delete(
        &self,
        actor: &Actor,
        input: DeleteOrganization,
    ) -> Result<(), OrganizationDeleteError> {
        let permit = actor.require(Permission::OrganizationDelete)?;
        actor.require_recent(self.now())?;
        let id = permit.organization_id();
        let found = self.store().organization_get(id).await?;
        let row = found.ok_or(OrganizationGone)?;
        if row.slug != input.slug {
            return Err(Invalid::one("slug", "is not the slug of this organization").into());
        }
        let details = json!({ "name": row.name, "slug": row.slug });
        // The organization's own log goes with it; this line stays with the installation.
        let line = self.audit_line(
            None,
            (actor.user_id, actor.name.clone()),
            &actor.request,
            organization_event("organization.deleted", id, details),
        );
        if !self.store().organization_delete(id, &line).await? {
            return Err(OrganizationGone.into());
        }
        // Its APIs and keys have changes of their own; this is rare enough for all.
        self.announce(Change::Resync).await;
        Ok(())
    }
}

/// What a person's own organization is called.
pub(crate) fn personal_name(user: &UserRow) -> String {
    let local_part = user.email.split('@').next().unwrap_or_default();
    let owner = user.full_name.as_deref().unwrap_or(local_part);
    format!("{owner}'s organization")
}

pub(crate) fn organization_event(action: &str, id: OrganizationId, details: Value) -> Event<'_> {
    Event {
        action,
        target_type: "organization",
        target_id: id.to_string(),
        details,
    }
}

pub(crate) fn membership_view(
    organization: OrganizationRow,
    membership: &MembershipRow,
    current: OrganizationId,
) -> Option<MembershipView> {
    Some(MembershipView {
        id: organization.id,
        name: organization.name,
        slug: organization.slug,
        role: Role::parse(&membership.role)?,
        current: organization.id == current,
        joined_at: membership.created_at,
    })
}
