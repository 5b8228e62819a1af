//! Health, metrics, documents, and dependencies that go away.

use apiverse_testkit::{App, Engine, Redis, Upstream, both, eventually};
use serde_json::Map;

use crate::{options, start};

both!(
    health_and_readiness,
    metrics_name_no_secret,
    the_document_describes_the_api,
    unified_key_is_for_automation,
);

async fn health_and_readiness(engine: Engine) {
    let app = start(engine).await;
    let client = app.anonymous();
    client.get("/health").await.assert_status(200);
    let ready = client.get("/health/ready").await.expect_status(200).json();
    assert_eq!(ready["status"], "ok", "{ready}");
    let database = ready["checks"]
        .as_array()
        .and_then(|all| all.iter().find(|check| check["name"] == "database"))
        .expect("the database is reported");
    assert_eq!(database["ok"], true);
    assert!(database["latency_ms"].is_number());
}

async fn metrics_name_no_secret(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    let text = eventually("the call in the metrics", async || {
        let text = client.get("/metrics").await.expect_status(200).text();
        let counted = text.lines().any(|line| {
            line.starts_with("apiverse_gateway_requests_total")
                && line.contains("method=\"GET\"")
                && line.contains("status_class=\"2xx\"")
                && line.ends_with(" 1")
        });
        counted.then_some(text)
    })
    .await;
    for metric in [
        "apiverse_build_info",
        "apiverse_gateway_request_duration_seconds",
        "apiverse_gateway_key_cache",
        "apiverse_database_pool",
    ] {
        assert!(text.contains(metric), "{metric} is missing:\n{text}");
    }
    assert!(!text.contains(&key) && !text.contains("apv_live_"));
}

async fn the_document_describes_the_api(engine: Engine) {
    let app = start(engine).await;
    let client = app.anonymous();
    let document = client
        .get("/api/openapi.json")
        .await
        .expect_status(200)
        .json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/api/v1/auth/login",
        "/api/v1/apis/{id}",
        "/api/v1/api-keys",
        "/api/v1/usage",
    ] {
        assert!(paths.contains_key(path), "{path} is missing");
    }
    assert!(
        paths.keys().any(|path| path.starts_with("/api/fn/")),
        "server functions are listed"
    );
    // Whatever the document names is there, and asks who is calling.
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            // An operation that anybody may call says so: one way in asks for nothing.
            let ways = operation["security"].as_array();
            let is_open = ways.is_some_and(|ways| {
                ways.iter()
                    .any(|way| way.as_object().is_some_and(Map::is_empty))
            });
            if is_open || !path.contains("/api/v1") || method == "parameters" {
                continue;
            }
            let path = path.replace("{id}", "0190163d-8694-739b-aea5-966c26f8ad91");
            let request = client.request(&method.to_uppercase(), &path);
            let answer = client.send(request).await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
        }
    }
    let docs = client.get("/api/docs").await.expect_status(200);
    assert!(
        docs.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    let policy = docs
        .header("content-security-policy")
        .expect("a policy")
        .to_owned();
    assert!(
        !policy.contains("'unsafe-inline'") || policy.contains("style-src"),
        "{policy}"
    );
}

async fn unified_key_is_for_automation(engine: Engine) {
    let secret = "unified-0123456789abcdef0123456789abcdef";
    let app = App::start(options(engine).env("UNIFIED_API_KEY", secret)).await;
    let robot = app.anonymous().with_token(secret);
    let apis = robot.get("/apis").await.expect_status(200).json();
    assert_eq!(apis["data"][0]["slug"], "sample");
    robot
        .create_api("made-by-robot", "https://example.com")
        .await;
    let wrong = app.anonymous().with_token(&secret.replace('u', "v"));
    wrong
        .get("/apis")
        .await
        .assert_problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_calls_go_on_and_readiness_says_so() {
    let mut redis = Redis::start().await;
    let app = App::start(options(Engine::Sqlite).env("REDIS_URL", &redis.url())).await;
    let client = app.admin().await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/sample/x", &key))
        .await
        .assert_status(200);
    redis.kill();
    eventually("readiness to be degraded", async || {
        let ready = client.get("/health/ready").await;
        (ready.json()["status"] == "degraded").then_some(())
    })
    .await;
    client
        .send(client.proxy("GET", "/sample/x", &key))
        .await
        .assert_status(200);
    let (_, fresh) = client.create_key("made meanwhile").await;
    client
        .send(client.proxy("GET", "/sample/x", &fresh))
        .await
        .assert_status(200);
    redis.resume().await;
    eventually("readiness to recover", async || {
        let ready = client.get("/health/ready").await;
        (ready.json()["status"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_metrics_can_have_listeners_of_their_own() {
    let (calls, metrics) = (apiverse_testkit::free_port(), apiverse_testkit::free_port());
    let options = options(Engine::Sqlite)
        .env("APIVERSE_GATEWAY_ADDR", &format!("127.0.0.1:{calls}"))
        .env("APIVERSE_METRICS_ADDR", &format!("127.0.0.1:{metrics}"));
    let mut app = App::start(options).await;
    let client = app.admin().await;
    let (_, key) = client.create_key("k").await;
    let there = client.at(&format!("http://127.0.0.1:{calls}"));
    there
        .send(there.proxy("GET", "/sample/x", &key))
        .await
        .assert_status(200);
    there
        .get("/api/v1/apis")
        .await
        .assert_problem(404, "not_found");
    let metrics = client.at(&format!("http://127.0.0.1:{metrics}"));
    let text = metrics.get("/metrics").await.expect_status(200).text();
    assert!(text.contains("apiverse_build_info"));
    client.get("/metrics").await.assert_status(404);
    app.signal("TERM");
    assert!(app.ended().await.success());
}
