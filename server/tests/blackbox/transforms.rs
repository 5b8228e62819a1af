//! Transforms, from the policy's setting to the call.

use apiverse_testkit::{Engine, Upstream, both};
use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::start;

both!(
    calls_are_changed_as_their_policies_say,
    large_answers_are_compressed_in_constant_memory,
    preflights_meet_the_version_they_name,
);

async fn calls_are_changed_as_their_policies_say(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::echo().await;
    let api = client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("first").await;
    let policy = |kind: &str| format!("/policies/api/{api}/{kind}");

    let document = json!({
        "path": { "add_prefix": "/in" },
        "headers": { "set": { "x-who": "{key.name}" } },
        "body": { "jq": "{wrapped: .}" },
    });
    client
        .put(&policy("request_transform"), &document)
        .await
        .assert_status(201);
    let call = |body: &str| {
        client
            .proxy("POST", "/echo/a?b=c", &key)
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    client.send(call("[1.10]")).await.assert_status(200);
    let seen = upstream.last();
    assert_eq!(
        (seen.uri.path(), &*seen.body),
        ("/in/a", &br#"{"wrapped":[1.10]}"#[..])
    );
    assert_eq!(seen.header("x-who"), Some("first"));
    assert_eq!(seen.header("content-length"), Some("18"));
    client
        .send(call("nothing"))
        .await
        .assert_gateway_problem(422, "request_transform_failed");

    let schema = json!({ "body_schema": { "maxItems": 1 } });
    client
        .put(&policy("validation"), &schema)
        .await
        .assert_status(201);
    let refused = client.send(call("[1,2]")).await;
    let problem = refused.assert_problem(422, "request_invalid");
    assert_eq!(problem["errors"][0]["field"], "/body");

    let bad = json!({ "body": { "jq": ".a |" } });
    let refused = client.put(&policy("request_transform"), &bad).await;
    refused.assert_problem(422, "validation_failed");
}

/// A text that gets about half as long by compression.
fn text(mut seed: u64, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend((0..8).map(|byte| b'a' + ((seed >> (8 * byte)) & 15) as u8));
    }
    out.truncate(length);
    out
}

async fn large_answers_are_compressed_in_constant_memory(engine: Engine) {
    const PIECE: usize = 1 << 20;
    const PIECES: u64 = 64;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("reads"));
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("writes");
        for number in 0..PIECES {
            stream
                .write_all(&text(number, PIECE))
                .await
                .expect("writes");
        }
    });
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let api = client.create_api("big", &base).await;
    let (_, key) = client.create_key("k").await;
    client
        .put(&format!("/policies/api/{api}/compression"), &json!({}))
        .await
        .assert_status(201);
    let before = app.resident_bytes();
    let call = client
        .proxy("GET", "/big/x", &key)
        .header("accept-encoding", "zstd");
    let answer = call.send().await.expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "zstd");
    let mut body = answer.bytes_stream();
    let (mut length, mut peak) = (0_u64, 0);
    while let Some(part) = body.next().await {
        length += part.expect("a part").len() as u64;
        peak = peak.max(app.resident_bytes());
    }
    upstream.await.expect("all was taken");
    let whole = PIECES * PIECE as u64;
    assert!(
        (whole / 4..whole * 3 / 4).contains(&length),
        "{length} bytes"
    );
    let grown = peak.saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {grown} bytes");
}

async fn preflights_meet_the_version_they_name(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::echo().await;
    let api = client.create_api("echo", &upstream.base()).await;
    let version = json!({ "name": "v1", "base_url": upstream.base() });
    let version = client
        .post(&format!("/apis/{api}/versions"), &version)
        .await;
    let version = version.expect_status(201).json();
    let id = version["id"].as_str().expect("an id");
    for (place, origin) in [
        (format!("api/{api}"), "https://a.example"),
        (format!("version/{id}"), "https://b.example"),
    ] {
        let document = json!({ "allow_origins": [origin] });
        let path = format!("/policies/{place}/cors");
        client.put(&path, &document).await.assert_status(201);
    }
    for (path, allowed) in [
        ("/echo/x", "https://a.example"),
        ("/echo/v1/x", "https://b.example"),
    ] {
        for origin in ["https://a.example", "https://b.example"] {
            let preflight = client
                .proxy("OPTIONS", path, "")
                .header("origin", origin)
                .header("access-control-request-method", "PUT");
            let answer = client.send(preflight).await.expect_status(204);
            let told = answer.header("access-control-allow-origin");
            assert_eq!(told, (origin == allowed).then_some(origin), "{path}");
        }
    }
}
