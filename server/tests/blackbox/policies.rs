//! Policies, versions and the configuration as a whole, through REST and real calls.

use apiverse_testkit::{Engine, Upstream, both};
use serde_json::{Value, json};

use crate::start;

both!(
    a_policy_holds_from_the_next_call_on,
    versions_are_called_told_of_and_end,
    a_configuration_is_copied_to_another_organization,
    a_configuration_is_tried_on_recent_calls,
    a_form_is_tried_on_recent_calls,
);

async fn a_policy_holds_from_the_next_call_on(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("first").await;
    let status = async || {
        let answer = client.send(client.proxy("GET", "/echo/x", &key)).await;
        answer.status
    };
    assert_eq!(status().await, 200);
    for (place, code) in [
        ("organization/current".to_owned(), 201),
        (format!("api/{api}"), 202),
        (format!("key/{key_id}"), 203),
    ] {
        let path = format!("/policies/{place}/mock");
        let document = json!({ "status": code, "body": "mocked" });
        client.put(&path, &document).await.assert_status(201);
        assert_eq!(status().await, code);
    }
    let path = format!("/policies/key/{key_id}/mock");
    client
        .put(&path, &json!({ "enabled": false }))
        .await
        .assert_status(200);
    assert_eq!(status().await, 200);
    client.delete(&path).await.assert_status(204);
    assert_eq!(status().await, 202);
    let back = json!({ "version": 1 });
    client
        .post(&format!("{path}/roll-back"), &back)
        .await
        .assert_status(200);
    assert_eq!(status().await, 203);
    let history = client.get(&format!("{path}/history")).await.json();
    assert_eq!(history["data"].as_array().map(Vec::len), Some(4));
}

async fn versions_are_called_told_of_and_end(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("first").await;
    let versions = format!("/apis/{api}/versions");
    let body = json!({ "name": "v1", "base_url": format!("{}/old", upstream.base()) });
    let made = client
        .post(&versions, &body)
        .await
        .expect_status(201)
        .json();
    let one = format!("{versions}/{}", made["id"].as_str().expect("an id"));

    let call = async || {
        client
            .send(client.proxy("GET", "/echo/v1/x?y=1", &key))
            .await
    };
    call().await.assert_status(200);
    assert_eq!(upstream.last().uri, "/old/x?y=1");
    let end =
        json!({ "deprecated_at": "2026-01-01T00:00:00Z", "sunset_at": "2026-02-01T00:00:00Z" });
    client.patch(&one, &end).await.assert_status(200);
    let told = call().await.expect_status(200);
    assert_eq!(told.header("deprecation"), Some("@1767225600"));
    assert_eq!(told.header("sunset"), Some("Sun, 01 Feb 2026 00:00:00 GMT"));
    client
        .patch(&one, &json!({ "refuse_after_sunset": true }))
        .await
        .assert_status(200);
    call().await.assert_gateway_problem(410, "version_retired");

    let callers = apiverse_testkit::eventually("the calls are stored", async || {
        let told = client
            .get(&format!("{one}/callers"))
            .await
            .expect_status(200)
            .json();
        (told["data"][0]["calls"] == 3).then_some(told)
    })
    .await;
    assert_eq!(callers["data"][0]["key_id"], json!(key_id));
    assert_eq!(callers["data"][0]["key_name"], "first");
    assert!(callers["data"][0]["last_seen_at"].is_string());
}

async fn a_configuration_is_copied_to_another_organization(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let ada = app.stranger("ada").await;
    let bob = app.stranger("bob").await;
    let document = json!({
        "apiverse": 1,
        "apis": { "echo": {
            "name": "Echo", "base_url": upstream.base(),
            "policies": { "response_transform": { "headers": { "set": { "x-made": "1" } } } },
            "routes": { "gone": {
                "path": "/gone/*", "policies": { "mock": { "status": 299 } },
            } },
        } },
    });
    let request = json!({ "configuration": document });
    ada.post("/configuration/apply", &request)
        .await
        .assert_status(200);
    let exported = ada.get("/configuration").await.expect_status(200).json();
    let request = json!({ "configuration": exported, "prune": true });
    bob.post("/configuration/apply", &request)
        .await
        .assert_status(200);
    assert_eq!(bob.get("/configuration").await.json(), exported);
    let again = bob.post("/configuration/apply", &request).await.json();
    assert_eq!(again["changes"], json!([]));
    for client in [&ada, &bob] {
        let (_, key) = client.create_key("first").await;
        let answer = client.send(client.proxy("GET", "/echo/x", &key)).await;
        assert_eq!(answer.expect_status(200).header("x-made"), Some("1"));
        let answer = client.send(client.proxy("GET", "/echo/gone/x", &key)).await;
        answer.assert_status(299);
    }
}

async fn a_configuration_is_tried_on_recent_calls(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("first").await;
    for path in ["/echo/a", "/echo/a", "/echo/b", "/echo/old/1"] {
        let call = client.proxy("GET", path, &key);
        client.send(call).await.assert_status(200);
    }
    client
        .send(client.proxy("GET", "/echo/a", "apv_live_nothing"))
        .await
        .assert_status(401);
    let proposed = json!({
        "apiverse": 1,
        "apis": { "echo": {
            "name": "echo", "base_url": upstream.base(),
            "policies": { "cache": {} },
            "routes": { "old": { "path": "/old/*", "policies": { "mock": { "status": 410 } } } },
        } },
        "keys": { "first": { "limits": { "quotas": [
            { "name": "daily", "limit": 3, "period": "day" },
        ] } } },
    });
    let before = client.get("/configuration").await.expect_status(200).json();
    let plan = apiverse_testkit::eventually("the calls are stored", async || {
        let request = json!({ "configuration": proposed });
        let plan = client.post("/configuration/plan", &request).await;
        let plan = plan.expect_status(200).json();
        (plan["calls"] == 4).then_some(plan)
    })
    .await;
    assert_eq!(plan["before"]["forwarded"], 4, "{plan}");
    assert_eq!(plan["after"]["cached"], 3, "{plan}");
    assert_eq!(plan["after"]["limited"], 1, "{plan}");
    assert_eq!(plan["repeated"], 1, "{plan}");
    let limited = plan["changed"].as_array().expect("a list").iter();
    let limited = limited
        .clone()
        .find(|group| group["after"]["outcome"] == "limited");
    let limited = limited.expect("somebody is limited");
    assert_eq!(limited["key_id"], json!(key_id));
    assert_eq!(limited["after"]["code"], "quota_exceeded");
    assert_eq!(limited["after"]["by"], "keys.first.limits.daily");
    assert_eq!(limited["example"], "GET /old/1");
    assert_eq!(client.get("/configuration").await.json(), before);

    let wrong =
        json!({ "configuration": { "apiverse": 1, "policies": { "mock": { "status": 1 } } } });
    let wrong = client.post("/configuration/plan", &wrong).await;
    let problem = wrong.assert_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "policies.mock.status");
}

async fn a_form_is_tried_on_recent_calls(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("first").await;
    for _ in 0..3 {
        let call = client.proxy("GET", "/echo/a", &key);
        client.send(call).await.assert_status(200);
    }
    let plan = async |at: String, fields: Value| {
        let draft = json!({ "at": at, "fields": fields });
        client.post("/api/fn/plan", &draft).await
    };
    let cache = format!("/console/policies/cache?on=api&id={api}");
    let told = apiverse_testkit::eventually("the calls are stored", async || {
        let fields = json!([["form", "policy"], ["enabled", "true"]]);
        let told = plan(cache.clone(), fields).await.expect_status(200).json();
        (told["plan"]["calls"] == 3).then_some(told)
    })
    .await;
    assert_eq!(told["title"], "Cache of the API echo", "{told}");
    assert_eq!(told["plan"]["after"]["cached"], 3, "{told}");

    let quota = json!([
        ["form", "limit-save"],
        ["kind", "quota"],
        ["limit_name", "daily"],
        ["limit", "1"],
        ["period", "day"],
    ]);
    for (at, by) in [
        ("/console/limits".to_owned(), "limits.daily"),
        (format!("/console/apis/{api}"), "apis.echo.limits.daily"),
        (format!("/console/keys/{key_id}"), "keys.first.limits.daily"),
    ] {
        let told = plan(at, quota.clone()).await.expect_status(200).json();
        assert_eq!(told["plan"]["after"]["limited"], 2, "{told}");
        assert_eq!(told["plan"]["changed"][0]["after"]["by"], by);
    }
    let there = client.get("/configuration").await.expect_status(200).json();
    assert!(there["apis"]["echo"]["limits"].is_null(), "{there}");
    assert!(
        there["keys"].is_null() && there["limits"].is_null(),
        "{there}"
    );

    let wrong = json!([
        ["form", "policy"],
        ["enabled", "true"],
        ["default_ttl_seconds", "soon"],
    ]);
    let told = plan(cache.clone(), wrong).await;
    let told = told.assert_problem(422, "validation_failed");
    assert_eq!(told["errors"][0]["field"], "default_ttl_seconds");
    for at in [
        "/console/nowhere",
        "https://example.com/",
        "/console/apis/x",
    ] {
        let told = plan(at.to_owned(), quota.clone()).await;
        assert_eq!(told.status, 404, "{at}");
    }
    let eve = app.stranger("eve").await;
    let draft = json!({ "at": cache, "fields": [["form", "policy"]] });
    assert_eq!(eve.post("/api/fn/plan", &draft).await.status, 404);

    let targets = json!({ "id": api });
    let told = client.post("/api/fn/targets", &targets).await;
    assert_eq!(told.expect_status(200).json()["groups"], json!([]));
    let policy = json!({ "targets": [{ "url": upstream.base() }] });
    client
        .put(&format!("/policies/api/{api}/upstream"), &policy)
        .await
        .assert_status(201);
    let told = apiverse_testkit::eventually("the targets are known", async || {
        let told = client.post("/api/fn/targets", &targets).await;
        let told = told.expect_status(200).json();
        (told["groups"][0]["targets"][0]["health"] == "healthy").then_some(told)
    })
    .await;
    assert_eq!(told["groups"][0]["place"], "the API echo");
    assert_eq!(eve.post("/api/fn/targets", &targets).await.status, 404);
}
