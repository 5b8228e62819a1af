//! Clerk: its session tokens, its reports and its hosted page, made by Clerk's and Svix' own
//! packages.

use std::time::{SystemTime, UNIX_EPOCH};

use apiverse_testkit::{Answer, App, Client, Engine, both};
use serde_json::{Value, json};

use crate::options;
use crate::sign_in::{Browser, Peer};

both!(
    session_tokens_are_accepted_and_others_refused,
    who_is_nobody_here_is_not_asked_about_without_end,
    keys_roll_over_and_are_not_asked_for_without_end,
    people_and_organizations_follow_reports,
    reports_are_believed_when_they_are_signed_now,
    the_hosted_page_signs_a_browser_in,
);

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Stage {
    app: App,
    origin: String,
    clerk: Peer,
    ask: Client,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        let (port, clerk_port) = (apiverse_testkit::free_port(), apiverse_testkit::free_port());
        let origin = format!("http://127.0.0.1:{port}");
        let clerk = Peer::node("clerk_peer.mjs", clerk_port, &[&origin, SECRET]).await;
        let options = options(engine)
            .env("APIVERSE_ADDR", &format!("127.0.0.1:{port}"))
            .env("APIVERSE_PUBLIC_URL", &origin)
            .env("CLERK_ENABLED", "true")
            .env("CLERK_SECRET_KEY", "sk_test_for_the_tests")
            // neat-fox-12.clerk.accounts.dev
            .env(
                "CLERK_PUBLISHABLE_KEY",
                "pk_test_bmVhdC1mb3gtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA",
            )
            .env("CLERK_WEBHOOK_SECRET", SECRET)
            .env("CLERK_AUTHORIZED_PARTIES", "https://app.example.com")
            .env("CLERK_FRONTEND_API_URL", &clerk.base)
            .env("CLERK_API_URL", &clerk.base)
            .env("CLERK_SIGN_IN_URL", &format!("{}/sign-in", clerk.base));
        Self {
            app: App::start(options).await,
            ask: Client::new(&clerk.base),
            origin,
            clerk,
        }
    }

    async fn asked(&self, what: &str, body: Value) -> Value {
        let answer = self.ask.post(&format!("/test/{what}"), &body).await;
        answer.expect_status(200).json()
    }

    async fn token(&self, claims: Value) -> String {
        let token = self.asked("token", claims).await;
        token["token"].as_str().expect("a token").to_owned()
    }

    async fn me(&self, token: &str) -> Answer {
        let client = self.app.anonymous().with_token(token);
        client.get("/api/v1/auth/me").await
    }

    /// Sends a report, signed by Svix' package.
    async fn report(&self, id: &str, at: i64, body: &Value) -> Answer {
        let text = body.to_string();
        let asked = json!({ "id": id, "at": at, "body": text });
        let signature = self.asked("svix", asked).await;
        let signature = signature["signature"]
            .as_str()
            .expect("a signature")
            .to_owned();
        self.deliver("/webhooks/clerk", (id, at, &signature), text)
            .await
    }

    async fn deliver(
        &self,
        path: &str,
        (id, at, signature): (&str, i64, &str),
        body: String,
    ) -> Answer {
        let client = self.app.anonymous();
        let request = client
            .request("POST", path)
            .header("content-type", "application/json")
            .header("svix-id", id)
            .header("svix-timestamp", at.to_string())
            .header("svix-signature", signature)
            .body(body);
        client.send(request).await
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("fits")
}

async fn session_tokens_are_accepted_and_others_refused(engine: Engine) {
    let stage = Stage::new(engine).await;
    let token = stage.token(json!({})).await;
    let judged = stage.asked("official", json!({ "token": token })).await;
    assert_eq!(judged["accepted"], true);
    let me = stage.me(&token).await.expect_status(200).json();
    assert_eq!(me["email"], "grace@example.com", "{me}");
    assert_eq!(me["full_name"], "Grace Hopper", "{me}");
    let again = stage.token(json!({ "sid": "sess_2", "jti": "x" })).await;
    let again = stage.me(&again).await.expect_status(200).json();
    assert_eq!(again["id"], me["id"]);
    let elsewhere = json!({ "azp": "https://app.example.com" });
    stage
        .me(&stage.token(elsewhere).await)
        .await
        .assert_status(200);

    // They act in their own organization, as its owner.
    let client = stage.app.anonymous().with_token(&token);
    client.create_api("theirs", "https://example.com").await;

    for (changes, why) in [
        (json!({ "azp": "https://evil.example" }), "another origin"),
        (json!({ "azp": null }), "no origin, where some are named"),
        (
            json!({ "iss": "https://clerk.evil.example" }),
            "another issuer",
        ),
        (json!({ "exp": now() - 60 }), "expired"),
        (json!({ "nbf": now() + 3600 }), "not yet"),
        (json!({ "sts": "pending" }), "not finished"),
        (json!({ "exp": null }), "for ever"),
        (json!({ "sub": null }), "nobody"),
        (json!({ "sid": null }), "no session"),
        (json!({ "sub": "user_banned" }), "banned there"),
        (json!({ "sub": "user_unheard_of" }), "unknown there"),
    ] {
        let answer = stage.me(&stage.token(changes).await).await;
        assert_eq!(answer.status, 401, "{why}");
        answer.assert_problem(401, "invalid_token");
    }
    for kind in ["none", "hs256", "altered", "other-key", "unknown-key"] {
        let forged = stage.asked("forge", json!({ "kind": kind })).await;
        let token = forged["token"].as_str().expect("a token");
        let judged = stage.asked("official", json!({ "token": token })).await;
        assert_eq!(judged["accepted"], false, "{kind}");
        stage.me(token).await.assert_problem(401, "invalid_token");
    }

    // Somebody's address opens no account that is there, and none when it is not theirs for sure.
    let token = stage.token(json!({ "sub": "user_admin" })).await;
    stage.me(&token).await.assert_problem(409, "email_taken");
    let token = stage.token(json!({ "sub": "user_unsure" })).await;
    stage.me(&token).await.assert_problem(403, "forbidden");
}

async fn who_is_nobody_here_is_not_asked_about_without_end(engine: Engine) {
    let stage = Stage::new(engine).await;
    let admin = stage.app.admin().await;
    let token = stage.token(json!({ "sub": "user_admin" })).await;
    let (mut told, mut held_up) = (0, 0);
    for n in 0..30 {
        let answer = stage.me(&token).await;
        if n >= 5 && answer.status == 429 {
            held_up += 1;
        } else {
            answer.assert_problem(409, "email_taken");
            told += 1;
        }
    }
    // The pause grows: however slow this machine is, few come through.
    assert!(held_up > 0);
    // Each that did left a line in the audit log of the account whose address it is.
    let path = "/audit?action=user.sign_in_failed&limit=50";
    let lines = admin.get(path).await.expect_status(200).json();
    let lines = lines["data"].as_array().expect("lines").len();
    assert_eq!(lines, told);
    // Others of the same service are not held up.
    let token = stage.token(json!({})).await;
    stage.me(&token).await.assert_status(200);
}

async fn keys_roll_over_and_are_not_asked_for_without_end(engine: Engine) {
    let stage = Stage::new(engine).await;
    let before = stage.token(json!({})).await;
    stage.me(&before).await.assert_status(200);
    stage.asked("roll", json!({})).await;
    let after = stage.token(json!({})).await;
    stage.me(&after).await.assert_status(200);
    stage.me(&before).await.assert_problem(401, "invalid_token");
    for _ in 0..20 {
        let forged = stage.asked("forge", json!({ "kind": "unknown-key" })).await;
        let token = forged["token"].as_str().expect("a token");
        stage.me(token).await.assert_problem(401, "invalid_token");
    }
    let fetched = stage.asked("fetched", json!({})).await;
    assert!(fetched["fetched"].as_u64() <= Some(5), "{fetched}");
    stage.me(&after).await.assert_status(200);
}

fn member(kind: &str, id: &str, role: &str, updated_at: i64) -> Value {
    json!({ "type": format!("organizationMembership.{kind}"), "object": "event", "data": {
        "id": id, "object": "organization_membership", "role": role, "updated_at": updated_at,
        "organization": { "id": "org_acme", "name": "Acme", "slug": "acme" },
        "public_user_data": { "user_id": "user_joan" },
    } })
}

fn user(kind: &str, id: &str, first_name: &str, updated_at: i64) -> Value {
    json!({ "type": format!("user.{kind}"), "object": "event", "data": {
        "id": id, "object": "user", "first_name": first_name, "last_name": null,
        "primary_email_address_id": "idn_1", "updated_at": updated_at,
        "email_addresses": [{ "id": "idn_1", "email_address": format!("{id}@example.com"),
            "verification": { "status": "verified" } }],
    } })
}

async fn people_and_organizations_follow_reports(engine: Engine) {
    let stage = Stage::new(engine).await;
    let sent = std::cell::Cell::new(0);
    let report = async |body: Value| {
        sent.set(sent.get() + 1);
        let id = format!("msg_{}", sent.get());
        stage.report(&id, now(), &body).await.assert_status(204);
    };
    let name = async |id: &str| {
        let token = stage.token(json!({ "sub": id })).await;
        stage.me(&token).await.expect_status(200).json()["full_name"].clone()
    };
    // The newest report counts, whichever comes last.
    report(user("updated", "user_ida", "Ida", 20)).await;
    report(user("created", "user_ida", "Adi", 10)).await;
    assert_eq!(name("user_ida").await, "Ida");
    report(user("updated", "user_ida", "Ida B.", 30)).await;
    assert_eq!(name("user_ida").await, "Ida B.");

    // A membership that is reported before its user; then the token acts there.
    report(member("created", "orgmem_1", "org:member", 5)).await;
    let in_acme =
        json!({ "sub": "user_joan", "o": { "id": "org_acme", "rol": "member", "slg": "acme" } });
    let token = stage.token(in_acme.clone()).await;
    let joan = stage.app.anonymous().with_token(&token);
    let me = joan.get("/api/v1/auth/me").await.expect_status(200).json();
    assert_eq!(me["organization"]["name"], "Acme", "{me}");
    // The first of an organization here owns it: there must be somebody.
    assert_eq!(me["organization"]["role"], "owner", "{me}");
    let acme = me["organization"]["id"].clone();
    // Claims of the first version name the same.
    let v1 = json!({ "sub": "user_joan", "v": null, "org_id": "org_acme",
        "org_role": "org:member", "org_slug": "acme" });
    let me = stage.me(&stage.token(v1).await).await.expect_status(200);
    assert_eq!(me.json()["organization"]["id"], acme);

    // Somebody who is seen there first by their token; later reports change their role.
    let grace = json!({ "o": { "id": "org_acme", "rol": "admin", "slg": "acme" } });
    let role = async || {
        let me = stage.me(&stage.token(grace.clone()).await).await;
        me.expect_status(200).json()["organization"]["role"].clone()
    };
    assert_eq!(role().await, "admin");
    let of_grace = |kind: &str, id: &str, role: &str, at: i64| {
        let mut body = member(kind, id, role, at);
        body["data"]["public_user_data"]["user_id"] = json!("user_grace");
        body
    };
    report(of_grace("updated", "orgmem_2", "org:member", 9)).await;
    assert_eq!(role().await, "developer");
    report(of_grace("created", "orgmem_2", "org:admin", 7)).await;
    assert_eq!(role().await, "developer", "that was before");
    let old = stage.token(grace.clone()).await;
    report(of_grace("deleted", "orgmem_2", "org:member", 9)).await;
    report(of_grace("updated", "orgmem_2", "org:member", 11)).await;
    let left = stage.me(&old).await;
    assert_eq!(left.status, 401, "not after they left: {}", left.text());
    // A name that changed; an organization that is gone there stays here.
    let renamed = json!({ "type": "organization.updated", "data":
        { "id": "org_acme", "name": "Acme Ltd", "updated_at": 50 } });
    report(renamed).await;
    let me = stage.me(&token).await.expect_status(200).json();
    assert_eq!(me["organization"]["name"], "Acme Ltd");
    report(json!({ "type": "organization.deleted", "data": { "id": "org_acme" } })).await;

    // A session that ended there, a user who is gone there.
    let token = stage
        .token(json!({ "sub": "user_ida", "sid": "sess_ida" }))
        .await;
    stage.me(&token).await.assert_status(200);
    report(json!({ "type": "session.revoked", "data": { "id": "sess_ida" } })).await;
    stage.me(&token).await.assert_problem(401, "invalid_token");
    let token = stage
        .token(json!({ "sub": "user_ida", "sid": "sess_ida_2" }))
        .await;
    stage.me(&token).await.assert_status(200);
    report(json!({ "type": "user.deleted", "data": { "id": "user_ida", "deleted": true } })).await;
    stage.me(&token).await.assert_problem(401, "invalid_token");
    report(user("updated", "user_ida", "Ida again", 99)).await;
    stage.me(&token).await.assert_problem(401, "invalid_token");
    // What is not known is taken and forgotten.
    report(json!({ "type": "email.created", "data": {} })).await;
}

async fn reports_are_believed_when_they_are_signed_now(engine: Engine) {
    let stage = Stage::new(engine).await;
    let body = user("created", "user_eve", "Eve", 1);
    for path in [
        "/webhooks/clerk",
        "/api/webhooks/clerk",
        "/api/v1/webhooks/clerk",
    ] {
        let id = format!("msg{}", path.replace('/', "_"));
        let (at, text) = (now(), body.to_string());
        let asked = json!({ "id": id, "at": at, "body": text });
        let signature = stage.asked("svix", asked).await["signature"].clone();
        let signature = signature.as_str().expect("a signature");
        // An altered one first: it must not use the id up.
        for (id, at, signature, text) in [
            (id.as_str(), at, signature, text.replace("Eve", "Bob")),
            (id.as_str(), at + 1, signature, text.clone()),
            ("msg_other", at, signature, text.clone()),
            (id.as_str(), at, "v1,AAAA", text.clone()),
            (id.as_str(), at, "", text.clone()),
            ("", at, signature, text.clone()),
        ] {
            stage
                .deliver(path, (id, at, signature), text)
                .await
                .assert_problem(400, "invalid_signature");
        }
        let taken = stage
            .deliver(path, (&id, at, signature), text.clone())
            .await;
        taken.assert_status(204);
        // Once more is taken, and does nothing.
        let again = stage.deliver(path, (&id, at, signature), text).await;
        again.assert_status(204);
    }
    let wrong = json!({ "id": "msg_s", "at": now(), "body": body.to_string(),
        "secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    let signature = stage.asked("svix", wrong).await["signature"].clone();
    let signature = signature.as_str().expect("a signature");
    stage
        .deliver(
            "/webhooks/clerk",
            ("msg_s", now(), signature),
            body.to_string(),
        )
        .await
        .assert_problem(400, "invalid_signature");
    for at in [now() - 600, now() + 600] {
        let late = stage.report("msg_late", at, &body).await;
        late.assert_problem(400, "invalid_signature");
    }
    let broken = json!({ "type": "user.created", "data": {} });
    let broken = stage.report("msg_broken", now(), &broken).await;
    broken.assert_problem(400, "invalid_signature");

    // A report that is repeated under its id does nothing, though what it tells would.
    let gone = json!({ "type": "session.ended", "data": { "id": "sess_1" } });
    let first = json!({ "type": "email.created", "data": {} });
    stage
        .report("msg_once", now(), &first)
        .await
        .assert_status(204);
    stage
        .report("msg_once", now(), &gone)
        .await
        .assert_status(204);
    let token = stage.token(json!({})).await;
    stage.me(&token).await.assert_status(200);
}

async fn the_hosted_page_signs_a_browser_in(engine: Engine) {
    let stage = Stage::new(engine).await;
    let mut browser = Browser::new(&stage.app);
    let url = |path: &str| format!("{}{path}", stage.origin);
    let page = browser.get(&url("/login")).await.expect_status(200);
    assert!(page.text().contains("Continue with Clerk"));

    // Somebody else's way back is worth nothing in this browser.
    let mut other = Browser::new(&stage.app);
    let start = url("/login/with/clerk?next=%2Fconsole%2Fkeys");
    let (back, _) = other.follow(&start, "__clerk_handshake").await;
    assert!(
        back.starts_with(&url("/login/with/clerk/callback")),
        "{back}"
    );
    let led = browser.get(&back).await.expect_status(303);
    assert_eq!(
        led.header("location"),
        Some("/login?problem=stale&with=clerk")
    );

    let (at, answer) = browser.follow(&start, "/console/keys").await;
    assert!(at.ends_with("/console/keys") && answer.is_none(), "{at}");
    let me = browser.get(&url("/api/v1/auth/me")).await;
    assert_eq!(me.expect_status(200).json()["email"], "grace@example.com");

    // The session here ends with the one there.
    let ended = json!({ "type": "session.ended", "data": { "id": "sess_browser" } });
    stage
        .report("msg_end", now(), &ended)
        .await
        .assert_status(204);
    browser
        .get(&url("/api/v1/auth/me"))
        .await
        .assert_status(401);
    drop(stage.clerk);
}
