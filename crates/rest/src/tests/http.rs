//! The manners of HTTP around the operations.

use http::Method;
use serde_json::json;

use super::app::App;
use crate::RestSettings;

#[tokio::test]
async fn unknown_addresses_are_problems_not_pages() {
    let app = App::start().await;
    for path in [
        "/api",
        "/api/nothing",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/apis/x/y/z",
        "/auth",
        "/auth/nothing",
        "/apis/",
        "/apis/x/y",
        "/api-keys/x/nothing",
        "/usage/nothing",
        "/audit/nothing",
        "/health/nothing",
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = app.call(method, path).send().await;
            answer.is_problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = App::start().await;
    for (method, path, allow) in [
        (Method::PUT, "/apis", vec!["GET", "HEAD", "POST"]),
        (
            Method::POST,
            "/api/v1/auth/me",
            vec!["DELETE", "GET", "HEAD", "PATCH"],
        ),
        (Method::GET, "/auth/login", vec!["POST"]),
        (Method::POST, "/health", vec!["GET", "HEAD"]),
    ] {
        let answer = app.call(method, path).send().await;
        answer.is_problem(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed, allow, "{path}");
    }
    let answer = app.call(Method::OPTIONS, "/apis").send().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(answer.header("allow").contains("POST"));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let app = App::start().await;
    let get = app.get("/api/openapi.json").send().await;
    let head = app.call(Method::HEAD, "/api/openapi.json").send().await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    let head = app.call(Method::HEAD, "/apis").send().await;
    assert_eq!((head.status, head.text.as_str()), (401, ""));
    assert!(!head.header("x-request-id").is_empty());
}

#[tokio::test]
async fn request_ids_are_taken_or_made() {
    let app = App::start().await;
    let answer = app
        .get("/health")
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
    let answer = app
        .get("/apis")
        .header("x-request-id", "mine-2")
        .send()
        .await;
    answer.is_problem(401, "authentication_required");
    assert_eq!(answer.text_at("/request_id"), "mine-2");
    for bad in ["has space", &"x".repeat(129), ""] {
        let answer = app.get("/health").header("x-request-id", bad).send().await;
        let made = answer.header("x-request-id");
        assert!(uuid::Uuid::parse_str(made).is_ok(), "{made}");
    }
}

#[tokio::test]
async fn a_panic_costs_one_request_and_tells_nothing() {
    let app = App::start().await;
    let answer = app.get("/test/panic").send().await;
    answer.is_problem(500, "internal");
    assert!(!answer.text.contains("secret"), "{answer:?}");
    assert_eq!(app.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn security_headers_are_everywhere() {
    let app = App::start().await;
    for path in ["/health", "/apis", "/api/docs", "/nowhere", "/test/panic"] {
        let answer = app.get(path).send().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(!answer.header("referrer-policy").is_empty(), "{path}");
        assert!(!answer.header("permissions-policy").is_empty(), "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
    let answer = app.get("/apis").send().await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
}

#[tokio::test]
async fn only_configured_origins_get_cors() {
    let settings = RestSettings {
        allowed_origins: vec!["https://console.example.org/".to_owned()],
        ..RestSettings::default()
    };
    let app = App::with(settings, Vec::new()).await;
    let preflight = |origin: &'static str| {
        app.call(Method::OPTIONS, "/api/v1/apis")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
    };
    let answer = preflight("https://console.example.org").await;
    assert_eq!(answer.status, 204);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, "https://console.example.org");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(answer.header("vary"), "Origin");
    for origin in [
        "https://evil.example",
        "https://console.example.org.evil.example",
        "null",
    ] {
        let answer = preflight(origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    let answer = app
        .get("/apis")
        .header("origin", "https://console.example.org")
        .send()
        .await;
    answer.is_problem(401, "authentication_required");
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, "https://console.example.org");
    // Without configured origins there is nothing to negotiate.
    let app = App::start().await;
    let answer = app
        .get("/health")
        .header("origin", "https://x.example")
        .send()
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn only_configured_hosts_are_answered() {
    let settings = RestSettings {
        allowed_hosts: vec!["api.example.com".to_owned()],
        ..RestSettings::default()
    };
    let app = App::with(settings, Vec::new()).await;
    // The test client says `localhost`.
    app.get("/apis")
        .send()
        .await
        .is_problem(400, "invalid_request");
    for path in ["/health", "/health/ready", "/metrics"] {
        assert_eq!(app.get(path).send().await.status, 200, "{path}");
    }
    app.get("https://api.example.com/apis")
        .send()
        .await
        .is_problem(401, "authentication_required");
}

#[tokio::test]
async fn a_call_through_a_page_has_no_body_surprise() {
    let app = App::start().await;
    // A body where none is expected is not a reason to fail.
    let token = app.account("a@example.com").await;
    let answer = app
        .post("/auth/logout")
        .bearer(&token)
        .json(&json!({ "x": 1 }))
        .send()
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}
