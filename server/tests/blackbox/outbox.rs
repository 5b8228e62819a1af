//! Messages to people: what is owed is sent, once, whatever happens in between.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use apiverse_testkit::{App, Client, Engine, Upstream, both, eventually};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::options;

both!(
    a_mail_provider_that_is_down_loses_nothing_and_gets_nothing_twice,
    what_the_provider_reports_is_believed_when_it_is_signed,
    the_outbox_shows_its_text_in_development_only,
);

/// The newest message of an event to an address, once it was worked on.
pub async fn message(reader: &Client, event: &str, recipient: &str) -> Value {
    eventually("a message", async || {
        let page = reader
            .get("/notifications?limit=200")
            .await
            .expect_status(200)
            .json();
        let found = page["data"].as_array()?.iter().find(|message| {
            message["event"] == event
                && message["recipient"] == recipient
                && !matches!(message["status"].as_str(), Some("pending" | "sending"))
        })?;
        let id = found["id"].as_str()?;
        Some(
            reader
                .get(&format!("/notifications/{id}"))
                .await
                .expect_status(200)
                .json(),
        )
    })
    .await
}

/// The `token` of the link in the newest message of an event to an address.
pub async fn token(reader: &Client, event: &str, recipient: &str) -> String {
    let message = message(reader, event, recipient).await;
    let link = message["link"].as_str().expect("a link");
    let (_, token) = link.split_once("token=").expect("a token");
    token.to_owned()
}

/// To whom the provider took messages.
type Taken = Arc<Mutex<Vec<String>>>;

/// Mailgun as far as sending goes. Answers with `status` while that is not 200.
async fn mailgun(status: &Arc<AtomicU16>, taken: &Taken) -> Upstream {
    let (status, taken) = (Arc::clone(status), Arc::clone(taken));
    Upstream::start(move |seen| {
        let (code, body) = match (seen.method.as_str(), status.load(Ordering::SeqCst)) {
            ("GET", _) => (200, r#"{"items":[],"paging":{}}"#.to_owned()),
            (_, 200) => {
                let id = part(&seen.body, "h:Message-Id");
                taken.lock().expect("no panic").push(part(&seen.body, "to"));
                (
                    200,
                    json!({ "id": id, "message": "Queued. Thank you." }).to_string(),
                )
            }
            (_, code) => (code, r#"{"message":"not now"}"#.to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
        response
    })
    .await
}

/// A part of a multipart body.
fn part(body: &Bytes, name: &str) -> String {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text
        .split_once(&format!("name=\"{name}\"\r\n\r\n"))
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split("\r\n--").next().unwrap_or_default().to_owned()
}

fn sent(provider: &Upstream) -> Vec<(String, String)> {
    let posted = provider
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "POST");
    posted
        .map(|seen| {
            assert_eq!(seen.uri.path(), "/v3/mail.example.com/messages");
            assert_eq!(seen.header("authorization"), Some("Basic YXBpOmtleS0x"));
            assert_eq!(
                part(&seen.body, "from"),
                "APIverse <no-reply@mail.example.com>"
            );
            (part(&seen.body, "to"), part(&seen.body, "h:Message-Id"))
        })
        .collect()
}

async fn with_mailgun(engine: Engine, provider: &Upstream) -> App {
    let options = options(engine)
        .env("REGISTRATION_BY_EMAIL", "false")
        .env("MAILGUN_API_KEY", "key-1")
        .env("MAILGUN_DOMAIN", "mail.example.com")
        .env("MAILGUN_URL", &provider.base())
        .env("MAILGUN_WEBHOOK_SIGNING_KEY", "key-signing");
    App::start(options).await
}

async fn a_mail_provider_that_is_down_loses_nothing_and_gets_nothing_twice(engine: Engine) {
    let status = Arc::new(AtomicU16::new(503));
    let taken = Taken::default();
    let provider = mailgun(&status, &taken).await;
    let mut app = with_mailgun(engine, &provider).await;
    let second = match engine {
        Engine::Postgres => Some(app.another_node().await),
        Engine::Sqlite => None,
    };
    for name in ["ada", "bob", "cyd", "dan"] {
        app.stranger(name).await;
    }
    eventually("attempts that fail", async || {
        (sent(&provider).len() >= 6).then_some(())
    })
    .await;
    // The node that owes them dies, and the provider comes back meanwhile.
    app.kill();
    let app = app.restart().await;
    status.store(200, Ordering::SeqCst);
    let admin = app.admin().await;
    for name in ["ada", "bob", "cyd", "dan"] {
        let address = format!("{name}@example.org");
        eventually("the message to be sent", async || {
            let message = message(&admin, "email_verification", &address).await;
            (message["status"] == "sent").then_some(())
        })
        .await;
    }
    let mut to = taken.lock().expect("no panic").clone();
    to.sort_unstable();
    let all = [
        "ada@example.org",
        "bob@example.org",
        "cyd@example.org",
        "dan@example.org",
    ];
    assert_eq!(to, all);
    drop(second);
}

async fn what_the_provider_reports_is_believed_when_it_is_signed(engine: Engine) {
    let provider = mailgun(&Arc::new(AtomicU16::new(200)), &Taken::default()).await;
    let app = with_mailgun(engine, &provider).await;
    let admin = app.admin().await;
    app.stranger("ada").await;
    let read = async || message(&admin, "email_verification", "ada@example.org").await;
    eventually("the message to be sent", async || {
        (read().await["status"] == "sent").then_some(())
    })
    .await;
    let id = read().await["provider_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let report = |token: &str, key: &str, at: u64| {
        let signature = sign(key, &format!("{at}{token}"));
        json!({
            "signature": { "timestamp": at.to_string(), "token": token, "signature": signature },
            "event-data": {
                "event": "failed", "severity": "permanent", "reason": "bounce",
                "recipient": "ada@example.org",
                "message": { "headers": { "message-id": id } },
            },
        })
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let client = app.anonymous();
    for forged in [
        report("t1", "another key", now),
        report("t1", "key-signing", now - 3600),
    ] {
        client
            .post("/webhooks/mailgun", &forged)
            .await
            .assert_problem(400, "invalid_signature");
    }
    assert_eq!(read().await["status"], "sent");
    let real = report("t1", "key-signing", now);
    for path in [
        "/api/webhooks/mailgun",
        "/webhooks/mailgun",
        "/api/v1/webhooks/mailgun",
    ] {
        client.post(path, &real).await.assert_status(204);
    }
    assert_eq!(read().await["status"], "failed");
    let held = admin
        .get("/notifications/suppressions")
        .await
        .expect_status(200)
        .json();
    assert_eq!(held["data"][0]["recipient"], "ada@example.org");

    // Nothing goes there any more, until somebody takes it off.
    let before = sent(&provider).len();
    let body = json!({ "email": "ada@example.org" });
    client
        .post("/auth/password/forgot", &body)
        .await
        .assert_status(202);
    let reset = eventually("the message to be held back", async || {
        let page = admin.get("/notifications").await.expect_status(200).json();
        let found = page["data"]
            .as_array()?
            .iter()
            .find(|m| m["event"] == "password_reset")?;
        (found["status"] == "suppressed").then(|| found.clone())
    })
    .await;
    assert_eq!(reset["last_error"], "bounce");
    assert_eq!(sent(&provider).len(), before);
    let path = "/notifications/suppressions/email/ada@example.org";
    let remove = admin.request("DELETE", path);
    admin.send(remove).await.assert_status(204);
    client
        .post("/auth/password/forgot", &body)
        .await
        .assert_status(202);
    eventually("the message to be sent", async || {
        (sent(&provider).len() > before).then_some(())
    })
    .await;
    client
        .post("/webhooks/twilio", &json!({}))
        .await
        .assert_problem(404, "not_found");
}

/// HMAC-SHA-256 in hex, by a program that is not ours.
fn sign(key: &str, text: &str) -> String {
    let script = "import hmac,hashlib,sys;\
        print(hmac.new(sys.argv[1].encode(),sys.argv[2].encode(),hashlib.sha256).hexdigest())";
    let out = std::process::Command::new("python3")
        .args(["-c", script, key, text])
        .output()
        .expect("python3 runs");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

async fn the_outbox_shows_its_text_in_development_only(engine: Engine) {
    let app = crate::start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let bob = app.stranger("bob").await;
    let shown = message(&admin, "email_verification", "ada@example.org").await;
    assert_eq!(shown["status"], "kept");
    assert!(
        shown["text"]
            .as_str()
            .expect("a text")
            .contains("/verify-email?token=")
    );
    assert!(
        shown["html"]
            .as_str()
            .expect("html")
            .starts_with("<!doctype html>")
    );
    let id = shown["id"].as_str().expect("an id");
    ada.get(&format!("/notifications/{id}"))
        .await
        .assert_status(200);
    bob.get(&format!("/notifications/{id}"))
        .await
        .assert_problem(404, "notification_not_found");
    bob.get("/notifications/suppressions")
        .await
        .assert_problem(403, "forbidden");
    bob.get("/notifications/no-id")
        .await
        .assert_problem(404, "notification_not_found");
}
