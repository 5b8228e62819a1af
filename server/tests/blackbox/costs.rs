//! What calls cost.

use apiverse_testkit::{Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::start;

both!(
    calls_cost_what_the_rules_say,
    prices_hold_for_their_days,
    a_spent_budget_blocks,
    tokens_of_language_models_are_counted_and_paid_for,
);

async fn calls_cost_what_the_rules_say(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::start(|seen| {
        let status = if seen.uri.path() == "/wrong" {
            500
        } else {
            200
        };
        Response::builder()
            .status(status)
            .body(Full::new(Bytes::from(vec![b'x'; 1_000])))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    let api = client.create_api("first", &upstream.base()).await;
    client.create_api("second", &upstream.base()).await;
    let (key_id, key) = client.create_key("k").await;
    for path in [
        "/first/a",
        "/first/a",
        "/first/a",
        "/first/wrong",
        "/second/a",
    ] {
        client.send(client.proxy("GET", path, &key)).await;
    }
    // Refused: the upstream never saw it.
    app.anonymous()
        .get(&format!("/proxy/{api}/a"))
        .await
        .assert_status(401);
    let rule = json!({
        "name": "calls", "api_id": api, "statuses": ["3xx", "200"], "currency": "EUR", "from": "2020-01-01",
        "tiers": [{ "up_to": 2, "price_micros": 0 }, { "price_micros": 400 }],
    });
    let made = client
        .post("/costs/rules", &rule)
        .await
        .expect_status(201)
        .json();
    let never = json!({
        "name": "teapots", "statuses": ["418", "503"], "currency": "EUR", "from": "2020-01-01",
        "tiers": [{ "price_micros": 7 }],
    });
    client.post("/costs/rules", &never).await.assert_status(201);
    let bytes = json!({
        "name": "bytes", "unit": "megabyte_out", "currency": "USD", "from": "2020-01-01",
        "tiers": [{ "price_micros": 1_000_000 }],
    });
    client.post("/costs/rules", &bytes).await.assert_status(201);
    let costs = eventually("all calls", async || {
        let costs = client.get("/costs").await.expect_status(200).json();
        let dollars = costs["totals"][1]["micros"].as_i64();
        (dollars == Some(5_000)).then_some(costs)
    })
    .await;
    // Three calls of the first API, two of them free.
    assert_eq!(
        costs["totals"][0],
        json!({ "currency": "EUR", "micros": 400 })
    );
    assert_eq!(costs["days"].as_array().map(Vec::len), Some(1));
    assert_eq!(costs["data"][0]["name"], "first");
    assert_eq!(costs["data"][0]["amounts"][1]["micros"], 4_000);
    for (query, euros) in [
        ("by=key", 400),
        ("by=route", 400),
        ("by=rule", 400),
        (&*format!("key_id={key_id}"), 400),
        ("from=2020-01-01&to=2020-02-01", 0),
    ] {
        let costs = client
            .get(&format!("/costs?{query}"))
            .await
            .expect_status(200)
            .json();
        let totals = costs["totals"].as_array().expect("totals").iter();
        let found: i64 = totals
            .filter(|amount| amount["currency"] == "EUR")
            .filter_map(|amount| amount["micros"].as_i64())
            .sum();
        assert_eq!(found, euros, "{query}");
    }
    let budget = json!({
        "name": "b", "api_id": api, "amount_micros": 500, "currency": "EUR", "thresholds": [50, 80, 100],
    });
    let budget = client
        .post("/costs/budgets", &budget)
        .await
        .expect_status(201)
        .json();
    assert_eq!(budget["spent_micros"], 400);
    assert_eq!(budget["reached"], json!([50, 80]));
    assert!(budget["projected_micros"].as_i64() >= Some(400));
    let listed = client.get("/costs/budgets").await.expect_status(200).json();
    assert_eq!(listed["data"][0]["percent"], 80.0);
    let other = app.stranger("bob").await;
    let rules = other.get("/costs/rules").await.expect_status(200).json();
    assert_eq!(rules["data"], json!([]));
    let id = made["id"].as_str().expect("an id");
    assert_eq!(
        other.delete(&format!("/costs/rules/{id}")).await.status,
        404
    );
    for bad in [
        json!({ "name": "", "currency": "EUR", "from": "2020-01-01", "tiers": [] }),
        json!({ "name": "x", "currency": "EUR", "from": "2020-01-01", "tiers": [{ "price_micros": 1 }],
            "statuses": vec!["429"; 21] }),
        json!({ "name": "x", "currency": "euro", "from": "2020-01-01", "tiers": [{ "price_micros": 1 }] }),
        json!({ "name": "x", "currency": "EUR", "from": "2020-01-01",
            "tiers": [{ "up_to": 5, "price_micros": 1 }] }),
    ] {
        assert_eq!(client.post("/costs/rules", &bad).await.status, 422, "{bad}");
    }
    client
        .delete(&format!("/costs/rules/{id}"))
        .await
        .assert_status(204);
    let costs = client.get("/costs").await.expect_status(200).json();
    assert_eq!(costs["totals"].as_array().map(Vec::len), Some(1));
}

async fn prices_hold_for_their_days(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    for _ in 0..3 {
        client
            .send(client.proxy("GET", "/echo/a", &key))
            .await
            .assert_status(200);
    }
    let today = chrono::Utc::now().date_naive();
    let day = |offset: i64| (today + chrono::Duration::days(offset)).to_string();
    // Calls at midnight may be of either day.
    for (name, from, to, price) in [
        ("before", "2020-01-01".to_owned(), Some(day(-1)), 7),
        ("now", day(-1), Some(day(2)), 500),
        ("later", day(2), None, 11),
    ] {
        let rule = json!({
            "name": name, "currency": "EUR", "from": from, "to": to,
            "tiers": [{ "price_micros": price }],
        });
        client.post("/costs/rules", &rule).await.assert_status(201);
    }
    let range = format!("/costs?by=rule&from={}&to={}", day(-3), day(3));
    let costs = eventually("all calls", async || {
        let costs = client.get(&range).await.expect_status(200).json();
        (costs["totals"][0]["micros"] == 1_500).then_some(costs)
    })
    .await;
    let rows = costs["data"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{costs}");
    assert_eq!(rows[0]["name"], "now");
}

async fn a_spent_budget_blocks(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let dear = client.create_api("dear", &upstream.base()).await;
    client.create_api("cheap", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let call = async |path: &str| client.send(client.proxy("GET", path, &key)).await;
    let rule = json!({
        "name": "calls", "api_id": dear, "currency": "EUR", "from": "2020-01-01",
        "tiers": [{ "price_micros": 1_000_000 }],
    });
    client.post("/costs/rules", &rule).await.assert_status(201);
    let budget = |amount: u64, block: bool| {
        json!({
            "name": "b", "api_id": dear, "amount_micros": amount, "currency": "EUR",
            "thresholds": [50, 100], "block": block,
        })
    };
    let made = client
        .post("/costs/budgets", &budget(2_000_000, true))
        .await;
    let made = made.expect_status(201).json();
    assert_eq!(made["blocked_until"], serde_json::Value::Null);
    let id = made["id"].as_str().expect("an id");
    for _ in 0..2 {
        call("/dear/a").await.assert_status(200);
    }
    let refused = eventually("the budget to block", async || {
        let answer = call("/dear/a").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-apiverse-error"), Some("budget_exceeded"));
    let wait = refused.header("retry-after").expect("is sent");
    let wait: u64 = wait.parse().expect("seconds");
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    // Requests with a body take another way.
    let post = client.proxy("POST", "/dear/a", &key).body("x");
    assert_eq!(client.send(post).await.status, 429);
    // It is for one API of one organization.
    call("/cheap/a").await.assert_status(200);
    let other = app.stranger("bob").await;
    other.create_api("dear", &upstream.base()).await;
    let (_, others_key) = other.create_key("k").await;
    let answer = other.send(other.proxy("GET", "/dear/a", &others_key)).await;
    answer.assert_status(200);
    let listed = client.get("/costs/budgets").await.expect_status(200).json();
    assert!(listed["data"][0]["blocked_until"].is_string(), "{listed}");
    assert_eq!(listed["data"][0]["reached"], json!([50, 100]));
    let audit = client
        .get("/audit?limit=200")
        .await
        .expect_status(200)
        .json();
    let count = |action: &str| {
        let lines = audit["data"].as_array().expect("lines").iter();
        lines.filter(|line| line["action"] == action).count()
    };
    assert_eq!(count("budget.threshold_reached"), 2, "{audit}");
    assert_eq!(count("budget.blocked"), 1);
    // With more money, or without blocking, calls pass at once.
    let path = format!("/costs/budgets/{id}");
    let put = async |body: serde_json::Value| {
        let answer = client.send(client.request("PUT", &path).json(&body)).await;
        answer.expect_status(200).json()
    };
    put(budget(1_000_000_000, true)).await;
    call("/dear/a").await.assert_status(200);
    let blocked = put(budget(1, true)).await;
    assert!(blocked["blocked_until"].is_string(), "{blocked}");
    call("/dear/a").await.assert_status(429);
    put(budget(1, false)).await;
    call("/dear/a").await.assert_status(200);
    put(budget(1, true)).await;
    call("/dear/a").await.assert_status(429);
    client.delete(&path).await.assert_status(204);
    call("/dear/a").await.assert_status(200);
}

async fn tokens_of_language_models_are_counted_and_paid_for(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::start(|seen| {
        // What is packed cannot be read in passing: it must not be asked for.
        let asked = seen.header("accept-encoding");
        let (kind, body) = match seen.uri.path() {
            _ if asked.is_some_and(|asked| asked != "identity") => ("text/plain", "packed"),
            "/chat" => (
                "application/json",
                r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":200}}"#,
            ),
            "/stream" => (
                "text/event-stream",
                "data: {\"choices\":[]}\n\ndata: {\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
            ),
            _ => ("application/json", r#"{"data":{"usage":{"prompt_tokens":7}}}"#),
        };
        Response::builder()
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    let api = client.create_api("llm", &upstream.base()).await;
    client.create_api("other", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    client
        .put(&format!("/policies/api/{api}/tokens"), &json!({}))
        .await
        .assert_status(201);
    for (name, unit, price) in [
        ("read", "million_tokens_in", 2_500_000),
        ("written", "million_tokens_out", 10_000_000),
    ] {
        let rule = json!({
            "name": name, "unit": unit, "currency": "USD", "from": "2020-01-01",
            "tiers": [{ "price_micros": price }],
        });
        client.post("/costs/rules", &rule).await.assert_status(201);
    }
    let mut ids = Vec::new();
    for path in ["/llm/chat", "/llm/stream", "/llm/none", "/other/chat"] {
        let request = client
            .proxy("POST", path, &key)
            .header("accept-encoding", "gzip, br")
            .body("{}");
        let answer = client.send(request).await.expect_status(200);
        let is_read = path.starts_with("/llm");
        assert_eq!(answer.text() != "packed", is_read, "{path}");
        ids.push(answer.header("x-request-id").expect("an id").to_owned());
    }
    // 1,030 read at 2.50 a million, 204 written at 10.
    let costs = eventually("all calls", async || {
        let costs = client.get("/costs").await.expect_status(200).json();
        (costs["totals"][0]["micros"] == 2_575 + 2_040).then_some(costs)
    })
    .await;
    assert_eq!(costs["totals"][0]["currency"], "USD");
    let calls = eventually("four calls", async || {
        let calls = client.get("/usage/calls").await.expect_status(200).json();
        (calls["data"].as_array().map(Vec::len) == Some(4)).then_some(calls)
    })
    .await;
    let tokens: Vec<_> = calls["data"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| {
            (
                call["tokens"]["input"].as_u64(),
                call["tokens"]["output"].as_u64(),
            )
        })
        .collect();
    // The newest first.
    let expected = [
        (None, None),
        (None, None),
        (Some(30), Some(4)),
        (Some(1000), Some(200)),
    ];
    assert_eq!(tokens, expected);
    let report = client.get("/usage").await.expect_status(200).json();
    assert_eq!(report["totals"]["tokens_in"], 1_030);
    assert_eq!(report["totals"]["tokens_out"], 204);
    // A call tells what the policy did.
    let explained = eventually("an explanation", async || {
        let path = format!("/explain/{}", ids[0]);
        let answer = client.get(&path).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    let phases = explained["phases"].as_array().expect("phases");
    let phase = phases.iter().find(|phase| phase["name"] == "tokens");
    let detail = phase.map(|phase| phase["detail"].to_string());
    assert!(
        detail
            .as_deref()
            .is_some_and(|detail| detail.contains("1000 read, 200 written")),
        "{explained}"
    );
}
