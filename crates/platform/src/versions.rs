//! Versions of APIs: made, ended, and who still calls them.

use apiverse_cluster::Change;
use apiverse_contract::versions::{
    CallersQuery, CreateVersion, DEFAULT_VERSION, MAX_VERSIONS, PatchVersion, VersionCaller,
    VersionView, Versioning,
};
use apiverse_contract::{ApiId, OrganizationId, VersionId, page};
use apiverse_store::{Conflict, StoreError, VersionRow};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::apis::difference;
use crate::clock::new_id;
use crate::fault::{ApiGone, Invalid, VersionGone, VersionNameInUse, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::urls;

operation_error! {
    /// Why versions were not listed.
    VersionListError { Forbidden, ApiGone }
}
operation_error! {
    /// Why a version was not shown.
    VersionGetError { Forbidden, ApiGone, VersionGone }
}
operation_error! {
    /// Why a version was not created.
    VersionCreateError { Forbidden, Invalid, ApiGone, VersionNameInUse }
}
operation_error! {
    /// Why a version was not changed.
    VersionUpdateError { Forbidden, Invalid, ApiGone, VersionGone, VersionNameInUse }
}
operation_error! {
    /// Why a version was not deleted.
    VersionDeleteError { Forbidden, Invalid, ApiGone, VersionGone }
}
operation_error! {
    /// Why it was not told who calls a version.
    VersionCallersError { Forbidden, Invalid, ApiGone, VersionGone }
}
operation_error! {
    /// Why it was not set how callers choose.
    VersioningPutError { Forbidden, Invalid, ApiGone }
}

/// How far back callers are looked for when nothing is said.
const CALLERS_DAYS: i64 = 30;

impl Platform {
    /// An API's versions, `default` among them, oldest first.
    ///
    /// # Errors
    /// See [`VersionListError`].
    pub async fn version_list(
        &self,
        actor: &Actor,
        api_id: ApiId,
    ) -> Result<Vec<VersionView>, VersionListError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        let rows = rows.ok_or(ApiGone)?;
        let versioning = self.store().versioning_get(organization_id, api_id).await?;
        Ok(rows.into_iter().map(|row| view(row, &versioning)).collect())
    }

    /// # Errors
    /// See [`VersionGetError`].
    pub async fn version_get(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: VersionId,
    ) -> Result<VersionView, VersionGetError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        let row = find(rows.ok_or(ApiGone)?, id).ok_or(VersionGone)?;
        let versioning = self.store().versioning_get(organization_id, api_id).await?;
        Ok(view(row, &versioning))
    }

    /// # Errors
    /// See [`VersionCreateError`].
    pub async fn version_create(
        &self,
        actor: &Actor,
        api_id: ApiId,
        input: CreateVersion,
    ) -> Result<VersionView, VersionCreateError> {
        let organization_id = actor.require(Permission::ApisWrite)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        rows.ok_or(ApiGone)?;
        let row = VersionRow {
            id: new_id!(self.inner.clock, VersionId),
            api_id,
            base_url: self.checked_version(&input, None)?,
            name: input.name,
            deprecated_at: input.deprecated_at,
            sunset_at: input.sunset_at,
            refuse_after_sunset: input.refuse_after_sunset,
            link: input.link,
            created_at: self.now(),
        };
        let event = event("version.created", row.id, json!({ "after": shown(&row) }));
        let line = self.audit(actor, event);
        let insert = self
            .store()
            .version_insert(organization_id, &row, MAX_VERSIONS, &line);
        match insert.await {
            Ok(true) => {}
            Ok(false) => {
                let message = "cannot be added: the API has 50 versions, as many as it may";
                return Err(Invalid::one("name", message).into());
            }
            Err(StoreError::Conflict(Conflict::VersionName)) => {
                return Err(VersionNameInUse.into());
            }
            Err(error) => return Err(error.into()),
        }
        self.announce(Change::Api(api_id)).await;
        let versioning = self.store().versioning_get(organization_id, api_id).await?;
        Ok(view(row, &versioning))
    }

    /// Changes only what is named.
    ///
    /// # Errors
    /// See [`VersionUpdateError`].
    pub async fn version_patch(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: VersionId,
        patch: PatchVersion,
    ) -> Result<VersionView, VersionUpdateError> {
        let organization_id = actor.require(Permission::ApisWrite)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        let old = find(rows.ok_or(ApiGone)?, id).ok_or(VersionGone)?;
        let is_default = old.name == DEFAULT_VERSION;
        if is_default && (patch.name.is_some() || patch.base_url.is_some()) {
            let field = if patch.name.is_some() {
                "name"
            } else {
                "base_url"
            };
            let message = "of the version `default` is the API's: change that";
            return Err(Invalid::one(field, message).into());
        }
        let input = CreateVersion {
            name: patch.name.unwrap_or_else(|| old.name.clone()),
            base_url: patch.base_url.unwrap_or_else(|| old.base_url.clone()),
            deprecated_at: patch.deprecated_at.apply(old.deprecated_at),
            sunset_at: patch.sunset_at.apply(old.sunset_at),
            refuse_after_sunset: patch.refuse_after_sunset.unwrap_or(old.refuse_after_sunset),
            link: patch.link.apply(old.link.clone()),
        };
        let row = VersionRow {
            id,
            api_id,
            base_url: self.checked_version(&input, Some(&old))?,
            name: input.name,
            deprecated_at: input.deprecated_at,
            sunset_at: input.sunset_at,
            refuse_after_sunset: input.refuse_after_sunset,
            link: input.link,
            created_at: old.created_at,
        };
        let event = event(
            "version.updated",
            id,
            difference(&shown(&old), &shown(&row)),
        );
        let line = self.audit(actor, event);
        let store = self.store();
        match store.version_update(organization_id, &row, &line).await {
            Ok(true) => {}
            Ok(false) => return Err(VersionGone.into()),
            Err(StoreError::Conflict(Conflict::VersionName)) => {
                return Err(VersionNameInUse.into());
            }
            Err(error) => return Err(error.into()),
        }
        self.announce(Change::Api(api_id)).await;
        let versioning = store.versioning_get(organization_id, api_id).await?;
        Ok(view(row, &versioning))
    }

    /// Ends a version: its name means nothing any more. Its usage stays.
    ///
    /// # Errors
    /// See [`VersionDeleteError`].
    pub async fn version_delete(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: VersionId,
    ) -> Result<(), VersionDeleteError> {
        let organization_id = actor.require(Permission::ApisWrite)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        let old = find(rows.ok_or(ApiGone)?, id).ok_or(VersionGone)?;
        if old.name == DEFAULT_VERSION {
            return Err(Invalid::one("version_id", "`default` goes with its API only").into());
        }
        let event = event("version.deleted", id, json!({ "before": shown(&old) }));
        let line = self.audit(actor, event);
        let deleted = self
            .store()
            .version_delete(organization_id, api_id, id, &line)
            .await?;
        if !deleted {
            return Err(VersionGone.into());
        }
        self.announce(Change::Api(api_id)).await;
        Ok(())
    }

    /// Who called a version, the latest first.
    ///
    /// # Errors
    /// See [`VersionCallersError`].
    pub async fn version_callers(
        &self,
        actor: &Actor,
        api_id: ApiId,
        id: VersionId,
        query: CallersQuery,
    ) -> Result<Vec<VersionCaller>, VersionCallersError> {
        let organization_id = actor.require(Permission::UsageRead)?.organization_id();
        actor.require(Permission::ApisRead)?;
        let limit = page::check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let rows = self.versions_of(organization_id, api_id).await?;
        let version = find(rows.ok_or(ApiGone)?, id).ok_or(VersionGone)?;
        let from = query
            .from
            .unwrap_or_else(|| self.now() - Duration::days(CALLERS_DAYS));
        let is_other = version.name != DEFAULT_VERSION;
        let callers = self
            .store()
            .version_callers(
                organization_id,
                api_id,
                is_other.then_some(id),
                from.timestamp_micros(),
                limit,
            )
            .await?;
        Ok(callers
            .into_iter()
            .map(|row| VersionCaller {
                key_id: row.key_id,
                key_name: row.key_name,
                calls: u64::try_from(row.calls).unwrap_or(0),
                last_seen_at: DateTime::<Utc>::from_timestamp_micros(row.last_us)
                    .unwrap_or_default(),
            })
            .collect())
    }

    /// How an API's callers choose a version.
    ///
    /// # Errors
    /// See [`VersionListError`].
    pub async fn versioning_get(
        &self,
        actor: &Actor,
        api_id: ApiId,
    ) -> Result<Versioning, VersionListError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        let api = self.store().api_get(organization_id, api_id).await?;
        api.ok_or(ApiGone)?;
        Ok(self.store().versioning_get(organization_id, api_id).await?)
    }

    /// Sets how an API's callers choose a version.
    ///
    /// # Errors
    /// See [`VersioningPutError`].
    pub async fn versioning_put(
        &self,
        actor: &Actor,
        api_id: ApiId,
        versioning: Versioning,
    ) -> Result<Versioning, VersioningPutError> {
        let organization_id = actor.require(Permission::ApisWrite)?.organization_id();
        let rows = self.versions_of(organization_id, api_id).await?;
        let rows = rows.ok_or(ApiGone)?;
        versioning.validate().map_err(Invalid)?;
        if !rows.iter().any(|row| row.name == versioning.default) {
            return Err(Invalid::one("default", "is not a version of this API").into());
        }
        let store = self.store();
        let before = store.versioning_get(organization_id, api_id).await?;
        let event = Event {
            action: "versioning.updated",
            target_type: "api",
            target_id: api_id.to_string(),
            details: json!({ "before": before, "after": versioning }),
        };
        let line = self.audit(actor, event);
        let put = store.versioning_put(organization_id, api_id, &versioning, &line);
        if !put.await? {
            return Err(ApiGone.into());
        }
        self.announce(Change::Api(api_id)).await;
        Ok(versioning)
    }

    /// Every API has a version; none: there is no such API.
    async fn versions_of(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
    ) -> Result<Option<Vec<VersionRow>>, StoreError> {
        let rows = self.store().version_list(organization_id, api_id).await?;
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// The base URL as it is kept. One that stays is the gateway's to judge.
    pub(crate) fn checked_version(
        &self,
        input: &CreateVersion,
        old: Option<&VersionRow>,
    ) -> Result<String, Invalid> {
        let mut errors = input.validate().err().unwrap_or_default();
        let stays = old.is_some_and(|old| old.base_url == input.base_url);
        let config = &self.inner.config;
        let url = match stays {
            true => Ok(input.base_url.clone()),
            false => urls::base_url(&input.base_url, &config.egress, false).map(|url| url.text),
        };
        match url {
            Ok(text) if errors.is_empty() => return Ok(text),
            Ok(_) => {}
            Err(message) => errors.push(apiverse_contract::FieldError::new("base_url", message)),
        }
        Err(Invalid(errors))
    }
}

fn find(rows: Vec<VersionRow>, id: VersionId) -> Option<VersionRow> {
    rows.into_iter().find(|row| row.id == id)
}

fn event(action: &str, id: VersionId, details: Value) -> Event<'_> {
    Event {
        action,
        target_type: "version",
        target_id: id.to_string(),
        details,
    }
}

fn view(row: VersionRow, versioning: &Versioning) -> VersionView {
    VersionView {
        id: row.id,
        api_id: row.api_id,
        is_default: row.name == versioning.default,
        name: row.name,
        base_url: row.base_url,
        deprecated_at: row.deprecated_at,
        sunset_at: row.sunset_at,
        refuse_after_sunset: row.refuse_after_sunset,
        link: row.link,
        created_at: row.created_at,
    }
}

/// A version as the audit log keeps it.
fn shown(row: &VersionRow) -> Value {
    json!({
        "api_id": row.api_id,
        "name": row.name,
        "base_url": row.base_url,
        "deprecated_at": row.deprecated_at,
        "sunset_at": row.sunset_at,
        "refuse_after_sunset": row.refuse_after_sunset,
        "link": row.link,
    })
}
