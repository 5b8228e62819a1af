//! Accounts, tokens and sessions.

use apiverse_testkit::{Engine, both};
use serde_json::json;

use crate::start;

both!(
    register_login_me_logout,
    refresh_tokens_rotate_and_reuse_ends_the_family,
    changing_the_password_ends_other_sessions,
    wrong_password_and_unknown_email_look_the_same,
    guessing_is_slowed_down_without_locking_the_owner_out,
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
