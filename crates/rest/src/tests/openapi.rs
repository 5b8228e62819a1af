//! The document: what it promises is there, and it is what is checked in.

use apiverse_contract::Problem;
use http::Method;
use serde_json::{Map, Value};
use utoipa::PartialSchema;

use super::app::App;
use crate::{ServerFunction, ServerFunctions, openapi};

const ID: &str = "01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21";

/// Every operation of the document: method, path, its value.
fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(openapi(ServerFunctions::NONE)).expect("a document");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap_or(&Map::new()) {
        for (name, operation) in item.as_object().unwrap_or(&Map::new()) {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).expect("a method");
            all.push((method, path.clone(), operation.clone()));
        }
    }
    all
}

/// Whether the operation says that it needs no caller.
fn is_public(operation: &Value) -> bool {
    operation
        .get("security")
        .and_then(Value::as_array)
        .is_some_and(|schemes| {
            schemes
                .iter()
                .any(|s| s.as_object().is_some_and(Map::is_empty))
        })
}

#[tokio::test]
async fn every_operation_is_there_and_wants_a_caller() {
    let app = App::start().await;
    let (mut public, mut closed) = (Vec::new(), 0);
    for (method, path, operation) in operations() {
        // The gateway is not in this crate.
        if path.starts_with("/proxy/") {
            continue;
        }
        let with_id = path.replace("{id}", ID).replace("{route_id}", ID);
        let with_id = with_id
            .replace("{target_id}", ID)
            .replace("{version_id}", ID);
        let with_id = with_id.replace("{level}", "api").replace("{kind}", "cache");
        let with_id = with_id
            .replace("{channel}", "email")
            .replace("{recipient}", "a@b.cd");
        let bare = with_id
            .strip_prefix("/api/v1")
            .unwrap_or(&with_id)
            .to_owned();
        for address in [with_id, bare] {
            let answer = app.call(method.clone(), &address).send().await;
            if is_public(&operation) {
                assert!(
                    !matches!(answer.status, 401 | 405)
                        && (answer.status != 404 || path.contains("/webhooks/")),
                    "{method} {address} {answer:?}"
                );
                public.push(format!("{method} {path}"));
            } else {
                answer.is_problem(401, "authentication_required");
                closed += 1;
            }
        }
    }
    public.dedup();
    public.sort();
    assert_eq!(
        public,
        [
            "GET /health",
            "GET /health/ready",
            "POST /api/v1/auth/email/confirm",
            "POST /api/v1/auth/email/verify",
            "POST /api/v1/auth/login",
            "POST /api/v1/auth/login/passkey",
            "POST /api/v1/auth/login/passkey/begin",
            "POST /api/v1/auth/mfa",
            "POST /api/v1/auth/mfa/passkey",
            "POST /api/v1/auth/mfa/sms",
            "POST /api/v1/auth/password/forgot",
            "POST /api/v1/auth/password/reset",
            "POST /api/v1/auth/password/strength",
            "POST /api/v1/auth/refresh",
            "POST /api/v1/auth/register",
            "POST /api/v1/invitations/offer",
            "POST /api/v1/webhooks/clerk",
            "POST /api/v1/webhooks/mailgun",
            "POST /api/v1/webhooks/twilio",
        ]
    );
    assert!(closed >= 2 * 22, "{closed} closed operations");
}

#[test]
fn every_operation_is_described() {
    let mut ids = Vec::new();
    for (method, path, operation) in operations() {
        let name = format!("{method} {path}");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(operation["tags"][0].is_string(), "{name} has no tag");
        ids.push(
            operation["operationId"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
        let responses = operation["responses"].as_object().expect("responses");
        for (status, response) in responses {
            let examples = &response["content"]["application/problem+json"]["examples"];
            for (code, example) in examples.as_object().unwrap_or(&Map::new()) {
                let known = apiverse_contract::ErrorCode::ALL
                    .iter()
                    .find(|known| known.as_str() == code);
                let known = known.unwrap_or_else(|| panic!("{name}: {code} is no code"));
                assert_eq!(known.status().to_string(), *status, "{name}: {code}");
                assert_eq!(example["value"]["code"], code.as_str(), "{name}");
            }
        }
        let succeeds = responses.keys().any(|status| status.starts_with('2'));
        assert!(
            succeeds || responses.contains_key("default"),
            "{name} never succeeds"
        );
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some(), "{reference} leads nowhere");
                }
                map.values().for_each(|inner| walk(document, inner));
            }
            Value::Array(list) => list.iter().for_each(|inner| walk(document, inner)),
            _ => {}
        }
    }
    let document = serde_json::to_value(openapi(ServerFunctions::NONE)).expect("a document");
    assert_eq!(document["openapi"], "3.1.0");
    walk(&document, &document);
}

#[test]
fn server_functions_are_in_it() {
    let function = |path, input, output| ServerFunction {
        path,
        summary: "does something",
        input: Some(input),
        output: Some(output),
    };
    let console = ServerFunctions {
        functions: vec![
            function("/api/fn/apis/create", "CreateApi", "ApiView"),
            function("/api/fn/usage/overview", "OverviewQuery", "Overview"),
        ],
        schemas: vec![
            ("Overview".to_owned(), Problem::schema()),
            ("ApiView".to_owned(), Problem::schema()),
        ],
    };
    let document = serde_json::to_value(openapi(&console)).expect("a document");
    let operation = &document["paths"]["/api/fn/apis/create"]["post"];
    assert_eq!(operation["tags"][0], "console");
    assert_eq!(
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/CreateApi"
    );
    let overview = &document["paths"]["/api/fn/usage/overview"]["post"];
    assert_eq!(
        overview["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Overview"
    );
    // The REST API's own schema is kept where both have one of that name.
    let without = serde_json::to_value(openapi(ServerFunctions::NONE)).expect("a document");
    assert_eq!(
        document["components"]["schemas"]["ApiView"],
        without["components"]["schemas"]["ApiView"]
    );
}

/// `docs/openapi.json` is what users and code generators read, so a change shows in review.
#[test]
fn the_checked_in_document_is_current() {
    let path = "../../docs/openapi.json";
    let mut text = openapi(ServerFunctions::NONE)
        .to_pretty_json()
        .expect("a document");
    text.push('\n');
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &text).expect("docs/openapi.json is written");
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    // Values and not texts: the order of names in examples depends on other crates' features.
    let current: Value = serde_json::from_str(&text).expect("a document");
    let checked_in: Value = serde_json::from_str(&checked_in).unwrap_or_default();
    if let Some(place) = difference(&current, &checked_in) {
        panic!(
            "docs/openapi.json differs from the code at `{place}`; if the change is meant, run \
             `UPDATE_OPENAPI=1 cargo test -p apiverse-rest checked_in_document` and commit it"
        );
    }
}

/// JSON pointer of the first difference.
fn difference(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names = a.keys().chain(b.keys());
            names.find_map(|name| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => Some(format!("/{name}{}", difference(a, b)?)),
                _ => Some(format!("/{name}")),
            })
        }
        _ if a == b => None,
        _ => Some(String::new()),
    }
}

#[tokio::test]
async fn the_document_is_served_with_a_tag() {
    let app = App::start().await;
    let answer = app.get("/api/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.at("/info/title"), "APIverse");
    let tag = answer.header("etag").to_owned();
    let again = app
        .get("/api/openapi.json")
        .header("if-none-match", &tag)
        .send()
        .await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
}

#[tokio::test]
async fn the_page_shows_every_operation_and_fetches_nothing() {
    let app = App::start().await;
    let answer = app.get("/api/docs").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(
            answer.text.contains(&format!("<article id=\"{id}\">")),
            "{id} is missing"
        );
    }
    let policy = answer.header("content-security-policy");
    let nonce = policy
        .split("script-src 'nonce-")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a nonce");
    assert_eq!(
        answer.text.matches(&format!("nonce=\"{nonce}\"")).count(),
        2
    );
    assert!(!answer.text.contains("@@nonce@@"));
    for outside in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!answer.text.contains(outside), "{outside}");
    }
    let again = app.get("/api/docs").send().await;
    assert_ne!(again.header("content-security-policy"), policy);
}
