//! Explaining calls: those that were made, and those that are only asked about.

use apiverse_testkit::{Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::start;

both!(
    a_call_is_explained,
    a_question_is_answered_without_a_call,
    explanations_stay_inside_the_organization,
    policies_are_explained,
);

/// The phase of a name.
fn phase<'a>(explanation: &'a Value, name: &str) -> &'a Value {
    explanation["phases"]
        .as_array()
        .and_then(|phases| phases.iter().find(|phase| phase["name"] == name))
        .unwrap_or_else(|| panic!("no phase {name} in {explanation}"))
}

async fn a_call_is_explained(engine: Engine) {
    let app = start(engine).await;
    let client = app.admin().await;
    let upstream = Upstream::echo().await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("caller").await;
    let policy = json!({"rate_limits": [{"name": "burst", "limit": 2, "window_seconds": 600}]});
    client
        .put(&format!("/apis/{api}/limits"), &policy)
        .await
        .assert_status(200);

    let mut ids = Vec::new();
    for expected in [200, 200, 429] {
        let answer = client.send(client.proxy("GET", "/echo/a?b=1", &key)).await;
        answer.assert_status(expected);
        ids.push(answer.header("x-request-id").expect("has an id").to_owned());
    }
    let explained = async |id: &str| {
        eventually("the explanation", async || {
            let answer = client.get(&format!("/explain/{id}")).await;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    };

    let first = explained(&ids[0]).await;
    assert_eq!(first["status"], 200, "{first}");
    assert_eq!(first["code"], Value::Null);
    assert_eq!(first["path"], "/proxy/echo/a", "no query is kept: {first}");
    assert_eq!(first["api"]["name"], "echo");
    assert_eq!(first["key"]["id"], key_id.as_str());
    assert_eq!(first["limits"][0]["name"], "burst");
    assert_eq!(first["limits"][0]["remaining_before"], 2);
    assert_eq!(first["limits"][0]["remaining_after"], 1);
    assert_eq!(first["attempts"][0]["reused"], false, "{first}");
    assert!(first["attempts"][0]["connect_us"].is_u64(), "{first}");
    let mut at = 0;
    for name in [
        "identify",
        "authorize",
        "limit",
        "direct",
        "forward",
        "inbound",
    ] {
        let phase = phase(&first, name);
        assert_eq!(phase["outcome"], "passed", "{name} of {first}");
        let began = phase["began_us"].as_u64().expect("a number");
        assert!(began >= at, "{name} of {first}");
        at = began + phase["took_us"].as_u64().expect("a number");
    }

    let second = explained(&ids[1]).await;
    assert_eq!(second["attempts"][0]["reused"], true, "{second}");
    assert_eq!(second["limits"][0]["remaining_after"], 0);

    let third = explained(&ids[2]).await;
    assert_eq!(third["code"], "rate_limited");
    assert_eq!(phase(&third, "limit")["outcome"], "refused");
    assert_eq!(phase(&third, "forward")["outcome"], "skipped");
    assert_eq!(third["limits"][0]["refused"], true);
    assert_eq!(third["attempts"], json!([]));
}

async fn a_question_is_answered_without_a_call(engine: Engine) {
    let app = start(engine).await;
    let client = app.admin().await;
    let upstream = Upstream::echo().await;
    let api = client.create_api("echo", &upstream.base()).await;
    let body = json!({"name": "tied", "environment": "live", "allowed_ips": ["192.0.2.0/24"]});
    let (key_id, key) = client.create_key_with(body).await;
    let policy = json!({"rate_limits": [{"name": "burst", "limit": 1, "window_seconds": 600}]});
    client
        .put(&format!("/apis/{api}/limits"), &policy)
        .await
        .assert_status(200);

    let ask = async |body: Value| {
        let answer = client.post("/explain", &body).await;
        answer.assert_status(200);
        answer.json()
    };
    // As often as one likes: nothing is counted.
    for _ in 0..3 {
        let answer = ask(json!({
            "path": "/proxy/echo/a?x=1", "key_id": key_id, "address": "192.0.2.7"
        }))
        .await;
        assert_eq!(answer["code"], Value::Null, "{answer}");
        assert_eq!(answer["status"], Value::Null);
        assert_eq!(answer["limits"][0]["remaining_after"], 1);
        assert_eq!(phase(&answer, "forward")["outcome"], "skipped");
        let detail = phase(&answer, "direct")["detail"].as_str().expect("a text");
        assert!(detail.ends_with("/a"), "{detail}");
    }
    assert_eq!(upstream.seen().len(), 0);

    let elsewhere = ask(json!({
        "path": "/proxy/echo/a", "key": key, "address": "198.51.100.7"
    }))
    .await;
    assert_eq!(elsewhere["code"], "ip_not_allowed", "{elsewhere}");
    let nobody = ask(json!({"path": "/proxy/echo/a"})).await;
    assert_eq!(nobody["code"], "missing_api_key");
    let nowhere = ask(json!({
        "path": "/proxy/none/a", "key_id": key_id, "address": "192.0.2.7"
    }))
    .await;
    assert_eq!(nowhere["code"], "api_not_found");
    client
        .post("/explain", &json!({"path": "/elsewhere"}))
        .await
        .assert_problem(422, "validation_failed");
}

async fn explanations_stay_inside_the_organization(engine: Engine) {
    let app = start(engine).await;
    let ada = app.admin().await;
    let bob = app.stranger("bob").await;
    let upstream = Upstream::echo().await;
    ada.create_api("echo", &upstream.base()).await;
    let (key_id, key) = ada.create_key("caller").await;
    let answer = ada.send(ada.proxy("GET", "/echo/a", &key)).await;
    let id = answer.header("x-request-id").expect("has an id").to_owned();
    eventually("the explanation", async || {
        let found = ada.get(&format!("/explain/{id}")).await;
        (found.status == 200).then_some(())
    })
    .await;
    bob.get(&format!("/explain/{id}"))
        .await
        .assert_problem(404, "not_found");
    // Neither a key's id nor its text tells another organization anything.
    for body in [
        json!({"path": "/proxy/echo/a", "key_id": key_id}),
        json!({"path": "/proxy/echo/a", "key": key}),
    ] {
        let answer = bob.post("/explain", &body).await;
        answer.assert_status(200);
        let answer = answer.json();
        assert_eq!(answer["code"], "invalid_api_key", "{answer}");
        assert_eq!(
            (&answer["key"], &answer["api"]),
            (&Value::Null, &Value::Null)
        );
    }
    app.anonymous()
        .get(&format!("/explain/{id}"))
        .await
        .assert_problem(401, "authentication_required");
}

async fn policies_are_explained(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::start(|_| {
        Response::builder()
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from_static(b"some text")))
            .expect("is a response")
    })
    .await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (key_id, key) = client.create_key("caller").await;
    for (kind, document) in [
        ("cors", json!({ "allow_origins": ["https://a.example"] })),
        (
            "validation",
            json!({ "query_schema": { "properties": { "page": { "type": "integer" } } } }),
        ),
        (
            "request_transform",
            json!({ "path": { "add_prefix": "/in" } }),
        ),
        ("cache", json!({ "default_ttl_seconds": 60 })),
        (
            "response_transform",
            json!({ "headers": { "set": { "x-made": "1" } } }),
        ),
        ("compression", json!({ "min_bytes": 0 })),
    ] {
        let path = format!("/policies/api/{api}/{kind}");
        client.put(&path, &document).await.assert_status(201);
    }
    let explained = async |request| {
        let answer = client.send(request).await;
        let id = answer.header("x-request-id").expect("has an id").to_owned();
        eventually("the explanation", async || {
            let answer = client.get(&format!("/explain/{id}")).await;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    };
    let get = |path: &str| {
        client
            .proxy("GET", path, &key)
            .header("origin", "https://a.example")
            .header("accept-encoding", "br")
    };
    for cache in ["fwd=uri-miss", "hit"] {
        let made = explained(get("/echo/a")).await;
        assert_eq!(made["status"], 200, "{made}");
        for (kind, detail) in [
            ("validation", "from the api: the request fits"),
            ("request_transform", "from the api: GET /in/a"),
            ("cache", cache),
            ("response_transform", "from the api: status 200"),
            ("compression", "from the api: br"),
            ("cors", "from the api: the site may read it"),
        ] {
            let phase = phase(&made, kind);
            assert_eq!(phase["outcome"], "passed", "{kind} of {made}");
            let told = phase["detail"].as_str().expect("a text");
            assert!(told.contains(detail), "{kind}: {told}");
        }
        let forwarded = phase(&made, "forward")["outcome"].clone();
        assert_eq!(forwarded, if cache == "hit" { "skipped" } else { "passed" });
    }
    let refused = explained(get("/echo/a?page=x")).await;
    let validation = phase(&refused, "validation");
    assert_eq!(validation["outcome"], "refused", "{refused}");
    assert_eq!(validation["code"], "request_invalid");
    assert_eq!(phase(&refused, "direct")["outcome"], "skipped", "{refused}");

    // The same, only asked about.
    let ask = async |path: &str| {
        let question = json!({
            "path": path, "key_id": key_id,
            "headers": [["origin", "https://a.example"], ["accept-encoding", "br"]],
        });
        client
            .post("/explain", &question)
            .await
            .expect_status(200)
            .json()
    };
    let foretold = ask("/proxy/echo/a").await;
    for (kind, outcome, detail) in [
        ("validation", "passed", "from the api: the request fits"),
        ("request_transform", "passed", "from the api: GET /in/a"),
        ("cache", "passed", "looked up"),
        (
            "response_transform",
            "skipped",
            "from the api: heads of answers are changed",
        ),
        ("compression", "skipped", "from the api: br for texts"),
        ("cors", "skipped", "from the api: the site may read it"),
    ] {
        let phase = phase(&foretold, kind);
        assert_eq!(phase["outcome"], outcome, "{kind} of {foretold}");
        assert_eq!(phase["detail"], detail, "{kind} of {foretold}");
    }
    let aim = phase(&foretold, "direct")["detail"]
        .as_str()
        .expect("a text");
    assert!(aim.ends_with("/in/a"), "{aim}");
    let foretold = ask("/proxy/echo/a?page=x").await;
    assert_eq!(foretold["code"], "request_invalid", "{foretold}");
    let mock = format!("/policies/key/{key_id}/mock");
    client
        .put(&mock, &json!({ "status": 418 }))
        .await
        .assert_status(201);
    let foretold = ask("/proxy/echo/a").await;
    assert_eq!(foretold["status"], 418, "{foretold}");
    assert_eq!(
        phase(&foretold, "mock")["detail"],
        "from the key: status 418"
    );
    let preflight = json!({
        "method": "OPTIONS", "path": "/proxy/echo/a",
        "headers": [["origin", "https://b.example"], ["access-control-request-method", "PUT"]],
    });
    let preflight = client
        .post("/explain", &preflight)
        .await
        .expect_status(200)
        .json();
    assert_eq!(preflight["status"], 204, "{preflight}");
    let told = phase(&preflight, "cors")["detail"].clone();
    assert_eq!(told, "from the api: the site may not read it");
}
