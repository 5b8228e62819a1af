//! Addresses that are told of alerts, and service level objectives.

use apiverse_contract::alerts::{PutSlo, WebhookTopic};
use apiverse_contract::{AlertWebhookId, OrganizationId, SloId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;

use crate::Result;
use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// An address that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertWebhookRow {
    pub id: AlertWebhookId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub url: String,
    pub topics: Vec<WebhookTopic>,
    /// Encrypted for `alert_webhooks.secret:{id}`.
    pub secret: Vec<u8>,
    pub created_by: String,
    pub created_us: i64,
}

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct SloRow {
    pub id: SloId,
    pub organization_id: OrganizationId,
    pub slo: PutSlo,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

from_row! {
    AlertWebhookRow, row => AlertWebhookRow {
        id: AlertWebhookId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        name: row.try_get("name")?,
        url: row.try_get("url")?,
        topics: row.try_get::<Json<Vec<WebhookTopic>>, _>("topics")?.0,
        secret: row.try_get("secret")?,
        created_by: row.try_get("created_by")?,
        created_us: row.try_get("created_us")?,
    };
    SloRow, row => SloRow {
        id: SloId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        slo: row.try_get::<Json<PutSlo>, _>("document")?.0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
}

impl Store {
    /// All addresses, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_webhooks_list(
        &self,
        organization_id: OrganizationId,
    ) -> Result<Vec<AlertWebhookRow>> {
        const SQL: &str =
            "SELECT * FROM alert_webhooks WHERE organization_id = $1 ORDER BY id LIMIT 500";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// One address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_webhook_get(
        &self,
        organization_id: OrganizationId,
        id: AlertWebhookId,
    ) -> Result<Option<AlertWebhookRow>> {
        const SQL: &str = "SELECT * FROM alert_webhooks WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn alert_webhook_insert(
        &self,
        row: &AlertWebhookRow,
        audit: &AuditRow,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO alert_webhooks \
             (id, organization_id, name, url, topics, secret, created_by, created_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(&row.name)
                .bind(&row.url)
                .bind(Json(&row.topics))
                .bind(&row.secret)
                .bind(&row.created_by)
                .bind(row.created_us)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_webhook_delete(
        &self,
        organization_id: OrganizationId,
        id: AlertWebhookId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM alert_webhooks WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// All objectives, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slos_list(&self, organization_id: OrganizationId) -> Result<Vec<SloRow>> {
        const SQL: &str = "SELECT * FROM slos WHERE organization_id = $1 ORDER BY id LIMIT 500";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// One objective.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slo_get(
        &self,
        organization_id: OrganizationId,
        id: SloId,
    ) -> Result<Option<SloRow>> {
        const SQL: &str = "SELECT * FROM slos WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Creates or replaces an objective.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slo_put(&self, row: &SloRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO slos (id, organization_id, document, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
             document = excluded.document, updated_at = excluded.updated_at \
             WHERE slos.organization_id = excluded.organization_id";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(Json(&row.slo))
                .bind(row.created_at)
                .bind(row.updated_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such objective.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slo_delete(
        &self,
        organization_id: OrganizationId,
        id: SloId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM slos WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }
}
