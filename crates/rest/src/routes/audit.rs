//! The audit log.

use apiverse_contract::Page;
use apiverse_contract::audit::{AuditFormat, AuditQuery, AuditView};
use apiverse_platform::Csv;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::csv::file;
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
/// What fits, newest first, at most a hundred thousand: one JSON object a line, or with
/// `format=csv` a table. `limit` is not looked at.
#[utoipa::path(
    get, path = "/audit/export", operation_id = "export_audit", tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "The lines", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        AuditProblems,
    ),
)]
pub async fn export(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Response, ApiProblem> {
    let format = query.format;
    let lines = state.platform.audit_export(&actor, query).await?;
    if format == Some(AuditFormat::Csv) {
        return Ok(table(&lines));
    }
    let mut text = String::new();
    for line in &lines {
        if let Ok(line) = serde_json::to_string(line) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.ndjson\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

fn table(lines: &[AuditView]) -> Response {
    let mut csv = Csv::new(&[
        "time",
        "actor",
        "action",
        "target_type",
        "target_id",
        "ip",
        "request_id",
        "details",
        "id",
    ]);
    for line in lines {
        csv.value(Some(line.created_at.to_rfc3339()));
        csv.text(&line.actor);
        csv.text(&line.action);
        csv.text(&line.target_type);
        csv.optional_text(line.target_id.as_deref());
        csv.optional_text(line.ip.as_deref());
        csv.optional_text(line.request_id.as_deref());
        csv.text(&line.details.to_string());
        csv.value(Some(line.id));
        csv.end_row();
    }
    file(csv, "audit.csv")
}
