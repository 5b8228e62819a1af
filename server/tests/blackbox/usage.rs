//! What the numbers say.

use apiverse_testkit::{Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::start;

both!(
    every_call_is_counted_once,
    refused_calls_are_told_apart,
    questions_are_checked
);

async fn every_call_is_counted_once(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::start(|seen| {
        let status = seen
            .uri
            .path()
            .trim_start_matches('/')
            .parse()
            .unwrap_or(200);
        Response::builder()
            .status(status)
            .body(Full::new(Bytes::from_static(b"0123456789")))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    let first = client.create_api("first", &upstream.base()).await;
    client.create_api("second", &upstream.base()).await;
    let (key_id, key) = client.create_key("k").await;
    for path in [
        "/first/200",
        "/first/201",
        "/first/404",
        "/first/503",
        "/second/200",
    ] {
        let call = client.proxy("POST", path, &key).body("abc");
        client.send(call).await;
    }
    let usage = eventually("five calls", async || {
        let usage = client
            .get("/usage?granularity=minute")
            .await
            .expect_status(200)
            .json();
        (usage["totals"]["calls"] == 5).then_some(usage)
    })
    .await;
    let totals = &usage["totals"];
    assert_eq!(totals["errors"], 2);
    assert_eq!(totals["refused"], 0);
    assert_eq!(totals["bytes_in"], 15);
    assert_eq!(totals["bytes_out"], 50);
    let ms = |field: &str| totals[field].as_f64().expect("a latency");
    assert!(ms("p50_ms") > 0.0 && ms("p50_ms") <= ms("p95_ms") && ms("p95_ms") <= ms("p99_ms"));
    let series = usage["series"].as_array().expect("a series");
    assert!(
        series.len() >= 1440,
        "every step of the day is there: {}",
        series.len()
    );
    let sum = |field: &str| {
        series
            .iter()
            .filter_map(|step| step[field].as_u64())
            .sum::<u64>()
    };
    assert_eq!(
        (sum("calls"), sum("s2xx"), sum("s4xx"), sum("s5xx")),
        (5, 3, 1, 1)
    );

    let of_first = client
        .get(&format!("/usage?api_id={first}"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(of_first["totals"]["calls"], 4);
    let of_key = client
        .get(&format!("/usage?key_id={key_id}&status=5xx"))
        .await;
    assert_eq!(of_key.expect_status(200).json()["totals"]["calls"], 1);
    let top = client
        .get("/usage/top?by=api")
        .await
        .expect_status(200)
        .json();
    assert_eq!(top["data"][0]["name"], "first");
    assert_eq!(top["data"][0]["calls"], 4);

    let mut seen = Vec::new();
    let mut path = "/usage/calls?limit=2".to_owned();
    loop {
        let page = client.get(&path).await.expect_status(200).json();
        seen.extend(page["data"].as_array().expect("a list").iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/usage/calls?limit=2&cursor={cursor}");
    }
    let paths: Vec<&str> = seen
        .iter()
        .filter_map(|call| call["path"].as_str())
        .collect();
    assert_eq!(paths, ["/200", "/503", "/404", "/201", "/200"]);
    let used = eventually("the key's last use", async || {
        let key = client
            .get(&format!("/api-keys/{key_id}"))
            .await
            .expect_status(200)
            .json();
        key["last_used_at"].as_str().map(str::to_owned)
    })
    .await;
    assert!(used.starts_with("20"));
}

async fn refused_calls_are_told_apart(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let id = client.create_api("echo", &upstream.base()).await;
    let body = json!({ "name": "reader", "methods": ["GET"] });
    let (_, key) = client.create_key_with(body).await;
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    client
        .send(client.proxy("PUT", "/echo/x", &key))
        .await
        .assert_status(403);
    // Without a key, but the id says whose API it was.
    app.anonymous()
        .get(&format!("/proxy/{id}/x"))
        .await
        .assert_status(401);
    app.anonymous()
        .get("/proxy/echo/x")
        .await
        .assert_status(401);
    let usage = eventually("four calls", async || {
        let usage = client.get("/usage").await.expect_status(200).json();
        (usage["totals"]["calls"] == 4).then_some(usage)
    })
    .await;
    assert_eq!(usage["totals"]["refused"], 3);
    assert_eq!(usage["totals"]["errors"], 3);
    let calls = client
        .get("/usage/calls?status=4xx")
        .await
        .expect_status(200)
        .json();
    let mut codes: Vec<&str> = data(&calls)
        .filter_map(|c| c["error_code"].as_str())
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["key_not_allowed", "missing_api_key", "missing_api_key"]
    );
    assert!(data(&calls).all(|call| call["upstream_ms"].is_null()));
}

fn data(page: &Value) -> impl Iterator<Item = &Value> {
    page["data"].as_array().expect("a list").iter()
}

async fn questions_are_checked(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    for bad in [
        "from=yesterday",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "granularity=second",
        "granularity=minute&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "status=9xx",
        "api_id=1",
        "fom=2026-01-01T00:00:00Z",
    ] {
        let answer = client.get(&format!("/usage?{bad}")).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{bad}: {} {}",
            answer.status,
            answer.text()
        );
    }
    let empty = client.get("/usage").await.expect_status(200).json();
    assert_eq!(empty["totals"]["calls"], 0);
    assert_eq!(empty["totals"]["p95_ms"], Value::Null);
}
