//! The second factor, access tokens, service accounts.

use apiverse_testkit::{App, Client, Engine, both, eventually};
use serde_json::{Value, json};

use crate::outbox::message;
use crate::start;

both!(
    signing_in_takes_a_code_once_the_second_factor_is_on,
    what_is_dangerous_wants_a_recent_proof,
    codes_by_text_message_are_a_second_factor,
    passkeys_are_asked_for_once_and_only_by_their_owner,
    an_organization_can_want_a_second_factor,
    a_token_does_what_it_may_and_mints_none_that_is_wider,
    service_accounts_act_through_their_tokens,
);

const PASSWORD: &str = "a password of some length";

/// The code of an authenticator app `steps` of 30 seconds from now, by a program that is not ours;
/// never one that is about to change.
fn totp(secret: &str, steps: i64) -> String {
    let script = "import base64,hmac,hashlib,struct,sys,time;\
        [time.sleep(.1) for _ in iter(lambda: time.time()%30>27, False)];\
        k=base64.b32decode(sys.argv[1]+'='*(-len(sys.argv[1])%8));\
        t=int(time.time())//30+int(sys.argv[2]);\
        h=hmac.new(k,struct.pack('>Q',t),hashlib.sha1).digest();o=h[-1]&15;\
        print('%06d'%((struct.unpack('>I',h[o:o+4])[0]&0x7fffffff)%1000000))";
    let out = std::process::Command::new("python3")
        .args(["-c", script, secret, &steps.to_string()])
        .output()
        .expect("python3 runs");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// Switches the second factor on; its secret and recovery codes.
pub async fn enrol(client: &Client) -> (String, Vec<String>) {
    let setup = client
        .send(client.request("POST", "/auth/two-factor/totp"))
        .await;
    let setup = setup.expect_status(200).json();
    let secret = setup["secret"].as_str().expect("a secret").to_owned();
    assert!(
        setup["url"]
            .as_str()
            .is_some_and(|url| url.contains(&secret))
    );
    assert!(
        setup["qr_svg"]
            .as_str()
            .is_some_and(|svg| svg.contains("<svg"))
    );
    client
        .post("/auth/two-factor/totp/confirm", &json!({ "code": "000" }))
        .await
        .assert_problem(422, "validation_failed");
    let body = json!({ "code": totp(&secret, -1) });
    let codes = client.post("/auth/two-factor/totp/confirm", &body).await;
    let codes = codes.expect_status(200).json();
    let codes = codes["codes"].as_array().expect("codes").iter();
    let codes: Vec<String> = codes
        .map(|code| code.as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

pub async fn half(app: &App, name: &str) -> Value {
    let body = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
    let answer = app.anonymous().post("/auth/login", &body).await;
    let answer = answer.assert_problem(401, "mfa_required");
    assert_eq!(answer["methods"], json!(["totp", "recovery_code"]));
    answer
}

async fn signing_in_takes_a_code_once_the_second_factor_is_on(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let (secret, codes) = enrol(&ada).await;
    message(&admin, "two_factor_changed", "ada@example.org").await;
    let client = app.anonymous();
    let finish = async |half: &Value, method: &str, code: &str| {
        let body = json!({ "mfa_token": half["mfa_token"], "method": method, "code": code });
        client.post("/auth/mfa", &body).await
    };
    let waiting = half(&app, "ada").await;
    let used = totp(&secret, -1);
    finish(&waiting, "totp", &used)
        .await
        .assert_problem(401, "invalid_code");
    let tokens = finish(&waiting, "totp", &totp(&secret, 0))
        .await
        .expect_status(200)
        .json();
    let again = client.with_token(tokens["access_token"].as_str().expect("a token"));
    again.get("/auth/me").await.assert_status(200);
    finish(&waiting, "totp", &totp(&secret, 1))
        .await
        .assert_problem(401, "invalid_credentials");

    let waiting = half(&app, "ada").await;
    let code = codes[0].to_uppercase();
    finish(&waiting, "recovery_code", &code)
        .await
        .assert_status(200);
    let waiting = half(&app, "ada").await;
    finish(&waiting, "recovery_code", &code)
        .await
        .assert_problem(401, "invalid_code");
    finish(&waiting, "recovery_code", &codes[1])
        .await
        .assert_status(200);
    let stands = ada.get("/auth/two-factor").await.expect_status(200).json();
    assert_eq!(stands["totp"], true);
    assert_eq!(stands["recovery_codes_left"], 8);
    assert_eq!(stands["required"], false);
    assert_eq!(stands["recently_proved"], true);
    finish(&json!({ "mfa_token": "nonsense" }), "totp", "123456")
        .await
        .assert_problem(401, "invalid_credentials");

    ada.delete("/auth/two-factor/totp").await.assert_status(204);
    app.anonymous().login("ada@example.org", PASSWORD).await;
}

async fn what_is_dangerous_wants_a_recent_proof(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let step_up = async |body: Value| ada.post("/auth/step-up", &body).await;
    step_up(json!({ "password": "wrong" }))
        .await
        .assert_problem(422, "validation_failed");
    step_up(json!({ "password": PASSWORD }))
        .await
        .assert_status(204);
    let (secret, _) = enrol(&ada).await;
    step_up(json!({ "password": PASSWORD }))
        .await
        .assert_problem(422, "validation_failed");
    step_up(json!({ "code": "000000" }))
        .await
        .assert_problem(401, "invalid_code");
    step_up(json!({ "code": totp(&secret, 0) }))
        .await
        .assert_status(204);
    // A token proves nothing about a person.
    let token = json!({ "name": "t", "scopes": ["organization:delete"] });
    let token = ada
        .post("/access-tokens", &token)
        .await
        .expect_status(201)
        .json();
    let by_token = ada.with_token(token["token"].as_str().expect("a token"));
    let slug = ada.get("/auth/me").await.json()["organization"]["slug"].clone();
    by_token
        .send(
            by_token
                .request("DELETE", "/organization")
                .json(&json!({ "slug": slug })),
        )
        .await
        .assert_problem(403, "step_up_required");
    by_token
        .delete("/auth/two-factor/totp")
        .await
        .assert_problem(401, "authentication_required");
}

async fn an_organization_can_want_a_second_factor(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let want = json!({ "required": true });
    ada.put("/organization/two-factor", &want)
        .await
        .assert_problem(409, "two_factor_off");
    enrol(&ada).await;
    ada.put("/organization/two-factor", &want)
        .await
        .assert_status(204);
    ada.get("/apis").await.assert_status(200);
    let bob = app.stranger("bob").await;
    let body = json!({ "email": "bob@example.org", "role": "viewer" });
    ada.post("/invitations", &body).await.assert_status(201);
    let secret = crate::outbox::token(&ada, "invitation", "bob@example.org").await;
    bob.post("/invitations/accept", &json!({ "token": secret }))
        .await
        .assert_status(200);
    bob.get("/apis")
        .await
        .assert_problem(403, "two_factor_required");
    assert_eq!(
        bob.get("/auth/two-factor").await.expect_status(200).json()["required"],
        true
    );
    enrol(&bob).await;
    bob.get("/apis").await.assert_status(200);
}

async fn a_token_does_what_it_may_and_mints_none_that_is_wider(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let api = ada.create_api("weather", "https://example.com").await;
    let create = async |client: &Client, body: Value| client.post("/access-tokens", &body).await;
    create(&ada, json!({ "name": "t", "scopes": ["nonsense"] }))
        .await
        .assert_problem(422, "validation_failed");
    let soon = apiverse_testkit::rfc3339(4_000_000_000);
    let body = json!({ "name": "t", "scopes": ["apis:read", "tokens:write"], "expires_at": soon });
    let made = create(&ada, body).await.expect_status(201).json();
    let secret = made["token"].as_str().expect("a token");
    assert!(
        secret.starts_with("apvp_")
            && made["token_prefix"]
                .as_str()
                .is_some_and(|p| secret.starts_with(p))
    );
    let token = ada.with_token(secret);
    token.get(&format!("/apis/{api}")).await.assert_status(200);
    token
        .delete(&format!("/apis/{api}"))
        .await
        .assert_problem(403, "forbidden");
    token
        .get("/api-keys")
        .await
        .assert_problem(403, "forbidden");
    for wider in [
        json!({ "name": "w", "scopes": ["apis:write"], "expires_at": soon }),
        json!({ "name": "w", "scopes": ["apis:read"] }),
    ] {
        create(&token, wider)
            .await
            .assert_problem(422, "validation_failed");
    }
    let narrower = json!({ "name": "n", "scopes": ["apis:read"], "expires_at": soon });
    let child = create(&token, narrower).await.expect_status(201).json();
    let child = ada.with_token(child["token"].as_str().expect("a token"));
    child.get("/apis").await.assert_status(200);
    create(
        &child,
        json!({ "name": "x", "scopes": ["apis:read"], "expires_at": soon }),
    )
    .await
    .assert_problem(403, "forbidden");

    let list = ada.get("/access-tokens").await.expect_status(200).json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2));
    assert!(list["data"][1]["last_used_at"].is_string() && !list.to_string().contains(secret));
    let id = made["id"].as_str().expect("an id");
    let eve = app.stranger("eve").await;
    let path = format!("/access-tokens/{id}");
    eve.delete(&path)
        .await
        .assert_problem(404, "access_token_not_found");
    ada.delete(&path).await.assert_status(204);
    token
        .get("/apis")
        .await
        .assert_problem(401, "invalid_token");
    let typo = format!("{}x", &secret[..secret.len() - 1]);
    ada.with_token(&typo)
        .get("/apis")
        .await
        .assert_problem(401, "invalid_token");
}

async fn service_accounts_act_through_their_tokens(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let body = json!({ "name": "deploy", "role": "viewer" });
    let account = ada
        .post("/service-accounts", &body)
        .await
        .expect_status(201)
        .json();
    ada.post("/service-accounts", &body)
        .await
        .assert_problem(409, "service_account_name_taken");
    let id = account["id"].as_str().expect("an id");
    let token = |scope: &str| json!({ "name": "ci", "scopes": [scope], "service_account_id": id });
    let wider = ada.post("/access-tokens", &token("apis:write")).await;
    wider.assert_problem(422, "validation_failed");
    let made = ada
        .post("/access-tokens", &token("apis:read"))
        .await
        .expect_status(201)
        .json();
    let robot = ada.with_token(made["token"].as_str().expect("a token"));
    robot.get("/apis").await.assert_status(200);
    robot
        .get("/auth/me")
        .await
        .assert_problem(401, "authentication_required");
    let tokens = ada
        .get("/service-accounts/tokens")
        .await
        .expect_status(200)
        .json();
    assert_eq!(tokens["data"][0]["service_account_id"], id);
    ada.delete(&format!("/service-accounts/{id}"))
        .await
        .assert_status(204);
    robot
        .get("/apis")
        .await
        .assert_problem(401, "invalid_token");
}

/// The code in the newest text message, other than `before`.
async fn sms(admin: &Client, before: &str) -> String {
    eventually("a code", async || {
        let message = message(admin, "second_factor_code", "+491511234567").await;
        assert!(!message["subject"].to_string().contains(char::is_numeric));
        let text = message["text"].as_str().expect("a text").to_owned();
        let code = text.split(' ').next().expect("a code").to_owned();
        assert!(
            code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()),
            "{text}"
        );
        (code != before).then_some(code)
    })
    .await
}

async fn codes_by_text_message_are_a_second_factor(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let ada = app.stranger("ada").await;
    let add = async |phone: &str| {
        ada.post("/auth/two-factor/sms", &json!({ "phone": phone }))
            .await
    };
    add("0151 1234567")
        .await
        .assert_problem(422, "validation_failed");
    add("+49 151 1234567").await.assert_status(202);
    let confirm = async |code: &str| {
        ada.post("/auth/two-factor/sms/confirm", &json!({ "code": code }))
            .await
    };
    let first = sms(&admin, "").await;
    let wrong = if first == "000000" {
        "000001"
    } else {
        "000000"
    };
    confirm(wrong).await.assert_problem(401, "invalid_code");
    let codes = confirm(&first).await.expect_status(200).json();
    assert_eq!(codes["codes"].as_array().map(Vec::len), Some(10));
    confirm(&first).await.assert_problem(409, "two_factor_off");
    add("+12025550123")
        .await
        .assert_problem(409, "two_factor_on");
    let stands = ada.get("/auth/two-factor").await.expect_status(200).json();
    assert_eq!(stands["phone"], "… 567");

    let client = app.anonymous();
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let waiting = client.post("/auth/login", &body).await;
    let waiting = waiting.assert_problem(401, "mfa_required");
    assert_eq!(waiting["methods"], json!(["sms", "recovery_code"]));
    let of = json!({ "mfa_token": waiting["mfa_token"] });
    let finish = async |code: &str| {
        let body = json!({ "mfa_token": waiting["mfa_token"], "method": "sms", "code": code });
        client.post("/auth/mfa", &body).await
    };
    finish(&first).await.assert_problem(401, "invalid_code");
    client.post("/auth/mfa/sms", &of).await.assert_status(202);
    let second = sms(&admin, &first).await;
    finish(&second).await.assert_status(200);
    client
        .post("/auth/mfa/sms", &of)
        .await
        .assert_problem(401, "invalid_credentials");

    let send = async || ada.send(ada.request("POST", "/auth/step-up/sms")).await;
    send().await.assert_status(202);
    let third = sms(&admin, &second).await;
    let prove = json!({ "method": "sms", "code": third });
    ada.post("/auth/step-up", &prove).await.assert_status(204);
    ada.post("/auth/step-up", &prove)
        .await
        .assert_problem(401, "invalid_code");
    // Text messages cost money: there are five, then one for each wait, which doubles.
    let mut sent = 0;
    let slowed = loop {
        let answer = send().await;
        if answer.status != 202 {
            break answer;
        }
        sent += 1;
        assert!(sent < 16, "{sent} messages at once");
    };
    slowed.assert_problem(429, "too_many_attempts");

    ada.delete("/auth/two-factor/sms").await.assert_status(204);
    app.anonymous().login("ada@example.org", PASSWORD).await;
}

/// The ceremonies themselves are driven in a browser, whose authenticator can answer them.
async fn passkeys_are_asked_for_once_and_only_by_their_owner(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let begin = async |client: &Client, path: &str| {
        let asked = client.send(client.request("POST", path)).await;
        asked.expect_status(200).json()
    };
    let asked = begin(&ada, "/auth/passkeys/register").await;
    assert_eq!(asked["options"]["rp"]["id"], "localhost");
    assert_eq!(asked["options"]["user"]["name"], "ada@example.org");
    let body = json!({ "name": "k", "ceremony": asked["ceremony"], "credential": { "id": "x" } });
    for _ in 0..2 {
        ada.post("/auth/passkeys", &body)
            .await
            .assert_problem(422, "validation_failed");
    }
    ada.send(ada.request("POST", "/auth/step-up/passkey"))
        .await
        .assert_problem(404, "passkey_not_found");
    let client = app.anonymous();
    let asked = begin(&client, "/auth/login/passkey/begin").await;
    let again = begin(&client, "/auth/login/passkey/begin").await;
    assert_eq!(asked["options"]["userVerification"], "required");
    assert_ne!(asked["options"]["challenge"], again["options"]["challenge"]);
    let body = json!({ "ceremony": asked["ceremony"], "credential": {} });
    client
        .post("/auth/login/passkey", &body)
        .await
        .assert_problem(401, "invalid_credentials");
    let list = ada.get("/auth/passkeys").await.expect_status(200).json();
    assert_eq!(list["data"], json!([]));
}
