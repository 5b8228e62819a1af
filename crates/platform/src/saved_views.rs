//! Saved views: what somebody looks at again and again, under a name.
//!
//! Whoever sees usage saves views of their own. Sharing one changes what others see, and needs more;
//! so does changing one that somebody else shared.

use apiverse_contract::saved_views::{
    CreateSavedView, SavedView, SavedViewsQuery, UpdateSavedView, ViewPage,
};
use apiverse_contract::{Page, SavedViewId, UserId};
use apiverse_store::{AuditRow, Conflict, SavedViewRow, StoreError};
use serde_json::json;

use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{
    Invalid, NotYourView, SavedViewGone, SavedViewNameInUse, TooMany, UserGone, operation_error,
};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why nothing was done with a saved view.
    SavedViewError {
        Forbidden, Invalid, SavedViewGone, SavedViewNameInUse, NotYourView, TooMany, UserGone,
    }
}

/// Views of one person in an organization.
const MOST: usize = 200;

/// A view with who asks for it. Service accounts look at no pages, and have none.
fn user_of(actor: &Actor) -> Result<UserId, UserGone> {
    actor.user_id.ok_or(UserGone)
}

fn may_change(actor: &Actor, row: &SavedViewRow) -> bool {
    actor.user_id == Some(row.owner_id) || actor.require(Permission::OrganizationWrite).is_ok()
}

fn view(actor: &Actor, row: SavedViewRow) -> SavedView {
    SavedView {
        may_change: may_change(actor, &row),
        owner: Some(row.owner_email).filter(|_| actor.user_id != Some(row.owner_id)),
        id: row.id,
        page: row.page,
        name: row.name,
        query: row.query,
        shared: row.shared,
        is_default: row.is_default,
        created_at: row.created_at,
    }
}

fn named(error: StoreError) -> SavedViewError {
    match error {
        StoreError::Conflict(Conflict::SavedViewName) => SavedViewNameInUse.into(),
        other => other.into(),
    }
}

impl Platform {
    /// The actor's views and those that are shared with them, by name.
    ///
    /// # Errors
    /// See [`SavedViewError`].
    pub async fn saved_views_list(
        &self,
        actor: &Actor,
        query: SavedViewsQuery,
    ) -> Result<Page<SavedView>, SavedViewError> {
        let permit = actor.require(Permission::UsageRead)?;
        let user_id = user_of(actor)?;
        let organization_id = permit.organization_id();
        let mut rows = self
            .store()
            .saved_views_list(organization_id, user_id)
            .await?;
        rows.retain(|row| query.page.is_none_or(|page| row.page == page));
        rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.id));
        Ok(Page {
            data: rows.into_iter().map(|row| view(actor, row)).collect(),
            next_cursor: None,
        })
    }

    /// The view a page opens with for the actor.
    ///
    /// # Errors
    /// See [`SavedViewError`].
    pub async fn default_view(
        &self,
        actor: &Actor,
        page: ViewPage,
    ) -> Result<Option<SavedView>, SavedViewError> {
        let permit = actor.require(Permission::UsageRead)?;
        let user_id = user_of(actor)?;
        let organization_id = permit.organization_id();
        let row = self.store().default_view(organization_id, user_id, page);
        Ok(row.await?.map(|row| view(actor, row)))
    }

    /// Saves a view.
    ///
    /// # Errors
    /// See [`SavedViewError`].
    pub async fn saved_view_create(
        &self,
        actor: &Actor,
        input: CreateSavedView,
    ) -> Result<SavedView, SavedViewError> {
        let permit = actor.require(Permission::UsageRead)?;
        if input.shared {
            actor.require(Permission::UsageWrite)?;
        }
        let owner_id = user_of(actor)?;
        input.validate().map_err(Invalid)?;
        let organization_id = permit.organization_id();
        let seen = self
            .store()
            .saved_views_list(organization_id, owner_id)
            .await?;
        let own = seen.iter().filter(|row| row.owner_id == owner_id).count();
        if own >= MOST {
            return Err(TooMany.into());
        }
        let row = SavedViewRow {
            id: new_id!(self.inner.clock, SavedViewId),
            organization_id,
            owner_id,
            owner_email: String::new(),
            page: input.page,
            name: input.name.trim().to_owned(),
            query: input.query,
            shared: input.shared,
            is_default: false,
            created_at: self.now(),
        };
        let audit = self.view_audit(actor, "saved_view.created", &row, row.shared);
        let saved = self.store().saved_view_insert(&row, audit.as_ref()).await;
        saved.map_err(named)?;
        Ok(view(actor, row))
    }

    /// Changes a view, or whether the page opens with it for the actor.
    ///
    /// # Errors
    /// See [`SavedViewError`].
    pub async fn saved_view_update(
        &self,
        actor: &Actor,
        id: SavedViewId,
        input: UpdateSavedView,
    ) -> Result<SavedView, SavedViewError> {
        let permit = actor.require(Permission::UsageRead)?;
        let user_id = user_of(actor)?;
        let organization_id = permit.organization_id();
        let before = self.view_seen(actor, id).await?;
        input.validate(before.page).map_err(Invalid)?;
        let mut row = before.clone();
        if input.changes_view() {
            self.check_change(actor, &before, input.shared == Some(true))?;
            if let Some(name) = input.name {
                name.trim().clone_into(&mut row.name);
            }
            row.query = input.query.unwrap_or(row.query);
            row.shared = input.shared.unwrap_or(row.shared);
            let is_shared = before.shared || row.shared;
            let audit = self.view_audit(actor, "saved_view.updated", &row, is_shared);
            let saved = self.store().saved_view_update(&row, audit.as_ref()).await;
            if !saved.map_err(named)? {
                return Err(SavedViewGone.into());
            }
        }
        match input.is_default {
            Some(true) => {
                let set = self
                    .store()
                    .default_view_set(organization_id, user_id, row.page, id);
                set.await?;
            }
            Some(false) => self.store().default_view_clear(user_id, id).await?,
            None => {}
        }
        row.is_default = input.is_default.unwrap_or(row.is_default);
        Ok(view(actor, row))
    }

    /// Deletes a view.
    ///
    /// # Errors
    /// See [`SavedViewError`].
    pub async fn saved_view_delete(
        &self,
        actor: &Actor,
        id: SavedViewId,
    ) -> Result<(), SavedViewError> {
        let permit = actor.require(Permission::UsageRead)?;
        let row = self.view_seen(actor, id).await?;
        self.check_change(actor, &row, false)?;
        let audit = self.view_audit(actor, "saved_view.deleted", &row, row.shared);
        let gone = self
            .store()
            .saved_view_delete(permit.organization_id(), id, audit.as_ref())
            .await?;
        if gone {
            Ok(())
        } else {
            Err(SavedViewGone.into())
        }
    }

    /// A view the actor sees. One of somebody else's own is as if it were not there.
    async fn view_seen(
        &self,
        actor: &Actor,
        id: SavedViewId,
    ) -> Result<SavedViewRow, SavedViewError> {
        let organization_id = actor.organization_id;
        let user_id = user_of(actor)?;
        let found = self.store().saved_view_get(organization_id, user_id, id);
        found.await?.ok_or_else(|| SavedViewGone.into())
    }

    fn check_change(
        &self,
        actor: &Actor,
        row: &SavedViewRow,
        shares: bool,
    ) -> Result<(), SavedViewError> {
        if !may_change(actor, row) {
            return Err(NotYourView.into());
        }
        if row.shared || shares {
            actor.require(Permission::UsageWrite)?;
        }
        Ok(())
    }

    /// A line for what others see; one's own views are nobody's business.
    fn view_audit(
        &self,
        actor: &Actor,
        action: &str,
        row: &SavedViewRow,
        is_shared: bool,
    ) -> Option<AuditRow> {
        is_shared.then(|| {
            self.audit(
                actor,
                Event {
                    action,
                    target_type: "saved_view",
                    target_id: row.id.to_string(),
                    details: json!({
                        "page": row.page, "name": row.name, "query": row.query, "shared": row.shared,
                    }),
                },
            )
        })
    }
}
