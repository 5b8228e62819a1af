use http::Method;
use serde_json::{Value, json};

use super::app::{Answer, App};

async fn send(app: &App, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    app.call(method, path).bearer(token).json(body).send().await
}

async fn get(app: &App, token: &str, path: &str) -> Answer {
    app.get(path).bearer(token).send().await
}

fn document() -> Value {
    json!({
        "apiverse": 1,
        "limits": { "concurrency": 100 },
        "policies": { "compression": { "min_bytes": 100 } },
        "apis": {
            "weather": {
                "name": "Weather",
                "base_url": "https://api.example.com/v1",
                "auth_type": "bearer",
                "auth_config": { "token": "a secret" },
                "limits": { "quotas": [{ "name": "monthly", "limit": 5, "period": "month" }] },
                "policies": { "cache": { "default_ttl_seconds": 60 } },
                "versioning": { "in": "header", "default": "v2" },
                "versions": {
                    "v2": { "base_url": "https://api.example.com/v2", "policies": { "mock": {} } },
                },
                "routes": {
                    "search": {
                        "methods": ["GET"], "path": "/search/*",
                        "limits": { "concurrency": 3 },
                        "policies": { "cache": { "enabled": false } },
                    },
                },
            },
        },
    })
}

async fn apply(app: &App, token: &str, document: &Value, prune: bool) -> Answer {
    let body = json!({ "configuration": document, "prune": prune });
    send(app, token, Method::POST, "/configuration/apply", &body).await
}

fn paths(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let changes = answer.at("/changes");
    let changes = changes.as_array().expect("a list");
    let path = |change: &Value| {
        let text = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("action"), text("path"))
    };
    changes.iter().map(path).collect()
}

#[tokio::test]
async fn what_is_applied_is_what_is_exported() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let body = json!({ "configuration": document() });
    let diff = send(&app, &token, Method::POST, "/configuration/diff", &body).await;
    let expected = [
        "create limits",
        "create policies.compression",
        "create apis.weather",
        "create apis.weather.limits",
        "create apis.weather.policies.cache",
        "create apis.weather.versions.v2",
        "create apis.weather.versions.v2.policies.mock",
        "create apis.weather.versioning",
        "create apis.weather.routes.search",
        "create apis.weather.routes.search.policies.cache",
    ];
    assert_eq!(paths(&diff), expected);
    assert!(!diff.text.contains("a secret"));
    assert_eq!(get(&app, &token, "/apis").await.at("/data"), json!([]));

    let applied = apply(&app, &token, &document(), false).await;
    assert_eq!(applied.json(), diff.json());
    assert_eq!(
        paths(&apply(&app, &token, &document(), true).await),
        [""; 0]
    );

    let exported = get(&app, &token, "/configuration").await;
    assert!(!exported.text.contains("a secret"));
    let weather = exported.at("/apis/weather");
    assert_eq!(
        weather["versions"]["v2"]["base_url"],
        "https://api.example.com/v2"
    );
    assert_eq!(weather["routes"]["search"]["limits"]["concurrency"], 3);
    assert_eq!(exported.at("/policies/compression/min_bytes"), json!(100));
    // The export is a document that changes nothing, and the secret stays.
    assert_eq!(
        paths(&apply(&app, &token, &exported.json(), true).await),
        [""; 0]
    );
    let again = get(&app, &token, "/configuration").await;
    assert_eq!(again.text, exported.text);

    // Another organization becomes the same by it, but for the secret.
    let other = app.account("b@example.com").await;
    let refused = apply(&app, &other, &exported.json(), false).await;
    assert_eq!(refused.fields(), ["apis.weather.auth_config.token"]);
    assert_eq!(get(&app, &other, "/apis").await.at("/data"), json!([]));
    assert_eq!(apply(&app, &other, &document(), false).await.status, 200);
    let copy = get(&app, &other, "/configuration").await;
    assert_eq!(copy.text, exported.text);
}

#[tokio::test]
async fn what_is_left_out_goes_only_when_asked() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    assert_eq!(apply(&app, &token, &document(), false).await.status, 200);
    let mut less = document();
    less["policies"] = json!({});
    less["apis"]["weather"]["routes"] = json!({});
    less["apis"]["weather"]["description"] = json!("of tomorrow");
    assert_eq!(
        paths(&apply(&app, &token, &less, false).await),
        ["update apis.weather"]
    );
    assert_eq!(
        paths(&apply(&app, &token, &less, true).await),
        [
            "delete policies.compression",
            "delete apis.weather.routes.search"
        ]
    );
    let empty = json!({ "apiverse": 1 });
    assert_eq!(paths(&apply(&app, &token, &empty, false).await), [""; 0]);
    assert_eq!(
        paths(&apply(&app, &token, &empty, true).await),
        ["delete limits", "delete apis.weather"]
    );
    let audit = get(&app, &token, "/audit").await;
    assert_eq!(audit.text_at("/data/0/action"), "configuration.applied");
}

#[tokio::test]
async fn a_document_with_a_fault_changes_nothing() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let mut wrong = document();
    wrong["apis"]["weather"]["routes"]["search"]["path"] = json!("no path");
    wrong["apis"]["weather"]["versioning"]["default"] = json!("v9");
    wrong["apis"]["Big"] = json!({ "name": "Big", "base_url": "https://example.com" });
    wrong["policies"]["mock"] = json!({ "status": 1 });
    wrong["keys"] = json!({ "nobody's": {} });
    let answer = apply(&app, &token, &wrong, false).await;
    assert_eq!(
        answer.fields(),
        [
            "policies.mock.status",
            "apis.Big",
            "apis.weather.versioning.default",
            "apis.weather.routes.search.path",
            "keys.nobody's",
        ]
    );
    assert_eq!(get(&app, &token, "/apis").await.at("/data"), json!([]));
    let form = apply(&app, &token, &json!({ "apiverse": 2 }), false).await;
    assert_eq!(form.fields(), ["configuration.apiverse"]);
}

#[tokio::test]
async fn keys_are_named_and_stay() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    for name in ["mobile", "twin", "twin"] {
        let made = send(
            &app,
            &token,
            Method::POST,
            "/api-keys",
            &json!({ "name": name }),
        )
        .await;
        assert_eq!(made.status, 201);
    }
    let document = json!({
        "apiverse": 1,
        "keys": { "mobile": { "limits": { "concurrency": 2 }, "policies": { "mock": {} } } },
    });
    assert_eq!(
        paths(&apply(&app, &token, &document, false).await),
        [
            "create keys.mobile.limits",
            "create keys.mobile.policies.mock"
        ]
    );
    let exported = get(&app, &token, "/configuration").await;
    assert_eq!(
        exported.at("/keys/mobile/limits"),
        json!({ "concurrency": 2 })
    );
    let empty = json!({ "apiverse": 1 });
    assert_eq!(
        paths(&apply(&app, &token, &empty, true).await),
        [
            "delete keys.mobile.limits",
            "delete keys.mobile.policies.mock"
        ]
    );
    let keys = get(&app, &token, "/api-keys").await;
    assert_eq!(keys.at("/data").as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn documents_applied_at_once_do_not_mix() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let document = |n: u32| {
        json!({
            "apiverse": 1,
            "limits": { "concurrency": n },
            "policies": { "mock": { "status": 200 + n } },
        })
    };
    let all = [1, 2, 3, 4].map(|n| (n, document(n)));
    let [a, b, c, d] = &all;
    let (a, b, c, d) = tokio::join!(
        apply(&app, &token, &a.1, true),
        apply(&app, &token, &b.1, true),
        apply(&app, &token, &c.1, true),
        apply(&app, &token, &d.1, true),
    );
    for answer in [a, b, c, d] {
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    }
    let after = get(&app, &token, "/configuration").await;
    let n = after.at("/limits/concurrency").as_u64().expect("a number");
    assert_eq!(after.at("/policies/mock/status"), json!(200 + n));
}
