//! What the upstream gets and what the caller gets back.

use apiverse_testkit::{Engine, Raw, Upstream, both};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::start;

both!(
    paths_and_queries_are_kept_byte_for_byte,
    every_method_passes,
    headers_follow_the_rules,
    upstream_credentials_are_added,
    base_paths_cannot_be_left,
    a_switched_off_api_says_so,
    request_ids_and_traces_are_carried,
);

async fn paths_and_queries_are_kept_byte_for_byte(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    for target in [
        "/",
        "//",
        "/a//b/",
        "/a%2Fb",
        "/%e4%bd%a0",
        "/a;b=c,d",
        "/x?",
        "/x??",
        "/x?a=%20&&b",
        "/~user/!$&'()*+,;=:@",
        "/x?q={}|^`",
        "/a/./b/../c",
        "/%00",
        "/api_key=x",
    ] {
        let mut raw = Raw::connect(app.authority()).await;
        raw.send(format!(
            "GET /proxy/echo{target} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\
             Connection: close\r\n\r\n"
        ))
        .await;
        let answer = raw.read_to_end().await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        let got = upstream.last().uri;
        assert_eq!(got.to_string(), target, "{target}");
    }
    client
        .send(client.proxy("GET", "/echo", &key))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().uri, "/");
    client
        .send(client.proxy("GET", "/echo?x=1", &key))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().uri, "/?x=1");
}

async fn every_method_passes(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "QUERY",
    ] {
        let answer = client
            .send(client.proxy(method, "/echo/m", &key))
            .await
            .expect_status(200);
        assert_eq!(upstream.last().method.as_str(), method);
        if method != "HEAD" {
            assert_eq!(answer.text(), format!("{method} /m"));
        }
    }
}

async fn headers_follow_the_rules(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::start(|_| {
        Response::builder()
            .header("connection", "x-private")
            .header("x-private", "1")
            .header("keep-alive", "timeout=5")
            .header("x-apiverse-error", "forged")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("server", "theirs")
            .body(Full::new(Bytes::from_static(b"ok")))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/echo/h HTTP/1.1\r\nHost: public.example\r\nX-API-Key: {key}\r\n\
         Connection: keep-alive, X-Secret-Hop\r\nX-Secret-Hop: 1\r\nKeep-Alive: 5\r\n\
         Proxy-Authorization: Basic x\r\nTE: trailers, deflate\r\nAuthorization: Bearer consumer\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-Apiverse-Spoof: 1\r\nAccept: a\r\nAccept: b\r\n\
         Cookie: own=1\r\n\r\n"
    ))
    .await;
    let answer = String::from_utf8_lossy(&raw.read_until(b"ok").await).to_lowercase();
    let seen = upstream.last();
    for gone in [
        "x-api-key",
        "x-secret-hop",
        "keep-alive",
        "proxy-authorization",
        "x-apiverse-spoof",
    ] {
        assert_eq!(seen.header(gone), None, "{gone} must not be forwarded");
    }
    assert_eq!(
        seen.header("authorization"),
        Some("Bearer consumer"),
        "not ours: passed on"
    );
    assert_eq!(seen.header("cookie"), Some("own=1"));
    assert_eq!(seen.header("te"), Some("trailers"));
    let authority = upstream.base().replace("http://", "");
    assert_eq!(seen.header("host"), Some(authority.as_str()));
    assert_eq!(seen.header("x-forwarded-host"), Some("public.example"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(
        seen.header("x-forwarded-for"),
        Some("127.0.0.1"),
        "a stranger's claim is dropped"
    );
    assert!(
        seen.header("forwarded")
            .is_some_and(|f| f.contains("for=127.0.0.1")),
        "{seen:?}"
    );
    assert!(
        seen.header("via")
            .is_some_and(|via| via.contains("apiverse")),
        "{seen:?}"
    );
    let accepts: Vec<_> = seen.headers.get_all("accept").iter().collect();
    assert_eq!(accepts, ["a", "b"]);

    assert!(!answer.contains("x-private"), "{answer}");
    assert!(!answer.contains("x-apiverse-error"), "{answer}");
    assert!(
        answer.contains("set-cookie: a=1") && answer.contains("set-cookie: b=2"),
        "{answer}"
    );
    assert!(answer.contains("server: theirs"), "{answer}");
}

async fn upstream_credentials_are_added(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let tokens = Upstream::start(|seen| {
        let good = seen.header("authorization") == Some("Basic Y2xpZW50OnNlY3JldA==")
            && String::from_utf8_lossy(&seen.body).contains("grant_type=client_credentials");
        let (status, body) = if good {
            (
                200,
                json!({ "access_token": "minted", "token_type": "Bearer", "expires_in": 3600 }),
            )
        } else {
            (401, json!({ "error": "invalid_client" }))
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    let (_, key) = client.create_key("k").await;
    let oauth = json!({
        "token_url": format!("{}/token", tokens.base()),
        "client_id": "client",
        "client_secret": "secret",
    });
    for (slug, auth_type, config, header, value) in [
        (
            "h",
            "api_key",
            json!({ "name": "X-Up", "value": "v" }),
            "x-up",
            "v",
        ),
        (
            "b",
            "bearer",
            json!({ "token": "t" }),
            "authorization",
            "Bearer t",
        ),
        (
            "basic",
            "basic",
            json!({ "username": "u", "password": "p" }),
            "authorization",
            "Basic dTpw",
        ),
        ("oauth", "oauth2", oauth, "authorization", "Bearer minted"),
    ] {
        let body = json!({
            "name": slug, "slug": slug, "base_url": upstream.base(),
            "auth_type": auth_type, "auth_config": config,
        });
        client.post("/apis", &body).await.assert_status(201);
        let call = client.proxy("GET", &format!("/{slug}/x"), &key);
        client
            .send(call.header("authorization", "Bearer mine"))
            .await
            .assert_status(200);
        assert_eq!(upstream.last().header(header), Some(value), "{slug}");
    }
    for _ in 0..5 {
        client
            .send(client.proxy("GET", "/oauth/x", &key))
            .await
            .assert_status(200);
    }
    assert_eq!(tokens.seen().len(), 1, "the token is kept");

    let body = json!({
        "name": "q", "slug": "q", "base_url": upstream.base(), "auth_type": "api_key",
        "auth_config": { "name": "appid", "value": "a&b", "in": "query" },
    });
    client.post("/apis", &body).await.assert_status(201);
    client
        .send(client.proxy("GET", "/q/x?a=%31", &key))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().uri, "/x?a=%31&appid=a%26b");
    client
        .send(client.proxy("GET", "/q/x", &key))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().uri, "/x?appid=a%26b");
}

async fn base_paths_cannot_be_left(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client
        .create_api("deep", &format!("{}/public/v1", upstream.base()))
        .await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/deep/x", &key))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().uri, "/public/v1/x");
    for target in [
        "/../admin",
        "/a/../../admin",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/..",
        "/..\\x",
    ] {
        let mut raw = Raw::connect(app.authority()).await;
        raw.send(format!(
            "GET /proxy/deep{target} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\
             Connection: close\r\n\r\n"
        ))
        .await;
        let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
    }
    assert_eq!(upstream.seen().len(), 1);
}

async fn a_switched_off_api_says_so(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let id = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    client
        .patch(&format!("/apis/{id}"), &json!({ "is_active": false }))
        .await
        .assert_status(200);
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_gateway_problem(503, "api_disabled");
    client
        .patch(&format!("/apis/{id}"), &json!({ "is_active": true }))
        .await
        .assert_status(200);
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    client
        .delete(&format!("/apis/{id}"))
        .await
        .assert_status(204);
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_gateway_problem(404, "api_not_found");
}

async fn request_ids_and_traces_are_carried(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let call = client
        .proxy("GET", "/echo/x", &key)
        .header("x-request-id", "from-the-caller")
        .header("traceparent", trace)
        .header("tracestate", "a=b");
    let answer = client.send(call).await.expect_status(200);
    assert_eq!(answer.header("x-request-id"), Some("from-the-caller"));
    let seen = upstream.last();
    assert_eq!(seen.header("x-request-id"), Some("from-the-caller"));
    assert_eq!(seen.header("tracestate"), Some("a=b"));
    let carried = seen.header("traceparent").expect("a trace").to_owned();
    assert!(
        carried.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{carried}"
    );
    assert!(carried.ends_with("-01"), "{carried}");

    let bad = client
        .proxy("GET", "/echo/x", &key)
        .header("x-request-id", "x".repeat(500));
    let answer = client.send(bad).await.expect_status(200);
    let fresh = answer.header("x-request-id").expect("a request id");
    assert_eq!(fresh.len(), 36, "an id that is too long is replaced");
    let trace = upstream
        .last()
        .header("traceparent")
        .expect("a trace")
        .to_owned();
    assert_eq!(trace.len(), 55);
}
