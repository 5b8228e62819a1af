//! What the numbers say.

use apiverse_testkit::{Client, Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::start;

both!(
    every_call_is_counted_once,
    refused_calls_are_told_apart,
    calls_are_broken_down,
    sums_are_kept_when_calls_are_rolled,
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

/// An API with calls of several kinds, all of them stored.
async fn busy(client: &Client, upstream: &Upstream) -> (String, String, String) {
    let api = client.create_api("first", &upstream.base()).await;
    let (key_id, key) = client.create_key("k").await;
    for path in [
        "/first/users/1",
        "/first/users/2",
        "/first/users/3/orders/77",
        "/first/status/503",
        "/first/nowhere",
        "/first/nowhere",
    ] {
        client.send(client.proxy("GET", path, &key)).await;
    }
    client
        .send(client.proxy("POST", "/first/users/9", &key).body("abc"))
        .await;
    eventually("seven calls", async || {
        let usage = client.get("/usage").await.expect_status(200).json();
        (usage["totals"]["calls"] == 7).then_some(())
    })
    .await;
    (api, key_id, key)
}

async fn by_status() -> Upstream {
    Upstream::start(|seen| {
        let status = seen.uri.path().strip_prefix("/status/");
        let otherwise = if seen.uri.path() == "/nowhere" {
            404
        } else {
            200
        };
        let status = status.and_then(|text| text.parse().ok());
        let status: u16 = status.unwrap_or(otherwise);
        Response::builder()
            .status(status)
            .body(Full::new(Bytes::from_static(b"0123456789")))
            .expect("a response")
    })
    .await
}

async fn calls_are_broken_down(engine: Engine) {
    let app = start(engine).await;
    let upstream = by_status().await;
    let client = app.stranger("ada").await;
    let (api, key_id, _) = busy(&client, &upstream).await;
    let get = async |path: &str| client.get(path).await.expect_status(200).json();
    let rows = async |query: &str| -> Vec<(String, u64)> {
        let breakdown = get(&format!("/usage/breakdown?{query}")).await;
        let rows = data(&breakdown).map(|row| {
            let ids = row["values"].as_array().expect("values").iter();
            let ids: Vec<&str> = ids.map(|v| v["id"].as_str().unwrap_or("-")).collect();
            (
                ids.join(" "),
                row["totals"]["calls"].as_u64().expect("a number"),
            )
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    let row = |name: &str, calls: u64| (name.to_owned(), calls);
    assert_eq!(
        rows("by=route").await,
        [
            row("(not found)", 2),
            row("/status/{id}", 1),
            row("/users/{id}", 3),
            row("/users/{id}/orders/{id}", 1)
        ]
    );
    assert_eq!(rows("by=method").await, [row("GET", 6), row("POST", 1)]);
    assert_eq!(
        rows("by=status").await,
        [row("200", 4), row("404", 2), row("503", 1)]
    );
    assert_eq!(
        rows("by=status_class&and=method&status=2xx").await,
        [row("2xx GET", 3), row("2xx POST", 1)]
    );
    assert_eq!(rows("by=key&sort=error_rate").await, [row(&key_id, 7)]);
    // Of one key, by what only the fullest sums know.
    assert_eq!(
        rows(&format!("by=route&key_id={key_id}&method=POST")).await,
        [row("/users/{id}", 1)]
    );
    assert_eq!(rows("by=version").await, [row("default", 7)]);
    assert_eq!(rows("by=cache").await, [row("-", 7)]);
    assert_eq!(rows("by=error_code&status_code=503").await, [row("-", 1)]);

    let top = get("/usage/breakdown?by=api&series=true&compare=true&granularity=minute").await;
    assert_eq!(top["data"][0]["values"][0]["name"], "first");
    assert_eq!(top["data"][0]["previous"]["calls"], 0);
    let series = top["data"][0]["series"].as_array().expect("a series");
    assert_eq!(
        series.len(),
        top["starts"].as_array().expect("starts").len()
    );
    let calls: u64 = series
        .iter()
        .filter_map(|step| step["calls"].as_u64())
        .sum();
    assert_eq!(calls, 7);

    // What a row says can be asked for, of sums and of calls.
    for (filter, calls) in [
        ("route=/users/{id}", 3),
        ("route=(not found)", 2),
        ("method=POST", 1),
        ("status_code=404", 2),
        ("version=default", 7),
        ("status=4xx&method=GET", 2),
        ("cache=hit", 0),
        ("error_code=rate_limited", 0),
    ] {
        let filter = filter
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace(' ', "%20");
        let usage = get(&format!("/usage?{filter}")).await;
        assert_eq!(usage["totals"]["calls"], calls, "{filter}");
        let listed = get(&format!("/usage/calls?{filter}")).await;
        assert_eq!(data(&listed).count() as u64, calls, "{filter}");
    }

    let latency = get(&format!("/usage/latency?api_id={api}")).await;
    let bars = latency["bars"].as_array().expect("bars");
    let calls: u64 = bars.iter().filter_map(|bar| bar["calls"].as_u64()).sum();
    assert_eq!((calls, &latency["totals"]["calls"]), (7, &json!(7)));

    let errors = get("/usage/errors").await;
    let found: Vec<(&Value, &Value, &Value)> = data(&errors)
        .map(|row| (&row["route"], &row["calls"], &row["is_new"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!("(not found)"), &json!(2), &json!(true)),
            (&json!("/status/{id}"), &json!(1), &json!(true))
        ]
    );

    let report = get("/usage?granularity=day&tz=Asia/Tokyo&compare=true").await;
    assert_eq!(report["totals"]["calls"], 7);
    assert_eq!(report["previous"]["totals"]["calls"], 0);
    let start = report["series"][0]["start"].as_str().expect("a time");
    assert!(start.ends_with("T15:00:00Z"), "{start}");
    for (path, column) in [
        ("/usage?format=csv", "start,calls,errors"),
        ("/usage/breakdown?by=route&format=csv", "by,id,name"),
        ("/usage/calls?format=csv", "started_at,request_id"),
    ] {
        let answer = client.get(path).await.expect_status(200);
        assert!(answer.text().starts_with(column), "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/csv; charset=utf-8")
        );
    }
    let csv = client.get("/usage/calls?format=csv").await.text();
    assert_eq!(csv.lines().count(), 8);
    for bad in [
        "/usage?tz=Mars/Olympus",
        "/usage?version=x",
        "/usage/breakdown?by=weather",
        "/usage/breakdown?by=api&and=api",
        "/usage?route=users",
    ] {
        let status = client.get(bad).await.status;
        assert!(matches!(status, 400 | 422), "{bad}: {status}");
    }
}

async fn sums_are_kept_when_calls_are_rolled(engine: Engine) {
    let app = start(engine).await;
    let upstream = by_status().await;
    let client = app.stranger("ada").await;
    let (_, key_id, key) = busy(&client, &upstream).await;
    // Sums have gone from batches to blocks when there are templates: a path that is not known
    // is then told by what was learned.
    for n in 0..60 {
        let word: String = format!("{n}")
            .bytes()
            .map(|b| (b - b'0' + b'a') as char)
            .collect();
        let path = format!("/first/shop/x{word}");
        client.send(client.proxy("GET", &path, &key)).await;
    }
    eventually("names to be learned", async || {
        let path = "/usage/breakdown?by=route";
        let breakdown = client.get(path).await.expect_status(200).json();
        assert!(breakdown["totals"]["calls"].as_u64() <= Some(67));
        let mut rows = data(&breakdown);
        rows.any(|row| row["values"][0]["id"] == "/shop/{name}" && row["totals"]["calls"] == 60)
            .then_some(())
    })
    .await;
    let of_key = client.get(&format!("/usage?key_id={key_id}")).await;
    assert_eq!(of_key.expect_status(200).json()["totals"]["calls"], 67);
    let app = app.restart().await;
    let client = client.at(app.base());
    let usage = client.get("/usage").await.expect_status(200).json();
    assert_eq!(usage["totals"]["calls"], 67);
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
