//! The audit log: lines that are only added, each holding the hash of the one before it.

use std::fmt::Write as _;

use apiverse_contract::{AuditEventId, OrganizationId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row, like_pattern};

pub(crate) const INSERT_AUDIT: &str = "INSERT INTO audit_events (id, organization_id, actor_user_id, actor, action, \
     target_type, target_id, details, ip, request_id, created_at, seq, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
/// Writes, and so locks, the chain's row before it is read.
pub(crate) const CHAIN_HEAD: &str = "INSERT INTO audit_chains (chain, seq, hash) VALUES ($1, 0, $2) \
     ON CONFLICT (chain) DO UPDATE SET seq = audit_chains.seq RETURNING seq, hash";
pub(crate) const CHAIN_MOVE: &str = "UPDATE audit_chains SET seq = $2, hash = $3 WHERE chain = $1";

/// Adds an audit line inside the transaction of what it tells about, at the end of its chain.
macro_rules! insert_audit {
    ($row:expr, $executor:expr) => {{
        let chain = $crate::audit::chain_of($row.organization_id);
        let (seq, before): (i64, Vec<u8>) = sqlx::query_as($crate::audit::CHAIN_HEAD)
            .bind(chain)
            .bind(Vec::<u8>::new())
            .fetch_one($executor)
            .await?;
        let seq = seq + 1;
        let hash = $crate::audit::link(&before, seq, &$row);
        sqlx::query($crate::audit::INSERT_AUDIT)
            .bind($row.id.0)
            .bind($row.organization_id.map(|id| id.0))
            .bind($row.actor_user_id.map(|id| id.0))
            .bind(&$row.actor)
            .bind(&$row.action)
            .bind(&$row.target_type)
            .bind(&$row.target_id)
            .bind(sqlx::types::Json(&$row.details))
            .bind(&$row.ip)
            .bind(&$row.request_id)
            .bind($row.created_at)
            .bind(seq)
            .bind(hash.as_slice())
            .execute($executor)
            .await?;
        sqlx::query($crate::audit::CHAIN_MOVE)
            .bind(chain)
            .bind(seq)
            .bind(hash.as_slice())
            .execute($executor)
            .await?;
    }};
}
pub(crate) use insert_audit;

/// The line that says up to where a chain was forgotten.
fn pruned_note(note: &AuditRow, seq: i64, hash: &[u8]) -> AuditRow {
    let mut hex = String::with_capacity(2 * hash.len());
    for byte in hash {
        let _ = write!(hex, "{byte:02x}");
    }
    AuditRow {
        details: serde_json::json!({ "up_to": seq, "hash": hex }),
        ..note.clone()
    }
}

/// The chain of an organization's lines, or of those that belong to none.
pub(crate) fn chain_of(organization_id: Option<OrganizationId>) -> Uuid {
    organization_id.map_or(Uuid::nil(), |id| id.0)
}

/// The hash of a line (BLAKE3): over the one before it, its place, and all it says. Each part has
/// its length before it, so that none can borrow from its neighbour.
#[must_use]
pub fn link(before: &[u8], seq: i64, row: &AuditRow) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(bytes);
    };
    part(before);
    part(&seq.to_le_bytes());
    part(row.id.0.as_bytes());
    part(chain_of(row.organization_id).as_bytes());
    part(row.actor_user_id.map_or(Uuid::nil(), |id| id.0).as_bytes());
    part(row.actor.as_bytes());
    part(row.action.as_bytes());
    part(row.target_type.as_bytes());
    part(row.target_id.as_deref().unwrap_or_default().as_bytes());
    let mut details = String::new();
    canonical(&row.details, &mut details);
    part(details.as_bytes());
    part(row.ip.as_deref().unwrap_or_default().as_bytes());
    part(row.request_id.as_deref().unwrap_or_default().as_bytes());
    part(&row.created_at.timestamp_micros().to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// JSON in one form, whatever order a database gives its members back in.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (name, inner) in members {
                let _ = write!(out, "{}:", Value::from(name.as_str()));
                canonical(inner, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(all) => {
            out.push('[');
            for inner in all {
                canonical(inner, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => {
            // PostgreSQL writes 1e2 as 100.
            let _ = match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(n), _, _) => write!(out, "{n}"),
                (None, Some(n), _) => write!(out, "{n}"),
                (None, None, Some(n)) => write!(out, "{n}"),
                (None, None, None) => write!(out, "{number}"),
            };
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// A line with its place in its chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainedAudit {
    pub row: AuditRow,
    pub seq: i64,
    pub hash: Vec<u8>,
}

from_row! {
    ChainedAudit, row => ChainedAudit {
        row: sqlx::FromRow::from_row(row)?,
        seq: row.try_get("seq")?,
        hash: row.try_get("hash")?,
    };
}

/// Which lines are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    /// Part of actor, action, target or address; letter case ignored.
    pub text: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Store {
    /// Adds a line that stands for itself, such as a failed sign-in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_insert(&self, row: &AuditRow) -> Result<()> {
        with_transaction!(self, tx => { insert_audit!(row, &mut *tx); });
        Ok(())
    }

    /// The organization's lines, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_list(
        &self,
        organization_id: OrganizationId,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditRow>> {
        self.audit_search(organization_id, &AuditFilter::default(), after, limit)
            .await
    }

    /// Those of the organization's lines that fit, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_search(
        &self,
        organization_id: OrganizationId,
        filter: &AuditFilter,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditRow>> {
        const SQL: &str = "SELECT * FROM audit_events WHERE organization_id = $1 \
             AND ($2 IS NULL OR id < $2) AND ($3 IS NULL OR action = $3) \
             AND ($4 IS NULL OR target_type = $4) AND ($5 IS NULL OR target_id = $5) \
             AND ($6 IS NULL OR created_at >= $6) AND ($7 IS NULL OR created_at < $7) \
             AND ($8 IS NULL OR lower(actor) LIKE $8 ESCAPE '\\' \
                 OR lower(action) LIKE $8 ESCAPE '\\' \
                 OR lower(COALESCE(target_id, '')) LIKE $8 ESCAPE '\\' \
                 OR COALESCE(ip, '') LIKE $8 ESCAPE '\\') \
             ORDER BY id DESC LIMIT $9";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(&filter.action)
            .bind(&filter.target_type)
            .bind(&filter.target_id)
            .bind(filter.from)
            .bind(filter.to)
            .bind(like_pattern(filter.text.as_deref()))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Lines of a chain in their order, beginning after `seq`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_chain(
        &self,
        organization_id: Option<OrganizationId>,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<ChainedAudit>> {
        const SQL: &str = "SELECT * FROM audit_events \
             WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
             AND seq > $2 ORDER BY seq LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.map(|id| id.0))
            .bind(seq)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Place and hash of a chain's last line, as they were noted apart from the lines.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_head(
        &self,
        organization_id: Option<OrganizationId>,
    ) -> Result<Option<(i64, Vec<u8>)>> {
        const SQL: &str = "SELECT seq, hash FROM audit_chains WHERE chain = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(chain_of(organization_id))
            .fetch_optional(pool)
            .await?))
    }

    /// Place and hash of the last line of a chain that is not kept any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_anchor(
        &self,
        organization_id: Option<OrganizationId>,
    ) -> Result<Option<(i64, Vec<u8>)>> {
        const SQL: &str = "SELECT seq, hash FROM audit_anchors WHERE chain = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(chain_of(organization_id))
            .fetch_optional(pool)
            .await?))
    }

    /// When the oldest line of a chain is from.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_oldest(
        &self,
        organization_id: Option<OrganizationId>,
    ) -> Result<Option<DateTime<Utc>>> {
        const SQL: &str = "SELECT created_at FROM audit_events \
             WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
             AND seq IS NOT NULL ORDER BY seq LIMIT 1";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.map(|id| id.0))
            .fetch_optional(pool)
            .await?))
    }

    /// Forgets the beginning of a chain: its lines up to the first one that is not from before
    /// `before`. The last forgotten line's place and hash stay as the anchor, and a line at the end
    /// of the chain says so: `note` gets both. The number of lines forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_prune(
        &self,
        (organization_id, before): (Option<OrganizationId>, DateTime<Utc>),
        note: &AuditRow,
    ) -> Result<u64> {
        const LAST: &str = "SELECT seq, hash FROM audit_events \
             WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
             AND seq < (SELECT COALESCE(min(seq), 0) FROM audit_events \
                 WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
                 AND seq IS NOT NULL AND created_at >= $2) \
             ORDER BY seq DESC LIMIT 1";
        const ALL: &str = "SELECT seq, hash FROM audit_chains WHERE chain = $1 \
             AND NOT EXISTS (SELECT 1 FROM audit_events \
                 WHERE (organization_id = $2 OR ($2 IS NULL AND organization_id IS NULL)) \
                 AND seq IS NOT NULL AND created_at >= $3)";
        const ANCHOR: &str = "INSERT INTO audit_anchors (chain, seq, hash, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, \
             hash = excluded.hash, created_at = excluded.created_at";
        const FORGET: &str = "DELETE FROM audit_events \
             WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
             AND seq <= $2";
        let chain = chain_of(organization_id);
        let id = organization_id.map(|id| id.0);
        Ok(with_transaction!(self, tx => {
            // Locks the chain: of two nodes that do this, one finds nothing left to do.
            let _: (i64, Vec<u8>) = sqlx::query_as(CHAIN_HEAD)
                .bind(chain)
                .bind(Vec::<u8>::new())
                .fetch_one(&mut *tx)
                .await?;
            let mut last: Option<(i64, Vec<u8>)> = sqlx::query_as(LAST)
                .bind(id)
                .bind(before)
                .fetch_optional(&mut *tx)
                .await?;
            if last.is_none() {
                last = sqlx::query_as(ALL)
                    .bind(chain)
                    .bind(id)
                    .bind(before)
                    .fetch_optional(&mut *tx)
                    .await?;
            }
            let mut count = 0;
            if let Some((seq, hash)) = last {
                count = sqlx::query(FORGET)
                    .bind(id)
                    .bind(seq)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                if count > 0 {
                    sqlx::query(ANCHOR)
                        .bind(chain)
                        .bind(seq)
                        .bind(&hash)
                        .bind(note.created_at)
                        .execute(&mut *tx)
                        .await?;
                    let note = pruned_note(note, seq, &hash);
                    insert_audit!(note, &mut *tx);
                }
            }
            count
        }))
    }

    /// Lines of a chain that have no place in it: those of before there were chains.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_unchained(&self, organization_id: Option<OrganizationId>) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM audit_events \
             WHERE (organization_id = $1 OR ($1 IS NULL AND organization_id IS NULL)) \
             AND seq IS NULL";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.map(|id| id.0))
            .fetch_one(pool)
            .await?))
    }

    /// All organizations, for what is done for the whole installation, beginning after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organization_list(
        &self,
        after: Option<OrganizationId>,
        limit: u32,
    ) -> Result<Vec<crate::rows::OrganizationRow>> {
        const SQL: &str = "SELECT * FROM organizations WHERE ($1 IS NULL OR id > $1) \
             ORDER BY id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }
}
