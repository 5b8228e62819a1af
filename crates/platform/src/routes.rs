//! Routes: the parts of an API that have limits of their own.

use apiverse_cluster::Change;
use apiverse_contract::limits::{CreateRoute, LimitPolicy, MAX_ROUTES, PatchRoute, RouteView};
use apiverse_contract::patch::Patch;
use apiverse_contract::routes::{RouteTable, RouteTemplate};
use apiverse_contract::{ApiId, ListQuery, OrganizationId, Page, RouteId};
use apiverse_store::{Conflict, RouteRow, StoreError};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::apis::difference;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{ApiGone, Invalid, RouteGone, RouteNameInUse, operation_error};
use crate::keys::upper;
use crate::limits::check_replacing;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why a route was not created.
    RouteCreateError { Forbidden, MayNotReplace, Invalid, ApiGone, RouteNameInUse }
}
operation_error! {
    /// Why routes were not listed.
    RouteListError { Forbidden, Invalid, ApiGone }
}
operation_error! {
    /// Why a route was not shown.
    RouteGetError { Forbidden, RouteGone }
}
operation_error! {
    /// Why a route was not changed.
    RouteUpdateError { Forbidden, MayNotReplace, Invalid, RouteGone, RouteNameInUse }
}
operation_error! {
    /// Why a route was not deleted.
    RouteDeleteError { Forbidden, RouteGone }
}

impl Platform {
    /// # Errors
    /// See [`RouteCreateError`].
    pub async fn route_create(
        &self,
        actor: &Actor,
        api_id: ApiId,
        input: CreateRoute,
    ) -> Result<RouteView, RouteCreateError> {
        let permit = actor.require(Permission::ApisWrite)?;
        let organization_id = permit.organization_id();
        let api = self.store().api_get(organization_id, api_id).await?;
        api.ok_or(ApiGone)?;
        input.validate().map_err(Invalid)?;
        check_replacing(actor, &LimitPolicy::default(), &input.policy, false)?;
        let now = self.now();
        let row = RouteRow {
            id: new_id!(self.inner.clock, RouteId),
            organization_id,
            api_id,
            name: input.name.trim().to_owned(),
            methods: upper(&input.methods),
            path: input.path,
            policy: input.policy,
            created_at: now,
            updated_at: now,
        };
        let event = event("route.created", row.id, json!({ "after": shown(&row) }));
        let line = self.audit(actor, event);
        match self.store().route_insert(&row, MAX_ROUTES, &line).await {
            Ok(true) => {}
            Ok(false) => {
                let message = "cannot be added: the API has 200 routes, as many as it may";
                return Err(Invalid::one("name", message).into());
            }
            Err(StoreError::Conflict(Conflict::RouteName)) => return Err(RouteNameInUse.into()),
            Err(error) => return Err(error.into()),
        }
        self.announce(Change::Api(api_id)).await;
        Ok(view(row))
    }

    /// An API's routes, newest first.
    ///
    /// # Errors
    /// See [`RouteListError`].
    pub async fn route_list(
        &self,
        actor: &Actor,
        api_id: ApiId,
        query: ListQuery,
    ) -> Result<Page<RouteView>, RouteListError> {
        let permit = actor.require(Permission::ApisRead)?;
        let organization_id = permit.organization_id();
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(RouteId);
        if query.q.is_some() {
            return Err(Invalid::one("q", "is not for routes: an API has few").into());
        }
        let api = self.store().api_get(organization_id, api_id).await?;
        api.ok_or(ApiGone)?;
        let rows = self
            .store()
            .route_list(organization_id, api_id, after, limit + 1)
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(view))
    }

    /// # Errors
    /// See [`RouteGetError`].
    pub async fn route_get(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: RouteId,
    ) -> Result<RouteView, RouteGetError> {
        let permit = actor.require(Permission::ApisRead)?;
        let row = self
            .store()
            .route_get(permit.organization_id(), api_id, id)
            .await?
            .ok_or(RouteGone)?;
        Ok(view(row))
    }

    /// Changes only what is named; the policy as a whole.
    ///
    /// # Errors
    /// See [`RouteUpdateError`].
    pub async fn route_patch(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: RouteId,
        patch: PatchRoute,
    ) -> Result<RouteView, RouteUpdateError> {
        let permit = actor.require(Permission::ApisWrite)?;
        patch.validate().map_err(Invalid)?;
        let old = self
            .store()
            .route_get(permit.organization_id(), api_id, id)
            .await?
            .ok_or(RouteGone)?;
        let mut row = old.clone();
        if let Some(name) = patch.name {
            row.name = name.trim().to_owned();
        }
        match patch.methods {
            Patch::Absent => {}
            Patch::Null => row.methods = Vec::new(),
            Patch::Value(methods) => row.methods = upper(&methods),
        }
        if let Some(path) = patch.path {
            row.path = path;
        }
        if let Some(policy) = patch.policy {
            row.policy = policy;
        }
        let widens = row.path != old.path || row.methods != old.methods;
        check_replacing(actor, &old.policy, &row.policy, widens)?;
        row.updated_at = self.now();
        let event = event("route.updated", id, difference(&shown(&old), &shown(&row)));
        let line = self.audit(actor, event);
        match self.store().route_update(&row, &line).await {
            Ok(true) => {}
            Ok(false) => return Err(RouteGone.into()),
            Err(StoreError::Conflict(Conflict::RouteName)) => return Err(RouteNameInUse.into()),
            Err(error) => return Err(error.into()),
        }
        self.announce(Change::Api(api_id)).await;
        Ok(view(row))
    }

    /// # Errors
    /// See [`RouteDeleteError`].
    pub async fn route_delete(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: RouteId,
    ) -> Result<(), RouteDeleteError> {
        let permit = actor.require(Permission::ApisWrite)?;
        let organization_id = permit.organization_id();
        let old = self
            .store()
            .route_get(organization_id, api_id, id)
            .await?
            .ok_or(RouteGone)?;
        let event = event("route.deleted", id, json!({ "before": shown(&old) }));
        let line = self.audit(actor, event);
        if !self
            .store()
            .route_delete(organization_id, api_id, id, &line)
            .await?
        {
            return Err(RouteGone.into());
        }
        self.announce(Change::Api(api_id)).await;
        Ok(())
    }

    /// The route that a call comes to, by the gateway's own rule.
    pub(crate) async fn route_of(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        method: &str,
        path: &str,
    ) -> Result<Option<RouteRow>, StoreError> {
        let most = u32::try_from(MAX_ROUTES).unwrap_or(u32::MAX);
        let rows = self
            .store()
            .route_list(organization_id, api_id, None, most)
            .await?;
        let mut table = RouteTable::default();
        for row in rows {
            if let Ok(template) = RouteTemplate::parse(&row.path) {
                let (id, methods) = (row.id, row.methods.clone());
                table.insert(id, &template, &methods, row);
            }
        }
        Ok(table.find(method, path).cloned())
    }
}

fn event(action: &str, id: RouteId, details: Value) -> Event<'_> {
    Event {
        action,
        target_type: "route",
        target_id: id.to_string(),
        details,
    }
}

pub(crate) fn view(row: RouteRow) -> RouteView {
    RouteView {
        id: row.id,
        api_id: row.api_id,
        name: row.name,
        methods: row.methods,
        path: row.path,
        policy: row.policy,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// A route as the audit log keeps it.
fn shown(row: &RouteRow) -> Value {
    json!({
        "api_id": row.api_id,
        "name": row.name,
        "methods": row.methods,
        "path": row.path,
        "policy": row.policy,
    })
}
