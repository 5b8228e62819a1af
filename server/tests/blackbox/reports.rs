//! Reports: made when asked for, kept, mailed, and nobody else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use apiverse_testkit::{App, Client, Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::outbox::message;
use crate::{options, start};

both!(
    a_report_is_made_kept_and_mailed,
    schedules_are_made_changed_and_deleted,
);

/// A range of days that has today in it, whatever the clock says meanwhile.
fn around_today() -> (String, String) {
    let day = |seconds: i64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let at = now.saturating_add_signed(seconds);
        apiverse_testkit::rfc3339(at)[..10].to_owned()
    };
    (day(-86_400), day(86_400))
}

/// So many calls of an API, counted.
async fn with_calls(app: &App, name: &str) -> (Client, String) {
    let upstream = Upstream::start(|_| Response::new(Full::new(Bytes::from("ok")))).await;
    let client = app.stranger(name).await;
    let api = client.create_api(name, &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    for _ in 0..3 {
        let call = client.proxy("GET", &format!("/{name}/x"), &key);
        client.send(call).await.assert_status(200);
    }
    eventually("all calls", async || {
        let usage = client.get("/usage").await.expect_status(200).json();
        (usage["totals"]["calls"] == 3).then_some(())
    })
    .await;
    (client, api)
}

async fn me(client: &Client) -> (String, String) {
    let me = client.get("/auth/me").await.expect_status(200).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&me["id"]), text(&me["email"]))
}

async fn a_report_is_made_kept_and_mailed(engine: Engine) {
    let app = start(engine).await;
    let (ada, api) = with_calls(&app, "weather").await;
    let (id, email) = me(&ada).await;
    let (from, to) = around_today();
    let body = json!({
        "name": "Look", "from": from, "to": to, "api_id": api, "recipients": [id],
    });
    let made = ada.post("/reports", &body).await.expect_status(201);
    let location = made.header("location").expect("a place").to_owned();
    let report = made.json();
    assert_eq!(report["headline"]["calls"], 3, "{report}");
    assert_eq!(report["status"], "ready");
    let path = format!("/reports/{}", report["id"].as_str().expect("an id"));
    assert!(location.ends_with(&path), "{location}");

    let html = ada.get(&format!("{path}/html")).await.expect_status(200);
    assert_eq!(
        html.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let name = format!("attachment; filename=\"report-{from}.html\"");
    assert_eq!(html.header("content-disposition"), Some(name.as_str()));
    let policy = html.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("sandbox;"), "{policy}");
    assert!(html.text().contains("<h1>Look</h1>"), "{}", html.text());
    assert!(!html.text().contains("<script"));
    let csv = ada.get(&format!("{path}/csv")).await.expect_status(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(
        csv.text().contains("summary,,calls,3,0\r\n"),
        "{}",
        csv.text()
    );
    let folder = app.data_dir().join("reports");
    let kept = || walk(&folder);
    assert_eq!(kept(), 2, "both files are in the store");

    let mail = message(&ada, "report_ready", &email).await;
    let text = mail["text"].as_str().expect("a text");
    assert!(text.contains("3 calls"), "{text}");
    let link = mail["link"].as_str().expect("a link");
    assert!(link.ends_with("/console/reports"), "{link}");

    // Nobody else's.
    let bob = app.stranger("bob").await;
    let (stranger, _) = me(&bob).await;
    for file in ["", "/html", "/csv"] {
        bob.get(&format!("{path}{file}"))
            .await
            .assert_problem(404, "report_not_found");
    }
    bob.delete(&path)
        .await
        .assert_problem(404, "report_not_found");
    let listed = bob.get("/reports").await.expect_status(200).json();
    assert_eq!(listed["data"], json!([]));
    let body = json!({ "from": from, "to": to, "recipients": [stranger] });
    let refused = ada.post("/reports", &body).await;
    let problem = refused.assert_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["field"], "recipients");

    let listed = ada.get("/reports").await.expect_status(200).json();
    assert_eq!(listed["data"][0]["id"], report["id"]);
    ada.delete(&path).await.assert_status(204);
    ada.get(&path).await.assert_problem(404, "report_not_found");
    assert_eq!(kept(), 0, "they went with the report");
}

/// Files below a folder.
fn walk(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let count = |entry: std::fs::DirEntry| {
        if entry.path().is_dir() {
            walk(&entry.path())
        } else {
            1
        }
    };
    entries.flatten().map(count).sum()
}

async fn schedules_are_made_changed_and_deleted(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let (id, _) = me(&ada).await;
    let body = json!({
        "name": "Weekly", "period": "week", "time_zone": "Europe/Berlin", "hour": 7,
        "recipients": [id],
    });
    let made = ada
        .post("/report-schedules", &body)
        .await
        .expect_status(201);
    let made = made.json();
    assert_eq!(made["enabled"], true);
    assert!(made["next_due"].is_string(), "{made}");
    let path = format!("/report-schedules/{}", made["id"].as_str().expect("an id"));
    let changed = ada
        .patch(&path, &json!({ "enabled": false, "hour": 9 }))
        .await
        .expect_status(200)
        .json();
    assert_eq!(changed["next_due"], Value::Null);
    assert_eq!(changed["hour"], 9);
    assert_eq!(changed["name"], "Weekly");
    for (field, value) in [
        ("time_zone", json!("Mars/Olympus")),
        ("hour", json!(24)),
        ("name", json!(" ")),
        ("api_id", json!("01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21")),
    ] {
        let refused = ada.patch(&path, &json!({ field: value })).await;
        let problem = refused.assert_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let bob = app.stranger("bob").await;
    bob.get(&path)
        .await
        .assert_problem(404, "report_schedule_not_found");
    bob.patch(&path, &json!({ "hour": 1 }))
        .await
        .assert_problem(404, "report_schedule_not_found");
    ada.delete(&path).await.assert_status(204);
    ada.get(&path)
        .await
        .assert_problem(404, "report_schedule_not_found");
}

#[tokio::test]
async fn a_store_that_is_away_is_told_as_such() {
    let options = options(Engine::Sqlite)
        .env("REPORT_STORE", "s3://acme/reports")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2");
    let app = App::start(options).await;
    let ada = app.stranger("ada").await;
    let (from, to) = around_today();
    let body = json!({ "from": from, "to": to });
    let refused = ada.post("/reports", &body).await;
    refused.assert_problem(503, "service_unavailable");
    let listed = ada.get("/reports").await.expect_status(200).json();
    assert_eq!(listed["data"], json!([]));
    assert!(!app.stderr().contains("hunter2") && !app.stdout().contains("hunter2"));
}

/// What a bucket holds, by path.
type Held = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// S3 as far as single objects go, for whoever signs with the key `id`.
async fn bucket(held: &Held) -> Upstream {
    let held = Arc::clone(held);
    Upstream::start(move |seen| {
        let signed = seen
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=id/"));
        let path = seen.uri.path().to_owned();
        let mut held = held.lock().expect("a lock");
        let (status, body) = match (signed, seen.method.as_str()) {
            (false, _) => (403, Bytes::new()),
            (true, "PUT") => {
                held.insert(path, seen.body.clone());
                (200, Bytes::new())
            }
            (true, "DELETE") => {
                held.remove(&path);
                (204, Bytes::new())
            }
            (true, _) => match held.get(&path) {
                Some(body) => (200, body.clone()),
                None => (404, Bytes::new()),
            },
        };
        Response::builder()
            .status(status)
            .header("etag", "\"1\"")
            .header("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT")
            .body(Full::new(body))
            .expect("a response")
    })
    .await
}

#[tokio::test]
async fn a_bucket_keeps_reports() {
    let held = Held::default();
    let bucket = bucket(&held).await;
    let options = options(Engine::Sqlite)
        .env("REPORT_STORE", "s3://acme/reports")
        .env("AWS_ENDPOINT_URL", &bucket.base())
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2");
    let app = App::start(options).await;
    let ada = app.stranger("ada").await;
    let (from, to) = around_today();
    let body = json!({ "from": from, "to": to });
    let made = ada.post("/reports", &body).await.expect_status(201).json();
    let path = format!("/reports/{}", made["id"].as_str().expect("an id"));
    let names: Vec<String> = held.lock().expect("a lock").keys().cloned().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        assert!(name.starts_with("/acme/reports/"), "{name}");
    }
    let csv = ada.get(&format!("{path}/csv")).await.expect_status(200);
    assert!(csv.text().starts_with("section,item,"), "{}", csv.text());
    ada.delete(&path).await.assert_status(204);
    assert!(held.lock().expect("a lock").is_empty());
}
