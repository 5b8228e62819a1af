use http::Method;
use serde_json::json;

use super::app::App;
use crate::RestSettings;

#[tokio::test]
async fn a_cookie_reads_from_anywhere_but_changes_only_from_us() {
    let settings = RestSettings {
        allowed_origins: vec!["https://console.example.org".to_owned()],
        ..RestSettings::default()
    };
    let app = App::with(settings, Vec::new()).await;
    app.account("a@example.com").await;
    let cookie = app.cookie("a@example.com").await;
    assert_eq!(app.get("/auth/me").cookie(&cookie).send().await.status, 200);

    let body = json!({ "name": "k" });
    let create = |pairs: &[(&'static str, &'static str)]| {
        let mut call = app.post("/api-keys").cookie(&cookie).json(&body);
        for (name, value) in pairs {
            call = call.header(*name, value);
        }
        call.send()
    };
    for good in [
        [("sec-fetch-site", "same-origin")].as_slice(),
        &[("origin", "http://localhost")],
        &[
            ("origin", "https://console.example.org"),
            ("sec-fetch-site", "cross-site"),
        ],
    ] {
        let answer = create(good).await;
        assert_eq!(answer.status, 201, "{good:?} {answer:?}");
    }
    for bad in [
        [].as_slice(),
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:81")],
    ] {
        create(bad).await.is_problem(403, "cross_site_request");
    }
    let answer = app.get("/api-keys").cookie(&cookie).send().await;
    assert_eq!(answer.at("/data").as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_garbled_or_unknown_cookie_is_no_caller() {
    let app = App::start().await;
    app.account("a@example.com").await;
    for cookie in [
        "apiverse_session=garbage",
        "apiverse_session=AAAAAAAAAAAAAAAAAAAAAA",
        "apiverse_session=",
        "other=1",
    ] {
        app.get("/auth/me")
            .cookie(cookie)
            .send()
            .await
            .is_problem(401, "authentication_required");
    }
}

#[tokio::test]
async fn a_bad_token_is_not_saved_by_a_good_cookie() {
    let app = App::start().await;
    app.account("a@example.com").await;
    let cookie = app.cookie("a@example.com").await;
    app.get("/auth/me")
        .cookie(&cookie)
        .bearer("nonsense")
        .send()
        .await
        .is_problem(401, "invalid_token");
}

#[tokio::test]
async fn sessions_are_listed_and_end_one_by_one() {
    let app = App::start().await;
    let token = app.account("a@example.com").await;
    let cookie = app.cookie("a@example.com").await;
    let answer = app.get("/auth/sessions").bearer(&token).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sessions = answer.at("/data");
    let browser = sessions
        .as_array()
        .and_then(|all| all.iter().find(|session| session["kind"] == "browser"))
        .expect("the browser's session");
    assert_eq!(browser["current"], json!(false));
    let path = format!(
        "/auth/sessions/{}",
        browser["id"].as_str().unwrap_or_default()
    );
    let answer = app.call(Method::DELETE, &path).bearer(&token).send().await;
    assert_eq!(answer.status, 204, "{answer:?}");
    app.get("/auth/me")
        .cookie(&cookie)
        .send()
        .await
        .is_problem(401, "authentication_required");
    app.call(Method::DELETE, &path)
        .bearer(&token)
        .send()
        .await
        .is_problem(404, "session_not_found");
}

#[tokio::test]
async fn signing_out_with_the_cookie_ends_it() {
    let app = App::start().await;
    app.account("a@example.com").await;
    let cookie = app.cookie("a@example.com").await;
    let answer = app
        .post("/auth/logout")
        .cookie(&cookie)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let cleared = answer.header("set-cookie");
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
    app.get("/auth/me")
        .cookie(&cookie)
        .send()
        .await
        .is_problem(401, "authentication_required");
}

#[tokio::test]
async fn the_cookie_has_its_attributes() {
    let settings = RestSettings {
        secure_cookies: true,
        ..RestSettings::default()
    };
    let app = App::with(settings, Vec::new()).await;
    app.account("a@example.com").await;
    let body = json!({ "email": "a@example.com", "password": super::app::PASSWORD });
    let answer = app.post("/test/sign-in").json(&body).send().await;
    let cookie = answer.header("set-cookie");
    assert!(!cookie.contains("Domain"), "{cookie}");
    for part in [
        "__Host-apiverse_session=",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=",
    ] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(
        answer
            .header("strict-transport-security")
            .contains("max-age")
    );
}

#[tokio::test]
async fn server_functions_are_called_by_our_pages() {
    let app = App::start().await;
    let call = || app.post("/api/fn/test");
    assert_eq!(
        call()
            .header("origin", "http://localhost")
            .send()
            .await
            .status,
        200
    );
    // A script without cookies is led by nobody.
    assert_eq!(call().send().await.status, 200);
    call()
        .header("origin", "https://evil.example")
        .send()
        .await
        .is_problem(403, "cross_site_request");
    call()
        .header("cookie", "apiverse_session=x")
        .send()
        .await
        .is_problem(403, "cross_site_request");
}
