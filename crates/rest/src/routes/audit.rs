//! The audit log.

use apiverse_contract::Page;
use apiverse_contract::audit::{AuditQuery, AuditView};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::openapi::problems::{QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiProblem, ApiQuery, Authenticated, RestState};

problems!(AuditProblems: SIGNED_IN, ROLE, QUERY);

/// List the audit log
///
/// Who changed what in the organization, newest first. Secrets are never in it.
#[utoipa::path(
    get, path = "/audit", operation_id = "list_audit", tag = "audit",
    params(AuditQuery),
    responses((status = 200, description = "A page of the log", body = Page<AuditView>), AuditProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<Page<AuditView>>, ApiProblem> {
    Ok(Json(state.platform.audit_search(&actor, query).await?))
}

/// Export the audit log
///
/// What fits, newest first, one JSON object a line, at most a hundred thousand. `limit` is not
/// looked at.
#[utoipa::path(
    get, path = "/audit/export", operation_id = "export_audit", tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "The lines", body = String, content_type = "application/x-ndjson"),
        AuditProblems,
    ),
)]
pub async fn export(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Response, ApiProblem> {
    let lines = state.platform.audit_export(&actor, query).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.ndjson\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, lines).into_response())
}
