//! Personal access tokens, and the service accounts that have some too.

use apiverse_contract::{AccessTokenId, OrganizationId, ServiceAccountId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A token; only a hash of its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenRow {
    pub id: AccessTokenId,
    pub organization_id: OrganizationId,
    /// Whose it is: one of the two.
    pub user_id: Option<UserId>,
    pub service_account_id: Option<ServiceAccountId>,
    pub name: String,
    pub token_hash: Vec<u8>,
    /// Its beginning, to be told by.
    pub token_prefix: String,
    pub scopes: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub last_used_ip: Option<String>,
    pub revoked_at: Option<DateTime<Utc>>,
}

from_row! {
    AccessTokenRow, row => AccessTokenRow {
        id: AccessTokenId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
        service_account_id: row
            .try_get::<Option<Uuid>, _>("service_account_id")?
            .map(ServiceAccountId),
        name: row.try_get("name")?,
        token_hash: row.try_get("token_hash")?,
        token_prefix: row.try_get("token_prefix")?,
        scopes: row.try_get::<Json<Vec<String>>, _>("scopes")?.0,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        last_used_ip: row.try_get("last_used_ip")?,
        revoked_at: row.try_get("revoked_at")?,
    };
}

/// Somebody in an organization who is no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountRow {
    pub id: ServiceAccountId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub role: String,
    pub created_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
}

from_row! {
    ServiceAccountRow, row => ServiceAccountRow {
        id: ServiceAccountId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        created_by: row.try_get::<Option<Uuid>, _>("created_by")?.map(UserId),
        created_at: row.try_get("created_at")?,
    };
}

impl Store {
    /// # Errors
    /// When the database fails.
    pub async fn access_token_insert(&self, row: &AccessTokenRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO access_tokens (id, organization_id, user_id, \
             service_account_id, name, token_hash, token_prefix, scopes, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(row.user_id.map(|id| id.0))
                .bind(row.service_account_id.map(|id| id.0))
                .bind(&row.name)
                .bind(&row.token_hash)
                .bind(&row.token_prefix)
                .bind(Json(&row.scopes))
                .bind(row.created_at)
                .bind(row.expires_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// The token with a secret, unless it was revoked or is over. Who has the secret says by it
    /// which organization is meant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn access_token_by_hash(
        &self,
        token_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<AccessTokenRow>> {
        const SQL: &str = "SELECT * FROM access_tokens WHERE token_hash = $1 \
             AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// The tokens of a user, or of all service accounts when none is named, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn access_token_list(
        &self,
        organization_id: OrganizationId,
        user_id: Option<UserId>,
        after: Option<AccessTokenId>,
        limit: u32,
    ) -> Result<Vec<AccessTokenRow>> {
        const SQL: &str = "SELECT * FROM access_tokens WHERE organization_id = $1 \
             AND (user_id = $2 OR ($2 IS NULL AND user_id IS NULL)) \
             AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.map(|id| id.0))
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn access_token_get(
        &self,
        organization_id: OrganizationId,
        id: AccessTokenId,
    ) -> Result<Option<AccessTokenRow>> {
        const SQL: &str = "SELECT * FROM access_tokens WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// False when there is none that is not revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn access_token_revoke(
        &self,
        organization_id: OrganizationId,
        id: AccessTokenId,
        now: DateTime<Utc>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE access_tokens SET revoked_at = $3 \
             WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let revoked = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if revoked {
                insert_audit!(audit, &mut *tx);
            }
            revoked
        }))
    }

    /// Notes a use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn access_token_touch(
        &self,
        id: AccessTokenId,
        now: DateTime<Utc>,
        ip: Option<&str>,
    ) -> Result<()> {
        const SQL: &str = "UPDATE access_tokens SET last_used_at = $2, last_used_ip = $3 \
             WHERE id = $1";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(now)
            .bind(ip)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// # Errors
    /// [`crate::Conflict::ServiceAccountName`] when the name is taken.
    pub async fn service_account_insert(
        &self,
        row: &ServiceAccountRow,
        audit: &AuditRow,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO service_accounts (id, organization_id, name, role, \
             created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(&row.name)
                .bind(&row.role)
                .bind(row.created_by.map(|id| id.0))
                .bind(row.created_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// Newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn service_account_list(
        &self,
        organization_id: OrganizationId,
        after: Option<ServiceAccountId>,
        limit: u32,
    ) -> Result<Vec<ServiceAccountRow>> {
        const SQL: &str = "SELECT * FROM service_accounts WHERE organization_id = $1 \
             AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn service_account_get(
        &self,
        organization_id: OrganizationId,
        id: ServiceAccountId,
    ) -> Result<Option<ServiceAccountRow>> {
        const SQL: &str = "SELECT * FROM service_accounts WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Deletes a service account with its tokens; false when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn service_account_delete(
        &self,
        organization_id: OrganizationId,
        id: ServiceAccountId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM service_accounts WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let deleted = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if deleted {
                insert_audit!(audit, &mut *tx);
            }
            deleted
        }))
    }
}
