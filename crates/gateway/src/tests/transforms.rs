//! The policies that change calls, by calls that meet them.

use std::io::Read;

use apiverse_contract::ApiId;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::*;

/// Answers with what it was asked: the head in `x-…` fields is enough for no test, so the whole
/// head and body are in a JSON document.
async fn mirror() -> std::net::SocketAddr {
    upstream(|mut socket| async move {
        while let Some(head) = read_head(&mut socket).await {
            let lower = head.to_ascii_lowercase();
            let length: usize = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |text| text.trim().parse().unwrap());
            let mut body = vec![0; length];
            socket.read_exact(&mut body).await.unwrap();
            let seen = json!({ "head": lower, "body": String::from_utf8_lossy(&body) });
            let text = seen.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\n\
                 content-length: {}\r\n\r\n{text}",
                text.len()
            );
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

async fn set(world: &World, api: ApiId, kind: PolicyKind, document: Value) {
    let scope = PolicyScope::Api(api);
    world.set_policy(scope, Some(api), kind, document).await;
}

fn json_of(response: &Response<Bytes>) -> Value {
    let text = String::from_utf8_lossy(response.body());
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{response:?} {text}"))
}

fn post(world: &World, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = world
        .request("POST", path)
        .header("content-type", "application/json");
    request.body(Full::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn requests_are_made_anew() {
    let world = World::new().await;
    let api = world.add_api(mirror().await, |_| {}).await;
    let document = json!({
        "method": "PUT",
        "path": { "strip_prefix": "/v1", "add_prefix": "/in" },
        "query": { "set": { "page": "{request.query.p}" }, "remove": ["p"] },
        "headers": { "set": { "x-who": "{key.name} {request.method}" } },
        "body": { "jq": "{wrapped: ., by: $key.name, seen: $request.headers[\"x-api-key\"]}" },
    });
    set(&world, api, PolicyKind::RequestTransform, document).await;
    let answer = world
        .send(post(&world, "/proxy/x/v1/a?p=3&q=1", "{\"a\":1.10}"))
        .await;
    let seen = json_of(&answer);
    let head = seen["head"].as_str().unwrap();
    assert!(head.starts_with("put /in/a?q=1&page=3 http/1.1"), "{head}");
    assert!(head.contains("x-who: key post"), "{head}");
    assert!(!head.contains("x-api-key"), "{head}");
    assert_eq!(
        seen["body"],
        r#"{"wrapped":{"a":1.10},"by":"key","seen":null}"#
    );

    for (body, status, code) in [
        ("{", 422, "request_transform_failed"),
        (
            &*format!("\"{}\"", "x".repeat(2 << 20)),
            413,
            "body_too_large",
        ),
    ] {
        let answer = world.send(post(&world, "/proxy/x/v1", body)).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["x-apiverse-error"], code);
    }
    let injected = post(&world, "/proxy/x/v1?p=%0d%0ax:y", "{}");
    assert_eq!(
        world.send(injected).await.status(),
        200,
        "a query is encoded"
    );
}

#[tokio::test]
async fn a_runaway_expression_ends_by_an_error() {
    let world = World::new().await;
    let api = world.add_api(mirror().await, |_| {}).await;
    for (jq, detail) in [
        ("last(range(1e18))", "steps"),
        ("def f: [f]; f", "deep"),
        ("reduce range(1e9) as $i (\"x\"; . + .)", "memory"),
        ("empty", "no result"),
        ("error(.)", "does not fit"),
    ] {
        // Time enough for slow machines: the steps end it.
        let document = json!({ "body": { "jq": jq, "max_ms": 5000 } });
        set(&world, api, PolicyKind::RequestTransform, document).await;
        let answer = world.send(post(&world, "/proxy/x", "{\"secret\":1}")).await;
        let problem = json_of(&answer);
        let said = problem["detail"].as_str().unwrap();
        assert_eq!(problem["code"], "request_transform_failed", "{jq}");
        assert!(
            said.contains(detail) || said.contains("too long"),
            "{jq}: {said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
    // Nothing is left of them.
    let document = json!({ "body": { "jq": ".n + 1" } });
    set(&world, api, PolicyKind::RequestTransform, document).await;
    let answer = world.send(post(&world, "/proxy/x", "{\"n\":1}")).await;
    assert_eq!(json_of(&answer)["body"], "2");
}

#[tokio::test]
async fn answers_are_made_anew_whatever_their_coding() {
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut zipped, br#"{"secret":1,"open":2}"#).unwrap();
    let zipped = zipped.finish().unwrap();
    let upstream = upstream(move |mut socket| {
        let zipped = zipped.clone();
        async move {
            while read_head(&mut socket).await.is_some() {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/problem+json\r\netag: \"1\"\r\n\
                     content-encoding: gzip\r\naccept-ranges: bytes\r\ncontent-length: {}\r\n\r\n",
                    zipped.len()
                );
                socket.write_all(head.as_bytes()).await.unwrap();
                if socket.write_all(&zipped).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let world = World::new().await;
    let api = world.add_api(upstream, |_| {}).await;
    let document = json!({
        "status": 202,
        "headers": { "set": { "x-was": "{response.status}" } },
        "body": { "jq": "del(.secret) | .via = $response.status" },
    });
    set(&world, api, PolicyKind::ResponseTransform, document).await;
    let answer = world.get("/proxy/x").await;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["x-was"], "200");
    assert_eq!(answer.headers()["etag"], "W/\"1\"");
    assert_eq!(
        answer.headers()["content-length"],
        answer.body().len().to_string()
    );
    for gone in ["content-encoding", "accept-ranges"] {
        assert!(!answer.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(answer.body(), r#"{"open":2,"via":200}"#);
    let call = world.only_call().await;
    assert_eq!((call.status, call.bytes_out), (202, 20));

    let document = json!({ "body": { "jq": ".", "max_bytes": 20 } });
    set(&world, api, PolicyKind::ResponseTransform, document).await;
    let answer = world.get("/proxy/x").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(json_of(&answer)["code"], "response_transform_failed");
    assert!(!String::from_utf8_lossy(answer.body()).contains("secret\":1"));
}

#[tokio::test]
async fn answers_are_compressed_for_who_wants_it() {
    let body = "word ".repeat(1000);
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\netag: \"1\"\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let upstream = upstream(move |mut socket| {
        let text = text.clone();
        async move {
            while read_head(&mut socket).await.is_some() {
                if socket.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let world = World::new().await;
    let api = world.add_api(upstream, |_| {}).await;
    set(&world, api, PolicyKind::Compression, json!({})).await;
    let get = |accept: &str| {
        let request = world
            .request("GET", "/proxy/x")
            .header("accept-encoding", accept);
        request.body(Full::default()).unwrap()
    };
    let answer = world.send(get("gzip")).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["vary"], "accept-encoding");
    assert_eq!(answer.headers()["etag"], "W/\"1\"");
    assert!(!answer.headers().contains_key("content-length"));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&answer.body()[..])
        .read_to_string(&mut plain)
        .unwrap();
    assert_eq!(plain, body);
    let call = world.only_call().await;
    assert_eq!(call.bytes_out, answer.body().len() as i64);
    assert!(answer.body().len() < 200);

    let answer = world.send(get("identity")).await;
    assert!(!answer.headers().contains_key("content-encoding"));
    assert_eq!(answer.headers()["vary"], "accept-encoding");
    assert_eq!(answer.body(), &body);
    for (accept, coding) in [("br;q=1, gzip;q=0.9", "br"), ("zstd, br", "zstd")] {
        assert_eq!(
            world.send(get(accept)).await.headers()["content-encoding"],
            coding
        );
    }
    let head = world
        .request("HEAD", "/proxy/x")
        .header("accept-encoding", "br");
    let answer = world.send(head.body(Full::default()).unwrap()).await;
    assert_eq!(answer.headers()["content-encoding"], "br");
    assert!(!answer.headers().contains_key("content-length"));
}

#[tokio::test]
async fn requests_that_do_not_fit_are_pointed_at() {
    let world = World::new().await;
    let api = world.add_api(mirror().await, |_| {}).await;
    let document = json!({
        "body_required": true,
        "body_schema": { "properties": { "items": { "items": { "type": "integer" } } } },
        "query_schema": { "properties": { "page": { "type": "integer" } } },
    });
    set(&world, api, PolicyKind::Validation, document).await;
    let good = world
        .send(post(&world, "/proxy/x?page=1", "{\"items\":[1]}"))
        .await;
    assert_eq!(json_of(&good)["body"], "{\"items\":[1]}");
    let bad = world
        .send(post(&world, "/proxy/x?page=one", "{\"items\":[1,\"x\"]}"))
        .await;
    assert_eq!(bad.status(), 422);
    let problem = json_of(&bad);
    assert_eq!(problem["code"], "request_invalid");
    assert_eq!(problem["errors"][0]["field"], "/query/page");
    assert_eq!(problem["errors"][1]["field"], "/body/items/1");
    let none = world.get("/proxy/x").await;
    assert_eq!(json_of(&none)["errors"][0]["field"], "/body");
    // A large body is checked elsewhere.
    let items = vec!["1"; 20_000].join(",");
    let large = world
        .send(post(
            &world,
            "/proxy/x",
            &format!("{{\"items\":[{items},true]}}"),
        ))
        .await;
    assert_eq!(json_of(&large)["errors"][0]["field"], "/body/items/20000");
}

#[tokio::test]
async fn other_sites_are_answered() {
    let world = World::new().await;
    let api = world.add_api(mirror().await, |_| {}).await;
    let document = json!({ "allow_origins": ["https://a.example"] });
    set(&world, api, PolicyKind::Cors, document).await;
    let preflight = |origin: &str| {
        let request = Request::builder()
            .method("OPTIONS")
            .uri("/proxy/x/a")
            .header("host", world.addr.to_string())
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-api-key");
        request.body(Full::default()).unwrap()
    };
    let allowed = world.send(preflight("https://a.example")).await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(
        allowed.headers()["access-control-allow-origin"],
        "https://a.example"
    );
    assert_eq!(
        allowed.headers()["access-control-allow-headers"],
        "x-api-key"
    );
    let refused = world.send(preflight("https://b.example")).await;
    assert_eq!(refused.status(), 204);
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );

    let call = |key: &str| {
        let request = Request::builder()
            .uri("/proxy/x/a")
            .header("host", world.addr.to_string())
            .header("origin", "https://a.example")
            .header("x-api-key", key);
        request.body(Full::default()).unwrap()
    };
    for (key, status) in [(&*world.key, 200), ("apv_live_nothing", 401)] {
        let answer = world.send(call(key)).await;
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "https://a.example"
        );
        assert_eq!(answer.headers()["vary"], "origin");
    }
}

#[tokio::test]
async fn mocks_answer_by_example() {
    let world = World::new().await;
    let api = world.add_api(mirror().await, |_| {}).await;
    let document = json!({
        "json": { "id": 1 }, "delay_ms": 5,
        "examples": { "gone": { "status": 410, "body": "no" } },
    });
    set(&world, api, PolicyKind::Mock, document).await;
    let usual = world.get("/proxy/x").await;
    assert_eq!(usual.headers()["content-type"], "application/json");
    assert_eq!(usual.body(), r#"{"id":1}"#);
    let wished = world
        .request("GET", "/proxy/x")
        .header("prefer", "example=gone");
    let wished = world.send(wished.body(Full::default()).unwrap()).await;
    assert_eq!(
        (wished.status().as_u16(), &wished.body()[..]),
        (410, &b"no"[..])
    );
}
