use serde_json::json;

use super::app::{App, PASSWORD, UNIFIED};

#[tokio::test]
async fn from_registration_to_signing_out() {
    let app = App::start().await;
    let body = json!({ "email": "Ada@Example.com", "password": PASSWORD, "full_name": "Ada" });
    let answer = app.post("/api/v1/auth/register").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.at("/full_name"), json!("Ada"));
    assert_eq!(answer.at("/is_active"), json!(true));
    assert!(!answer.text.contains("password"));

    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = app.post("/auth/login").json(&login).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.at("/token_type"), json!("bearer"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let refresh = json!({ "refresh_token": answer.text_at("/refresh_token") });

    let answer = app.post("/auth/refresh").json(&refresh).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.text_at("/access_token");

    for path in ["/auth/me", "/api/v1/auth/me"] {
        let answer = app.get(path).bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.at("/email"), json!("ada@example.com"));
        assert_eq!(answer.at("/organization/role"), json!("owner"));
    }
    let patch = json!({ "full_name": null });
    let answer = app
        .call(http::Method::PATCH, "/auth/me")
        .bearer(&token)
        .json(&patch)
        .send()
        .await;
    assert_eq!(answer.at("/full_name"), json!(null));

    let answer = app.post("/auth/logout").bearer(&token).send().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    app.get("/auth/me")
        .bearer(&token)
        .send()
        .await
        .is_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_used_refresh_token_ends_its_family() {
    let app = App::start().await;
    app.account("a@example.com").await;
    let login = json!({ "email": "a@example.com", "password": PASSWORD });
    let first = app.post("/auth/login").json(&login).send().await;
    let old = json!({ "refresh_token": first.text_at("/refresh_token") });
    let second = app.post("/auth/refresh").json(&old).send().await;
    assert_eq!(second.status, 200);
    app.post("/auth/refresh")
        .json(&old)
        .send()
        .await
        .is_problem(401, "invalid_refresh_token");
    let new = json!({ "refresh_token": second.text_at("/refresh_token") });
    app.post("/auth/refresh")
        .json(&new)
        .send()
        .await
        .is_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn what_goes_wrong_with_accounts_has_its_code() {
    let app = App::start().await;
    app.account("a@example.com").await;
    let again = json!({ "email": "A@example.com", "password": PASSWORD });
    app.post("/auth/register")
        .json(&again)
        .send()
        .await
        .is_problem(409, "email_taken");
    let weak = json!({ "email": "not an address", "password": "short" });
    let answer = app.post("/auth/register").json(&weak).send().await;
    assert_eq!(answer.fields(), ["email", "password"]);
    for email in ["a@example.com", "nobody@example.com"] {
        let wrong = json!({ "email": email, "password": "wrong password" });
        app.post("/auth/login")
            .json(&wrong)
            .send()
            .await
            .is_problem(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn the_operators_key_is_a_caller() {
    let app = App::start().await;
    app.account("a@example.com").await;
    let answer = app.get("/apis").bearer(UNIFIED).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    app.get("/apis")
        .bearer(&UNIFIED.replace("unified", "Unified"))
        .send()
        .await
        .is_problem(401, "invalid_token");
}

#[tokio::test]
async fn credentials_that_are_missing_or_garbled() {
    let app = App::start().await;
    let answer = app.get("/apis").send().await;
    answer.is_problem(401, "authentication_required");
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="apiverse""#
    );
    for value in ["Basic YTpi", "Bearer", "Bearer a.b.c", "Bearer é"] {
        let answer = app.get("/apis").header("authorization", value).send().await;
        answer.is_problem(401, "invalid_token");
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_token\"")
        );
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = App::start().await;
    let first = app.account("a@example.com").await;
    let login = json!({ "email": "a@example.com", "password": PASSWORD });
    let second = app.post("/auth/login").json(&login).send().await;
    let second = second.text_at("/access_token");

    let wrong = json!({ "current_password": "not it at all", "new_password": "another password" });
    let answer = app
        .post("/auth/password")
        .bearer(&second)
        .json(&wrong)
        .send()
        .await;
    assert!(matches!(answer.status, 401 | 422), "{answer:?}");

    let right = json!({ "current_password": PASSWORD, "new_password": "another password" });
    let answer = app
        .post("/auth/password")
        .bearer(&second)
        .json(&right)
        .send()
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    app.get("/auth/me")
        .bearer(&first)
        .send()
        .await
        .is_problem(401, "invalid_token");
}
