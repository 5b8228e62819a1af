//! Accounts as somebody sees them who wants in.

use apiverse_testkit::{App, Client, Engine, both, eventually};
use serde_json::{Value, json};

use crate::outbox::{message, token};
use crate::two_factor::{enrol, half};
use crate::{options, start};

both!(
    registering_tells_nobody_who_has_an_account,
    somebody_elses_registration_does_not_choose_the_password,
    codes_are_not_guessed_by_signing_in_again_and_again,
    a_new_password_does_not_switch_the_second_factor_off,
    a_link_opens_only_what_it_was_sent_for,
    a_token_is_worth_no_more_than_its_owner,
    a_token_does_not_touch_the_account,
    a_session_that_was_planted_is_not_signed_in,
    the_forms_behind_links_work_without_a_script,
);

const PASSWORD: &str = "a password of some length";

async fn register(client: &Client, email: &str, password: &str) -> apiverse_testkit::Answer {
    let body = json!({ "email": email, "password": password });
    client.post("/auth/register", &body).await
}

async fn verify(client: &Client, token: &str) -> apiverse_testkit::Answer {
    let body = json!({ "token": token });
    client.post("/auth/email/verify", &body).await
}

async fn by_mail(engine: Engine) -> App {
    App::start(options(engine).env("REGISTRATION_BY_EMAIL", "true")).await
}

async fn registering_tells_nobody_who_has_an_account(engine: Engine) {
    let app = by_mail(engine).await;
    let admin = app.admin().await;
    let own = admin.get("/auth/me").await.expect_status(200).json();
    let own = own["email"].as_str().expect("an address").to_owned();
    let client = app.anonymous();
    let known = register(&client, &own, "somebody else's words").await;
    let unknown = register(&client, "ada@example.org", PASSWORD).await;
    assert_eq!((known.status, unknown.status), (202, 202));
    let known = known.text().replace(&own, "ADDRESS");
    let unknown = unknown.text().replace("ada@example.org", "ADDRESS");
    assert_eq!(known, unknown);
    // Nor does trying the password afterwards: there is no account before the link is followed.
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    client
        .post("/auth/login", &login)
        .await
        .assert_problem(401, "invalid_credentials");
    let told = message(&admin, "email_verification", &own).await;
    assert_eq!(told["subject"], "You have an account already");

    let link = token(&admin, "email_verification", "ada@example.org").await;
    verify(&client, &format!("{link}x"))
        .await
        .assert_problem(400, "invalid_link");
    verify(&client, &link).await.assert_status(204);
    verify(&client, &link)
        .await
        .assert_problem(400, "invalid_link");
    let mut ada = app.anonymous();
    ada.login("ada@example.org", PASSWORD).await;
    let me = ada.get("/auth/me").await.expect_status(200).json();
    assert_eq!(me["email_verified"], true);
    assert_eq!(me["organization"]["role"], "owner");
}

async fn somebody_elses_registration_does_not_choose_the_password(engine: Engine) {
    let app = by_mail(engine).await;
    let admin = app.admin().await;
    let client = app.anonymous();
    register(&client, "ada@example.org", PASSWORD)
        .await
        .assert_status(202);
    let hers = token(&admin, "email_verification", "ada@example.org").await;
    // An intruder registers her address while her link is on its way.
    register(&client, "ada@example.org", "an intruder's own words")
        .await
        .assert_status(202);
    eventually("the intruder's message", async || {
        let newer = token(&admin, "email_verification", "ada@example.org").await;
        (newer != hers).then_some(())
    })
    .await;
    verify(&client, &hers).await.assert_status(204);
    let theirs = json!({ "email": "ada@example.org", "password": "an intruder's own words" });
    client
        .post("/auth/login", &theirs)
        .await
        .assert_problem(401, "invalid_credentials");
    app.anonymous().login("ada@example.org", PASSWORD).await;
}

async fn codes_are_not_guessed_by_signing_in_again_and_again(engine: Engine) {
    let app = App::start(options(engine).env("TRUSTED_PROXIES", "127.0.0.0/8")).await;
    let ada = app.stranger("ada").await;
    let (_, codes) = enrol(&ada).await;
    let client = app.anonymous();
    let finish = async |waiting: &Value, from: &str, method: &str, code: &str| {
        let body = json!({ "mfa_token": waiting["mfa_token"], "method": method, "code": code });
        let request = client.request("POST", "/auth/mfa").json(&body);
        client.send(request.header("x-forwarded-for", from)).await
    };
    // Each try has an address and a sign-in of its own.
    let mut slowed = 0;
    for n in 0..20 {
        let waiting = half(&app, "ada").await;
        let answer = finish(&waiting, &format!("198.51.100.{n}"), "totp", "000000").await;
        if answer.status == 429 {
            slowed += 1;
        } else {
            answer.assert_problem(401, "invalid_code");
        }
    }
    assert!(slowed >= 5, "{slowed} of 20 guesses were slowed down");
    // Its owner is not locked out: no recovery code can be guessed.
    let waiting = half(&app, "ada").await;
    finish(&waiting, "203.0.113.9", "recovery_code", &codes[0])
        .await
        .assert_status(200);
}

async fn a_new_password_does_not_switch_the_second_factor_off(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    enrol(&ada).await;
    let waiting = half(&app, "ada").await;
    let client = app.anonymous();
    let ask = json!({ "email": "ada@example.org" });
    client
        .post("/auth/password/forgot", &ask)
        .await
        .assert_status(202);
    let link = token(&admin, "password_reset", "ada@example.org").await;
    let reset = json!({ "token": link, "new_password": "entirely other words" });
    client
        .post("/auth/password/reset", &reset)
        .await
        .assert_status(204);
    let login = json!({ "email": "ada@example.org", "password": "entirely other words" });
    client
        .post("/auth/login", &login)
        .await
        .assert_problem(401, "mfa_required");
    // Half a sign-in with the former password is over.
    let body = json!({ "mfa_token": waiting["mfa_token"], "method": "totp", "code": "123456" });
    client
        .post("/auth/mfa", &body)
        .await
        .assert_problem(401, "invalid_credentials");
}

async fn a_link_opens_only_what_it_was_sent_for(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let client = app.anonymous();
    let proof = token(&admin, "email_verification", "ada@example.org").await;
    let reset = json!({ "token": proof, "new_password": "entirely other words" });
    client
        .post("/auth/password/reset", &reset)
        .await
        .assert_problem(400, "invalid_link");
    let confirm = json!({ "token": proof });
    client
        .post("/auth/email/confirm", &confirm)
        .await
        .assert_problem(400, "invalid_link");
    ada.post("/invitations/accept", &confirm)
        .await
        .assert_problem(400, "invalid_link");
    // A link to the former address is worth nothing at the new one.
    let ask = json!({ "email": "ada@example.org" });
    client
        .post("/auth/password/forgot", &ask)
        .await
        .assert_status(202);
    let former = token(&admin, "password_reset", "ada@example.org").await;
    let change = json!({ "new_email": "lovelace@example.org", "current_password": PASSWORD });
    ada.post("/auth/email", &change).await.assert_status(202);
    let moved = token(&admin, "email_change", "lovelace@example.org").await;
    client
        .post("/auth/email/confirm", &json!({ "token": moved }))
        .await
        .assert_status(204);
    let reset = json!({ "token": former, "new_password": "entirely other words" });
    client
        .post("/auth/password/reset", &reset)
        .await
        .assert_problem(400, "invalid_link");
}

async fn a_token_is_worth_no_more_than_its_owner(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let bob = app.stranger("bob").await;
    let invite = json!({ "email": "bob@example.org", "role": "developer" });
    ada.post("/invitations", &invite).await.assert_status(201);
    let secret = token(&ada, "invitation", "bob@example.org").await;
    bob.post("/invitations/accept", &json!({ "token": secret }))
        .await
        .assert_status(200);
    let id = bob.get("/auth/me").await.expect_status(200).json()["id"].clone();
    let member = format!("/members/{}", id.as_str().expect("an id"));
    let body = json!({ "name": "t", "scopes": ["apis:read", "apis:write"] });
    let made = bob.post("/access-tokens", &body).await.expect_status(201);
    let made = bob.with_token(made.json()["token"].as_str().expect("a token"));
    let api = json!({ "name": "Weather", "slug": "w", "base_url": "https://example.com" });
    made.post("/apis", &api).await.assert_status(201);
    ada.patch(&member, &json!({ "role": "viewer" }))
        .await
        .assert_status(200);
    let other = json!({ "name": "Weather", "slug": "v", "base_url": "https://example.com" });
    made.post("/apis", &other)
        .await
        .assert_problem(403, "forbidden");
    made.get("/apis").await.assert_status(200);
    ada.delete(&member).await.assert_status(204);
    made.get("/apis").await.assert_problem(401, "invalid_token");
}

async fn a_token_does_not_touch_the_account(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let all: Vec<&str> = vec!["organization:write", "members:write", "tokens:write"];
    let made = ada
        .post("/access-tokens", &json!({ "name": "t", "scopes": all }))
        .await;
    let made = made.expect_status(201).json();
    let token = ada.with_token(made["token"].as_str().expect("a token"));
    let password = json!({ "current_password": PASSWORD, "new_password": "entirely other words" });
    let email = json!({ "current_password": PASSWORD, "new_email": "x@example.org" });
    for (method, path, body) in [
        ("POST", "/auth/password", &password),
        ("POST", "/auth/email", &email),
        ("POST", "/auth/two-factor/totp", &json!({})),
        ("POST", "/organizations", &json!({ "name": "Mine" })),
        ("POST", "/auth/step-up", &json!({ "password": PASSWORD })),
        ("GET", "/auth/export", &json!({})),
    ] {
        let mut request = token.request(method, path);
        if method != "GET" {
            request = request.json(body);
        }
        let answer = token.send(request).await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
    }
    ada.get("/auth/me").await.assert_status(200);
}

async fn a_session_that_was_planted_is_not_signed_in(engine: Engine) {
    let app = start(engine).await;
    app.stranger("ada").await;
    let browser = app.anonymous();
    let post = async |path: &str, cookie: &str| {
        let request = browser
            .request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", cookie)
            .body("email=ada%40example.org&password=a+password+of+some+length");
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").expect("a session");
        cookie.split(';').next().expect("a value").to_owned()
    };
    // An id that an intruder had, and knows.
    let planted = post("/login", "none=none").await;
    post("/sign-out", &planted).await;
    let given = post("/login", &planted).await;
    assert_ne!(given, planted);
    let read = browser
        .request("GET", "/api/v1/auth/me")
        .header("cookie", &given);
    browser.send(read).await.assert_status(200);
    let read = browser
        .request("GET", "/api/v1/auth/me")
        .header("cookie", &planted);
    browser
        .send(read)
        .await
        .assert_problem(401, "authentication_required");
}

async fn the_forms_behind_links_work_without_a_script(engine: Engine) {
    let app = by_mail(engine).await;
    let admin = app.admin().await;
    let browser = app.anonymous();
    let post = async |path: &str, form: String| {
        let request = browser
            .request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(form);
        browser.send(request).await
    };
    let leads_to = |answer: &apiverse_testkit::Answer, to: &str| {
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(to));
    };
    let form = "form=register&email=ada%40example.org&password=a+password+of+some+length";
    let sent = post("/register", form.to_owned()).await;
    leads_to(&sent, "/register?done=sent");
    let link = token(&admin, "email_verification", "ada@example.org").await;
    let page = browser.get(&format!("/verify-email?token={link}")).await;
    let page = page.expect_status(200).text();
    assert!(page.contains(&link) && page.contains("action=\"/verify-email\""));
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    browser
        .post("/auth/login", &login)
        .await
        .assert_problem(401, "invalid_credentials");
    let wrong = post("/verify-email", "form=verify-email&token=nonsense".into()).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("not valid any more"));
    let verified = post("/verify-email", format!("form=verify-email&token={link}")).await;
    leads_to(&verified, "/verify-email?done=verified");

    let asked = post(
        "/forgot-password",
        "form=forgot-password&email=ada%40example.org".into(),
    )
    .await;
    leads_to(&asked, "/forgot-password?done=sent");
    let link = token(&admin, "password_reset", "ada@example.org").await;
    let page = browser.get(&format!("/reset-password?token={link}")).await;
    assert!(page.expect_status(200).text().contains("New password"));
    let reset = post(
        "/reset-password",
        format!("form=reset-password&token={link}&new_password=entirely+other+words"),
    )
    .await;
    leads_to(&reset, "/reset-password?done=reset");

    // Signing in with a second factor: the answer to the password asks for the code.
    let mut ada = app.anonymous();
    ada.login("ada@example.org", "entirely other words").await;
    let (_, codes) = enrol(&ada).await;
    let form =
        "form=login&email=ada%40example.org&password=entirely+other+words&next=%2Fconsole%2Fkeys";
    let half = post("/login", form.to_owned()).await;
    assert_eq!(half.status, 401);
    let page = half.text();
    assert!(
        half.header("set-cookie").is_none(),
        "nobody is signed in yet"
    );
    let (_, rest) = page
        .split_once("name=\"mfa_token\" value=\"")
        .expect("the form for the code");
    let mfa_token = rest.split('"').next().expect("a token");
    let code = |code: &str| {
        format!("form=login-code&mfa_token={mfa_token}&code={code}&next=%2Fconsole%2Fkeys")
    };
    let wrong = post("/login", code("000000")).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains(mfa_token), "{}", wrong.text());
    let right = post("/login", code(&codes[0])).await;
    leads_to(&right, "/console/keys");
    assert!(right.header("set-cookie").is_some());

    // An invitation.
    let invite = json!({ "email": "ada@example.org", "role": "viewer" });
    admin.post("/invitations", &invite).await.assert_status(201);
    let link = token(&admin, "invitation", "ada@example.org").await;
    let page = browser.get(&format!("/join?token={link}")).await;
    let page = page.expect_status(200).text();
    assert!(page.contains("ada@example.org") && page.contains("/login?next="));
    let cookie = right.header("set-cookie").expect("a session");
    let cookie = cookie.split(';').next().expect("a value");
    let join = browser
        .request("POST", "/join")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", cookie)
        .body(format!("form=join&token={link}"));
    leads_to(&browser.send(join).await, "/console");
    let me = browser
        .request("GET", "/api/v1/auth/me")
        .header("cookie", cookie);
    let me = browser.send(me).await.expect_status(200).json();
    assert_eq!(me["organization"]["role"], "viewer");
}
