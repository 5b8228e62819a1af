//! Reports, and when they are made.

use apiverse_contract::reports::{
    CreateReport, CreateReportSchedule, ReportScheduleView, ReportView, ReportsQuery,
    UpdateReportSchedule,
};
use apiverse_contract::{ErrorCode, Page, ReportId, ReportScheduleId};
use apiverse_platform::ReportFile;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use super::created;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const SCHEDULE: &[ErrorCode] = &[ErrorCode::ReportScheduleNotFound];
const REPORT: &[ErrorCode] = &[ErrorCode::ReportNotFound];
const MANY: &[ErrorCode] = &[ErrorCode::InvalidRequest];
/// The report store, or whose turn it is to ask about usage.
const AWAY: &[ErrorCode] = &[ErrorCode::ServiceUnavailable];

/// A report runs nothing and fetches nothing, wherever it is opened.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";

problems!(SchedulesProblems: SIGNED_IN, ROLE);

/// List schedules of reports
#[utoipa::path(
    get, path = "/report-schedules", operation_id = "list_report_schedules", tag = "reports",
    responses((status = 200, description = "All schedules, the oldest first", body = Page<ReportScheduleView>), SchedulesProblems),
)]
pub async fn schedules(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<ReportScheduleView>>> {
    Ok(Json(state.platform.report_schedules_list(&actor).await?))
}

problems!(CreateScheduleProblems: SIGNED_IN, CHANGE, BODY, MANY);

/// Create a schedule of reports
///
/// A report is made of each day, week or month once it is over, and mailed to the recipients.
#[utoipa::path(
    post, path = "/report-schedules", operation_id = "create_report_schedule", tag = "reports",
    request_body = CreateReportSchedule,
    responses((status = 201, description = "The schedule", body = ReportScheduleView), CreateScheduleProblems),
)]
pub async fn create_schedule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateReportSchedule>,
) -> Answer<Response> {
    let made = state.platform.report_schedule_create(&actor, request);
    let made = made.await?;
    Ok(created("/report-schedules", made.id, made))
}

problems!(GetScheduleProblems: SIGNED_IN, ROLE, SCHEDULE);

/// Show a schedule of reports
#[utoipa::path(
    get, path = "/report-schedules/{id}", operation_id = "get_report_schedule", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the schedule")),
    responses((status = 200, description = "The schedule", body = ReportScheduleView), GetScheduleProblems),
)]
pub async fn get_schedule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportScheduleId>,
) -> Answer<Json<ReportScheduleView>> {
    Ok(Json(state.platform.report_schedule_get(&actor, id).await?))
}

problems!(PatchScheduleProblems: SIGNED_IN, CHANGE, BODY, SCHEDULE);

/// Change a schedule of reports
#[utoipa::path(
    patch, path = "/report-schedules/{id}", operation_id = "update_report_schedule", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the schedule")),
    request_body = UpdateReportSchedule,
    responses((status = 200, description = "The schedule", body = ReportScheduleView), PatchScheduleProblems),
)]
pub async fn patch_schedule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportScheduleId>,
    ApiJson(request): ApiJson<UpdateReportSchedule>,
) -> Answer<Json<ReportScheduleView>> {
    let changed = state.platform.report_schedule_update(&actor, id, request);
    Ok(Json(changed.await?))
}

problems!(DeleteScheduleProblems: SIGNED_IN, CHANGE, SCHEDULE);

/// Delete a schedule of reports
///
/// Reports it made stay.
#[utoipa::path(
    delete, path = "/report-schedules/{id}", operation_id = "delete_report_schedule", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the schedule")),
    responses((status = 204, description = "It is gone"), DeleteScheduleProblems),
)]
pub async fn delete_schedule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportScheduleId>,
) -> Answer<StatusCode> {
    state.platform.report_schedule_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List reports
///
/// The latest first.
#[utoipa::path(
    get, path = "/reports", operation_id = "list_reports", tag = "reports",
    params(ReportsQuery),
    responses((status = 200, description = "A page of reports", body = Page<ReportView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ReportsQuery>,
) -> Answer<Json<Page<ReportView>>> {
    Ok(Json(state.platform.reports_list(&actor, query).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, AWAY);

/// Make a report now
///
/// Of any days. Of a day that is not over it has what there is.
#[utoipa::path(
    post, path = "/reports", operation_id = "create_report", tag = "reports",
    request_body = CreateReport,
    responses((status = 201, description = "The report", body = ReportView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateReport>,
) -> Answer<Response> {
    let made = state.platform.report_create(&actor, request).await?;
    Ok(created("/reports", made.id, made))
}

problems!(GetProblems: SIGNED_IN, ROLE, REPORT);

/// Show a report
///
/// Its numbers; the whole of it is in its files.
#[utoipa::path(
    get, path = "/reports/{id}", operation_id = "get_report", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the report")),
    responses((status = 200, description = "The report", body = ReportView), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportId>,
) -> Answer<Json<ReportView>> {
    Ok(Json(state.platform.report_get(&actor, id).await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, REPORT, AWAY);

/// Delete a report
///
/// With its files.
#[utoipa::path(
    delete, path = "/reports/{id}", operation_id = "delete_report", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the report")),
    responses((status = 204, description = "It is gone"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportId>,
) -> Answer<StatusCode> {
    state.platform.report_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(FileProblems: SIGNED_IN, ROLE, REPORT, AWAY);

/// Download a report as a page
///
/// One HTML document that stands for itself, without scripts.
#[utoipa::path(
    get, path = "/reports/{id}/html", operation_id = "get_report_html", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the report")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"), FileProblems),
)]
pub async fn html(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportId>,
) -> Answer<Response> {
    let found = state.platform.report_file(&actor, id, ReportFile::Html);
    let (name, bytes) = found.await?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, attachment(&name)),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// Download a report as a table
///
/// CSV with a row for each number: section, item, measure, value, and the value of the time before.
#[utoipa::path(
    get, path = "/reports/{id}/csv", operation_id = "get_report_csv", tag = "reports",
    params(("id" = String, Path, format = Uuid, description = "Id of the report")),
    responses((status = 200, description = "The table", body = String, content_type = "text/csv"), FileProblems),
)]
pub async fn csv(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ReportId>,
) -> Answer<Response> {
    let found = state.platform.report_file(&actor, id, ReportFile::Csv);
    let (name, bytes) = found.await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, attachment(&name)),
    ];
    Ok((headers, bytes).into_response())
}

fn attachment(name: &str) -> String {
    format!("attachment; filename=\"{name}\"")
}
