//! The outbox: messages that are owed, by whom they are worked on, and what became of them.

use apiverse_contract::{NotificationId, OrganizationId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::from_row;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    pub id: NotificationId,
    pub organization_id: Option<OrganizationId>,
    pub user_id: Option<UserId>,
    pub event: String,
    /// `email` or `sms`.
    pub channel: String,
    pub recipient: String,
    /// One cause, one message.
    pub idempotency_key: String,
    pub subject: String,
    /// Encrypted for `notifications.content:{id}`.
    pub content: Option<Vec<u8>>,
    /// `requested`, `pending`, `sending`, `uncertain`, `kept`, `sent`, `delivered`, `failed` or
    /// `suppressed`.
    pub status: String,
    /// How often sending was begun.
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub leased_until: Option<DateTime<Utc>>,
    pub provider: Option<String>,
    pub provider_id: Option<String>,
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

from_row! {
    NotificationRow, row => NotificationRow {
        id: NotificationId(row.try_get("id")?),
        organization_id: row.try_get::<Option<Uuid>, _>("organization_id")?.map(OrganizationId),
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
        event: row.try_get("event")?,
        channel: row.try_get("channel")?,
        recipient: row.try_get("recipient")?,
        idempotency_key: row.try_get("idempotency_key")?,
        subject: row.try_get("subject")?,
        content: row.try_get("content")?,
        status: row.try_get("status")?,
        attempts: row.try_get("attempts")?,
        due_at: row.try_get("due_at")?,
        leased_until: row.try_get("leased_until")?,
        provider: row.try_get("provider")?,
        provider_id: row.try_get("provider_id")?,
        last_error: row.try_get("last_error")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
}

/// What became of an attempt, or of a message a provider reported on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationOutcome {
    pub status: &'static str,
    /// When it is worked on again, for the states in which it is.
    pub due_at: DateTime<Utc>,
    pub provider: Option<&'static str>,
    pub provider_id: Option<String>,
    pub error: Option<String>,
    /// The content is not needed any more.
    pub erase: bool,
}

/// Which messages a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxScope {
    /// All of the installation.
    All,
    /// Those of an organization, and those to a user.
    Of(OrganizationId, Option<UserId>),
}

/// An address nothing is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionRow {
    pub channel: String,
    pub recipient: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

from_row! {
    SuppressionRow, row => SuppressionRow {
        channel: row.try_get("channel")?,
        recipient: row.try_get("recipient")?,
        reason: row.try_get("reason")?,
        created_at: row.try_get("created_at")?,
    };
}

/// A choice of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreferenceRow {
    pub event: String,
    pub channel: String,
    pub enabled: bool,
}

from_row! {
    PreferenceRow, row => PreferenceRow {
        event: row.try_get("event")?,
        channel: row.try_get("channel")?,
        enabled: row.try_get("enabled")?,
    };
}

pub(crate) const INSERT_NOTIFICATION: &str = "INSERT INTO notifications (id, organization_id, \
     user_id, event, channel, recipient, idempotency_key, subject, content, status, attempts, \
     due_at, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
     ON CONFLICT (idempotency_key) DO NOTHING";

/// Inserts a message with any executor: mostly inside the transaction of what it tells about.
macro_rules! insert_notification {
    ($row:expr, $executor:expr) => {
        sqlx::query($crate::notifications::INSERT_NOTIFICATION)
            .bind($row.id.0)
            .bind($row.organization_id.map(|id| id.0))
            .bind($row.user_id.map(|id| id.0))
            .bind(&$row.event)
            .bind(&$row.channel)
            .bind(&$row.recipient)
            .bind(&$row.idempotency_key)
            .bind(&$row.subject)
            .bind(&$row.content)
            .bind(&$row.status)
            .bind($row.attempts)
            .bind($row.due_at)
            .bind($row.created_at)
            .bind($row.updated_at)
            .execute($executor)
            .await?
            .rows_affected()
    };
}
pub(crate) use insert_notification;

impl Store {
    /// Adds a message. False when there is one with the same idempotency key: it stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_insert(&self, row: &NotificationRow) -> Result<bool> {
        Ok(with_pool!(self, pool => insert_notification!(row, pool) > 0))
    }

    /// Takes the message that is due longest, for `lease` alone until `until`; `None` when nothing
    /// is due, or another node took it first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_claim(
        &self,
        lease: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<NotificationRow>> {
        // Asked again outside the subquery: PostgreSQL tests that part anew on a row that another
        // node has just changed.
        const SQL: &str = "UPDATE notifications SET lease = $1, leased_until = $3 WHERE id = ( \
                 SELECT id FROM notifications \
                 WHERE status IN ('requested', 'pending', 'sending', 'uncertain') \
                 AND due_at <= $2 AND (leased_until IS NULL OR leased_until <= $2) \
                 ORDER BY due_at, id LIMIT 1) \
             AND status IN ('requested', 'pending', 'sending', 'uncertain') \
             AND due_at <= $2 AND (leased_until IS NULL OR leased_until <= $2) RETURNING *";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(lease)
            .bind(now)
            .bind(until)
            .fetch_optional(pool)
            .await?))
    }

    /// Notes that sending begins: whoever finds the message in this state later, because its node
    /// died, has to ask the provider first. False when the lease is another's or over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_begin(
        &self,
        id: NotificationId,
        lease: Uuid,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE notifications SET status = 'sending', attempts = attempts + 1, \
             updated_at = $3 WHERE id = $1 AND lease = $2 AND leased_until > $3";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(lease)
            .bind(now)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Gives a `requested` message its content; it is sent next. False when the lease is
    /// another's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_prepare(
        &self,
        row: &NotificationRow,
        lease: Uuid,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE notifications SET status = 'pending', user_id = $3, \
             subject = $4, content = $5, updated_at = $6 \
             WHERE id = $1 AND lease = $2 AND status = 'requested'";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(row.id.0)
            .bind(lease)
            .bind(row.user_id.map(|id| id.0))
            .bind(&row.subject)
            .bind(&row.content)
            .bind(now)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Writes what became of the attempt and gives the message back. False when the lease is
    /// another's: then its word counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_settle(
        &self,
        id: NotificationId,
        lease: Uuid,
        outcome: &NotificationOutcome,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE notifications SET status = $3, due_at = $4, provider = $5, \
             provider_id = $6, last_error = $7, \
             content = CASE WHEN $8 THEN NULL ELSE content END, updated_at = $9, \
             lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(lease)
            .bind(outcome.status)
            .bind(outcome.due_at)
            .bind(outcome.provider)
            .bind(&outcome.provider_id)
            .bind(&outcome.error)
            .bind(outcome.erase)
            .bind(now)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Takes a message away that turned out to be for nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_drop(&self, id: NotificationId, lease: Uuid) -> Result<()> {
        const SQL: &str = "DELETE FROM notifications WHERE id = $1 AND lease = $2";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(lease)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_list(
        &self,
        scope: OutboxScope,
        after: Option<NotificationId>,
        limit: u32,
    ) -> Result<Vec<NotificationRow>> {
        const SQL: &str = "SELECT * FROM notifications \
             WHERE ($1 OR organization_id = $2 OR user_id = $3) \
             AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5";
        let (all, organization_id, user_id) = scope_parts(scope);
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(all)
            .bind(organization_id)
            .bind(user_id)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn notification_get(
        &self,
        scope: OutboxScope,
        id: NotificationId,
    ) -> Result<Option<NotificationRow>> {
        const SQL: &str = "SELECT * FROM notifications \
             WHERE id = $4 AND ($1 OR organization_id = $2 OR user_id = $3)";
        let (all, organization_id, user_id) = scope_parts(scope);
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(all)
            .bind(organization_id)
            .bind(user_id)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Takes a signed report of a provider to heart, once: `receipt` tells a report from its
    /// copies. The message it is about gets `status`, unless it has gone further already; an
    /// address to be left alone is noted. False when the report was heard before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification_report(&self, report: &ProviderReport<'_>) -> Result<bool> {
        const RECEIPT: &str = "INSERT INTO webhook_receipts (provider, receipt, received_at) \
             VALUES ($1, $2, $3) ON CONFLICT (provider, receipt) DO NOTHING";
        // A late `sent` must not hide that a message was delivered or came back.
        const STATUS: &str = "UPDATE notifications SET status = $3, \
             last_error = COALESCE($4, last_error), updated_at = $5 \
             WHERE provider = $1 AND provider_id = $2 \
             AND (status IN ('sent', 'uncertain', 'sending') \
                 OR (status = 'delivered' AND $3 = 'failed'))";
        with_transaction!(self, tx => {
            let fresh = sqlx::query(RECEIPT)
                .bind(report.provider)
                .bind(report.receipt)
                .bind(report.now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if !fresh {
                return Ok(false);
            }
            if let Some(status) = report.status {
                sqlx::query(STATUS)
                    .bind(report.provider)
                    .bind(report.provider_id)
                    .bind(status)
                    .bind(report.error)
                    .bind(report.now)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some((channel, recipient, reason)) = report.suppress {
                sqlx::query(SUPPRESS)
                    .bind(channel)
                    .bind(recipient)
                    .bind(reason)
                    .bind(report.now)
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(true)
    }

    /// Why nothing is sent to an address, if nothing is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression_get(&self, channel: &str, recipient: &str) -> Result<Option<String>> {
        const SQL: &str = "SELECT reason FROM notification_suppressions \
             WHERE channel = $1 AND recipient = $2";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(channel)
            .bind(recipient)
            .fetch_optional(pool)
            .await?))
    }

    /// In the order of their addresses, beginning after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression_list(
        &self,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<SuppressionRow>> {
        const SQL: &str = "SELECT * FROM notification_suppressions \
             WHERE recipient > $1 OR (recipient = $1 AND channel > $2) \
             ORDER BY recipient, channel LIMIT $3";
        let (recipient, channel) = after.unwrap_or(("", ""));
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(recipient)
            .bind(channel)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Lets messages through to an address again; false when they were not held back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression_remove(&self, channel: &str, recipient: &str) -> Result<bool> {
        const SQL: &str = "DELETE FROM notification_suppressions \
             WHERE channel = $1 AND recipient = $2";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(channel)
            .bind(recipient)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// What a user has chosen; what is not among it is at its default.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preferences_of(&self, user_id: UserId) -> Result<Vec<PreferenceRow>> {
        const SQL: &str = "SELECT event, channel, enabled FROM notification_preferences \
             WHERE user_id = $1 ORDER BY event, channel";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(user_id.0)
            .fetch_all(pool)
            .await?))
    }

    /// Keeps choices, in the place of earlier ones.
    ///
    /// # Errors
    /// When the database fails; then none is kept.
    pub async fn preferences_put(&self, user_id: UserId, rows: &[PreferenceRow]) -> Result<()> {
        const SQL: &str = "INSERT INTO notification_preferences (user_id, event, channel, enabled) \
             VALUES ($1, $2, $3, $4) \
             ON CONFLICT (user_id, event, channel) DO UPDATE SET enabled = excluded.enabled";
        with_transaction!(self, tx => {
            for row in rows {
                sqlx::query(SQL)
                    .bind(user_id.0)
                    .bind(&row.event)
                    .bind(&row.channel)
                    .bind(row.enabled)
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Forgets messages that have been settled, and receipts, since before `before`; how many
    /// messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notifications_forget(&self, before: DateTime<Utc>) -> Result<u64> {
        const RECEIPTS: &str = "DELETE FROM webhook_receipts WHERE received_at < $1";
        const MESSAGES: &str = "DELETE FROM notifications WHERE updated_at < $1 \
             AND status IN ('kept', 'sent', 'delivered', 'failed', 'suppressed')";
        Ok(with_transaction!(self, tx => {
            sqlx::query(RECEIPTS).bind(before).execute(&mut *tx).await?;
            sqlx::query(MESSAGES).bind(before).execute(&mut *tx).await?.rows_affected()
        }))
    }
}

const SUPPRESS: &str = "INSERT INTO notification_suppressions (channel, recipient, reason, \
     created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (channel, recipient) DO NOTHING";

/// What a provider says of a message it took.
#[derive(Clone, Copy, Debug)]
pub struct ProviderReport<'a> {
    pub provider: &'a str,
    /// The same for copies of one report, and for nothing else.
    pub receipt: &'a [u8],
    pub provider_id: &'a str,
    /// `None`: nothing that changes the message's state.
    pub status: Option<&'static str>,
    pub error: Option<&'a str>,
    /// Channel, address and reason, when nothing more is to be sent there.
    pub suppress: Option<(&'a str, &'a str, &'a str)>,
    pub now: DateTime<Utc>,
}

fn scope_parts(scope: OutboxScope) -> (bool, Option<Uuid>, Option<Uuid>) {
    match scope {
        OutboxScope::All => (true, None, None),
        OutboxScope::Of(organization_id, user_id) => {
            (false, Some(organization_id.0), user_id.map(|id| id.0))
        }
    }
}
