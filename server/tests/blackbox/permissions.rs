//! Every server function of the console, called by every role and by another tenant. What the REST
//! operations need is tested where they are defined, by the same table.

use apiverse_testkit::{Answer, App, Client, Engine, both};
use serde_json::{Map, Value, json};

use crate::organizations::join;
use crate::start;

both!(every_server_function_asks_for_its_permission_and_stays_in_its_tenant);

/// Roles in the order of the table in docs/permissions.md.
const ROLES: [&str; 5] = ["owner", "admin", "developer", "billing", "viewer"];

/// Who may call a function.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    /// Whoever comes; signed in or not.
    Anybody,
    /// Whoever is signed in, for what is their own.
    Caller,
    /// The roles that have all of these permissions.
    Roles(&'static [&'static str]),
}

/// What each function needs, and arguments it understands. A function without a line here fails
/// the test.
#[rustfmt::skip]
fn case(name: &str, ids: &Ids) -> Option<(Who, Value)> {
    const READ: &[&str] = &["apis:read"];
    const WRITE: &[&str] = &["apis:write"];
    const KEYS: &[&str] = &["keys:read"];
    const MAKE_KEYS: &[&str] = &["keys:write"];
    const BOTH: &[&str] = &["apis:read", "keys:read"];
    const DETAIL: &[&str] = &["apis:read", "keys:read", "usage:read"];
    let Ids { api, key, route, version, session } = ids;
    let place = json!({ "level": "api", "id": api });
    let policy = json!({ "place": place, "kind": "cache" });
    let transform = json!({ "place": place, "kind": "request_transform" });
    let limits = json!({ "scope": "api", "id": api });
    let of_route = json!({ "api_id": api, "id": route });
    let of_version = json!({ "api_id": api, "id": version });
    let spare = "0193b4f5-6a7d-7c3b-9d3e-5a1f0c7b8e21";
    Some(match name {
        "account/register" | "account/sign-in" => (Who::Anybody, json!({ "email": "x", "password": "y" })),
        "account/sign-in-mfa" => (Who::Anybody, json!({ "mfa_token": "x", "method": "totp", "code": "0" })),
        "account/invitation" => (Who::Anybody, json!({ "token": "x" })),
        "account/sign-out" => (Who::Anybody, json!({})),
        "account/me" | "account/sessions" | "account/two-factor" | "account/identities"
        | "account/passkeys" | "account/time-zones" => (Who::Caller, json!({})),
        "account/profile" => (Who::Caller, json!({ "full_name": "Somebody" })),
        "account/password" => (Who::Caller, json!({ "current_password": "x", "new_password": "y" })),
        "account/session-revoke" => (Who::Caller, json!({ "id": session })),
        "account/preferences" => (Who::Caller, json!({})),
        "team/organization" => (Who::Roles(&["organization:read"]), json!({})),
        "team/members" | "team/service-accounts" => (Who::Roles(&["members:read"]), json!({})),
        "audit/search" => (Who::Roles(&["audit:read"]), json!({})),
        "audit/verify" => (Who::Roles(&["audit:read"]), json!({ "check": true })),
        "outbox/list" => (Who::Roles(&["outbox:read"]), json!({})),
        "outbox/one" => (Who::Roles(&["outbox:read"]), json!({ "id": spare })),
        "outbox/template" => (Who::Roles(&["outbox:read"]), json!({ "event": "invitation" })),
        "account/access-tokens" => (Who::Roles(&["tokens:read"]), json!({})),

        "apis/list" => (Who::Roles(READ), json!({})),
        "apis/create" => (Who::Roles(WRITE), json!({ "name": "A", "base_url": "https://example.com" })),
        "apis/detail" => (Who::Roles(DETAIL), json!({ "id": api })),
        "apis/update" => (Who::Roles(WRITE), json!({ "id": api, "changes": { "description": "x" } })),
        "apis/delete" => (Who::Roles(WRITE), json!({ "id": spare })),
        "routes/list" | "versions/list" => (Who::Roles(READ), json!({ "id": api })),
        "routes/one" => (Who::Roles(READ), of_route),
        "routes/save" => (Who::Roles(WRITE), json!({ "api_id": api, "name": "one", "methods": [], "path": "/one", "id": route })),
        "routes/delete" => (Who::Roles(WRITE), json!({ "api_id": api, "id": spare })),
        "versions/one" => (Who::Roles(&["apis:read", "usage:read"]), of_version),
        "versions/save" => (Who::Roles(WRITE), json!({ "api_id": api, "id": version, "fields": [["name", "v2"]] })),
        "versions/delete" => (Who::Roles(WRITE), json!({ "api_id": api, "id": spare })),
        "versions/choose" => (Who::Roles(WRITE), json!({ "api_id": api, "versioning": { "in": "header", "default": "default" } })),

        "keys/list" => (Who::Roles(KEYS), json!({})),
        "keys/choices" => (Who::Roles(READ), json!({})),
        "keys/create" => (Who::Roles(MAKE_KEYS), json!({ "name": "k" })),
        "keys/detail" => (Who::Roles(DETAIL), json!({ "id": key })),
        "keys/impact" => (Who::Roles(&["keys:read", "usage:read"]), json!({ "id": key })),
        "keys/update" => (Who::Roles(MAKE_KEYS), json!({ "id": key, "changes": { "name": "l" } })),
        "keys/revoke" => (Who::Roles(MAKE_KEYS), json!({ "id": spare })),
        "keys/rotate" => (Who::Roles(MAKE_KEYS), json!({ "id": spare })),
        "keys/ticket" => (Who::Roles(MAKE_KEYS), json!({ "id": key })),

        "limits/view" => (Who::Roles(BOTH), limits),
        "limits/save" => (Who::Roles(WRITE), json!({ "target": limits, "policy": { "concurrency": 3 } })),
        "limits/call" => (Who::Roles(BOTH), json!({ "api_id": api })),
        "policies/cards" => (Who::Roles(BOTH), place),
        "policies/one" => (Who::Roles(BOTH), policy),
        "policies/save" => (Who::Roles(WRITE), json!({ "policy": policy, "version": 0, "fields": [] })),
        "policies/try" => (Who::Roles(BOTH), json!({ "policy": transform, "fields": [], "call": [["path", "/x"]] })),
        "policies/remove" => (Who::Roles(WRITE), policy),
        "policies/roll-back" => (Who::Roles(WRITE), json!({ "policy": policy, "version": 1 })),

        "calls/one" => (Who::Roles(&["usage:read"]), json!({ "request_id": "none" })),
        "calls/explain" => (Who::Roles(KEYS), json!({ "path": "/proxy/weather/x" })),
        "calls/choices" => (Who::Caller, json!({})),
        "explorer/choices" => (Who::Roles(BOTH), json!({})),
        "usage/overview" => (Who::Roles(&["usage:read"]), json!({ "span": "24h" })),
        "usage/report" => (Who::Roles(&["usage:read"]), json!({})),
        "usage/pulse" => (Who::Roles(&["usage:read"]), json!({})),
        "plan" => (
            Who::Roles(&["usage:read", "apis:read", "keys:read", "organization:read"]),
            json!({
                "at": format!("/console/policies/cache?on=api&id={api}"),
                "fields": [["form", "policy"], ["enabled", "true"], ["default_ttl_seconds", "60"]],
            }),
        ),
        "targets" => (Who::Roles(READ), json!({ "id": api })),
        "insights/list" | "costs/report" => (Who::Roles(&["usage:read"]), json!({})),
        "insights/acknowledge" | "insights/reopen" | "insights/unmute" => {
            (Who::Roles(&["usage:write"]), json!({ "id": spare }))
        }
        "insights/mute" => (Who::Roles(&["usage:write"]), json!({ "metric": "traffic" })),
        "alerts/list" | "alerts/choices" | "slos/list" => (Who::Roles(&["usage:read"]), json!({})),
        "usage/views" => (Who::Roles(&["usage:read"]), json!({})),
        "usage/views/add" => (
            Who::Roles(&["usage:read"]),
            json!({ "name": "v", "query": "span=7d" }),
        ),
        "usage/views/change" => (
            Who::Roles(&["usage:read"]),
            json!({ "id": spare, "change": { "name": "w" } }),
        ),
        "usage/views/remove" => (Who::Roles(&["usage:read"]), json!({ "id": spare })),
        "alerts/preview" => (
            Who::Roles(&["usage:read"]),
            json!({ "name": "r", "condition": { "kind": "absence", "minutes": 5 } }),
        ),
        "reports/list" | "reports/choices" => (Who::Roles(&["usage:read"]), json!({})),
        "reports/schedule" => (Who::Roles(&["usage:read"]), json!({ "id": spare })),
        "reports/schedules/add" => (
            Who::Roles(&["usage:write"]),
            json!({ "name": "weekly", "period": "week" }),
        ),
        "reports/schedules/change" => (
            Who::Roles(&["usage:write"]),
            json!({ "id": spare, "change": { "hour": 6 } }),
        ),
        "reports/make" => (
            Who::Roles(&["usage:write"]),
            json!({ "from": "2026-01-01", "to": "2026-01-02" }),
        ),
        "reports/schedules/remove" | "reports/remove" => {
            (Who::Roles(&["usage:write"]), json!({ "id": spare }))
        }
        "alerts/add" => (
            Who::Roles(&["usage:write"]),
            json!({ "name": "r", "condition": { "kind": "absence", "minutes": 5 } }),
        ),
        "alerts/get" => (Who::Roles(&["usage:read"]), json!({ "id": spare })),
        "alerts/replace" => (Who::Roles(&["usage:write"]), json!({
            "id": spare,
            "rule": { "name": "r", "condition": { "kind": "absence", "minutes": 5 } },
        })),
        "alerts/switch" => (
            Who::Roles(&["usage:write"]),
            json!({ "id": spare, "enabled": false }),
        ),
        "alerts/silence" => (
            Who::Roles(&["usage:write"]),
            json!({ "until": "2026-01-01T00:00:00Z", "reason": "deploy" }),
        ),
        "alerts/webhooks/add" => (
            Who::Roles(&["usage:write"]),
            json!({ "name": "w", "url": "https://hooks.example.com/x" }),
        ),
        "slos/add" => (Who::Roles(&["usage:write"]), json!({
            "name": "up", "api_id": api, "objective": { "kind": "availability" },
            "target": 99.9, "days": 30,
        })),
        "alerts/remove" | "alerts/test" | "alerts/unsilence" | "alerts/webhooks/remove"
        | "slos/remove" => (Who::Roles(&["usage:write"]), json!({ "id": spare })),
        "costs/rules/add" => (Who::Roles(&["costs:write"]), json!({
            "name": "r", "currency": "EUR", "tiers": [{ "price_micros": 1 }], "from": "2026-01-01",
        })),
        "costs/budgets/add" => (Who::Roles(&["costs:write"]), json!({
            "name": "b", "amount_micros": 1, "currency": "EUR", "thresholds": [100],
        })),
        "costs/rules/remove" | "costs/budgets/remove" => {
            (Who::Roles(&["costs:write"]), json!({ "id": spare }))
        }
        _ => return None,
    })
}

struct Ids {
    api: String,
    key: String,
    route: String,
    version: String,
    session: String,
}

/// Whether a role has a permission, by the table people read.
fn has(role: usize, permission: &str) -> bool {
    let table = include_str!("../../../docs/permissions.md");
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("| `{permission}` |")));
    let cells = line.unwrap_or_else(|| panic!("no {permission} in the table"));
    let cell = cells.split('|').nth(2 + role).unwrap_or_default();
    cell.contains('✓')
}

fn may(role: usize, who: Who) -> bool {
    match who {
        Who::Anybody | Who::Caller => true,
        Who::Roles(permissions) => permissions.iter().all(|one| has(role, one)),
    }
}

async fn call(client: &Client, name: &str, arguments: &Value) -> Answer {
    client.post(&format!("/api/fn/{name}"), arguments).await
}

async fn world(app: &App) -> (Ids, Vec<Client>) {
    let owner = app.stranger("owner").await;
    let mut clients = Vec::new();
    for role in &ROLES[1..] {
        clients.push(join(app, &owner, role, role).await);
    }
    let api = owner
        .create_api("weather", "https://upstream.example.com")
        .await;
    let (key, _) = owner.create_key("k").await;
    let made = async |path: String, body: Value| {
        let made = owner.post(&path, &body).await.expect_status(201).json();
        made["id"].as_str().expect("an id").to_owned()
    };
    let route = json!({ "name": "one", "path": "/one" });
    let version = json!({ "name": "v2", "base_url": "https://example.com/v2" });
    let sessions = owner.get("/auth/sessions").await.expect_status(200).json();
    let ids = Ids {
        route: made(format!("/apis/{api}/routes"), route).await,
        version: made(format!("/apis/{api}/versions"), version).await,
        session: sessions["data"][0]["id"]
            .as_str()
            .expect("an id")
            .to_owned(),
        key,
        api,
    };
    clients.insert(0, owner);
    (ids, clients)
}

async fn every_server_function_asks_for_its_permission_and_stays_in_its_tenant(engine: Engine) {
    let app = start(engine).await;
    let (ids, clients) = world(&app).await;
    let stranger = app.stranger("stranger").await;
    let document = app.anonymous().get("/api/openapi.json").await;
    let document = document.expect_status(200).json();
    let empty = Map::new();
    let mut functions = Vec::new();
    let mut uncovered = Vec::new();
    for path in document["paths"].as_object().unwrap_or(&empty).keys() {
        let Some(name) = path.strip_prefix("/api/fn/") else {
            continue;
        };
        match case(name, &ids) {
            Some((who, arguments)) => functions.push((name.to_owned(), who, arguments)),
            None => uncovered.push(name.to_owned()),
        }
    }
    assert!(uncovered.is_empty(), "no case for {uncovered:?}");
    assert!(functions.len() > 40, "{}", functions.len());
    // It ends the session of whoever may call it.
    functions.sort_by_key(|(name, ..)| name == "account/session-revoke");

    for (name, who, arguments) in &functions {
        if *who != Who::Anybody {
            let answer = call(&app.anonymous(), name, arguments).await;
            assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        }
        for (role, client) in clients.iter().enumerate() {
            if !may(role, *who) {
                let answer = call(client, name, arguments).await;
                let of = ROLES[role];
                assert_eq!(answer.status, 403, "{name} as {of}: {}", answer.text());
            }
        }
    }
    // Another tenant's owner finds nothing of this one, whatever ids they know.
    for (name, who, arguments) in &functions {
        if *who == Who::Anybody {
            continue;
        }
        let answer = call(&stranger, name, arguments).await;
        let text = answer.text();
        let Ids {
            api,
            key,
            route,
            version,
            session,
        } = &ids;
        let known = [api, key, route, version, session];
        let names_one = known
            .iter()
            .any(|id| arguments.to_string().contains(id.as_str()));
        if names_one {
            // An id inside of a document is a field of it that is wrong.
            let expected = if name == "slos/add" { 422 } else { 404 };
            assert_eq!(answer.status, expected, "{name}: {text}");
        }
        assert!(!text.contains("upstream.example.com"), "{name}: {text}");
        for id in known {
            assert!(!text.contains(id.as_str()), "{name}: {text}");
        }
    }
    for (name, who, arguments) in &functions {
        if *who == Who::Anybody {
            continue;
        }
        for (role, client) in clients.iter().enumerate() {
            if !may(role, *who) {
                continue;
            }
            let answer = call(client, name, arguments).await;
            let (of, text) = (ROLES[role], answer.text());
            let refused = matches!(answer.status, 401 | 403 | 405 | 415) || answer.status >= 500;
            assert!(!refused, "{name} as {of}: {} {text}", answer.status);
            // Whoever typed the arguments wrong would have tested nothing.
            assert_ne!(answer.status, 400, "{name} as {of}: {text}");
        }
    }
}
