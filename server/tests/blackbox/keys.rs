//! API keys, and what the gateway makes of them.

use apiverse_testkit::{App, Engine, Upstream, both, eventually};
use serde_json::json;

use crate::{options, start};

both!(
    create_use_revoke,
    scoped_keys_stay_in_their_scope,
    rotation_has_a_grace_period,
    expiry_and_garbage,
    allowed_networks,
    a_key_that_is_used_from_elsewhere_is_in_the_audit_log,
    tickets_act_as_their_key,
    the_query_key_is_off_by_default,
    services_can_verify_keys_themselves,
);

async fn create_use_revoke(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (id, key) = client.create_key("first").await;
    assert_eq!(key.len(), 58);
    let shown = client
        .get(&format!("/api-keys/{id}"))
        .await
        .expect_status(200);
    assert!(!shown.text().contains(&key), "a key is shown once");
    assert!(key.starts_with(shown.json()["key_prefix"].as_str().expect("a prefix")));

    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    let bearer = app.anonymous().with_token(&key);
    bearer.get("/proxy/echo/x").await.assert_status(200);
    assert_eq!(upstream.last().header("authorization"), None);

    let patched = client
        .patch(&format!("/api-keys/{id}"), &json!({ "name": "renamed" }))
        .await;
    assert_eq!(patched.expect_status(200).json()["name"], "renamed");
    client
        .delete(&format!("/api-keys/{id}"))
        .await
        .assert_status(204);
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_gateway_problem(401, "invalid_api_key");
    let listed = client.get("/api-keys").await.expect_status(200).json();
    assert_eq!(listed["data"][0]["status"], "revoked");
    let change = json!({ "name": "again" });
    client
        .patch(&format!("/api-keys/{id}"), &change)
        .await
        .assert_problem(409, "api_key_revoked");
    assert_eq!(
        upstream.seen().len(),
        2,
        "refused calls do not reach the upstream"
    );
}

async fn scoped_keys_stay_in_their_scope(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let allowed = client.create_api("allowed", &upstream.base()).await;
    client.create_api("other", &upstream.base()).await;
    let body = json!({ "name": "narrow", "api_ids": [allowed], "methods": ["get", "HEAD"] });
    let (_, key) = client.create_key_with(body).await;
    client
        .send(client.proxy("GET", "/allowed/x", &key))
        .await
        .assert_status(200);
    client
        .send(client.proxy("GET", &format!("/{allowed}/x"), &key))
        .await
        .assert_status(200);
    client
        .send(client.proxy("POST", "/allowed/x", &key))
        .await
        .assert_gateway_problem(403, "key_not_allowed");
    client
        .send(client.proxy("GET", "/other/x", &key))
        .await
        .assert_gateway_problem(403, "key_not_allowed");

    let stranger = app.stranger("bob").await;
    let (_, foreign) = stranger.create_key("foreign").await;
    for path in [
        "/allowed/x".to_owned(),
        format!("/{allowed}/x"),
        "/nothing/x".to_owned(),
    ] {
        client
            .send(client.proxy("GET", &path, &foreign))
            .await
            .assert_gateway_problem(404, "api_not_found");
    }
}

async fn rotation_has_a_grace_period(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (id, old) = client.create_key("rotating").await;
    let rotate = format!("/api-keys/{id}/rotate");
    let rotated = client
        .post(&rotate, &json!({ "grace_seconds": 600 }))
        .await
        .expect_status(200)
        .json();
    assert_eq!(rotated["id"], json!(id));
    let new = rotated["key"].as_str().expect("a key").to_owned();
    assert_ne!(old, new);
    for key in [&old, &new] {
        client
            .send(client.proxy("GET", "/echo/x", key))
            .await
            .assert_status(200);
    }
    let rotated = client
        .post(&rotate, &json!({ "grace_seconds": 0 }))
        .await
        .expect_status(200)
        .json();
    let newest = rotated["key"].as_str().expect("a key");
    for key in [&old, &new] {
        client
            .send(client.proxy("GET", "/echo/x", key))
            .await
            .assert_gateway_problem(401, "invalid_api_key");
    }
    client
        .send(client.proxy("GET", "/echo/x", newest))
        .await
        .assert_status(200);
    client
        .post(&rotate, &json!({ "grace_seconds": 2_592_001 }))
        .await
        .assert_problem(422, "validation_failed");
}

async fn expiry_and_garbage(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let past = json!({ "name": "late", "expires_at": "2001-01-01T00:00:00Z" });
    client
        .post("/api-keys", &past)
        .await
        .assert_problem(422, "validation_failed");

    let soon = chrono_in(1);
    let body = json!({ "name": "short", "expires_at": soon });
    let (_, key) = client.create_key_with(body).await;
    apiverse_testkit::eventually("the key to expire", async || {
        let answer = client.send(client.proxy("GET", "/echo/x", &key)).await;
        (answer.status == 401).then(|| answer.assert_gateway_problem(401, "expired_api_key"))
    })
    .await;

    let (_, good) = client.create_key("good").await;
    let mut typo = good.clone();
    typo.replace_range(20..21, if &good[20..21] == "a" { "b" } else { "a" });
    for bad in [
        &typo,
        "",
        "apv_live_",
        "nonsense",
        &good[..57],
        &format!("{good}x"),
    ] {
        let answer = client.send(client.proxy("GET", "/echo/x", bad)).await;
        assert_eq!(answer.status, 401, "{bad}");
    }
    app.anonymous()
        .get("/proxy/echo/x")
        .await
        .assert_gateway_problem(401, "missing_api_key");
    let token = client.token().expect("a token").to_owned();
    client
        .send(client.proxy("GET", "/echo/x", &token))
        .await
        .assert_gateway_problem(401, "invalid_api_key");
    assert_eq!(
        upstream
            .seen()
            .iter()
            .filter(|seen| seen.header("x-api-key").is_some())
            .count(),
        0
    );
}

fn chrono_in(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    let seconds = at
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
        + 1;
    apiverse_testkit::rfc3339(seconds)
}

async fn allowed_networks(engine: Engine) {
    let app = App::start(options(engine).env("TRUSTED_PROXIES", "127.0.0.1/32")).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let body = json!({ "name": "office", "allowed_ips": ["198.51.100.0/24", "2001:db8::/32"] });
    let (_, key) = client.create_key_with(body).await;
    let call = async |from: &str| {
        client
            .send(
                client
                    .proxy("GET", "/echo/x", &key)
                    .header("x-forwarded-for", from),
            )
            .await
    };
    call("198.51.100.20").await.assert_status(200);
    call("2001:db8::5").await.assert_status(200);
    call("198.51.101.20")
        .await
        .assert_gateway_problem(403, "ip_not_allowed");
    // What a client in front of the trusted proxy claims counts for nothing.
    call("198.51.100.20, 192.0.2.1")
        .await
        .assert_gateway_problem(403, "ip_not_allowed");
    let bad = json!({ "name": "x", "allowed_ips": ["10.0.0.0/33"] });
    client
        .post("/api-keys", &bad)
        .await
        .assert_problem(422, "validation_failed");
}

async fn tickets_act_as_their_key(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (id, _) = client.create_key("explorer").await;
    let path = format!("/api-keys/{id}/ticket");
    let ticket = client
        .send(client.request("POST", &path))
        .await
        .expect_status(200)
        .json();
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    client
        .send(client.proxy("GET", "/echo/x", &ticket))
        .await
        .assert_status(200);
    let mut forged = ticket.clone();
    let last = if forged.ends_with('0') { "1" } else { "0" };
    forged.replace_range(forged.len() - 1.., last);
    client
        .send(client.proxy("GET", "/echo/x", &forged))
        .await
        .assert_gateway_problem(401, "invalid_api_key");
    let stranger = app.stranger("bob").await;
    stranger
        .send(stranger.request("POST", &path))
        .await
        .assert_problem(404, "api_key_not_found");
    client
        .delete(&format!("/api-keys/{id}"))
        .await
        .assert_status(204);
    client
        .send(client.proxy("GET", "/echo/x", &ticket))
        .await
        .assert_gateway_problem(401, "invalid_api_key");
}

async fn the_query_key_is_off_by_default(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let id = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("query").await;
    let path = format!("/proxy/echo/x?a=1&api_key={key}&b=%20c&&");
    app.anonymous()
        .get(&path)
        .await
        .assert_gateway_problem(401, "missing_api_key");
    let patch = json!({ "allow_query_key": true });
    client
        .patch(&format!("/apis/{id}"), &patch)
        .await
        .assert_status(200);
    app.anonymous().get(&path).await.assert_status(200);
    let query = upstream.last().uri.query().map(str::to_owned);
    assert_eq!(
        query.as_deref(),
        Some("a=1&b=%20c&&"),
        "only the key is taken out"
    );
}

async fn services_can_verify_keys_themselves(engine: Engine) {
    let app = start(engine).await;
    let (ada, bob) = (app.stranger("ada").await, app.stranger("bob").await);
    let api = ada.create_api("echo", "http://127.0.0.1:9").await;
    let body = json!({ "name": "mobile", "scopes": ["read"], "api_ids": [api] });
    let (id, key) = ada.create_key_with(body).await;
    let question = json!({ "key": key, "api_id": api, "permissions": "read OR write" });
    let told = ada.post("/api-keys/verify", &question).await;
    let told = told.expect_status(200).json();
    assert_eq!(
        (
            &told["valid"],
            &told["code"],
            &told["key_id"],
            &told["name"]
        ),
        (&json!(true), &json!("valid"), &json!(id), &json!("mobile"))
    );
    let question = json!({ "key": key, "permissions": ["write"] });
    let told = ada.post("/api-keys/verify", &question).await;
    assert_eq!(told.json()["code"], "insufficient_permissions");

    let nothing = json!({ "valid": false, "code": "invalid_api_key" });
    let theirs = bob.post("/api-keys/verify", &json!({ "key": key })).await;
    assert_eq!(theirs.expect_status(200).json(), nothing);
    ada.delete(&format!("/api-keys/{id}"))
        .await
        .assert_status(204);
    let revoked = ada.post("/api-keys/verify", &json!({ "key": key })).await;
    assert_eq!(revoked.expect_status(200).json(), nothing);
}

async fn a_key_that_is_used_from_elsewhere_is_in_the_audit_log(engine: Engine) {
    let app = App::start(options(engine).env("TRUSTED_PROXIES", "127.0.0.0/8")).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (id, key) = client.create_key("k").await;
    let (_, other) = client.create_key("other").await;
    let call = async |key: &str, address: &str| {
        let request = client
            .proxy("GET", "/echo/x", key)
            .header("x-forwarded-for", address);
        client.send(request).await.assert_status(200);
    };
    let told = async || {
        let page = client.get("/audit?limit=200").await.expect_status(200);
        let lines = page.json()["data"].as_array().cloned().unwrap_or_default();
        let lines = lines
            .into_iter()
            .filter(|line| line["action"] == "api_key.used_from_new_place");
        lines
            .map(|line| {
                assert_eq!(line["target_id"], id);
                line["details"]["network"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    // The first place is where it is used; a neighbour is at the same one.
    call(&key, "192.0.2.1").await;
    call(&key, "192.0.2.200").await;
    call(&other, "203.0.113.9").await;
    for address in [
        "198.51.100.4",
        "198.51.100.5",
        "2001:db8:7:1::1",
        "192.0.2.1",
    ] {
        call(&key, address).await;
    }
    let lines = eventually("both places", async || {
        let lines = told().await;
        (lines.len() >= 2).then_some(lines)
    })
    .await;
    assert_eq!(lines, ["2001:db8:7::/48", "198.51.100.0/24"]);
    // Another start knows what the last one saw.
    let client_token = client.token().map(str::to_owned);
    let app = app.restart().await;
    let client = app.anonymous().with_token(&client_token.expect("a token"));
    for address in ["198.51.100.77", "10.1.2.3"] {
        let request = client
            .proxy("GET", "/echo/x", &key)
            .header("x-forwarded-for", address);
        client.send(request).await.assert_status(200);
    }
    eventually("the third place", async || {
        let page = client.get("/audit?limit=200").await.expect_status(200);
        let lines = page.json()["data"].as_array().cloned()?;
        let count = lines
            .iter()
            .filter(|line| line["action"] == "api_key.used_from_new_place")
            .count();
        (count == 3).then_some(())
    })
    .await;
}
