//! The audit log.

use apiverse_contract::audit::AuditView;
use apiverse_contract::{ListQuery, Page};
use axum::Json;
use axum::extract::State;

use crate::openapi::problems::{QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiProblem, ApiQuery, Authenticated, RestState};

problems!(AuditProblems: SIGNED_IN, ROLE, QUERY);

/// List the audit log
///
/// Who changed what in the organization, newest first. Secrets are never in it.
#[utoipa::path(
    get, path = "/audit", operation_id = "list_audit", tag = "audit",
    params(ListQuery),
    responses((status = 200, description = "A page of the log", body = Page<AuditView>), AuditProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<AuditView>>, ApiProblem> {
    Ok(Json(state.platform.audit_list(&actor, query).await?))
}
