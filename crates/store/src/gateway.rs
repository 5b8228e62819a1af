//! What the gateway reads to build its snapshot: across organizations, credentials included.

use apiverse_contract::{ApiId, KeyId};

use crate::Result;
use crate::pool::{Store, with_pool};
use crate::rows::{ApiKeyRow, ApiRow};

/// The number of changes made to APIs and keys so far: a node whose snapshot is of another
/// number has missed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub i64);

pub(crate) const BUMP: &str = "UPDATE config_version SET version = version + 1 WHERE id = 1";

/// Counts a change, in the transaction that makes it. The row's lock also puts changes in order.
macro_rules! bump_version {
    ($executor:expr) => {
        sqlx::query($crate::gateway::BUMP)
            .execute($executor)
            .await?
    };
}
pub(crate) use bump_version;

impl Store {
    /// Every API of every organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_apis(&self) -> Result<Vec<ApiRow>> {
        const SQL: &str = "SELECT a.*, v.base_url FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default'";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn gateway_api(&self, id: ApiId) -> Result<Option<ApiRow>> {
        const SQL: &str = "SELECT a.*, v.base_url FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default' WHERE a.id = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// Keys that are not revoked, ascending by id; `after` continues.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_keys(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKeyRow>> {
        const SQL: &str = "SELECT * FROM api_keys \
             WHERE revoked_at IS NULL AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// `None` also when the key is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_key(&self, id: KeyId) -> Result<Option<ApiKeyRow>> {
        const SQL: &str = "SELECT * FROM api_keys WHERE id = $1 AND revoked_at IS NULL";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn gateway_fingerprint(&self) -> Result<Fingerprint> {
        const SQL: &str = "SELECT version FROM config_version WHERE id = 1";
        let version = with_pool!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await?);
        Ok(Fingerprint(version))
    }
}
