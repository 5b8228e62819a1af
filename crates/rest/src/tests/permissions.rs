//! Every operation of the document, called by every role and by another tenant.
//!
//! The permission table of the platform says what a role may do; `case` says which permissions an
//! operation needs. An operation without a case fails the test, so none can be added without one.

use apiverse_contract::auth::Role;
use apiverse_platform::Permission as P;
use http::Method;
use serde_json::{Map, Value, json};

use super::app::{Answer, App};
use crate::{ServerFunctions, openapi};

/// Who may call an operation.
enum Needs {
    /// Anybody: it is public.
    Nobody,
    /// Whoever is signed in, for what is their own.
    Caller,
    /// The roles that have all of these.
    All(&'static [P]),
}

struct Case {
    needs: Needs,
    /// Sent when the operation takes a body; acceptable as far as its form goes.
    body: Value,
    query: &'static str,
    /// Takes away what others need: left for the end.
    is_last: bool,
    /// Ends the session, membership or account of whoever calls it.
    ends_caller: bool,
}

#[rustfmt::skip]
fn case(operation: &str, ids: &Ids) -> Option<Case> {
    let policy = json!({ "enabled": false });
    let (needs, body) = match operation {
        "health" | "health_ready" | "login" | "refresh" | "register" | "forgot_password"
        | "reset_password" | "password_strength" | "verify_email" | "confirm_email"
        | "show_invitation" | "mailgun_webhook" | "twilio_webhook" | "clerk_webhook" | "login_mfa"
        | "login_passkey" | "begin_login_passkey" | "begin_mfa_passkey" | "send_mfa_sms" => {
            (Needs::Nobody, json!({}))
        }
        "me" | "list_sessions" | "revoke_session" | "get_notification_preferences"
        | "list_organizations" | "export_me" | "resend_verification" | "switch_organization"
        | "logout" | "revoke_other_sessions" | "leave_organization" | "list_identities"
        | "unlink_identity" => {
            (Needs::Caller, json!({}))
        }
        "get_two_factor" | "begin_totp" | "renew_recovery_codes" | "remove_totp" => {
            (Needs::Caller, json!({}))
        }
        "list_passkeys" | "begin_passkey" | "remove_passkey" | "begin_step_up_passkey"
        | "remove_sms" | "send_step_up_sms" => (Needs::Caller, json!({})),
        "create_passkey" => {
            (Needs::Caller, json!({ "name": "k", "ceremony": "none", "credential": {} }))
        }
        "rename_passkey" => (Needs::Caller, json!({ "name": "k" })),
        "begin_sms" => (Needs::Caller, json!({ "phone": "none" })),
        "confirm_sms" => (Needs::Caller, json!({ "code": "0" })),
        "confirm_totp" => (Needs::Caller, json!({ "code": "0" })),
        "step_up" => (Needs::Caller, json!({ "password": "no" })),
        "require_two_factor" => (Needs::All(&[P::OrganizationWrite]), json!({ "required": false })),
        "list_access_tokens" => (Needs::All(&[P::TokensRead]), json!({})),
        "create_access_token" => (Needs::All(&[P::TokensWrite]), json!({ "name": "t", "scopes": ["usage:read"] })),
        "revoke_access_token" => (Needs::All(&[P::TokensWrite]), json!({})),
        "list_service_accounts" => (Needs::All(&[P::MembersRead]), json!({})),
        "create_service_account" => (Needs::All(&[P::ServiceAccountsWrite]), json!({ "name": "s", "role": "viewer" })),
        "delete_service_account" | "list_service_account_tokens" => {
            (Needs::All(&[P::ServiceAccountsWrite]), json!({}))
        }
        "update_me" => (Needs::Caller, json!({ "full_name": "Somebody" })),
        "put_notification_preferences" => (Needs::Caller, json!({ "preferences": [] })),
        "change_password" => (Needs::Caller, json!({ "current_password": "no", "new_password": "x" })),
        "change_email" => (Needs::Caller, json!({ "current_password": "no", "new_email": "x" })),
        "delete_me" => (Needs::Caller, json!({ "current_password": "no" })),
        "create_organization" => (Needs::Caller, json!({ "name": "Another" })),
        "accept_invitation" => (Needs::Caller, json!({ "token": "none" })),

        "update_organization" => (Needs::All(&[P::OrganizationWrite]), json!({ "name": "Acme" })),
        "delete_organization" => (Needs::All(&[P::OrganizationDelete]), json!({ "slug": "not it" })),
        "transfer_organization" => (Needs::All(&[P::OrganizationDelete]), json!({ "user_id": ids.nobody })),
        "list_members" => (Needs::All(&[P::MembersRead]), json!({})),
        "change_member_role" => (Needs::All(&[P::MembersWrite]), json!({ "role": "viewer" })),
        "remove_member" | "list_invitations" | "resend_invitation" | "revoke_invitation" => {
            (Needs::All(&[P::MembersWrite]), json!({}))
        }
        "create_invitation" => (
            Needs::All(&[P::MembersWrite]),
            json!({ "email": "zoe@example.com", "role": "viewer" }),
        ),

        "list_apis" | "get_api" | "get_api_limits" | "list_routes" | "get_route"
        | "get_versioning" | "list_versions" | "get_version" | "get_policy" | "policy_history"
        | "list_api_targets" => (Needs::All(&[P::ApisRead]), json!({})),
        "create_api" | "replace_api" => (
            Needs::All(&[P::ApisWrite]),
            json!({ "name": "Weather", "base_url": "https://api.example.com" }),
        ),
        "patch_api" => (Needs::All(&[P::ApisWrite]), json!({ "description": "x" })),
        "put_api_limits" => (Needs::All(&[P::ApisWrite]), json!({ "concurrency": 3 })),
        "create_route" => (Needs::All(&[P::ApisWrite]), json!({ "name": "two", "path": "/two" })),
        "patch_route" => (Needs::All(&[P::ApisWrite]), json!({ "name": "three" })),
        "put_versioning" => (Needs::All(&[P::ApisWrite]), json!({ "in": "header", "default": "default" })),
        "create_version" => (
            Needs::All(&[P::ApisWrite]),
            json!({ "name": "v3", "base_url": "https://api.example.com/v3" }),
        ),
        "patch_version" => (Needs::All(&[P::ApisWrite]), json!({ "name": "v4" })),
        "delete_version" | "delete_route" | "delete_api" | "delete_policy" => {
            (Needs::All(&[P::ApisWrite]), json!({}))
        }
        "put_policy" => (Needs::All(&[P::ApisWrite]), policy),
        "roll_back_policy" => (Needs::All(&[P::ApisWrite]), json!({ "version": 1 })),
        "purge_cache" => (Needs::All(&[P::ApisWrite]), json!({ "all": true })),
        "version_callers" => (Needs::All(&[P::UsageRead, P::ApisRead]), json!({})),

        "list_api_keys" | "get_api_key" | "get_api_key_limits" => (Needs::All(&[P::KeysRead]), json!({})),
        "create_api_key" => (Needs::All(&[P::KeysWrite]), json!({ "name": "k" })),
        "patch_api_key" => (Needs::All(&[P::KeysWrite]), json!({ "name": "l" })),
        "put_api_key_limits" => (Needs::All(&[P::KeysWrite]), json!({ "concurrency": 3 })),
        "rotate_api_key" | "create_key_ticket" | "revoke_api_key" => (Needs::All(&[P::KeysWrite]), json!({})),
        "verify_api_key" => (Needs::All(&[P::KeysVerify]), json!({ "key": "apv_live_none" })),

        "get_organization_limits" => (Needs::All(&[P::OrganizationRead]), json!({})),
        "put_organization_limits" => (Needs::All(&[P::OrganizationWrite]), json!({ "concurrency": 9 })),
        "effective_limits" | "list_policies" | "effective_policies" => {
            (Needs::All(&[P::ApisRead, P::KeysRead]), json!({}))
        }
        "export_configuration" => {
            (Needs::All(&[P::ApisRead, P::KeysRead, P::OrganizationRead]), json!({}))
        }
        "diff_configuration" | "apply_configuration" => (
            Needs::All(&[P::OrganizationWrite, P::ApisWrite, P::KeysWrite]),
            json!({ "configuration": { "apiverse": 1 } }),
        ),
        "plan_configuration" => (
            Needs::All(&[P::UsageRead, P::OrganizationWrite, P::ApisWrite, P::KeysWrite]),
            json!({ "configuration": { "apiverse": 1 } }),
        ),
        "preview_policy" => (
            Needs::All(&[P::ApisRead]),
            json!({ "kind": "request_transform", "document": {}, "request": {} }),
        ),
        "usage_report" | "list_calls" | "usage_top" | "usage_breakdown" | "usage_errors"
        | "usage_latency" | "get_explanation" => {
            (Needs::All(&[P::UsageRead]), json!({}))
        }
        "watch_calls" | "list_findings" | "get_finding" | "list_mutes" | "cost_report"
        | "list_price_rules" | "list_budgets" => (Needs::All(&[P::UsageRead]), json!({})),
        "acknowledge_finding" => (Needs::All(&[P::UsageWrite]), json!({ "note": "known" })),
        "create_mute" => (Needs::All(&[P::UsageWrite]), json!({ "metric": "traffic" })),
        "reopen_finding" | "delete_mute" => (Needs::All(&[P::UsageWrite]), json!({})),
        "list_alert_rules" | "get_alert_rule" | "list_incidents" | "list_silences"
        | "list_alert_webhooks" | "list_slos" | "get_slo" => (Needs::All(&[P::UsageRead]), json!({})),
        "create_alert_rule" | "replace_alert_rule" => (
            Needs::All(&[P::UsageWrite]),
            json!({ "name": "r", "condition": { "kind": "absence", "minutes": 5 } }),
        ),
        "preview_alert_rule" => (
            Needs::All(&[P::UsageRead]),
            json!({ "name": "r", "condition": { "kind": "absence", "minutes": 5 } }),
        ),
        "create_silence" => (
            Needs::All(&[P::UsageWrite]),
            json!({ "until": "2026-01-01T00:00:00Z", "reason": "deploy" }),
        ),
        "create_alert_webhook" => (
            Needs::All(&[P::UsageWrite]),
            json!({ "name": "w", "url": "https://hooks.example.com/x" }),
        ),
        "create_slo" | "replace_slo" => (
            Needs::All(&[P::UsageWrite]),
            json!({
                "name": "up", "api_id": ids.api, "objective": { "kind": "availability" },
                "target": 99.9, "days": 30,
            }),
        ),
        "delete_alert_rule" | "test_alert_rule" | "delete_silence" | "delete_alert_webhook"
        | "test_alert_webhook" | "delete_slo" => (Needs::All(&[P::UsageWrite]), json!({})),
        "list_report_schedules" | "get_report_schedule" | "list_reports" | "get_report"
        | "get_report_html" | "get_report_csv" => (Needs::All(&[P::UsageRead]), json!({})),
        "create_report_schedule" => (
            Needs::All(&[P::UsageWrite]),
            json!({ "name": "weekly", "period": "week", "api_id": ids.api }),
        ),
        "update_report_schedule" => (Needs::All(&[P::UsageWrite]), json!({ "hour": 6 })),
        "create_report" => (
            Needs::All(&[P::UsageWrite]),
            json!({ "from": "2026-01-01", "to": "2026-01-02", "api_id": ids.api }),
        ),
        "delete_report_schedule" | "delete_report" => (Needs::All(&[P::UsageWrite]), json!({})),
        "list_saved_views" | "delete_saved_view" => (Needs::All(&[P::UsageRead]), json!({})),
        "create_saved_view" => (
            Needs::All(&[P::UsageRead]),
            json!({ "name": "v", "query": "span=7d" }),
        ),
        "update_saved_view" => (Needs::All(&[P::UsageRead]), json!({ "name": "v" })),
        "create_price_rule" | "replace_price_rule" => (
            Needs::All(&[P::CostsWrite]),
            json!({
                "name": "r", "currency": "EUR", "tiers": [{ "price_micros": 1 }], "from": "2026-01-01",
            }),
        ),
        "create_budget" | "replace_budget" => (
            Needs::All(&[P::CostsWrite]),
            json!({ "name": "b", "amount_micros": 1, "currency": "EUR", "thresholds": [100] }),
        ),
        "delete_price_rule" | "delete_budget" => (Needs::All(&[P::CostsWrite]), json!({})),
        "explain" => (Needs::All(&[P::KeysRead]), json!({ "method": "GET", "path": "/proxy/weather/x" })),
        "list_audit" | "export_audit" => (Needs::All(&[P::AuditRead]), json!({})),
        "list_notifications" | "get_notification" | "list_suppressions" => {
            (Needs::All(&[P::OutboxRead]), json!({}))
        }
        "remove_suppression" => (Needs::All(&[P::OutboxWrite]), json!({})),
        _ => return None,
    };
    let query = match operation {
        "usage_top" | "usage_breakdown" => "?by=api",
        // What is asked for right is a stream without an end.
        "watch_calls" => "?status=9xx",
        _ => "",
    };
    let ends_caller = matches!(
        operation,
        "logout" | "delete_me" | "revoke_other_sessions" | "leave_organization"
    );
    let is_last = ends_caller || matches!(
        operation,
        "delete_api" | "revoke_api_key" | "remove_member" | "create_organization" | "revoke_session"
    );
    Some(Case { needs, body, query, is_last, ends_caller })
}

/// What the paths name.
struct Ids {
    api: String,
    key: String,
    route: String,
    version: String,
    member: String,
    invitation: String,
    notification: String,
    organization: String,
    session: String,
    nobody: String,
}

struct Operation {
    method: Method,
    path: String,
    id: String,
    has_body: bool,
    case: Case,
}

fn operations(ids: &Ids) -> Vec<Operation> {
    let document = serde_json::to_value(openapi(ServerFunctions::NONE)).expect("a document");
    let mut all = Vec::new();
    let mut uncovered = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap_or(&Map::new()) {
        // Calls of consumers, with API keys: the gateway's own tests.
        if path.starts_with("/proxy/") {
            continue;
        }
        for (name, operation) in item.as_object().unwrap_or(&Map::new()) {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            let Some(case) = case(&id, ids) else {
                uncovered.push(id);
                continue;
            };
            let is_public = operation["security"]
                .as_array()
                .is_some_and(|all| all.iter().any(|s| s.as_object().is_some_and(Map::is_empty)));
            assert_eq!(is_public, matches!(case.needs, Needs::Nobody), "{id}");
            all.push(Operation {
                method: Method::from_bytes(name.to_uppercase().as_bytes()).expect("a method"),
                path: fill(path, ids),
                id,
                has_body: operation.get("requestBody").is_some(),
                case,
            });
        }
    }
    assert!(
        uncovered.is_empty(),
        "no case for these operations: {uncovered:?}"
    );
    // The session that is revoked is the owner's.
    all.sort_by_key(|operation| {
        let case = &operation.case;
        (
            case.is_last,
            case.ends_caller,
            operation.id == "revoke_session",
        )
    });
    all
}

/// A path with the ids of what there is.
fn fill(path: &str, ids: &Ids) -> String {
    let id = match path.trim_start_matches("/api/v1/").split('/').next() {
        Some("apis") => &ids.api,
        Some("api-keys") => &ids.key,
        Some("members") => &ids.member,
        Some("invitations") => &ids.invitation,
        Some("notifications") => &ids.notification,
        Some("organizations") => &ids.organization,
        Some("auth") => &ids.session,
        _ => &ids.nobody,
    };
    path.replace("{id}", id)
        .replace("{route_id}", &ids.route)
        .replace("{version_id}", &ids.version)
        .replace("{level}", "api")
        .replace("{target_id}", &ids.api)
        .replace("{kind}", "cache")
        .replace("{request_id}", &ids.nobody)
        .replace("{channel}", "email")
        .replace("{recipient}", "a@b.cd")
}

async fn call(app: &App, operation: &Operation, token: &str) -> Answer {
    let path = format!("{}{}", operation.path, operation.case.query);
    let call = app.call(operation.method.clone(), &path).bearer(token);
    if operation.has_body {
        call.json(&operation.case.body).send().await
    } else {
        call.send().await
    }
}

async fn get(app: &App, token: &str, path: &str) -> Answer {
    let answer = app.get(path).bearer(token).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn create(app: &App, token: &str, path: &str, body: Value) -> String {
    let answer = app.post(path).bearer(token).json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text_at("/id")
}

/// Invites an account and lets it accept; its token.
async fn member(app: &App, owner: &str, role: Role) -> String {
    let email = format!("{}@example.com", role.as_str());
    let token = app.account(&email).await;
    let body = json!({ "email": email, "role": role.as_str() });
    create(app, owner, "/invitations", body).await;
    let page = get(app, owner, "/notifications?limit=200").await.json();
    let message = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|message| message["event"] == "invitation" && message["recipient"] == email.as_str());
    let id = message.expect("an invitation")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let shown = get(app, owner, &format!("/notifications/{id}")).await;
    let link = shown.text_at("/link");
    let (_, secret) = link.split_once("token=").expect("a token");
    let body = json!({ "token": secret });
    let answer = app
        .post("/invitations/accept")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    token
}

async fn world(app: &App) -> (Ids, Vec<(Role, String)>) {
    let owner = app.account("owner@example.com").await;
    let mut tokens = vec![(Role::Owner, owner.clone())];
    for role in [Role::Admin, Role::Developer, Role::Billing, Role::Viewer] {
        tokens.push((role, member(app, &owner, role).await));
    }
    // Somebody to change and take out.
    member_to_lose(app, &owner).await;
    let api = json!({ "name": "Weather", "base_url": "https://api.example.com" });
    let api = create(app, &owner, "/apis", api).await;
    let routes = format!("/apis/{api}/routes");
    let versions = format!("/apis/{api}/versions");
    let version = json!({ "name": "v2", "base_url": "https://api.example.com/v2" });
    let people = get(app, &owner, "/members").await.json();
    let people = people["data"].as_array().expect("a list").clone();
    let lost = people
        .iter()
        .find(|member| member["email"] == "lost@example.com");
    let messages = get(app, &owner, "/notifications").await;
    let invitation = json!({ "email": "open@example.com", "role": "viewer" });
    let ids = Ids {
        route: create(
            app,
            &owner,
            &routes,
            json!({ "name": "one", "path": "/one" }),
        )
        .await,
        version: create(app, &owner, &versions, version).await,
        key: create(app, &owner, "/api-keys", json!({ "name": "k" })).await,
        invitation: create(app, &owner, "/invitations", invitation).await,
        member: lost.expect("a member")["user_id"]
            .as_str()
            .expect("an id")
            .to_owned(),
        notification: messages.text_at("/data/0/id"),
        organization: get(app, &owner, "/auth/me")
            .await
            .text_at("/organization/id"),
        session: get(app, &owner, "/auth/sessions")
            .await
            .text_at("/data/0/id"),
        nobody: "01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21".to_owned(),
        api,
    };
    (ids, tokens)
}

async fn member_to_lose(app: &App, owner: &str) {
    let email = "lost@example.com";
    let token = app.account(email).await;
    create(
        app,
        owner,
        "/invitations",
        json!({ "email": email, "role": "viewer" }),
    )
    .await;
    let page = get(app, owner, "/notifications?limit=200").await.json();
    let message = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|message| message["event"] == "invitation" && message["recipient"] == email);
    let id = message.expect("an invitation")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let shown = get(app, owner, &format!("/notifications/{id}")).await;
    let link = shown.text_at("/link");
    let (_, secret) = link.split_once("token=").expect("a token");
    let answer = app
        .post("/invitations/accept")
        .bearer(&token)
        .json(&json!({ "token": secret }))
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn every_operation_asks_for_its_permission_and_stays_in_its_tenant() {
    let app = App::start().await;
    let (ids, tokens) = world(&app).await;
    let stranger = app.account("stranger@example.com").await;
    let all = operations(&ids);

    // Those who may not come first: what they call must change nothing.
    for operation in &all {
        let Needs::All(permissions) = &operation.case.needs else {
            continue;
        };
        for (role, token) in &tokens {
            if permissions
                .iter()
                .all(|permission| permission.roles().contains(role))
            {
                continue;
            }
            let answer = call(&app, operation, token).await;
            assert_eq!(
                answer.status, 403,
                "{} as {role:?}: {answer:?}",
                operation.id
            );
            answer.is_problem(403, "forbidden");
        }
    }
    // Another tenant's owner finds nothing at the ids of this one, and nothing of it in lists.
    for operation in &all {
        if matches!(operation.case.needs, Needs::Nobody) || operation.case.ends_caller {
            continue;
        }
        let answer = call(&app, operation, &stranger).await;
        let names_one = [
            &ids.api,
            &ids.key,
            &ids.member,
            &ids.invitation,
            &ids.notification,
        ]
        .iter()
        .any(|id| operation.path.contains(id.as_str()))
            || operation.path.contains(&ids.organization)
            || operation.path.contains(&ids.session);
        if names_one {
            assert_eq!(answer.status, 404, "{}: {answer:?}", operation.id);
        }
        for id in [
            &ids.api,
            &ids.key,
            &ids.route,
            &ids.version,
            &ids.member,
            &ids.organization,
        ] {
            assert!(
                !answer.text.contains(id.as_str()),
                "{}: {answer:?}",
                operation.id
            );
        }
    }
    // Whoever may is never told that their role does not allow it.
    for operation in &all {
        for (role, token) in &tokens {
            let may = match &operation.case.needs {
                Needs::Nobody => continue,
                Needs::Caller => true,
                Needs::All(permissions) => permissions
                    .iter()
                    .all(|permission| permission.roles().contains(role)),
            };
            if !may || (operation.id == "delete_organization" && *role != Role::Owner) {
                continue;
            }
            let answer = call(&app, operation, token).await;
            let is_signed_out = answer.status == 401 && operation.case.is_last;
            assert!(
                is_signed_out || !matches!(answer.status, 401 | 403 | 405 | 415),
                "{} as {role:?}: {answer:?}",
                operation.id
            );
            assert!(
                answer.status < 500,
                "{} as {role:?}: {answer:?}",
                operation.id
            );
        }
    }
}
