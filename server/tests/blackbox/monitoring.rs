//! What monitoring gets to see: Prometheus' text, the dashboard and the alert rules that go with
//! it, OpenTelemetry, CloudWatch.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use apiverse_testkit::{App, Client, Engine, Redis, Upstream, both, eventually, free_port};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::{options, start};

both!(metrics_are_as_prometheus_wants_them);

const DASHBOARD: &str = include_str!("../../../deploy/grafana/apiverse.json");
const RULES: &str = include_str!("../../../deploy/prometheus/rules.yml");

/// The names of metrics in a text of expressions.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c: char| !is_part(c))
        .filter(|word| word.starts_with("apiverse_") || word.starts_with("process_"))
        .map(|word| {
            let word = word.strip_suffix("_bucket").unwrap_or(word);
            word.to_owned()
        })
        .collect()
}

/// Expressions of the dashboard, wherever they are in it.
fn expressions(value: &Value, all: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if matches!(name.as_str(), "expr" | "query") => {
                        all.push_str(text);
                        all.push('\n');
                    }
                    other => expressions(other, all),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, all)),
        _ => {}
    }
}

/// Prometheus' own tool; `make test` installs it.
fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir("../deploy/prometheus")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    let mut stdin = child.stdin.take().expect("is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{arguments:?}: {said}\n{input}");
}

/// Calls of every kind that has a metric of its own.
async fn use_everything(app: &App, client: &Client, key: &str) {
    let upstream = Upstream::echo().await;
    let api = client.create_api("echo", &upstream.base()).await;
    let path = format!("/policies/api/{api}/upstream");
    let document = json!({
        "targets": [{ "url": upstream.base() }],
        "breaker": {},
        "retries": {},
    });
    let set = client.put(&path, &document).await;
    assert!(matches!(set.status, 200 | 201), "{}", set.text());
    let path = format!("/policies/api/{api}/cors");
    let set = client.put(&path, &json!({ "allow_origins": ["*"] })).await;
    assert!(matches!(set.status, 200 | 201), "{}", set.text());
    eventually("a call through all of it", async || {
        let call = client
            .proxy("GET", "/echo/x", key)
            .header("origin", "https://a.example");
        client.send(call).await;
        let text = app.anonymous().get("/metrics").await.text();
        [
            "apiverse_upstream_tries_total",
            "apiverse_gateway_policies_total",
        ]
        .iter()
        .all(|name| text.contains(name))
        .then_some(())
    })
    .await;
}

async fn metrics_are_as_prometheus_wants_them(engine: Engine) {
    let redis = Redis::start().await;
    let app = App::start(options(engine).env("REDIS_URL", &redis.url())).await;
    let client = app.stranger("ada").await;
    let (_, key) = client.create_key("k").await;
    use_everything(&app, &client, &key).await;
    let text = eventually("what is counted now and then", async || {
        let text = client.get("/metrics").await.expect_status(200).text();
        let late = [
            "apiverse_usage_summed_timestamp_seconds 1",
            "apiverse_usage_stored_timestamp_seconds 1",
            "apiverse_database_up 1",
            "apiverse_outbox_messages{state=\"due\"}",
        ];
        late.iter().all(|line| text.contains(line)).then_some(text)
    })
    .await;
    let secrets = [key.as_str(), "apv_live_", "ada@", "correct horse"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    promtool(&["check", "metrics"], &text);

    let known: BTreeSet<&str> = (text.lines())
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let mut wanted = String::from(RULES);
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    expressions(&dashboard, &mut wanted);
    let wanted = names(&wanted);
    assert!(wanted.len() > 50, "{wanted:?}");
    let missing: Vec<&String> = (wanted.iter())
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in\n{text}");
    // And nothing is counted that nobody looks at.
    let unseen: Vec<&&str> = (known.iter())
        .filter(|name| {
            let is_ours = name.starts_with("apiverse_");
            // Those of the policy's callers and of the snapshot are for who looks closer.
            let is_detail = [
                "apiverse_gateway_snapshot_entries",
                "apiverse_gateway_limit_callers",
            ]
            .contains(name)
                || name.starts_with("apiverse_cache_shared_")
                || name.starts_with("apiverse_limits_shared_")
                || **name == "apiverse_gateway_cache_keys"
                || **name == "apiverse_telemetry_dropped_spans_total";
            is_ours && !is_detail && !wanted.contains(**name)
        })
        .collect();
    assert!(unseen.is_empty(), "{unseen:?} are on no panel");
}

#[test]
fn the_alert_rules_hold() {
    promtool(&["check", "rules", "rules.yml"], "");
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["test", "rules", "rules_test.yml"], "");
    // Each is tested, and each has a heading that says what to do.
    let tests = include_str!("../../../deploy/prometheus/rules_test.yml");
    let docs = include_str!("../../../docs/monitoring.md");
    for line in RULES.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert!(tests.contains(&format!("alertname: {name}\n")), "{name}");
            assert!(docs.contains(&format!("### {name}\n")), "{name}");
        }
    }
}

struct Receiver {
    process: Child,
    base: String,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Receiver {
    /// OpenTelemetry's own messages in Python; `make test` installs them. `refused` requests are
    /// answered with 503 first.
    fn start(refused: u32) -> Self {
        let python = std::env::var("TEST_HTTPBIN").expect("TEST_HTTPBIN names a Python");
        let mut process = Command::new(python)
            .args(["tests/blackbox/otlp_receiver.py", &refused.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver starts");
        let mut said = BufReader::new(process.stdout.take().expect("is piped")).lines();
        let port = said.next().expect("a port").expect("is text");
        Self {
            process,
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    /// What came until now.
    async fn received(&self, app: &App) -> Value {
        let there = app.anonymous().at(&self.base);
        there.get("/received").await.expect_status(200).json()
    }
}

fn spans(received: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for request in received["/v1/traces"].as_array().expect("requests") {
        let scope = &request["resourceSpans"][0]["scopeSpans"][0];
        all.extend(scope["spans"].as_array().expect("spans").iter().cloned());
    }
    all
}

fn attribute<'a>(holder: &'a Value, name: &str) -> &'a Value {
    let all = holder["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|one| one["key"] == name);
    let value = found.map(|one| &one["value"]);
    value
        .and_then(|value| value.get("stringValue").or_else(|| value.get("intValue")))
        .unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opentelemetry_gets_traces_and_metrics() {
    // The first two are refused: they are sent again.
    let receiver = Receiver::start(2);
    let settings = options(Engine::Sqlite)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.base)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .env("OTEL_TRACES_SAMPLER_ARG", "0")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let app = App::start(settings).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::echo().await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let call = async |flags: &str, path: &str| {
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        let request = client
            .proxy("GET", path, &key)
            .header("traceparent", parent);
        client.send(request).await.assert_status(200);
    };
    // A caller that samples, one that does not, and one without a trace (of which none is kept).
    call("00", "/echo/unsampled").await;
    client
        .send(client.proxy("GET", "/echo/alone?secret=1", &key))
        .await
        .assert_status(200);
    call("01", "/echo/sampled?secret=1").await;
    let received = eventually("the trace", async || {
        let received = receiver.received(&app).await;
        (!spans(&received).is_empty()).then_some(received)
    })
    .await;
    let spans = spans(&received);
    let named = |name: &str| {
        let found: Vec<&Value> = spans.iter().filter(|span| span["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:?}");
        found[0]
    };
    let whole = named("GET /proxy");
    assert_eq!(whole["kind"], "SPAN_KIND_SERVER");
    assert_eq!(attribute(whole, "http.response.status_code"), "200");
    let path = attribute(whole, "url.path").as_str().expect("a path");
    assert!(path.ends_with("/echo/sampled"), "{path}");
    let asked = named("upstream");
    assert_eq!(asked["kind"], "SPAN_KIND_CLIENT");
    assert_eq!(asked["parentSpanId"], whole["spanId"]);
    named("identify");
    let text = received.to_string();
    for secret in ["secret=1", key.as_str()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    // The upstream's parent is our client span, in the caller's trace; bytes are base64 there.
    let seen = upstream.seen();
    let sent = |path: &str| {
        let found = seen
            .iter()
            .find(|seen| seen.uri.path().contains(path))
            .expect("seen");
        found.headers["traceparent"]
            .to_str()
            .expect("text")
            .to_owned()
    };
    assert!(sent("/unsampled").ends_with("-00"));
    assert!(sent("/alone").ends_with("-00"));
    let parent = sent("/sampled");
    assert!(parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01"));

    let about = &received["/v1/traces"][0]["resourceSpans"][0]["resource"];
    assert_eq!(attribute(about, "service.name"), "apiverse");
    assert_eq!(attribute(about, "deployment.environment.name"), "test");
    let headers = received["headers"][0].to_string();
    assert!(headers.contains("a b"), "{headers}");

    let metrics = eventually("metrics with the calls", async || {
        let received = receiver.received(&app).await;
        let last = received["/v1/metrics"].as_array()?.last()?.clone();
        let metrics = last["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].clone();
        let calls = metrics
            .as_array()?
            .iter()
            .find(|metric| metric["name"] == "apiverse_gateway_requests_total")?;
        let point = &calls["sum"]["dataPoints"][0];
        (point["asDouble"] == 3.0 && calls["sum"]["isMonotonic"] == true).then_some(metrics)
    })
    .await;
    let time = metrics
        .as_array()
        .expect("metrics")
        .iter()
        .find(|metric| metric["name"] == "apiverse_gateway_request_duration_seconds")
        .expect("the histogram");
    let point = &time["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], "3");
    let counts = point["bucketCounts"].as_array().expect("buckets");
    let bounds = point["explicitBounds"].as_array().expect("bounds");
    assert_eq!(counts.len(), bounds.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_holds_up_nobody() {
    let settings = options(Engine::Sqlite)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://127.0.0.1:{}", free_port()),
        )
        .env("OTEL_TRACES_SAMPLER", "always_on")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .env("OTEL_BSP_SCHEDULE_DELAY", "10")
        .env(
            "AWS_EMF_AGENT_ENDPOINT",
            &format!("tcp://127.0.0.1:{}", free_port()),
        )
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let mut app = App::start(settings).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::echo().await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    // More than the queue and a batch hold: the rest is dropped, and every call is answered.
    eventually("spans to be dropped", async || {
        for _ in 0..50 {
            client
                .send(client.proxy("GET", "/echo/x", &key))
                .await
                .assert_status(200);
        }
        let mut all = client
            .metric("apiverse_telemetry_dropped_spans_total")
            .await
            > 0.0;
        for to in ["metrics", "emf"] {
            let series = format!("apiverse_telemetry_failures_total{{to=\"{to}\"}}");
            all &= client.metric(&series).await > 0.0;
        }
        all.then_some(())
    })
    .await;
    app.signal("TERM");
    assert!(app.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudwatch_gets_embedded_metrics() {
    let agent = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = agent.local_addr().expect("an address");
    let settings = options(Engine::Sqlite)
        .env("AWS_EMF_AGENT_ENDPOINT", &format!("tcp://{address}"))
        .env("AWS_EMF_NAMESPACE", "Team/API")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let app = App::start(settings).await;
    let client = app.admin().await;
    let (_, key) = client.create_key("k").await;
    for _ in 0..3 {
        client
            .send(client.proxy("GET", "/sample/x", &key))
            .await
            .assert_status(200);
    }
    let mut calls = 0.0;
    // Told as what was added: over all portions they come to the three calls.
    while calls < 3.0 {
        let (mut portion, _) = agent.accept().await.expect("a portion");
        let mut lines = String::new();
        portion.read_to_string(&mut lines).await.expect("is text");
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], "Team/API");
            assert!(line["_aws"]["Timestamp"].is_u64());
            for metric in directive["Metrics"].as_array().expect("metrics") {
                let name = metric["Name"].as_str().expect("a name");
                assert!(line[name].is_number(), "{name}: {line}");
            }
            calls += line["apiverse_gateway_requests_total"]
                .as_f64()
                .unwrap_or(0.0);
        }
    }
    assert_eq!(calls, 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_settings_a_new_trace_is_the_upstreams_to_sample() {
    let app = start(Engine::Sqlite).await;
    let client = app.stranger("ada").await;
    let upstream = Upstream::echo().await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    client
        .send(client.proxy("GET", "/echo/x", &key))
        .await
        .assert_status(200);
    let seen = upstream.seen();
    let parent = seen[0].headers["traceparent"].to_str().expect("text");
    assert!(parent.ends_with("-01"), "{parent}");
}
