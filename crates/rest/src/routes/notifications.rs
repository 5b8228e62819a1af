//! The outbox, what each user wants to hear of, and what providers report.

use apiverse_contract::notifications::{
    Channel, NotificationContent, NotificationView, PreferenceView, SuppressionView,
    UpdatePreferences,
};
use apiverse_contract::{ErrorCode, ListQuery, NotificationId, Page};
use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};

use crate::body::read;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

/// Most bytes of a provider's report; Mailgun's carry a mail's headers.
const REPORT_LIMIT: usize = 256 * 1024;

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List the outbox
///
/// Messages of the organization and to the caller, newest first. In development whoever runs the
/// installation sees all of them.
#[utoipa::path(
    get, path = "/notifications", operation_id = "list_notifications", tag = "notifications",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of messages", body = Page<NotificationView>),
        ListProblems,
    ),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<NotificationView>>, ApiProblem> {
    Ok(Json(state.platform.outbox_list(&actor, query).await?))
}

problems!(GetProblems: SIGNED_IN, ROLE, &[ErrorCode::NotificationNotFound]);

/// Show a message
///
/// With its text in development only: its links open accounts.
#[utoipa::path(
    get, path = "/notifications/{id}", operation_id = "get_notification", tag = "notifications",
    params(("id" = String, Path, format = Uuid, description = "Id of the message")),
    responses((status = 200, description = "The message", body = NotificationContent), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<NotificationId>,
) -> Result<Json<NotificationContent>, ApiProblem> {
    Ok(Json(state.platform.outbox_get(&actor, id).await?))
}

problems!(PreferencesProblems: SIGNED_IN);

/// Show what the caller hears of
#[utoipa::path(
    get, path = "/notifications/preferences", operation_id = "get_notification_preferences",
    tag = "notifications",
    responses(
        (status = 200, description = "Every event", body = Page<PreferenceView>),
        PreferencesProblems,
    ),
)]
pub async fn preferences(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Result<Json<Page<PreferenceView>>, ApiProblem> {
    Ok(all(state.platform.preferences(&actor).await?))
}

problems!(PutProblems: SIGNED_IN, CHANGE, BODY);

/// Change what the caller hears of
///
/// What is not named stays as it is. Messages that guard the account cannot be switched off.
#[utoipa::path(
    put, path = "/notifications/preferences", operation_id = "put_notification_preferences",
    tag = "notifications", request_body = UpdatePreferences,
    responses((status = 200, description = "Every event", body = Page<PreferenceView>), PutProblems),
)]
pub async fn put_preferences(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<UpdatePreferences>,
) -> Result<Json<Page<PreferenceView>>, ApiProblem> {
    Ok(all(state.platform.preferences_put(&actor, input).await?))
}

/// List addresses nothing is sent to
///
/// They bounced or complained. Only for owners and admins of the organization that runs the
/// installation, the oldest one.
#[utoipa::path(
    get, path = "/notifications/suppressions", operation_id = "list_suppressions",
    tag = "notifications", params(ListQuery),
    responses(
        (status = 200, description = "A page of addresses", body = Page<SuppressionView>),
        ListProblems,
    ),
)]
pub async fn suppressions(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<SuppressionView>>, ApiProblem> {
    Ok(Json(state.platform.suppressions(&actor, query).await?))
}

problems!(RemoveProblems: SIGNED_IN, CHANGE, &[ErrorCode::NotFound]);

/// Send to an address again
#[utoipa::path(
    delete, path = "/notifications/suppressions/{channel}/{recipient}",
    operation_id = "remove_suppression", tag = "notifications",
    params(
        ("channel" = Channel, Path, description = "`email` or `sms`"),
        ("recipient" = String, Path, description = "The address or number"),
    ),
    responses((status = 204, description = "Taken off"), RemoveProblems),
)]
pub async fn remove_suppression(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    Path((channel, recipient)): Path<(String, String)>,
) -> Result<StatusCode, ApiProblem> {
    let channel = Channel::parse(&channel)
        .ok_or_else(|| ApiProblem::new(ErrorCode::NotFound, "the channel is `email` or `sms`"))?;
    state
        .platform
        .suppression_remove(&actor, channel, &recipient)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ReportProblems: &[
    ErrorCode::InvalidSignature, ErrorCode::NotFound, ErrorCode::BodyTooLarge,
]);

/// Take Mailgun's report of a message
///
/// Signed by Mailgun over its time and token; each token counts once.
#[utoipa::path(
    post, path = "/webhooks/mailgun", operation_id = "mailgun_webhook", tag = "webhooks",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 204, description = "Taken"), ReportProblems),
    security(()),
)]
pub async fn mailgun(
    State(state): State<RestState>,
    request: Request,
) -> Result<StatusCode, ApiProblem> {
    let body = read::within_limit(request, REPORT_LIMIT).await?;
    state.platform.mailgun_report(&body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take Twilio's report of a message
///
/// Signed by Twilio over the address and the fields (`X-Twilio-Signature`).
#[utoipa::path(
    post, path = "/webhooks/twilio", operation_id = "twilio_webhook", tag = "webhooks",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 204, description = "Taken"), ReportProblems),
    security(()),
)]
pub async fn twilio(
    State(state): State<RestState>,
    headers: HeaderMap,
    request: Request,
) -> Result<StatusCode, ApiProblem> {
    let signature = headers
        .get("x-twilio-signature")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = read::within_limit(request, REPORT_LIMIT).await?;
    state.platform.twilio_report(&body, &signature).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn all<T>(data: Vec<T>) -> Json<Page<T>> {
    Json(Page {
        data,
        next_cursor: None,
    })
}
