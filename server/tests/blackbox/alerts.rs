//! Alerts as whoever is told of them sees it: a receiver that checks what is signed with the
//! package of others, an outbox, a history.

use std::time::{Duration, SystemTime};

use apiverse_testkit::{Client, Engine, Upstream, both, eventually, free_port};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::sign_in::Peer;
use crate::start;

both!(what_fires_is_told_by_mail_and_webhook);

/// What came to the receiver.
async fn taken(receiver: &Client) -> Vec<Value> {
    let request = receiver.request("GET", "/taken");
    let taken = receiver.send(request).await.expect_status(200).json();
    taken.as_array().cloned().unwrap_or_default()
}

/// What came of a type, once it was taken: the first call is refused, and the second is the same.
async fn delivered(receiver: &Client, kind: &str) -> Value {
    let calls = eventually(kind, async || {
        let calls: Vec<Value> = taken(receiver)
            .await
            .into_iter()
            .filter(|call| call["event"]["type"] == kind || !call["wrong"].is_null())
            .collect();
        (calls.len() >= 2).then_some(calls)
    })
    .await;
    assert_eq!(calls.len(), 2, "{calls:?}");
    for call in &calls {
        assert_eq!(call["wrong"], Value::Null);
        assert_eq!(call["path"], "/hook");
    }
    assert_eq!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[0]["event"], calls[1]["event"]);
    calls[0]["event"].clone()
}

fn minute() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.as_ref().map_or(0, Duration::as_secs) / 60
}

async fn what_fires_is_told_by_mail_and_webhook(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::start(|_| {
        Response::builder()
            .status(500)
            .body(Full::new(Bytes::new()))
            .expect("a response")
    })
    .await;
    let client = app.stranger("ada").await;
    let api = client.create_api("payments", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;

    let peer = Peer::node("webhook_peer.mjs", free_port(), &[]).await;
    let receiver = Client::new(&peer.base);
    let webhook = client
        .post(
            "/alerts/webhooks",
            &json!({ "name": "pager", "url": format!("{}/hook", peer.base) }),
        )
        .await
        .expect_status(201)
        .json();
    let secret = webhook["secret"].as_str().expect("a secret").to_owned();
    let request = receiver.request("PUT", "/secret").body(secret);
    receiver.send(request).await.assert_status(204);
    // The secret is shown once.
    let listed = client.get("/alerts/webhooks").await.expect_status(200);
    assert_eq!(listed.json()["data"][0].get("secret"), None);

    let rule = json!({
        "name": "Payments fails", "severity": "critical",
        "condition": { "kind": "threshold", "metric": "errors", "value": 0, "window_minutes": 5 },
        "filter": { "api_id": api },
        "notify": { "roles": ["owner"], "webhook_ids": [webhook["id"]] },
    });
    let rule = client
        .post("/alerts/rules", &rule)
        .await
        .expect_status(201)
        .json();
    let id = rule["id"].as_str().expect("an id");
    let path = format!("/alerts/rules/{id}");
    let tried = client.post(&format!("{path}/test"), &json!({})).await;
    assert!((200..300).contains(&tried.status), "{}", tried.text());
    let event = delivered(&receiver, "alert.test").await;
    assert!(event["timestamp"].is_string(), "{event}");

    // Somebody else neither sees the rule nor makes it call anybody.
    let other = app.stranger("bob").await;
    for answer in [
        other.get(&path).await,
        other.post(&format!("{path}/test"), &json!({})).await,
        other.delete(&path).await,
    ] {
        answer.assert_problem(404, "alert_rule_not_found");
    }
    let history = other.get("/alerts/history").await.expect_status(200).json();
    assert_eq!(history["data"], json!([]));

    let begun = minute();
    for _ in 0..3 {
        let answer = client
            .send(client.proxy("GET", "/payments/charge", &key))
            .await;
        answer.assert_status(500);
    }
    // A minute is judged when it is over.
    eventually("the next minute", async || (minute() > begun).then_some(())).await;
    let event = delivered(&receiver, "alert.fired").await;
    assert_eq!(event["data"]["rule_name"], "Payments fails");
    assert_eq!(event["data"]["severity"], "critical");
    let summary = event["data"]["summary"].as_str().expect("a summary");
    assert!(summary.contains("payments"), "{summary}");
    let history = client
        .get("/alerts/history?firing=true")
        .await
        .expect_status(200)
        .json();
    assert_eq!(history["data"][0]["rule_name"], "Payments fails");
    assert_eq!(history["data"][0]["summary"], summary);
    let outbox = client
        .get("/notifications?limit=200")
        .await
        .expect_status(200)
        .json();
    let mails = outbox["data"].as_array().expect("messages").iter();
    let subjects: Vec<&Value> = mails
        .filter(|message| message["event"] == "alert" && message["channel"] == "email")
        .map(|message| &message["subject"])
        .collect();
    assert!(
        subjects
            .iter()
            .any(|subject| **subject == "Critical: Payments fails"),
        "{outbox}"
    );
    // It was told once.
    let fired = taken(&receiver).await;
    let ids: std::collections::HashSet<_> = fired
        .iter()
        .filter(|call| call["event"]["type"] == "alert.fired")
        .filter_map(|call| call["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1);

    // A deleted rule is over, and its address is free to go.
    client.delete(&path).await.assert_status(204);
    client
        .get(&path)
        .await
        .assert_problem(404, "alert_rule_not_found");
}
