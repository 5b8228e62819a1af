//! The cache beside the policies that change calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apiverse_contract::ApiId;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::world::*;

/// Answers with the count of requests, for a minute.
async fn counting(count: Arc<AtomicUsize>, sharing: &'static str) -> SocketAddr {
    upstream(move |mut socket| {
        let count = Arc::clone(&count);
        async move {
            while read_head(&mut socket).await.is_some() {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                let text = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(2000));
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"{number}\"\r\n\
                     cache-control: max-age=60{sharing}\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                if socket.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

struct Stage {
    world: World,
    api: ApiId,
    count: Arc<AtomicUsize>,
}

impl Stage {
    async fn new(sharing: &'static str, policies: Value) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let world = World::new().await;
        let origin = counting(Arc::clone(&count), sharing).await;
        let api = world.add_api(origin, |_| {}).await;
        for (kind, document) in policies.as_object().unwrap() {
            let kind = PolicyKind::parse(kind).unwrap();
            let scope = PolicyScope::Api(api);
            world
                .set_policy(scope, Some(api), kind, document.clone())
                .await;
        }
        Self { world, api, count }
    }

    async fn get(&self, key: &str, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::builder()
            .uri(path)
            .header("host", self.world.addr.to_string())
            .header("x-api-key", key);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.world
            .send(request.body(Full::default()).unwrap())
            .await
    }

    fn asked(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

fn of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{response:?}"))
}

#[tokio::test]
async fn what_is_stored_is_transformed_for_each_call() {
    let stage = Stage::new(", public", json!({ "cache": {} })).await;
    let (world, api) = (&stage.world, stage.api);
    let (other_id, other) = world.add_key(world.organization, |_| {}).await;
    let mine = json!({ "body": { "jq": "{n, by: \"all\"}" } });
    world
        .set_policy(
            PolicyScope::Api(api),
            Some(api),
            PolicyKind::ResponseTransform,
            mine,
        )
        .await;
    let other_s = json!({ "body": { "jq": "{n, by: $key.name, path: $request.path}" } });
    let scope = PolicyScope::Key(other_id);
    world
        .set_policy(scope, None, PolicyKind::ResponseTransform, other_s)
        .await;
    for round in 0..2 {
        let answer = stage.get(&world.key, "/proxy/x/a", &[]).await;
        assert_eq!(of(&answer), json!({ "n": 1, "by": "all" }), "{round}");
        let answer = stage.get(&other, "/proxy/x/a", &[]).await;
        let expected = json!({ "n": 1, "by": "key", "path": "/a" });
        assert_eq!(of(&answer), expected, "{round}");
        let line = answer.headers()["cache-status"].to_str().unwrap();
        assert!(line.contains("hit"), "{line}");
    }
    assert_eq!(stage.asked(), 1);
    // The condition is about the upstream's answer, which is the same.
    let etag = [("if-none-match", "W/\"1\"")];
    let answer = stage.get(&other, "/proxy/x/a", &etag).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn one_stored_answer_serves_every_coding() {
    let policies = json!({ "cache": {}, "compression": {} });
    let stage = Stage::new("", policies).await;
    let key = stage.world.key.clone();
    for accept in ["gzip", "br", "zstd", "identity", "gzip"] {
        let fields = [("accept-encoding", accept)];
        let answer = stage.get(&key, "/proxy/x/a", &fields).await;
        let coding = answer.headers().get("content-encoding");
        let coding = coding.map_or("identity", |value| value.to_str().unwrap());
        assert_eq!(coding, accept);
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        if accept == "identity" {
            assert_eq!(of(&answer)["n"], 1);
        } else {
            assert!(answer.body().len() < 200, "{}", answer.body().len());
        }
    }
    // A part is of the stored answer.
    let fields = [("accept-encoding", "gzip"), ("range", "bytes=0-6")];
    let part = stage.get(&key, "/proxy/x/a", &fields).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.body(), "{\"n\":1,");
    assert!(!part.headers().contains_key("content-encoding"));
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn what_tells_of_a_key_is_not_shared() {
    let policies = json!({
        "cache": { "shared_between_keys": true },
        "request_transform": { "headers": { "set": { "x-tenant": "{key.id}" } } },
    });
    let stage = Stage::new(", public", policies).await;
    let world = &stage.world;
    let (_, other) = world.add_key(world.organization, |_| {}).await;
    for _ in 0..2 {
        for (key, number) in [(&world.key, 1), (&other, 2)] {
            let answer = stage.get(key, "/proxy/x/a", &[]).await;
            assert_eq!(of(&answer)["n"], number);
        }
    }
    // What tells nothing of it is.
    let policy = json!({ "headers": { "set": { "x-from": "{request.path}" } } });
    let (scope, kind) = (PolicyScope::Api(stage.api), PolicyKind::RequestTransform);
    world.set_policy(scope, Some(stage.api), kind, policy).await;
    for key in [&world.key, &other] {
        assert_eq!(of(&stage.get(key, "/proxy/x/a", &[]).await)["n"], 3);
    }
}

#[tokio::test]
async fn the_cache_is_asked_for_what_the_upstream_would_be_asked_for() {
    let policies = json!({
        "cache": {},
        "request_transform": { "query": { "remove": ["noise"] } },
        "validation": { "query_schema": { "properties": { "page": { "type": "integer" } } } },
        "cors": { "allow_origins": ["https://a.example"] },
    });
    let stage = Stage::new("", policies).await;
    let key = stage.world.key.clone();
    let origin = [("origin", "https://a.example")];
    for path in ["/proxy/x/a?noise=1", "/proxy/x/a?noise=2", "/proxy/x/a"] {
        let answer = stage.get(&key, path, &origin).await;
        assert_eq!(of(&answer)["n"], 1);
        let allowed = &answer.headers()["access-control-allow-origin"];
        assert_eq!(allowed, "https://a.example");
    }
    let answer = stage
        .get(&key, "/proxy/x/a", &[("origin", "https://b.example")])
        .await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let refused = stage.get(&key, "/proxy/x/a?page=x", &[]).await;
    assert_eq!(code(&refused), "request_invalid");
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn stored_answers_that_cannot_be_transformed_are_recorded_so() {
    let policies = json!({
        "cache": {},
        "response_transform": { "body": { "jq": "error" } },
    });
    let stage = Stage::new("", policies).await;
    let key = stage.world.key.clone();
    for _ in 0..2 {
        let answer = stage.get(&key, "/proxy/x/a", &[]).await;
        assert_eq!(answer.status(), 502);
        assert_eq!(code(&answer), "response_transform_failed");
    }
    assert_eq!(stage.asked(), 1);
    let calls = stage.world.calls().await;
    let told: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(told, [502, 502]);
    assert!(calls.iter().all(|call| call.bytes_out > 0));
}
