//! Limits over REST: policies, routes, and what they come to.

use apiverse_testkit::{Engine, Upstream, both};
use serde_json::json;

use crate::start;

both!(
    policies_live_with_what_they_limit,
    other_tenants_neither_see_nor_set_them,
    calls_and_verifications_share_a_limit,
);

async fn policies_live_with_what_they_limit(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", "http://127.0.0.1:9").await;
    let (key, _) = client.create_key("first").await;
    let policy = json!({
        "rate_limits": [
            { "name": "burst", "limit": 10, "window_seconds": 1, "burst": 20, "per": "address" },
            { "name": "hourly", "limit": 1000, "window_seconds": 3600,
              "algorithm": "sliding_window", "per": "key", "count_denied": true },
        ],
        "quotas": [{ "name": "monthly", "limit": 1_000_000_000_000_000_u64, "period": "month" }],
        "concurrency": 5,
    });
    let mut exception = policy.clone();
    exception["rate_limits"][0]["replaces_organization"] = json!(true);
    for (path, policy) in [
        ("/organization/limits".to_owned(), &policy),
        (format!("/apis/{api}/limits"), &policy),
        (format!("/api-keys/{key}/limits"), &exception),
    ] {
        let set = client.put(&path, policy).await.expect_status(200).json();
        let shown = client.get(&path).await.expect_status(200).json();
        assert_eq!(shown, set, "{path}");
        assert_eq!(shown["rate_limits"][0]["burst"], 20);
        assert_eq!(shown["quotas"][0]["limit"], 1_000_000_000_000_000_u64);
    }
    let route = json!({
        "name": "Users", "methods": ["GET"], "path": "/users/{id}/*",
        "policy": { "rate_limits": [{ "name": "burst", "limit": 1, "window_seconds": 1 }] },
    });
    let routes = format!("/apis/{api}/routes");
    let made = client.post(&routes, &route).await.expect_status(201).json();
    let query = format!("/limits/effective?api_id={api}&key_id={key}&path=/users/7/x");
    let told = client.get(&query).await.expect_status(200).json();
    assert_eq!(told["route"]["id"], made["id"]);
    let burst: Vec<_> = told["limits"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["limit"]["name"] == "burst")
        .collect();
    assert_eq!(burst.len(), 1, "{told}");
    assert_eq!(burst[0]["from"]["scope"], "key");
    let over: Vec<_> = burst[0]["overrides"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["from"]["scope"].clone())
        .collect();
    assert_eq!(over, ["route", "api", "organization"]);

    // They are the same after a restart, and gone with their API.
    let app = app.restart().await;
    let client = client.at(app.base());
    let again = client.get(&query).await.expect_status(200).json();
    assert_eq!(again, told);
    client
        .delete(&format!("/apis/{api}"))
        .await
        .assert_status(204);
    client
        .get(&format!("/apis/{api}/limits"))
        .await
        .assert_problem(404, "api_not_found");
    client
        .get(&routes)
        .await
        .assert_problem(404, "api_not_found");
}

async fn other_tenants_neither_see_nor_set_them(engine: Engine) {
    let app = start(engine).await;
    let (ada, bob) = (app.stranger("ada").await, app.stranger("bob").await);
    let api = ada.create_api("echo", "http://127.0.0.1:9").await;
    let (key, _) = ada.create_key("first").await;
    let routes = format!("/apis/{api}/routes");
    let body = json!({ "name": "all", "path": "/*" });
    let route = ada.post(&routes, &body).await.expect_status(201).json();
    let route = format!("{routes}/{}", route["id"].as_str().expect("an id"));
    let policy = json!({ "concurrency": 1 });
    for (path, code) in [
        (format!("/apis/{api}/limits"), "api_not_found"),
        (format!("/api-keys/{key}/limits"), "api_key_not_found"),
    ] {
        bob.get(&path).await.assert_problem(404, code);
        bob.put(&path, &policy).await.assert_problem(404, code);
        let untouched = ada.get(&path).await.expect_status(200).json();
        assert_eq!(untouched, json!({ "updated_at": null }));
    }
    bob.get(&routes).await.assert_problem(404, "api_not_found");
    bob.post(&routes, &body)
        .await
        .assert_problem(404, "api_not_found");
    bob.get(&route).await.assert_problem(404, "route_not_found");
    bob.patch(&route, &json!({ "name": "theirs" }))
        .await
        .assert_problem(404, "route_not_found");
    bob.delete(&route)
        .await
        .assert_problem(404, "route_not_found");
    ada.get(&route).await.assert_status(200);
    bob.get(&format!("/limits/effective?api_id={api}"))
        .await
        .assert_problem(404, "api_not_found");
    bob.put("/organization/limits", &policy)
        .await
        .assert_status(200);
    let untouched = ada.get("/organization/limits").await.expect_status(200);
    assert_eq!(untouched.json(), json!({ "updated_at": null }));
}

async fn calls_and_verifications_share_a_limit(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("first").await;
    let policy = json!({
        "rate_limits": [{ "name": "hourly", "limit": 4, "window_seconds": 3600,
                          "algorithm": "sliding_window" }],
    });
    client
        .put(&format!("/apis/{api}/limits"), &policy)
        .await
        .assert_status(200);
    let question = json!({ "key": key, "api_id": api });
    for remaining in [2, 0] {
        client
            .send(client.proxy("GET", "/echo/x", &key))
            .await
            .assert_status(200);
        let told = client.post("/api-keys/verify", &question).await.json();
        assert_eq!(
            (&told["valid"], &told["remaining"]),
            (&json!(true), &json!(remaining))
        );
    }
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_gateway_problem(429, "rate_limited");
    let told = client.post("/api-keys/verify", &question).await;
    let told = told.expect_status(200).json();
    assert_eq!(
        (&told["valid"], &told["code"], &told["ratelimit"]["name"]),
        (&json!(false), &json!("rate_limited"), &json!("hourly"))
    );
    // Without the API its limit is not met.
    let told = client
        .post("/api-keys/verify", &json!({ "key": key }))
        .await
        .json();
    assert_eq!(told["code"], "valid");
    assert_eq!(upstream.seen().len(), 2);
}
