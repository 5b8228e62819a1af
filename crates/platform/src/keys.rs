//! API keys.

use apiverse_cluster::Change;
use apiverse_contract::key_format::{self, LOOKUP_LEN};
use apiverse_contract::keys::{
    ApiKeyCreated, ApiKeyView, CreateApiKey, DEFAULT_GRACE_SECONDS, Environment, KeyStatus,
    KeyTicket, MAX_GRACE_SECONDS, PatchApiKey, RotateApiKey,
};
use apiverse_contract::{ApiId, FieldError, KeyId, ListQuery, OrganizationId, Page};
use apiverse_store::{ApiKeyRow, Conflict, StoreError};
use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::apis::difference;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{Broken, Invalid, KeyGone, KeyRevoked, StoreFault, operation_error};
use crate::passwords::hash_api_key;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why a key was not created.
    KeyCreateError { Forbidden, Invalid, Broken }
}
operation_error! {
    /// Why keys were not listed.
    KeyListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a key was not shown.
    KeyGetError { Forbidden, KeyGone }
}
operation_error! {
    /// Why a key was not changed.
    KeyUpdateError { Forbidden, Invalid, KeyGone, KeyRevoked }
}
operation_error! {
    /// Why a key was not revoked.
    KeyRevokeError { Forbidden, KeyGone }
}
operation_error! {
    /// Why a key was not rotated.
    KeyRotateError { Forbidden, Invalid, KeyGone, KeyRevoked, Broken }
}
operation_error! {
    /// Why no ticket was given.
    KeyTicketError { Forbidden, KeyGone, KeyRevoked }
}

/// How often a fresh secret is drawn when its prefix is taken; 62^12 prefixes make one enough.
const TRIES: u32 = 5;
/// How long the explorer may act as a key with one ticket.
const TICKET_SECONDS: i64 = 60;
const MAX_NETWORKS: usize = 100;

impl Platform {
    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// See [`KeyCreateError`].
    pub async fn key_create(
        &self,
        actor: &Actor,
        input: CreateApiKey,
    ) -> Result<ApiKeyCreated, KeyCreateError> {
        let permit = actor.require(Permission::KeysWrite)?;
        let now = self.now();
        let mut errors = input.validate(now).err().unwrap_or_default();
        let allowed_ips = networks(&input.allowed_ips, &mut errors);
        self.check_apis(permit.organization_id(), &input.api_ids, &mut errors)
            .await?;
        if !errors.is_empty() {
            return Err(Invalid(errors).into());
        }
        for _ in 0..TRIES {
            let secret = self.draw_secret(input.environment)?;
            let row = ApiKeyRow {
                id: new_id!(self.inner.clock, KeyId),
                organization_id: permit.organization_id(),
                created_by: actor.user_id,
                name: input.name.trim().to_owned(),
                environment: input.environment.as_str().to_owned(),
                key_prefix: secret.prefix,
                key_hash: secret.hash,
                previous_prefix: None,
                previous_hash: None,
                previous_expires_at: None,
                api_ids: without_repeats(input.api_ids.clone()),
                methods: upper(&input.methods),
                scopes: without_repeats(input.scopes.clone()),
                allowed_ips: allowed_ips.clone(),
                created_at: now,
                updated_at: now,
                expires_at: input.expires_at,
                revoked_at: None,
                last_used_at: None,
            };
            let event = event("api_key.created", row.id, json!({ "after": shown(&row) }));
            match self
                .store()
                .key_insert(&row, &self.audit(actor, event))
                .await
            {
                Ok(()) => {
                    self.announce(Change::Key(row.id)).await;
                    return Ok(ApiKeyCreated {
                        key: secret.text,
                        view: view(row, now),
                    });
                }
                Err(StoreError::Conflict(Conflict::KeyPrefix)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Broken.into())
    }

    /// The organization's keys, newest first, revoked ones too.
    ///
    /// # Errors
    /// See [`KeyListError`].
    pub async fn key_list(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<ApiKeyView>, KeyListError> {
        let permit = actor.require(Permission::KeysRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(KeyId);
        let rows = self
            .store()
            .key_list(
                permit.organization_id(),
                query.q.as_deref(),
                after,
                limit + 1,
            )
            .await?;
        let now = self.now();
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(|row| view(row, now)))
    }

    /// # Errors
    /// See [`KeyGetError`].
    pub async fn key_get(&self, actor: &Actor, id: KeyId) -> Result<ApiKeyView, KeyGetError> {
        let permit = actor.require(Permission::KeysRead)?;
        let row = self
            .store()
            .key_get(permit.organization_id(), id)
            .await?
            .ok_or(KeyGone)?;
        Ok(view(row, self.now()))
    }

    /// Changes only what is named. An expired key can be given a later end, a revoked one is over.
    ///
    /// # Errors
    /// See [`KeyUpdateError`].
    pub async fn key_patch(
        &self,
        actor: &Actor,
        id: KeyId,
        patch: PatchApiKey,
    ) -> Result<ApiKeyView, KeyUpdateError> {
        let permit = actor.require(Permission::KeysWrite)?;
        let organization_id = permit.organization_id();
        let now = self.now();
        let mut errors = patch.validate(now).err().unwrap_or_default();
        let allowed_ips = patch
            .allowed_ips
            .as_deref()
            .map(|all| networks(all, &mut errors));
        if let Some(ids) = &patch.api_ids {
            self.check_apis(organization_id, ids, &mut errors).await?;
        }
        if !errors.is_empty() {
            return Err(Invalid(errors).into());
        }
        let old = self
            .store()
            .key_get(organization_id, id)
            .await?
            .ok_or(KeyGone)?;
        if old.revoked_at.is_some() {
            return Err(KeyRevoked.into());
        }
        let mut row = old.clone();
        if let Some(name) = patch.name {
            row.name = name.trim().to_owned();
        }
        row.expires_at = patch.expires_at.apply(row.expires_at);
        if let Some(ids) = patch.api_ids {
            row.api_ids = without_repeats(ids);
        }
        if let Some(methods) = patch.methods {
            row.methods = upper(&methods);
        }
        if let Some(scopes) = patch.scopes {
            row.scopes = without_repeats(scopes);
        }
        if let Some(allowed_ips) = allowed_ips {
            row.allowed_ips = allowed_ips;
        }
        row.updated_at = now;
        let event = event(
            "api_key.updated",
            id,
            difference(&shown(&old), &shown(&row)),
        );
        if !self
            .store()
            .key_update(&row, &self.audit(actor, event))
            .await?
        {
            return Err(KeyGone.into());
        }
        self.announce(Change::Key(id)).await;
        Ok(view(row, now))
    }

    /// Ends a key at once. Ending it again changes nothing.
    ///
    /// # Errors
    /// See [`KeyRevokeError`].
    pub async fn key_revoke(&self, actor: &Actor, id: KeyId) -> Result<(), KeyRevokeError> {
        let permit = actor.require(Permission::KeysWrite)?;
        let mut row = self
            .store()
            .key_get(permit.organization_id(), id)
            .await?
            .ok_or(KeyGone)?;
        if row.revoked_at.is_some() {
            return Ok(());
        }
        let now = self.now();
        row.revoked_at = Some(now);
        row.updated_at = now;
        let event = event("api_key.revoked", id, json!({ "before": shown(&row) }));
        if !self
            .store()
            .key_update(&row, &self.audit(actor, event))
            .await?
        {
            return Err(KeyGone.into());
        }
        self.announce(Change::Key(id)).await;
        Ok(())
    }

    /// Gives a key another secret. The one before goes on working for the grace period; one of
    /// an earlier rotation ends now.
    ///
    /// # Errors
    /// See [`KeyRotateError`].
    pub async fn key_rotate(
        &self,
        actor: &Actor,
        id: KeyId,
        input: RotateApiKey,
    ) -> Result<ApiKeyCreated, KeyRotateError> {
        let permit = actor.require(Permission::KeysWrite)?;
        let grace = input.grace_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        if grace > MAX_GRACE_SECONDS {
            return Err(Invalid::one("grace_seconds", "must be at most 2592000").into());
        }
        let old = self
            .store()
            .key_get(permit.organization_id(), id)
            .await?
            .ok_or(KeyGone)?;
        if old.revoked_at.is_some() {
            return Err(KeyRevoked.into());
        }
        let environment = Environment::parse(&old.environment).unwrap_or_default();
        let now = self.now();
        for _ in 0..TRIES {
            let secret = self.draw_secret(environment)?;
            let mut row = old.clone();
            if grace > 0 {
                row.previous_prefix = Some(old.key_prefix.clone());
                row.previous_hash = Some(old.key_hash.clone());
                row.previous_expires_at = Some(now + Duration::seconds(i64::from(grace)));
            } else {
                row.previous_prefix = None;
                row.previous_hash = None;
                row.previous_expires_at = None;
            }
            row.key_prefix = secret.prefix;
            row.key_hash = secret.hash;
            row.updated_at = now;
            let details = json!({
                "grace_seconds": grace,
                "key_prefix": { "before": old.key_prefix, "after": row.key_prefix },
            });
            let audit = self.audit(actor, event("api_key.rotated", id, details));
            match self.store().key_update(&row, &audit).await {
                Ok(true) => {
                    self.announce(Change::Key(id)).await;
                    return Ok(ApiKeyCreated {
                        key: secret.text,
                        view: view(row, now),
                    });
                }
                Ok(false) => return Err(KeyGone.into()),
                Err(StoreError::Conflict(Conflict::KeyPrefix)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Broken.into())
    }

    /// Lets the console call through the gateway as a key whose text nobody knows any more.
    ///
    /// # Errors
    /// See [`KeyTicketError`].
    pub async fn key_ticket(&self, actor: &Actor, id: KeyId) -> Result<KeyTicket, KeyTicketError> {
        let permit = actor.require(Permission::KeysWrite)?;
        let row = self
            .store()
            .key_get(permit.organization_id(), id)
            .await?
            .ok_or(KeyGone)?;
        if row.revoked_at.is_some() {
            return Err(KeyRevoked.into());
        }
        let expires_at = self.now() + Duration::seconds(TICKET_SECONDS);
        let ticket = self.inner.vault.sign_ticket(id, expires_at.timestamp());
        Ok(KeyTicket { ticket, expires_at })
    }

    fn draw_secret(&self, environment: Environment) -> Result<Secret, Broken> {
        let text = key_format::compose(environment, self.inner.clock.random());
        let hash = hash_api_key(&text, &self.inner.clock.random())?;
        Ok(Secret {
            prefix: text[..LOOKUP_LEN].to_owned(),
            hash,
            text,
        })
    }

    /// An id of another organization is told apart from no id at all by nothing.
    async fn check_apis(
        &self,
        organization_id: OrganizationId,
        ids: &[ApiId],
        errors: &mut Vec<FieldError>,
    ) -> Result<(), StoreFault> {
        if ids.len() > 200 {
            return Ok(());
        }
        for &id in ids {
            if self.store().api_get(organization_id, id).await?.is_none() {
                errors.push(FieldError::new("api_ids", format!("there is no API {id}")));
            }
        }
        Ok(())
    }
}

struct Secret {
    text: String,
    prefix: String,
    hash: String,
}

fn event(action: &str, id: KeyId, details: Value) -> Event<'_> {
    Event {
        action,
        target_type: "api_key",
        target_id: id.to_string(),
        details,
    }
}

/// Networks in their shortest form; a single address is a network of one.
fn networks(all: &[String], errors: &mut Vec<FieldError>) -> Vec<String> {
    if all.len() > MAX_NETWORKS {
        errors.push(FieldError::new(
            "allowed_ips",
            "must have at most 100 entries",
        ));
        return Vec::new();
    }
    let mut good = Vec::with_capacity(all.len());
    for text in all {
        let text = text.trim();
        let network = text
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) => good.push(network.trunc().to_string()),
            None => errors.push(FieldError::new(
                "allowed_ips",
                format!("`{}` is not an address or network (CIDR)", printable(text)),
            )),
        }
    }
    without_repeats(good)
}

/// A little of what was sent, safe to show.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

pub(crate) fn upper(methods: &[String]) -> Vec<String> {
    without_repeats(
        methods
            .iter()
            .map(|method| method.to_ascii_uppercase())
            .collect(),
    )
}

fn without_repeats<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(all.len());
    for item in all {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn view(row: ApiKeyRow, now: DateTime<Utc>) -> ApiKeyView {
    let status = if row.revoked_at.is_some() {
        KeyStatus::Revoked
    } else if row.expires_at.is_some_and(|at| at <= now) {
        KeyStatus::Expired
    } else {
        KeyStatus::Active
    };
    ApiKeyView {
        id: row.id,
        name: row.name,
        environment: Environment::parse(&row.environment).unwrap_or_default(),
        key_prefix: row.key_prefix,
        status,
        is_active: status == KeyStatus::Active,
        api_ids: row.api_ids,
        methods: row.methods,
        scopes: row.scopes,
        allowed_ips: row.allowed_ips,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        last_used_at: row.last_used_at,
        previous_expires_at: row.previous_expires_at.filter(|&at| at > now),
    }
}

/// A key as the audit log keeps it.
fn shown(row: &ApiKeyRow) -> Value {
    json!({
        "name": row.name,
        "environment": row.environment,
        "key_prefix": row.key_prefix,
        "api_ids": row.api_ids,
        "methods": row.methods,
        "scopes": row.scopes,
        "allowed_ips": row.allowed_ips,
        "expires_at": row.expires_at,
    })
}
