//! The audit log: who changed what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AuditEventId, UserId};

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditView {
    pub id: AuditEventId,
    pub created_at: DateTime<Utc>,
    /// The user, when it was one.
    pub actor_user_id: Option<UserId>,
    /// An e-mail address, `unified_api_key`, or `system`.
    pub actor: String,
    /// What happened: `api.created`, `api_key.revoked`, …
    pub action: String,
    pub target_type: String,
    pub target_id: Option<String>,
    /// What changed, without secrets.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub details: serde_json::Value,
    pub ip: Option<String>,
    pub request_id: Option<String>,
}
