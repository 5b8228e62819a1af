use http::Method;
use serde_json::{Value, json};

use super::app::{Answer, App};

async fn verify(app: &App, token: &str, body: &Value) -> Answer {
    app.post("/api-keys/verify")
        .bearer(token)
        .json(body)
        .send()
        .await
}

async fn verdict(app: &App, token: &str, body: &Value) -> String {
    let answer = verify(app, token, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let code = answer.text_at("/code");
    assert_eq!(answer.at("/valid"), json!(code == "valid"), "{answer:?}");
    code
}

async fn create(app: &App, token: &str, path: &str, body: &Value) -> Answer {
    let answer = app.post(path).bearer(token).json(body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

#[tokio::test]
async fn a_key_is_verified_until_it_is_revoked() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let key = json!({ "name": "Mobile", "environment": "test", "scopes": ["read", "write"] });
    let key = create(&app, &token, "/api-keys", &key).await;
    let body = json!({ "key": key.text_at("/key") });
    for path in ["/api-keys/verify", "/api/v1/api-keys/verify"] {
        let answer = app.post(path).bearer(&token).json(&body).send().await;
        assert_eq!(
            answer.json(),
            json!({
                "valid": true, "code": "valid", "key_id": key.text_at("/id"), "name": "Mobile",
                "environment": "test", "scopes": ["read", "write"], "expires_at": null,
                "remaining": null, "ratelimit": null, "ratelimits": [],
            })
        );
    }
    let path = format!("/api-keys/{}", key.text_at("/id"));
    let shown = app.get(&path).bearer(&token).send().await;
    assert!(shown.at("/last_used_at").is_string(), "{shown:?}");

    let rotated = app
        .post(&format!("{path}/rotate"))
        .bearer(&token)
        .json(&json!({ "grace_seconds": 60 }))
        .send()
        .await;
    for text in [key.text_at("/key"), rotated.text_at("/key")] {
        assert_eq!(
            verdict(&app, &token, &json!({ "key": text })).await,
            "valid"
        );
    }
    let gone = app.call(Method::DELETE, &path).bearer(&token).send().await;
    assert_eq!(gone.status, 204);
    for text in [key.text_at("/key"), rotated.text_at("/key")] {
        let answer = verify(&app, &token, &json!({ "key": text })).await;
        let nothing = json!({ "valid": false, "code": "invalid_api_key" });
        assert_eq!(answer.json(), nothing);
    }
}

#[tokio::test]
async fn what_is_no_key_of_the_organization_is_invalid_and_nothing_more() {
    let app = App::start().await;
    let ada = app.account("ada@example.com").await;
    let bob = app.account("bob@example.com").await;
    let key = create(&app, &ada, "/api-keys", &json!({ "name": "k" })).await;
    let text = key.text_at("/key");
    let ticket = app
        .post(&format!("/api-keys/{}/ticket", key.text_at("/id")))
        .bearer(&ada)
        .send()
        .await
        .text_at("/ticket");
    let mut typo = text.clone();
    typo.replace_range(20..21, if &text[20..21] == "a" { "b" } else { "a" });
    let unknown =
        apiverse_contract::key_format::compose(apiverse_contract::keys::Environment::Live, [7; 32]);
    for (token, text) in [
        (&bob, text.as_str()),
        (&ada, &typo),
        (&ada, &unknown),
        (&ada, &text[..30]),
        (&ada, &ticket),
        (&ada, &"x".repeat(10_000)),
        (&ada, "é\u{0}"),
    ] {
        let answer = verify(&app, token, &json!({ "key": text })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let nothing = json!({ "valid": false, "code": "invalid_api_key" });
        assert_eq!(answer.json(), nothing, "{text}");
    }
    assert_eq!(verdict(&app, &ada, &json!({ "key": text })).await, "valid");
}

#[tokio::test]
async fn restrictions_and_permissions_are_checked() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = async |name: &str| {
        let body = json!({ "name": name, "base_url": "https://api.example.com" });
        create(&app, &token, "/apis", &body).await.text_at("/id")
    };
    let (weather, maps) = (api("weather").await, api("maps").await);
    let key = json!({
        "name": "narrow", "api_ids": [weather], "methods": ["GET"], "scopes": ["a.read", "b"],
        "allowed_ips": ["192.0.2.0/24"],
    });
    let key = create(&app, &token, "/api-keys", &key)
        .await
        .text_at("/key");
    let asked = async |extra: Value| {
        let mut body = json!({ "key": key, "address": "192.0.2.7" });
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        verdict(&app, &token, &body).await
    };
    for (extra, code) in [
        (json!({}), "valid"),
        (
            json!({ "api_id": weather, "method": "GET", "path": "/x" }),
            "valid",
        ),
        (json!({ "api_id": maps }), "key_not_allowed"),
        (json!({ "method": "POST" }), "key_not_allowed"),
        (json!({ "address": "198.51.100.1" }), "ip_not_allowed"),
        (json!({ "address": null }), "ip_not_allowed"),
        (json!({ "permissions": ["a.read", "b"] }), "valid"),
        (
            json!({ "permissions": ["a.write"] }),
            "insufficient_permissions",
        ),
        (
            json!({ "permissions": "b AND (a.write OR a.read)" }),
            "valid",
        ),
        (
            json!({ "permissions": "c OR a.write" }),
            "insufficient_permissions",
        ),
        (json!({ "cost": 0 }), "valid"),
    ] {
        assert_eq!(asked(extra.clone()).await, code, "{extra}");
    }
    let off = json!({ "is_active": false });
    app.call(Method::PATCH, &format!("/apis/{weather}"))
        .bearer(&token)
        .json(&off)
        .send()
        .await;
    assert_eq!(asked(json!({ "api_id": weather })).await, "api_disabled");
}

#[tokio::test]
async fn a_key_whose_time_is_over_is_told_apart() {
    let app = App::start().await;
    let ada = app.account("ada@example.com").await;
    let bob = app.account("bob@example.com").await;
    let key = create(&app, &ada, "/api-keys", &json!({ "name": "k" })).await;
    let rotate = format!("/api-keys/{}/rotate", key.text_at("/id"));
    let grace = json!({ "grace_seconds": 1 });
    let rotated = app.post(&rotate).bearer(&ada).json(&grace).send().await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let key = key.text_at("/key");
    let body = json!({ "key": key });
    let expired = async {
        while verdict(&app, &ada, &body).await == "valid" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), expired)
        .await
        .expect("it expires");
    let answer = verify(&app, &ada, &body).await;
    assert_eq!(answer.at("/code"), json!("expired_api_key"));
    assert_eq!(answer.at("/name"), json!("k"));
    assert_eq!(verdict(&app, &bob, &body).await, "invalid_api_key");
    let new = json!({ "key": rotated.text_at("/key") });
    assert_eq!(verdict(&app, &ada, &new).await, "valid");
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let other = app.account("b@example.com").await;
    let foreign = json!({ "name": "x", "base_url": "https://api.example.com" });
    let foreign = create(&app, &other, "/apis", &foreign).await.text_at("/id");
    for (body, fields) in [
        (json!({}), &["key"][..]),
        (json!({ "key": "" }), &["key"]),
        (json!({ "key": 7 }), &["key"]),
        (json!({ "key": "x", "apiId": "y" }), &["apiId"]),
        (
            json!({ "key": "x", "method": "G T", "path": "/", "cost": 1_000_001, "permissions": "a b" }),
            &["method", "api_id", "cost", "permissions"],
        ),
        (json!({ "key": "x", "address": "here" }), &["address"]),
        (
            json!({ "key": "x", "permissions": { "a": 1 } }),
            &["permissions"],
        ),
    ] {
        assert_eq!(verify(&app, &token, &body).await.fields(), fields, "{body}");
    }
    verify(&app, &token, &json!({ "key": "x", "api_id": foreign }))
        .await
        .is_problem(404, "api_not_found");
    app.post("/api-keys/verify")
        .json(&json!({ "key": "x" }))
        .send()
        .await
        .is_problem(401, "authentication_required");
}

#[tokio::test]
async fn limits_are_those_of_the_gateway() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let api = json!({ "name": "weather", "base_url": "https://api.example.com" });
    let api = create(&app, &token, "/apis", &api).await.text_at("/id");
    let key = create(&app, &token, "/api-keys", &json!({ "name": "k" })).await;
    let put = async |path: &str, policy: Value| {
        let answer = app
            .call(Method::PUT, path)
            .bearer(&token)
            .json(&policy)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    // So many an hour that none comes back within a test.
    let hourly = |name: &str, limit: u32| json!({ "name": name, "limit": limit, "window_seconds": 3600, "algorithm": "sliding_window" });
    put(
        &format!("/api-keys/{}/limits", key.text_at("/id")),
        json!({
            "rate_limits": [hourly("own", 10)],
            "quotas": [{ "name": "monthly", "limit": 1000, "period": "month" }],
            "concurrency": 1,
        }),
    )
    .await;
    put(
        &format!("/apis/{api}/limits"),
        json!({ "rate_limits": [hourly("of-api", 3)] }),
    )
    .await;
    let route = json!({
        "name": "Search", "path": "/search", "policy": { "rate_limits": [hourly("of-route", 1)] },
    });
    create(&app, &token, &format!("/apis/{api}/routes"), &route).await;
    let text = key.text_at("/key");
    let ask = async |extra: Value| {
        let mut body = json!({ "key": text });
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = verify(&app, &token, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.text_at("/code"), answer.at("/remaining"), answer)
    };
    let told = |code: &str, remaining: u64| (code.to_owned(), json!(remaining));
    let (code, remaining, answer) = ask(json!({})).await;
    assert_eq!((code, remaining), told("valid", 9));
    assert_eq!(answer.at("/ratelimit/name"), json!("own"));
    assert_eq!(answer.at("/ratelimits/1/name"), json!("monthly"));
    assert_eq!(answer.at("/ratelimits/1/remaining"), json!(999));

    // Looking takes nothing; more than there is is refused, and takes nothing either.
    for _ in 0..2 {
        let (code, remaining, _) = ask(json!({ "cost": 0 })).await;
        assert_eq!((code, remaining), told("valid", 9));
    }
    let (code, remaining, _) = ask(json!({ "cost": 10 })).await;
    assert_eq!((code, remaining), told("rate_limited", 9));
    let (code, remaining, _) = ask(json!({ "cost": 4 })).await;
    assert_eq!((code, remaining), told("valid", 5));

    // The API's and the route's apply where they are meant.
    let search = json!({ "api_id": api, "path": "/search?q=rain" });
    let (code, remaining, _) = ask(search.clone()).await;
    assert_eq!((code, remaining), told("valid", 0));
    let (code, _, answer) = ask(search).await;
    assert_eq!(code, "rate_limited");
    assert_eq!(answer.at("/valid"), json!(false));
    assert_eq!(answer.at("/ratelimit/name"), json!("of-route"));
    assert!(answer.at("/ratelimit/reset_seconds").as_u64() > Some(0));
    let (code, remaining, _) = ask(json!({ "api_id": api, "path": "/other" })).await;
    assert_eq!((code, remaining), told("valid", 1));
    let (code, remaining, _) = ask(json!({ "api_id": api })).await;
    assert_eq!((code, remaining), told("valid", 0));
    let (code, _, answer) = ask(json!({ "api_id": api, "cost": 0 })).await;
    assert_eq!(code, "rate_limited");
    assert_eq!(answer.at("/ratelimit/name"), json!("of-api"));
    let (code, remaining, _) = ask(json!({})).await;
    assert_eq!((code, remaining), told("valid", 1));

    // A quota that is new counts what the month has seen already: 9 so far.
    put(
        &format!("/api-keys/{}/limits", key.text_at("/id")),
        json!({ "quotas": [{ "name": "other", "limit": 11, "period": "month" }] }),
    )
    .await;
    let (code, remaining, _) = ask(json!({ "cost": 2 })).await;
    assert_eq!((code, remaining), told("valid", 0));
    let (code, _, _) = ask(json!({})).await;
    assert_eq!(code, "quota_exceeded");
}
