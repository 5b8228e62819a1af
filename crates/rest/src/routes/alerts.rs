//! Alerts: rules, what fired, silences, and addresses that are told.

use apiverse_contract::alerts::{
    AlertPreview, AlertRuleView, AlertWebhookView, CreateAlertWebhook, CreateSilence,
    CreatedAlertWebhook, IncidentView, IncidentsQuery, PutAlertRule, SilenceView,
};
use apiverse_contract::{AlertRuleId, AlertWebhookId, ErrorCode, Page, SilenceId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::created;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const RULE: &[ErrorCode] = &[ErrorCode::AlertRuleNotFound];
const SILENCE: &[ErrorCode] = &[ErrorCode::SilenceNotFound];
const WEBHOOK: &[ErrorCode] = &[ErrorCode::AlertWebhookNotFound];
const MANY: &[ErrorCode] = &[ErrorCode::InvalidRequest];

/// How many messages a try is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertTried {
    /// E-mails and calls of addresses that are on their way.
    pub messages: u32,
}

problems!(RulesProblems: SIGNED_IN, ROLE);

/// List alert rules
///
/// With where each stands.
#[utoipa::path(
    get, path = "/alerts/rules", operation_id = "list_alert_rules", tag = "alerts",
    responses((status = 200, description = "All rules, the oldest first", body = Page<AlertRuleView>), RulesProblems),
)]
pub async fn rules(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<AlertRuleView>>> {
    Ok(Json(state.platform.alert_rules_list(&actor).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, MANY);

/// Create an alert rule
///
/// A rule is measured once a minute, over calls of minutes that are over.
#[utoipa::path(
    post, path = "/alerts/rules", operation_id = "create_alert_rule", tag = "alerts",
    request_body = PutAlertRule,
    responses((status = 201, description = "The rule", body = AlertRuleView), CreateProblems),
)]
pub async fn create_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PutAlertRule>,
) -> Answer<Response> {
    let rule = state.platform.alert_rule_create(&actor, request).await?;
    Ok(created("/alerts/rules", rule.id, rule))
}

problems!(GetProblems: SIGNED_IN, ROLE, RULE);

/// Show an alert rule
#[utoipa::path(
    get, path = "/alerts/rules/{id}", operation_id = "get_alert_rule", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    responses((status = 200, description = "The rule", body = AlertRuleView), GetProblems),
)]
pub async fn get_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertRuleId>,
) -> Answer<Json<AlertRuleView>> {
    Ok(Json(state.platform.alert_rule_get(&actor, id).await?))
}

problems!(ReplaceProblems: SIGNED_IN, CHANGE, BODY, RULE);

/// Replace an alert rule
///
/// It begins anew: what it fires for is over, and nobody is told of that.
#[utoipa::path(
    put, path = "/alerts/rules/{id}", operation_id = "replace_alert_rule", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    request_body = PutAlertRule,
    responses((status = 200, description = "The rule", body = AlertRuleView), ReplaceProblems),
)]
pub async fn replace_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertRuleId>,
    ApiJson(request): ApiJson<PutAlertRule>,
) -> Answer<Json<AlertRuleView>> {
    let rule = state.platform.alert_rule_replace(&actor, id, request);
    Ok(Json(rule.await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, RULE);

/// Delete an alert rule
///
/// Its history goes with it.
#[utoipa::path(
    delete, path = "/alerts/rules/{id}", operation_id = "delete_alert_rule", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    responses((status = 204, description = "It is gone"), DeleteProblems),
)]
pub async fn delete_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertRuleId>,
) -> Answer<StatusCode> {
    state.platform.alert_rule_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test of an alert rule
///
/// To everybody it tells.
#[utoipa::path(
    post, path = "/alerts/rules/{id}/test", operation_id = "test_alert_rule", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    responses((status = 202, description = "The messages are on their way", body = AlertTried), DeleteProblems),
)]
pub async fn test_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertRuleId>,
) -> Answer<(StatusCode, Json<AlertTried>)> {
    let messages = state.platform.alert_rule_test(&actor, id).await?;
    Ok((StatusCode::ACCEPTED, Json(AlertTried { messages })))
}

problems!(PreviewProblems: SIGNED_IN, ROLE, BODY);

/// Preview an alert rule
///
/// How often it would have fired in the last seven days. Nothing is stored.
#[utoipa::path(
    post, path = "/alerts/preview", operation_id = "preview_alert_rule", tag = "alerts",
    request_body = PutAlertRule,
    responses((status = 200, description = "What was measured, and when it would have fired", body = AlertPreview), PreviewProblems),
)]
pub async fn preview(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PutAlertRule>,
) -> Answer<Json<AlertPreview>> {
    Ok(Json(state.platform.alert_preview(&actor, request).await?))
}

problems!(HistoryProblems: SIGNED_IN, ROLE, QUERY);

/// List what fired
///
/// The latest first; with `firing=true` what fires now.
#[utoipa::path(
    get, path = "/alerts/history", operation_id = "list_incidents", tag = "alerts",
    params(IncidentsQuery),
    responses((status = 200, description = "A page of incidents", body = Page<IncidentView>), HistoryProblems),
)]
pub async fn history(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<IncidentsQuery>,
) -> Answer<Json<Page<IncidentView>>> {
    Ok(Json(state.platform.incidents_list(&actor, query).await?))
}

/// List silences
///
/// Those that are not over.
#[utoipa::path(
    get, path = "/alerts/silences", operation_id = "list_silences", tag = "alerts",
    responses((status = 200, description = "All silences, the latest first", body = Page<SilenceView>), RulesProblems),
)]
pub async fn silences(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<SilenceView>>> {
    Ok(Json(state.platform.silences_list(&actor).await?))
}

problems!(SilenceProblems: SIGNED_IN, CHANGE, BODY, RULE, MANY);

/// Silence an alert rule, or all
///
/// Nobody is told until it is over. What fires still then is told.
#[utoipa::path(
    post, path = "/alerts/silences", operation_id = "create_silence", tag = "alerts",
    request_body = CreateSilence,
    responses((status = 201, description = "The silence", body = SilenceView), SilenceProblems),
)]
pub async fn silence(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateSilence>,
) -> Answer<Response> {
    let silence = state.platform.silence_create(&actor, request).await?;
    Ok(created("/alerts/silences", silence.id, silence))
}

problems!(UnsilenceProblems: SIGNED_IN, CHANGE, SILENCE);

/// End a silence
#[utoipa::path(
    delete, path = "/alerts/silences/{id}", operation_id = "delete_silence", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the silence")),
    responses((status = 204, description = "It is over"), UnsilenceProblems),
)]
pub async fn unsilence(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SilenceId>,
) -> Answer<StatusCode> {
    state.platform.silence_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List webhooks of alerts
#[utoipa::path(
    get, path = "/alerts/webhooks", operation_id = "list_alert_webhooks", tag = "alerts",
    responses((status = 200, description = "All webhooks, the oldest first", body = Page<AlertWebhookView>), RulesProblems),
)]
pub async fn webhooks(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<AlertWebhookView>>> {
    Ok(Json(state.platform.alert_webhooks_list(&actor).await?))
}

/// Add a webhook for alerts
///
/// Calls are signed as Standard Webhooks have it; the secret is shown this once.
#[utoipa::path(
    post, path = "/alerts/webhooks", operation_id = "create_alert_webhook", tag = "alerts",
    request_body = CreateAlertWebhook,
    responses((status = 201, description = "The webhook, with its secret", body = CreatedAlertWebhook), CreateProblems),
)]
pub async fn create_webhook(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateAlertWebhook>,
) -> Answer<Response> {
    let made = state.platform.alert_webhook_create(&actor, request).await?;
    Ok(created("/alerts/webhooks", made.webhook.id, made))
}

problems!(DeleteWebhookProblems: SIGNED_IN, CHANGE, WEBHOOK);

/// Delete a webhook of alerts
#[utoipa::path(
    delete, path = "/alerts/webhooks/{id}", operation_id = "delete_alert_webhook", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the webhook")),
    responses((status = 204, description = "It is gone"), DeleteWebhookProblems),
)]
pub async fn delete_webhook(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertWebhookId>,
) -> Answer<StatusCode> {
    state.platform.alert_webhook_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test to a webhook
#[utoipa::path(
    post, path = "/alerts/webhooks/{id}/test", operation_id = "test_alert_webhook", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the webhook")),
    responses((status = 202, description = "It is on its way"), DeleteWebhookProblems),
)]
pub async fn test_webhook(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AlertWebhookId>,
) -> Answer<StatusCode> {
    state.platform.alert_webhook_test(&actor, id).await?;
    Ok(StatusCode::ACCEPTED)
}
