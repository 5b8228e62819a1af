//! Accounts, tokens and sessions.

use apiverse_testkit::{Engine, Upstream, both, eventually};
use serde_json::json;

use crate::outbox::{message, token};
use crate::start;

both!(
    register_login_me_logout,
    refresh_tokens_rotate_and_reuse_ends_the_family,
    changing_the_password_ends_other_sessions,
    wrong_password_and_unknown_email_look_the_same,
    guessing_is_slowed_down_without_locking_the_owner_out,
    an_address_is_proved_by_the_link_that_was_sent,
    a_forgotten_password_is_replaced_and_all_sessions_end,
    another_address_is_taken_once_it_is_proved,
    data_is_taken_along_and_the_account_is_deleted,
    a_weak_password_is_refused_and_the_meter_says_why,
    other_sessions_end_on_every_node,
);

async fn register_login_me_logout(engine: Engine) {
    let app = start(engine).await;
    let client = app.anonymous();
    let body = json!({
        "email": "Grace@Example.com ",
        "password": "nanoseconds matter",
        "full_name": "Grace Hopper",
    });
    // The address is taken as typed, so that a stray blank is the caller's to mend.
    client
        .post("/auth/register", &body)
        .await
        .assert_problem(422, "validation_failed");
    let body = json!({
        "email": "Grace@Example.com",
        "password": "nanoseconds matter",
        "full_name": "Grace Hopper",
    });
    let user = client
        .post("/auth/register", &body)
        .await
        .expect_status(201)
        .json();
    assert_eq!(user["email"], "grace@example.com");
    assert_eq!(user["full_name"], "Grace Hopper");
    assert_eq!(user["is_active"], true);
    assert!(user["id"].is_string() && user["created_at"].is_string());
    assert!(!user.to_string().contains("password"));
    client
        .post("/api/v1/auth/register", &body)
        .await
        .assert_problem(409, "email_taken");

    client
        .get("/auth/me")
        .await
        .assert_problem(401, "authentication_required");
    let login = json!({ "email": "grace@example.com", "password": "nanoseconds matter" });
    let tokens = client
        .post("/auth/login", &login)
        .await
        .expect_status(200)
        .json();
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    let client = client.with_token(tokens["access_token"].as_str().expect("a token"));
    let me = client.get("/auth/me").await.expect_status(200).json();
    assert_eq!(me["id"], user["id"]);
    assert_eq!(me["organization"]["role"], "owner");

    client
        .send(client.request("POST", "/auth/logout"))
        .await
        .assert_status(204);
    client
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
}

async fn refresh_tokens_rotate_and_reuse_ends_the_family(engine: Engine) {
    let app = start(engine).await;
    let client = app.anonymous();
    app.stranger("rita").await;
    let login = json!({ "email": "rita@example.org", "password": "a password of some length" });
    let first = client
        .post("/auth/login", &login)
        .await
        .expect_status(200)
        .json();
    let refresh = json!({ "refresh_token": first["refresh_token"] });
    let second = client
        .post("/auth/refresh", &refresh)
        .await
        .expect_status(200)
        .json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let live = client.with_token(second["access_token"].as_str().expect("a token"));
    live.get("/auth/me").await.assert_status(200);

    client
        .post("/auth/refresh", &refresh)
        .await
        .assert_problem(401, "invalid_refresh_token");
    live.get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let newer = json!({ "refresh_token": second["refresh_token"] });
    client
        .post("/auth/refresh", &newer)
        .await
        .assert_problem(401, "invalid_refresh_token");
    let access = json!({ "refresh_token": second["access_token"] });
    client
        .post("/auth/refresh", &access)
        .await
        .assert_problem(401, "invalid_refresh_token");
}

async fn changing_the_password_ends_other_sessions(engine: Engine) {
    let app = start(engine).await;
    let here = app.stranger("sam").await;
    let mut elsewhere = app.anonymous();
    elsewhere
        .login("sam@example.org", "a password of some length")
        .await;
    let sessions = here.get("/auth/sessions").await.expect_status(200).json();
    let count = |list: &serde_json::Value| list["data"].as_array().map(Vec::len);
    assert_eq!(count(&sessions), Some(2), "{sessions}");

    let wrong = json!({ "current_password": "nope nope nope", "new_password": "another long one" });
    let refused = here.post("/auth/password", &wrong).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let right = json!({
        "current_password": "a password of some length",
        "new_password": "another long one",
    });
    here.post("/auth/password", &right).await.assert_status(204);
    here.get("/auth/me").await.assert_status(200);
    elsewhere
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let old = json!({ "email": "sam@example.org", "password": "a password of some length" });
    app.anonymous()
        .post("/auth/login", &old)
        .await
        .assert_problem(401, "invalid_credentials");
    app.anonymous()
        .login("sam@example.org", "another long one")
        .await;
}

async fn wrong_password_and_unknown_email_look_the_same(engine: Engine) {
    let app = start(engine).await;
    app.stranger("uma").await;
    let client = app.anonymous();
    let known = json!({ "email": "uma@example.org", "password": "wrong password" });
    let unknown = json!({ "email": "nobody@example.org", "password": "wrong password" });
    let known = client.post("/auth/login", &known).await;
    let unknown = client.post("/auth/login", &unknown).await;
    let mut known = known.assert_problem(401, "invalid_credentials");
    let mut unknown = unknown.assert_problem(401, "invalid_credentials");
    known["request_id"].take();
    unknown["request_id"].take();
    assert_eq!(known, unknown);
}

async fn guessing_is_slowed_down_without_locking_the_owner_out(engine: Engine) {
    let app = crate::options(engine).env("TRUSTED_PROXIES", "127.0.0.0/8");
    let app = apiverse_testkit::App::start(app).await;
    app.stranger("vic").await;
    let client = app.anonymous();
    let attempt = async |from: &str, password: &str| {
        let body = json!({ "email": "vic@example.org", "password": password });
        let request = client.request("POST", "/auth/login").json(&body);
        client.send(request.header("x-forwarded-for", from)).await
    };
    let mut slowed = None;
    for n in 0..60 {
        let answer = attempt("198.51.100.7", &format!("guess number {n}")).await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
        answer.assert_problem(401, "invalid_credentials");
    }
    let slowed = slowed.expect("a guesser is slowed down");
    slowed.assert_problem(429, "too_many_attempts");
    let wait: u64 = slowed
        .header("retry-after")
        .and_then(|t| t.parse().ok())
        .expect("seconds");
    assert!(wait >= 1);
    attempt("203.0.113.9", "a password of some length")
        .await
        .assert_status(200);
}

async fn an_address_is_proved_by_the_link_that_was_sent(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let verified =
        async || ada.get("/auth/me").await.expect_status(200).json()["email_verified"].clone();
    assert_eq!(verified().await, false);
    let first = token(&admin, "email_verification", "ada@example.org").await;
    ada.send(ada.request("POST", "/auth/email/verification"))
        .await
        .assert_status(202);
    let second = eventually("another link", async || {
        let newer = token(&admin, "email_verification", "ada@example.org").await;
        (newer != first).then_some(newer)
    })
    .await;
    let client = app.anonymous();
    let verify = async |token: &str| {
        client
            .post("/auth/email/verify", &json!({ "token": token }))
            .await
    };
    verify(&first).await.assert_problem(400, "invalid_link");
    verify("nonsense").await.assert_problem(400, "invalid_link");
    verify(&second).await.assert_status(204);
    assert_eq!(verified().await, true);
    verify(&second).await.assert_problem(400, "invalid_link");
    let me = admin.get("/auth/me").await.expect_status(200).json();
    assert_eq!(me["email_verified"], true, "the operator vouched for it");
}

async fn a_forgotten_password_is_replaced_and_all_sessions_end(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let client = app.anonymous();
    let ask = async |email: &str| {
        client
            .post("/auth/password/forgot", &json!({ "email": email }))
            .await
    };
    let known = ask("Ada@example.org").await;
    let unknown = ask("nobody@example.org").await;
    assert_eq!((known.status, known.text()), (202, unknown.text()));
    assert_eq!(unknown.status, 202);
    ask("no address")
        .await
        .assert_problem(422, "validation_failed");
    let link = token(&admin, "password_reset", "ada@example.org").await;
    let reset = async |token: &str, password: &str| {
        let body = json!({ "token": token, "new_password": password });
        client.post("/auth/password/reset", &body).await
    };
    reset(&link, "password123")
        .await
        .assert_problem(422, "validation_failed");
    reset("nonsense", "entirely other words")
        .await
        .assert_problem(400, "invalid_link");
    reset(&link, "entirely other words")
        .await
        .assert_status(204);
    reset(&link, "and yet other words")
        .await
        .assert_problem(400, "invalid_link");
    ada.get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let mut again = app.anonymous();
    again.login("ada@example.org", "entirely other words").await;
    let me = again.get("/auth/me").await.expect_status(200).json();
    assert_eq!(
        me["email_verified"], true,
        "whoever followed the link reads that mail"
    );
    message(&admin, "password_changed", "ada@example.org").await;
    eventually("what was asked for nobody to be gone", async || {
        let page = admin
            .get("/notifications?limit=200")
            .await
            .expect_status(200);
        (!page.text().contains("nobody@example.org")).then_some(())
    })
    .await;
}

async fn another_address_is_taken_once_it_is_proved(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    app.stranger("bob").await;
    let change = async |to: &str, password: &str| {
        let body = json!({ "new_email": to, "current_password": password });
        ada.post("/auth/email", &body).await
    };
    let right = "a password of some length";
    change("lovelace@example.org", "wrong")
        .await
        .assert_problem(422, "validation_failed");
    let taken = change("bob@example.org", right).await;
    let free = change("Lovelace@example.org", right).await;
    assert_eq!((taken.status, taken.text()), (202, free.text()));
    assert_eq!(free.status, 202);
    let link = token(&admin, "email_change", "lovelace@example.org").await;
    assert_eq!(ada.get("/auth/me").await.json()["email"], "ada@example.org");
    let client = app.anonymous();
    let confirm = async || {
        client
            .post("/auth/email/confirm", &json!({ "token": link }))
            .await
    };
    confirm().await.assert_status(204);
    confirm().await.assert_problem(400, "invalid_link");
    let me = ada.get("/auth/me").await.expect_status(200).json();
    assert_eq!(me["email"], "lovelace@example.org");
    message(&admin, "email_changed", "ada@example.org").await;
    app.anonymous().login("lovelace@example.org", right).await;
}

async fn data_is_taken_along_and_the_account_is_deleted(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let api = ada.create_api("weather", &upstream.base()).await;
    let (_, key) = ada.create_key("k").await;
    ada.send(ada.proxy("GET", &format!("/{api}/x"), &key))
        .await
        .assert_status(200);
    let export = ada.get("/auth/export").await.expect_status(200);
    assert!(
        export
            .header("content-disposition")
            .is_some_and(|value| value.starts_with("attachment"))
    );
    let export = export.json();
    assert_eq!(export["user"]["email"], "ada@example.org");
    assert_eq!(export["organizations"][0]["role"], "owner");
    assert!(export["activity"].to_string().contains("api.created"));
    assert!(!export.to_string().contains("argon2"));

    let delete = async |password: &str| {
        let body = json!({ "current_password": password });
        ada.send(ada.request("DELETE", "/auth/me").json(&body))
            .await
    };
    delete("wrong")
        .await
        .assert_problem(422, "validation_failed");
    delete("a password of some length").await.assert_status(204);
    ada.get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let login = json!({ "email": "ada@example.org", "password": "a password of some length" });
    let client = app.anonymous();
    client
        .post("/auth/login", &login)
        .await
        .assert_problem(401, "invalid_credentials");
    let gone = client
        .send(client.proxy("GET", &format!("/{api}/x"), &key))
        .await;
    gone.assert_gateway_problem(401, "invalid_api_key");
    message(&admin, "account_deleted", "ada@example.org").await;
    app.stranger("ada").await;
}

async fn a_weak_password_is_refused_and_the_meter_says_why(engine: Engine) {
    let app = start(engine).await;
    let client = app.anonymous();
    let register = json!({ "email": "eve@example.org", "password": "password123" });
    let refused = client.post("/auth/register", &register).await;
    let refused = refused.assert_problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["field"], "password");
    let meter = async |password: &str| {
        let body = json!({ "password": password, "hints": ["eve@example.org"] });
        client
            .post("/auth/password/strength", &body)
            .await
            .expect_status(200)
            .json()
    };
    let weak = meter("password123").await;
    assert_eq!(weak["is_acceptable"], false);
    assert!(
        weak["suggestions"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    let strong = meter("nanoseconds matter to admirals").await;
    assert_eq!(
        (strong["is_acceptable"].clone(), strong["score"].clone()),
        (true.into(), 4.into())
    );
}

async fn other_sessions_end_on_every_node(engine: Engine) {
    let app = start(engine).await;
    let here = app.stranger("sam").await;
    let mut elsewhere = app.anonymous();
    elsewhere
        .login("sam@example.org", "a password of some length")
        .await;
    let login = json!({ "email": "sam@example.org", "password": "a password of some length" });
    let stolen = app
        .anonymous()
        .post("/auth/login", &login)
        .await
        .expect_status(200)
        .json();
    let second = match engine {
        Engine::Postgres => Some(app.another_node().await),
        Engine::Sqlite => None,
    };
    let base = second.as_ref().map_or(app.base(), |node| node.base());
    elsewhere.at(base).get("/auth/me").await.assert_status(200);
    let change = json!({
        "current_password": "a password of some length",
        "new_password": "entirely other words",
    });
    here.post("/auth/password", &change)
        .await
        .assert_status(204);
    elsewhere
        .at(base)
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let refresh = json!({ "refresh_token": stolen["refresh_token"] });
    app.anonymous()
        .at(base)
        .post("/auth/refresh", &refresh)
        .await
        .assert_problem(401, "invalid_refresh_token");
    here.at(base).get("/auth/me").await.assert_status(200);

    let mut more = app.anonymous();
    more.login("sam@example.org", "entirely other words").await;
    let list = here.get("/auth/sessions").await.expect_status(200).json();
    let devices: Vec<_> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| s["device"].clone())
        .collect();
    assert_eq!(devices.len(), 2, "{list}");
    let ended = here
        .send(here.request("DELETE", "/auth/sessions"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(ended["ended"], 1);
    more.at(base)
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
}
