//! Personal access tokens, and service accounts.
//!
//! A token acts for its owner with no more than its scopes. It is made by somebody who may all it
//! may, so none can mint a wider one than itself.

use apiverse_contract::access_tokens::{
    ACCESS_TOKEN_TAG, AccessTokenCreated, AccessTokenView, CreateAccessToken, CreateServiceAccount,
    ServiceAccountView,
};
use apiverse_contract::auth::Role;
use apiverse_contract::keys::Environment;
use apiverse_contract::{AccessTokenId, ListQuery, Page, ServiceAccountId, key_format};
use apiverse_store::{AccessTokenRow, Conflict, ServiceAccountRow, StoreError};
use chrono::Duration;
use serde_json::json;

use crate::actor::{Actor, Grant, RequestInfo, Via};
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{
    AccessTokenGone, Forbidden, Invalid, ServiceAccountGone, ServiceAccountNameInUse, TokenInvalid,
    operation_error,
};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::sessions::BearerError;

operation_error! {
    /// Why no token was made.
    AccessTokenCreateError { Forbidden, Invalid, ServiceAccountGone }
}
operation_error! {
    /// Why tokens were not listed.
    AccessTokenListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a token was not revoked.
    AccessTokenRevokeError { Forbidden, AccessTokenGone }
}
operation_error! {
    /// Why no service account was made.
    ServiceAccountCreateError { Forbidden, Invalid, ServiceAccountNameInUse }
}
operation_error! {
    /// Why service accounts were not listed.
    ServiceAccountListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a service account was not deleted.
    ServiceAccountDeleteError { Forbidden, ServiceAccountGone }
}

/// Characters of a token that are shown to tell it by.
const SHOWN: usize = 12;

impl Platform {
    /// Makes a token of the actor, or of a service account. Its text is in the answer and nowhere
    /// else.
    ///
    /// # Errors
    /// See [`AccessTokenCreateError`].
    pub async fn access_token_create(
        &self,
        actor: &Actor,
        input: CreateAccessToken,
    ) -> Result<AccessTokenCreated, AccessTokenCreateError> {
        let permit = actor.require(Permission::TokensWrite)?;
        let now = self.now();
        input.validate(now).map_err(Invalid)?;
        let organization_id = permit.organization_id();
        let owner = match input.service_account_id {
            Some(id) => {
                actor.require(Permission::ServiceAccountsWrite)?;
                let found = self
                    .store()
                    .service_account_get(organization_id, id)
                    .await?;
                let found = found.ok_or(ServiceAccountGone)?;
                Role::parse(&found.role).ok_or(Forbidden::Role)?
            }
            None => {
                actor.user_id.ok_or(Forbidden::Role)?;
                actor.role
            }
        };
        check_scopes(actor, owner, &input.scopes)?;
        if let Some(grant) = &actor.grant
            && grant
                .expires_at
                .is_some_and(|own| input.expires_at.is_none_or(|at| at > own))
        {
            let message = "must not be later than that of the token this is made with";
            return Err(Invalid::one("expires_at", message).into());
        }
        let token = access_token(self.inner.clock.random());
        let mut scopes = input.scopes;
        scopes.sort();
        scopes.dedup();
        let is_own = input.service_account_id.is_none();
        let row = AccessTokenRow {
            id: new_id!(self.inner.clock, AccessTokenId),
            organization_id,
            user_id: actor.user_id.filter(|_| is_own),
            service_account_id: input.service_account_id,
            name: input.name.trim().to_owned(),
            token_hash: self.inner.tokens.access_token_hash(&token).to_vec(),
            token_prefix: token.chars().take(SHOWN).collect(),
            scopes,
            created_at: now,
            expires_at: input.expires_at,
            last_used_at: None,
            last_used_ip: None,
            revoked_at: None,
        };
        let mut event = token_event("access_token.created", &row);
        event.details["scopes"] = json!(row.scopes);
        event.details["expires_at"] = json!(row.expires_at);
        let line = self.audit(actor, event);
        self.store().access_token_insert(&row, &line).await?;
        Ok(AccessTokenCreated {
            view: view(row),
            token,
        })
    }

    /// The actor's own tokens in this organization, newest first; with `of_service_accounts` those
    /// of all service accounts.
    ///
    /// # Errors
    /// See [`AccessTokenListError`].
    pub async fn access_tokens(
        &self,
        actor: &Actor,
        query: ListQuery,
        of_service_accounts: bool,
    ) -> Result<Page<AccessTokenView>, AccessTokenListError> {
        let permit = if of_service_accounts {
            actor.require(Permission::ServiceAccountsWrite)?
        } else {
            actor.require(Permission::TokensRead)?
        };
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(AccessTokenId);
        let user_id = actor.user_id.filter(|_| !of_service_accounts);
        if user_id.is_none() && !of_service_accounts {
            // Whoever is no user has no tokens of their own.
            return Ok(Page {
                data: Vec::new(),
                next_cursor: None,
            });
        }
        let rows = self
            .store()
            .access_token_list(permit.organization_id(), user_id, after, limit + 1)
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(view))
    }

    /// Revokes a token: of the actor, or of a service account.
    ///
    /// # Errors
    /// See [`AccessTokenRevokeError`].
    pub async fn access_token_revoke(
        &self,
        actor: &Actor,
        id: AccessTokenId,
    ) -> Result<(), AccessTokenRevokeError> {
        let permit = actor.require(Permission::TokensWrite)?;
        let organization_id = permit.organization_id();
        let found = self.store().access_token_get(organization_id, id).await?;
        let row = found.ok_or(AccessTokenGone)?;
        if row.service_account_id.is_some() {
            actor.require(Permission::ServiceAccountsWrite)?;
        } else if row.user_id != actor.user_id {
            return Err(AccessTokenGone.into());
        }
        let line = self.audit(actor, token_event("access_token.revoked", &row));
        let now = self.now();
        if self
            .store()
            .access_token_revoke(organization_id, id, now, &line)
            .await?
        {
            Ok(())
        } else {
            Err(AccessTokenGone.into())
        }
    }

    /// Makes a service account.
    ///
    /// # Errors
    /// See [`ServiceAccountCreateError`].
    pub async fn service_account_create(
        &self,
        actor: &Actor,
        input: CreateServiceAccount,
    ) -> Result<ServiceAccountView, ServiceAccountCreateError> {
        let permit = actor.require(Permission::ServiceAccountsWrite)?;
        input.validate().map_err(Invalid)?;
        let row = ServiceAccountRow {
            id: new_id!(self.inner.clock, ServiceAccountId),
            organization_id: permit.organization_id(),
            name: input.name.trim().to_owned(),
            role: input.role.as_str().to_owned(),
            created_by: actor.user_id,
            created_at: self.now(),
        };
        let line = self.audit(actor, account_event("service_account.created", &row));
        match self.store().service_account_insert(&row, &line).await {
            Ok(()) => Ok(account_view(row)),
            Err(StoreError::Conflict(Conflict::ServiceAccountName)) => {
                Err(ServiceAccountNameInUse.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Newest first.
    ///
    /// # Errors
    /// See [`ServiceAccountListError`].
    pub async fn service_accounts(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<ServiceAccountView>, ServiceAccountListError> {
        let permit = actor.require(Permission::MembersRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(ServiceAccountId);
        let rows = self
            .store()
            .service_account_list(permit.organization_id(), after, limit + 1)
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(account_view))
    }

    /// Deletes a service account; its tokens end.
    ///
    /// # Errors
    /// See [`ServiceAccountDeleteError`].
    pub async fn service_account_delete(
        &self,
        actor: &Actor,
        id: ServiceAccountId,
    ) -> Result<(), ServiceAccountDeleteError> {
        let permit = actor.require(Permission::ServiceAccountsWrite)?;
        let organization_id = permit.organization_id();
        let found = self
            .store()
            .service_account_get(organization_id, id)
            .await?;
        let row = found.ok_or(ServiceAccountGone)?;
        let line = self.audit(actor, account_event("service_account.deleted", &row));
        if self
            .store()
            .service_account_delete(organization_id, id, &line)
            .await?
        {
            Ok(())
        } else {
            Err(ServiceAccountGone.into())
        }
    }

    /// Who a token acts for.
    pub(crate) async fn actor_from_access_token(
        &self,
        request: &RequestInfo,
        token: &str,
    ) -> Result<Actor, BearerError> {
        if !is_well_formed(token) {
            return Err(TokenInvalid.into());
        }
        let now = self.now();
        let hash = self.inner.tokens.access_token_hash(token);
        let row = self.store().access_token_by_hash(&hash, now).await?;
        let row = row.ok_or(TokenInvalid)?;
        let (name, role, needs_two_factor) = match (row.user_id, row.service_account_id) {
            (Some(user_id), _) => {
                let user = self.store().user_get(user_id).await?;
                let user = user.filter(|user| user.is_active).ok_or(TokenInvalid)?;
                let found = self
                    .store()
                    .membership_get(row.organization_id, user_id)
                    .await?;
                let (organization, membership) = found.ok_or(TokenInvalid)?;
                let role = Role::parse(&membership.role).ok_or(TokenInvalid)?;
                let lacks =
                    organization.require_two_factor && !self.has_second_factor(user_id).await?;
                (user.email, role, lacks)
            }
            (None, Some(id)) => {
                let found = self
                    .store()
                    .service_account_get(row.organization_id, id)
                    .await?;
                let found = found.ok_or(TokenInvalid)?;
                let role = Role::parse(&found.role).ok_or(TokenInvalid)?;
                (format!("service account {}", found.name), role, false)
            }
            (None, None) => return Err(TokenInvalid.into()),
        };
        let is_stale = row
            .last_used_at
            .is_none_or(|last| now - last >= Duration::seconds(60));
        if is_stale {
            let ip = request.ip.map(|ip| ip.to_string());
            self.store()
                .access_token_touch(row.id, now, ip.as_deref())
                .await?;
        }
        let scopes = row
            .scopes
            .iter()
            .filter_map(|scope| Permission::of_scope(scope));
        Ok(Actor {
            user_id: row.user_id,
            name,
            organization_id: row.organization_id,
            role,
            via: Via::AccessToken(row.id),
            request: request.clone(),
            grant: Some(Grant {
                scopes: scopes.collect(),
                expires_at: row.expires_at,
            }),
            needs_two_factor,
            authenticated_at: None,
        })
    }
}

/// Every scope must be one that the token's owner and its maker have.
fn check_scopes(actor: &Actor, owner: Role, scopes: &[String]) -> Result<(), Invalid> {
    for scope in scopes {
        let Some(permission) = Permission::of_scope(scope) else {
            let all: Vec<&str> = Permission::ALL.iter().map(|one| one.scope()).collect();
            let message = format!("`{scope}` is none of {}", all.join(", "));
            return Err(Invalid::one("scopes", message));
        };
        if !permission.roles().contains(&owner) || actor.require(permission).is_err() {
            let message = format!("`{scope}` is more than you, or its owner, may do");
            return Err(Invalid::one("scopes", message));
        }
    }
    Ok(())
}

/// `apvp_`, 43 random characters and 6 of checksum: those of an API key of these bytes.
fn access_token(random: [u8; 32]) -> String {
    let key = key_format::compose(Environment::Live, random);
    format!(
        "{ACCESS_TOKEN_TAG}{}",
        &key[Environment::Live.key_tag().len()..]
    )
}

/// Whether the checksum fits: a typo costs no look-up.
fn is_well_formed(token: &str) -> bool {
    token.strip_prefix(ACCESS_TOKEN_TAG).is_some_and(|rest| {
        let key = format!("{}{rest}", Environment::Live.key_tag());
        key_format::parse(key.as_bytes()).is_some()
    })
}

fn token_event<'a>(action: &'a str, row: &AccessTokenRow) -> Event<'a> {
    Event {
        action,
        target_type: "access_token",
        target_id: row.id.to_string(),
        details: json!({ "name": row.name, "service_account_id": row.service_account_id }),
    }
}

fn account_event<'a>(action: &'a str, row: &ServiceAccountRow) -> Event<'a> {
    Event {
        action,
        target_type: "service_account",
        target_id: row.id.to_string(),
        details: json!({ "name": row.name, "role": row.role }),
    }
}

fn view(row: AccessTokenRow) -> AccessTokenView {
    AccessTokenView {
        id: row.id,
        name: row.name,
        token_prefix: row.token_prefix,
        scopes: row.scopes,
        service_account_id: row.service_account_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        last_used_ip: row.last_used_ip,
        revoked_at: row.revoked_at,
    }
}

fn account_view(row: ServiceAccountRow) -> ServiceAccountView {
    ServiceAccountView {
        id: row.id,
        name: row.name,
        // The database takes none but these roles.
        role: Role::parse(&row.role).unwrap_or(Role::Viewer),
        created_by: row.created_by,
        created_at: row.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_shape() {
        let token = access_token([7; 32]);
        assert_eq!(token.len(), ACCESS_TOKEN_TAG.len() + 49);
        assert!(is_well_formed(&token));
        let typo = token.replace(
            &token[10..11],
            if &token[10..11] == "A" { "B" } else { "A" },
        );
        assert!(!is_well_formed(&typo), "{typo}");
        for other in ["", "apvp_", "apv_live_x", "apvp_ü"] {
            assert!(!is_well_formed(other), "{other}");
        }
    }
}
