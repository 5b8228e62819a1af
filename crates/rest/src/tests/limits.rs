use http::Method;
use serde_json::json;

use super::app::{Answer, App, UNIFIED};

async fn call(app: &App, token: &str, method: Method, path: &str) -> Answer {
    app.call(method, path).bearer(token).send().await
}

async fn send(
    app: &App,
    token: &str,
    method: Method,
    path: &str,
    body: &serde_json::Value,
) -> Answer {
    app.call(method, path).bearer(token).json(body).send().await
}

async fn create(app: &App, token: &str, path: &str, body: &serde_json::Value) -> String {
    let answer = send(app, token, Method::POST, path, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text_at("/id")
}

async fn api(app: &App, token: &str) -> String {
    let body = json!({ "name": "Weather", "base_url": "https://api.example.com" });
    create(app, token, "/apis", &body).await
}

#[tokio::test]
async fn a_policy_is_shown_set_and_removed() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = api(&app, &token).await;
    let key = create(&app, &token, "/api-keys", &json!({ "name": "k" })).await;
    for path in [
        "/organization/limits".to_owned(),
        format!("/apis/{api}/limits"),
        format!("/api-keys/{key}/limits"),
    ] {
        let none = call(&app, &token, Method::GET, &path).await;
        assert_eq!(none.json(), json!({ "updated_at": null }), "{path}");
        let policy = json!({
            "rate_limits": [{ "name": "burst", "limit": 10, "window_seconds": 1 }],
            "quotas": [{ "name": "monthly", "limit": 5, "period": "month", "per": "key" }],
            "concurrency": 3,
        });
        let set = send(&app, &token, Method::PUT, &path, &policy).await;
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(
            set.at("/rate_limits/0"),
            json!({
                "name": "burst", "limit": 10, "window_seconds": 1, "algorithm": "gcra",
                "per": "scope", "count_denied": false,
            })
        );
        assert_eq!(set.at("/quotas/0/per"), json!("key"));
        let shown = call(&app, &token, Method::GET, &path).await;
        assert_eq!(shown.json(), set.json());
        let gone = send(&app, &token, Method::PUT, &path, &json!({})).await;
        assert_eq!(gone.json().as_object().map(|object| object.len()), Some(1));
        assert!(gone.at("/updated_at").is_string());
    }
}

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let path = "/organization/limits";
    let body = json!({
        "rate_limits": [
            { "name": "Burst", "limit": 0, "window_seconds": 1 },
            { "name": "b", "limit": 1, "window_seconds": 1, "algorithm": "sliding_window", "burst": 2 },
        ],
        "quotas": [{ "name": "b", "limit": 1, "period": "day" }],
        "concurrency": 0,
    });
    let answer = send(&app, &token, Method::PUT, path, &body).await;
    assert_eq!(
        answer.fields(),
        [
            "concurrency",
            "rate_limits.0.name",
            "rate_limits.0.limit",
            "rate_limits.1.burst",
            "quotas.0.name",
        ]
    );
    for (body, field) in [
        (json!({ "ratelimits": [] }), "ratelimits"),
        (json!({ "rate_limits": {} }), "rate_limits"),
        (
            json!({ "quotas": [{ "name": "q", "limit": 1 }] }),
            "quotas.0.period",
        ),
        (
            json!({ "quotas": [{ "name": "q", "limit": -1, "period": "day" }] }),
            "quotas.0.limit",
        ),
        (
            json!({ "quotas": [{ "name": "q", "limit": 1, "period": "year" }] }),
            "quotas.0.period",
        ),
        (
            json!({ "rate_limits": [{ "name": "r", "limit": 1.5, "window_seconds": 1 }] }),
            "rate_limits.0.limit",
        ),
    ] {
        let answer = send(&app, &token, Method::PUT, path, &body).await;
        assert_eq!(answer.fields(), [field], "{body}");
    }
    let none = call(&app, &token, Method::GET, path).await;
    assert_eq!(none.json(), json!({ "updated_at": null }));
}

#[tokio::test]
async fn a_route_from_creation_to_deletion() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = api(&app, &token).await;
    let routes = format!("/apis/{api}/routes");
    let body = json!({
        "name": "Users", "methods": ["get", "GET", "post"], "path": "/users/{id}/*",
        "policy": { "concurrency": 2 },
    });
    let made = send(&app, &token, Method::POST, &routes, &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.text_at("/id");
    assert_eq!(made.header("location"), format!("/api/v1{routes}/{id}"));
    assert_eq!(made.at("/methods"), json!(["GET", "POST"]));
    assert_eq!(made.at("/api_id"), json!(api));
    let path = format!("{routes}/{id}");
    let shown = call(&app, &token, Method::GET, &path).await;
    assert_eq!(shown.json(), made.json());

    send(&app, &token, Method::POST, &routes, &body)
        .await
        .is_problem(409, "route_name_taken");
    let bad = json!({
        "name": "", "methods": ["G T"], "path": "users", "policy": { "concurrency": 0 },
    });
    let refused = send(&app, &token, Method::POST, &routes, &bad).await;
    assert_eq!(
        refused.fields(),
        ["name", "methods", "path", "policy.concurrency"]
    );

    let change = json!({ "methods": null, "path": "/people/*" });
    let changed = send(&app, &token, Method::PATCH, &path, &change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.at("/methods"), json!([]));
    assert_eq!(changed.at("/path"), json!("/people/*"));
    assert_eq!(changed.at("/policy"), json!({ "concurrency": 2 }));

    let second = json!({ "name": "All", "path": "/*" });
    let second = create(&app, &token, &routes, &second).await;
    let listed = call(&app, &token, Method::GET, &format!("{routes}?limit=1")).await;
    assert_eq!(listed.at("/data/0/id"), json!(second));
    let cursor = listed.text_at("/next_cursor");
    let page = format!("{routes}?limit=1&cursor={cursor}");
    let listed = call(&app, &token, Method::GET, &page).await;
    assert_eq!(listed.at("/data/0/id"), json!(id));
    assert_eq!(listed.at("/next_cursor"), json!(null));

    let gone = call(&app, &token, Method::DELETE, &path).await;
    assert_eq!(gone.status, 204);
    for method in [Method::GET, Method::DELETE] {
        call(&app, &token, method, &path)
            .await
            .is_problem(404, "route_not_found");
    }
    call(&app, &token, Method::GET, &format!("{routes}/7"))
        .await
        .is_problem(404, "route_not_found");
    call(&app, &token, Method::GET, &format!("/apis/7/routes/{id}"))
        .await
        .is_problem(404, "api_not_found");
}

#[tokio::test]
async fn an_api_has_a_bounded_number_of_routes() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = api(&app, &token).await;
    let routes = format!("/apis/{api}/routes");
    for n in 0..200 {
        let body = json!({ "name": format!("r{n}"), "path": format!("/{n}") });
        create(&app, &token, &routes, &body).await;
    }
    let body = json!({ "name": "one more", "path": "/more" });
    let refused = send(&app, &token, Method::POST, &routes, &body).await;
    assert_eq!(refused.fields(), ["name"]);
}

#[tokio::test]
async fn the_effective_limits_say_where_they_come_from() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = api(&app, &token).await;
    let key = create(&app, &token, "/api-keys", &json!({ "name": "Mobile" })).await;
    let put = async |path: &str, policy: serde_json::Value| {
        let answer = send(&app, &token, Method::PUT, path, &policy).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let rate = |name: &str, limit: u32| json!({ "rate_limits": [{ "name": name, "limit": limit, "window_seconds": 60 }] });
    put("/organization/limits", rate("burst", 1000)).await;
    let mut exception = rate("burst", 100);
    exception["rate_limits"][0]["replaces_organization"] = json!(true);
    put(&format!("/apis/{api}/limits"), exception).await;
    put(&format!("/api-keys/{key}/limits"), rate("own", 10)).await;
    let route = json!({
        "name": "Search", "path": "/search/{q}", "methods": ["GET"], "policy": { "concurrency": 4 },
    });
    let route = create(&app, &token, &format!("/apis/{api}/routes"), &route).await;

    let told = async |query: &str| {
        let path = format!("/limits/effective?{query}");
        let answer = call(&app, &token, Method::GET, &path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let limits = answer.at("/limits");
        let limits: Vec<String> = limits
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                let over = one["overrides"].as_array().map_or(0, Vec::len);
                format!("{} {} {over}", one["from"]["scope"], one["limit"]["kind"])
            })
            .collect();
        (answer.at("/route/id"), limits.join(", ").replace('"', ""))
    };
    let all = format!("api_id={api}&key_id={key}");
    let answer = call(
        &app,
        &token,
        Method::GET,
        &format!("/limits/effective?{all}"),
    )
    .await;
    assert_eq!(answer.at("/limits/0/from/target_name"), json!("Weather"));
    assert_eq!(answer.at("/limits/0/from/target_id"), json!(api));
    assert_eq!(answer.at("/limits/0/limit/limit"), json!(100));
    assert_eq!(answer.at("/limits/0/overrides/0/limit/limit"), json!(1000));
    assert_eq!(
        answer.at("/limits/0/overrides/0/from/scope"),
        json!("organization")
    );
    assert_eq!(answer.at("/route"), json!(null));

    let found = told(&format!("{all}&method=GET&path=/search/rain%3Fx=1")).await;
    assert_eq!(found.0, json!(route));
    assert_eq!(
        found.1,
        "api rate_limit 1, route concurrency 0, key rate_limit 0"
    );
    let path = format!("/limits/effective?{all}&method=POST&path=/search/rain");
    let posted = call(&app, &token, Method::GET, &path).await;
    assert_eq!(posted.at("/route"), json!(null));
    let alone = call(&app, &token, Method::GET, "/limits/effective").await;
    assert_eq!(alone.at("/limits/0/limit/limit"), json!(1000));
    for (query, field) in [
        ("path=/x".to_owned(), "api_id"),
        (format!("{all}&method=G%20T"), "method"),
        ("api_id=7".to_owned(), "api_id"),
        ("apiid=7".to_owned(), "apiid"),
    ] {
        let path = format!("/limits/effective?{query}");
        let answer = call(&app, &token, Method::GET, &path).await;
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

#[tokio::test]
async fn tenants_and_roles_are_kept_apart() {
    let app = App::start().await;
    let ada = app.account("ada@example.com").await;
    let bob = app.account("bob@example.com").await;
    let api = api(&app, &ada).await;
    let key = create(&app, &ada, "/api-keys", &json!({ "name": "k" })).await;
    let routes = format!("/apis/{api}/routes");
    let route = json!({ "name": "r", "path": "/*" });
    let route = create(&app, &ada, &routes, &route).await;
    let policy = json!({ "concurrency": 1 });
    for (path, code) in [
        (format!("/apis/{api}/limits"), "api_not_found"),
        (format!("/api-keys/{key}/limits"), "api_key_not_found"),
    ] {
        call(&app, &bob, Method::GET, &path)
            .await
            .is_problem(404, code);
        send(&app, &bob, Method::PUT, &path, &policy)
            .await
            .is_problem(404, code);
    }
    call(&app, &bob, Method::GET, &routes)
        .await
        .is_problem(404, "api_not_found");
    let body = json!({ "name": "theirs", "path": "/*" });
    send(&app, &bob, Method::POST, &routes, &body)
        .await
        .is_problem(404, "api_not_found");
    let path = format!("{routes}/{route}");
    for method in [Method::GET, Method::DELETE] {
        call(&app, &bob, method, &path)
            .await
            .is_problem(404, "route_not_found");
    }
    send(&app, &bob, Method::PATCH, &path, &json!({ "name": "x" }))
        .await
        .is_problem(404, "route_not_found");
    for (query, code) in [
        (format!("api_id={api}"), "api_not_found"),
        (format!("key_id={key}"), "api_key_not_found"),
    ] {
        call(
            &app,
            &bob,
            Method::GET,
            &format!("/limits/effective?{query}"),
        )
        .await
        .is_problem(404, code);
    }
    // The organization's own are what the caller's organization is.
    send(&app, &bob, Method::PUT, "/organization/limits", &policy).await;
    let mine = call(&app, &ada, Method::GET, "/organization/limits").await;
    assert_eq!(mine.json(), json!({ "updated_at": null }));
    // The operator's key acts in the oldest organization.
    let operator = send(&app, UNIFIED, Method::PUT, "/organization/limits", &policy).await;
    assert_eq!(operator.status, 200, "{operator:?}");
    let mine = call(&app, &ada, Method::GET, "/organization/limits").await;
    assert_eq!(mine.at("/concurrency"), json!(1));
}
