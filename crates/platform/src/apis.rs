//! APIs: the upstreams an organization registers.

use apiverse_cluster::Change;
use apiverse_contract::apis::{ApiView, AuthType, CreateApi, PatchApi, UpstreamAuth};
use apiverse_contract::validation::slugify;
use apiverse_contract::{ApiId, FieldError, ListQuery, Page};
use apiverse_store::{ApiRow, Conflict, StoreError};
use serde_json::{Map, Value, json};

use crate::actor::Actor;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{ApiGone, Broken, Invalid, SlugInUse, operation_error};
use crate::permissions::{Permission, Permit};
use crate::platform::{Event, Platform};
use crate::urls;

operation_error! {
    /// Why an API was not created.
    ApiCreateError { Forbidden, Invalid, SlugInUse, Broken }
}
operation_error! {
    /// Why an API was not changed.
    ApiUpdateError { Forbidden, Invalid, ApiGone, SlugInUse, Broken }
}
operation_error! {
    /// Why APIs were not listed.
    ApiListError { Forbidden, Invalid }
}
operation_error! {
    /// Why an API was not shown.
    ApiGetError { Forbidden, ApiGone }
}
operation_error! {
    /// Why an API was not deleted.
    ApiDeleteError { Forbidden, ApiGone }
}

/// How often another slug is tried when one that was made from the name is taken.
const SLUG_TRIES: u32 = 50;

impl Platform {
    /// Registers an API. A slug that was not chosen is made from the name, with a number behind it
    /// when it is taken.
    ///
    /// # Errors
    /// See [`ApiCreateError`].
    pub async fn api_create(
        &self,
        actor: &Actor,
        input: CreateApi,
    ) -> Result<ApiView, ApiCreateError> {
        let permit = actor.require(Permission::ApisWrite)?;
        let now = self.now();
        let id = new_id!(self.inner.clock, ApiId);
        let chosen = input.slug.clone();
        let mut row = ApiRow {
            id,
            organization_id: permit.organization_id(),
            created_by: actor.user_id,
            name: String::new(),
            slug: String::new(),
            description: None,
            base_url: String::new(),
            auth_type: String::new(),
            auth_public: Value::Null,
            auth_sealed: None,
            is_active: true,
            allow_query_key: false,
            limits: input.limits,
            is_sample: false,
            created_at: now,
            updated_at: now,
        };
        self.fill_api(&mut row, input, None)?;
        let details = json!({ "after": shown(&row) });
        self.api_store_new(actor, row, chosen.is_some(), details)
            .await
    }

    /// Stores a new API and announces it.
    pub(crate) async fn api_store_new(
        &self,
        actor: &Actor,
        mut row: ApiRow,
        slug_was_chosen: bool,
        details: Value,
    ) -> Result<ApiView, ApiCreateError> {
        let base = row.slug.clone();
        for attempt in 2..SLUG_TRIES + 2 {
            let audit = self.audit(
                actor,
                Event {
                    action: "api.created",
                    target_type: "api",
                    target_id: row.id.to_string(),
                    details: details.clone(),
                },
            );
            match self.store().api_insert(&row, &audit).await {
                Ok(()) => {
                    self.announce(Change::Api(row.id)).await;
                    return Ok(view(row));
                }
                Err(StoreError::Conflict(Conflict::ApiSlug)) if slug_was_chosen => break,
                Err(StoreError::Conflict(Conflict::ApiSlug)) => {
                    row.slug = format!("{base}-{attempt}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(SlugInUse.into())
    }

    /// The organization's APIs, newest first.
    ///
    /// # Errors
    /// See [`ApiListError`].
    pub async fn api_list(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<ApiView>, ApiListError> {
        let permit = actor.require(Permission::ApisRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(ApiId);
        let rows = self
            .store()
            .api_list(
                permit.organization_id(),
                query.q.as_deref(),
                after,
                limit + 1,
            )
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(view))
    }

    /// # Errors
    /// See [`ApiGetError`].
    pub async fn api_get(&self, actor: &Actor, id: ApiId) -> Result<ApiView, ApiGetError> {
        let permit = actor.require(Permission::ApisRead)?;
        let row = self
            .store()
            .api_get(permit.organization_id(), id)
            .await?
            .ok_or(ApiGone)?;
        Ok(view(row))
    }

    /// Whether the actor may see an API of its organization: for what the gateway knows of it.
    ///
    /// # Errors
    /// See [`ApiGetError`].
    pub async fn api_permit(&self, actor: &Actor, id: ApiId) -> Result<Permit, ApiGetError> {
        let permit = actor.require(Permission::ApisRead)?;
        let found = self.store().api_get(permit.organization_id(), id).await?;
        found.ok_or(ApiGone)?;
        Ok(permit)
    }

    /// Writes an API anew: what the request leaves out goes back to its default. Secrets of the
    /// same `auth_type` that are left out stay, since nobody can read them to send them back.
    ///
    /// # Errors
    /// See [`ApiUpdateError`].
    pub async fn api_replace(
        &self,
        actor: &Actor,
        id: ApiId,
        input: CreateApi,
    ) -> Result<ApiView, ApiUpdateError> {
        let permit = actor.require(Permission::ApisWrite)?;
        let old = self
            .store()
            .api_get(permit.organization_id(), id)
            .await?
            .ok_or(ApiGone)?;
        let auth = self.open_auth(&old)?;
        let mut row = old.clone();
        let slug = input.slug.clone().unwrap_or_else(|| old.slug.clone());
        let input = CreateApi {
            slug: Some(slug),
            ..input
        };
        self.fill_api(&mut row, input, Some(&auth))
            .map_err(ApiUpdateError::from)?;
        self.api_save(actor, old, row).await
    }

    /// Changes only what is named.
    ///
    /// # Errors
    /// See [`ApiUpdateError`].
    pub async fn api_patch(
        &self,
        actor: &Actor,
        id: ApiId,
        patch: PatchApi,
    ) -> Result<ApiView, ApiUpdateError> {
        let permit = actor.require(Permission::ApisWrite)?;
        patch.validate().map_err(Invalid)?;
        let old = self
            .store()
            .api_get(permit.organization_id(), id)
            .await?
            .ok_or(ApiGone)?;
        let old_type = AuthType::parse(&old.auth_type).unwrap_or_default();
        let auth = self.open_auth(&old)?;
        let auth_type = patch.auth_type.unwrap_or(old_type);
        // Without a new configuration the one of the same type stays whole.
        let auth_config = match patch.auth_config {
            None if auth_type == old_type => Some(old.auth_public.clone()),
            config => config,
        };
        let input = CreateApi {
            name: patch.name.unwrap_or_else(|| old.name.clone()),
            slug: Some(patch.slug.unwrap_or_else(|| old.slug.clone())),
            description: patch.description.apply(old.description.clone()),
            base_url: patch.base_url.unwrap_or_else(|| old.base_url.clone()),
            auth_type,
            auth_config,
            is_active: patch.is_active.unwrap_or(old.is_active),
            allow_query_key: patch.allow_query_key.unwrap_or(old.allow_query_key),
            limits: patch.limits.unwrap_or(old.limits),
        };
        let mut row = old.clone();
        self.fill_api(&mut row, input, Some(&auth))
            .map_err(ApiUpdateError::from)?;
        self.api_save(actor, old, row).await
    }

    /// Ends an API: calls answer 404 from now on. Its usage stays.
    ///
    /// # Errors
    /// See [`ApiDeleteError`].
    pub async fn api_delete(&self, actor: &Actor, id: ApiId) -> Result<(), ApiDeleteError> {
        let permit = actor.require(Permission::ApisWrite)?;
        let organization_id = permit.organization_id();
        let old = self
            .store()
            .api_get(organization_id, id)
            .await?
            .ok_or(ApiGone)?;
        let audit = self.audit(
            actor,
            Event {
                action: "api.deleted",
                target_type: "api",
                target_id: id.to_string(),
                details: json!({ "before": shown(&old) }),
            },
        );
        if !self.store().api_delete(organization_id, id, &audit).await? {
            return Err(ApiGone.into());
        }
        self.announce(Change::Api(id)).await;
        Ok(())
    }

    async fn api_save(
        &self,
        actor: &Actor,
        old: ApiRow,
        mut row: ApiRow,
    ) -> Result<ApiView, ApiUpdateError> {
        row.updated_at = self.now();
        let audit = self.audit(
            actor,
            Event {
                action: "api.updated",
                target_type: "api",
                target_id: row.id.to_string(),
                details: difference(&shown(&old), &shown(&row)),
            },
        );
        match self.store().api_update(&row, &audit).await {
            Ok(true) => {}
            Ok(false) => return Err(ApiGone.into()),
            Err(StoreError::Conflict(Conflict::ApiSlug)) => return Err(SlugInUse.into()),
            Err(error) => return Err(error.into()),
        }
        self.announce(Change::Api(row.id)).await;
        Ok(view(row))
    }

    /// Checks a whole request and writes it into `row`.
    pub(crate) fn fill_api(
        &self,
        row: &mut ApiRow,
        input: CreateApi,
        old_auth: Option<&UpstreamAuth>,
    ) -> Result<(), FillError> {
        let mut errors = input.validate().err().unwrap_or_default();
        let policy = &self.inner.config.egress;
        // An address that stays is the gateway's to judge: an API whose network is not permitted
        // any more must still be possible to switch off or rename.
        if !input.base_url.trim().is_empty() && input.base_url != row.base_url {
            match urls::base_url(&input.base_url, policy, self.inner.config.sample_enabled) {
                Ok(base_url) => {
                    row.base_url = base_url.text;
                    row.is_sample = base_url.is_sample;
                }
                Err(message) => errors.push(FieldError::new("base_url", message)),
            }
        }
        let auth = UpstreamAuth::from_config(input.auth_type, input.auth_config.as_ref(), old_auth);
        let auth = match auth {
            Ok(auth) => auth,
            Err(more) => {
                errors.extend(more);
                UpstreamAuth::None
            }
        };
        if let UpstreamAuth::Oauth2 { token_url, .. } = &auth
            && !keeps_token_url(old_auth, token_url)
            && let Err(message) = urls::token_url(token_url, policy)
        {
            errors.push(FieldError::new("auth_config.token_url", message));
        }
        if !errors.is_empty() {
            return Err(FillError::Invalid(Invalid(errors)));
        }
        row.auth_type = auth.auth_type().as_str().to_owned();
        row.auth_public = auth.public_config();
        row.auth_sealed = self.seal_auth(row.id, &auth).map_err(FillError::Broken)?;
        row.slug = input.slug.unwrap_or_else(|| slugify(&input.name));
        row.name = input.name.trim().to_owned();
        row.description = input.description.filter(|text| !text.trim().is_empty());
        row.is_active = input.is_active;
        row.allow_query_key = input.allow_query_key;
        row.limits = input.limits;
        Ok(())
    }

    fn seal_auth(&self, id: ApiId, auth: &UpstreamAuth) -> Result<Option<Vec<u8>>, Broken> {
        if *auth == UpstreamAuth::None {
            return Ok(None);
        }
        let plain = serde_json::to_vec(auth).map_err(|_| Broken)?;
        Ok(Some(
            self.inner.vault.seal(auth_context(id).as_bytes(), &plain),
        ))
    }

    pub(crate) fn open_auth(&self, row: &ApiRow) -> Result<UpstreamAuth, Broken> {
        let Some(sealed) = &row.auth_sealed else {
            return Ok(UpstreamAuth::None);
        };
        let plain = self
            .inner
            .vault
            .open(auth_context(row.id).as_bytes(), sealed)
            .map_err(|error| {
                tracing::error!(api = %row.id, %error, "upstream credentials cannot be decrypted");
                Broken
            })?;
        serde_json::from_slice(&plain).map_err(|_| Broken)
    }
}

/// Ties encrypted credentials to their row: copied to another they do not open.
fn auth_context(id: ApiId) -> String {
    format!("apis.auth:{id}")
}

fn keeps_token_url(old: Option<&UpstreamAuth>, new: &str) -> bool {
    matches!(old, Some(UpstreamAuth::Oauth2 { token_url, .. }) if token_url == new)
}

pub(crate) enum FillError {
    Invalid(Invalid),
    Broken(Broken),
}

impl From<FillError> for ApiCreateError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Invalid(kind) => kind.into(),
            FillError::Broken(kind) => kind.into(),
        }
    }
}

impl From<FillError> for ApiUpdateError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Invalid(kind) => kind.into(),
            FillError::Broken(kind) => kind.into(),
        }
    }
}

fn view(row: ApiRow) -> ApiView {
    ApiView {
        id: row.id,
        name: row.name,
        slug: row.slug,
        description: row.description,
        base_url: row.base_url,
        auth_type: AuthType::parse(&row.auth_type).unwrap_or_default(),
        auth_config: row.auth_public,
        is_active: row.is_active,
        allow_query_key: row.allow_query_key,
        limits: row.limits,
        is_sample: row.is_sample,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// An API as the audit log keeps it.
pub(crate) fn shown(row: &ApiRow) -> Value {
    json!({
        "name": row.name,
        "slug": row.slug,
        "description": row.description,
        "base_url": row.base_url,
        "auth_type": row.auth_type,
        "auth_config": row.auth_public,
        "is_active": row.is_active,
        "allow_query_key": row.allow_query_key,
        "limits": row.limits,
    })
}

/// The fields that differ: `{"name": {"before": …, "after": …}}`.
pub(crate) fn difference(before: &Value, after: &Value) -> Value {
    let mut changed = Map::new();
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (field, new) in after {
            let old = before.get(field).unwrap_or(&Value::Null);
            if old != new {
                changed.insert(field.clone(), json!({ "before": old, "after": new }));
            }
        }
    }
    Value::Object(changed)
}
