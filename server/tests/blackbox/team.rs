//! The console's pages for teams, as a browser without a script uses them.

use apiverse_testkit::{Answer, App, Client, Engine, both};
use serde_json::{Value, json};

use crate::outbox::message;
use crate::start;

both!(
    organizations_are_made_switched_and_deleted_by_forms,
    members_come_change_and_go_by_forms,
    the_navigation_shows_what_a_role_may_open,
    messages_are_framed_and_may_do_nothing,
    first_steps_follow_what_is_there,
);

const PASSWORD: &str = "a password of some length";

/// A browser that is signed in, and posts forms.
pub struct Browser<'a> {
    client: &'a Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    pub async fn sign_in(client: &'a Client, email: &str) -> Self {
        let form = format!(
            "form=login&email={}&password={}",
            encoded(email),
            encoded(PASSWORD)
        );
        let request = client
            .request("POST", "/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(form);
        let answer = client.send(request).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").expect("a session");
        let cookie = cookie.split(';').next().expect("a value").to_owned();
        Self { client, cookie }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self
            .client
            .request("GET", path)
            .header("cookie", &self.cookie);
        self.client.send(request).await
    }

    pub async fn page(&self, path: &str) -> String {
        self.get(path).await.expect_status(200).text()
    }

    /// Posts a form from the page at `from`.
    async fn post_from(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let request = self
            .client
            .request("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header("referer", format!("http://localhost{from}"))
            .header("cookie", &self.cookie)
            .body(pairs.join("&"));
        self.client.send(request).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, path, fields).await
    }

    pub async fn me(&self) -> Value {
        self.get("/api/v1/auth/me").await.expect_status(200).json()
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub fn leads_to(answer: &Answer, to: &str) {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.header("location"), Some(to));
}

pub async fn register(app: &App, email: &str) {
    let body = json!({ "email": email, "password": PASSWORD });
    let made = app.anonymous().post("/auth/register", &body).await;
    made.assert_status(201);
}

async fn organizations_are_made_switched_and_deleted_by_forms(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let first = ada.me().await["organization"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let new = "/console/organization/new";
    let wrong = ada
        .post(new, &[("form", "organization-new"), ("name", "")])
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("field-name"), "{}", wrong.text());
    let made = ada
        .post(
            new,
            &[("form", "organization-new"), ("name", "Acme Weather")],
        )
        .await;
    leads_to(&made, "/console");
    assert_eq!(ada.me().await["organization"]["name"], "Acme Weather");
    let page = ada.page("/console/organization").await;
    assert!(
        page.contains("acme-weather") && page.contains(&first),
        "both are in the switcher"
    );

    let saved = ada
        .post(
            "/console/organization",
            &[("form", "organization"), ("name", "Acme"), ("slug", "acme")],
        )
        .await;
    leads_to(&saved, "/console/organization?done=saved");
    let required = ada
        .post(
            "/console/organization",
            &[("form", "organization-two-factor"), ("required", "true")],
        )
        .await;
    assert_eq!(required.status, 409, "who asks for a second factor has one");

    // Switching stays in the section, and leaves what belongs to the former organization.
    let switch = [("form", "switch"), ("id", first.as_str())];
    let from = "/console/apis/0193b4f5-6a7d-7c3b-9d3e-5a1f0c7b8e21?span=7d";
    let switched = ada.post_from(from, "/console/organization", &switch).await;
    leads_to(&switched, "/console/apis");
    assert_eq!(ada.me().await["organization"]["id"], first.as_str());
    let nowhere = [
        ("form", "switch"),
        ("id", "0193b4f5-6a7d-7c3b-9d3e-5a1f0c7b8e21"),
    ];
    let refused = ada.post("/console/organization", &nowhere).await;
    assert_eq!(refused.status, 404, "{}", refused.text());

    let delete = |slug: &'static str, password: &'static str| {
        [
            ("form", "organization-delete"),
            ("delete_slug", slug),
            ("delete_password", password),
        ]
    };
    let own = ada.me().await["organization"]["slug"]
        .as_str()
        .expect("a slug")
        .to_owned();
    let wrong = ada
        .post("/console/organization", &delete("acme", "another password"))
        .await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Is not your password"),
        "{}",
        wrong.text()
    );
    let wrong = ada
        .post("/console/organization", &delete("acme", PASSWORD))
        .await;
    assert_eq!(wrong.status, 422, "that is the other one's slug");
    let right = [
        ("form", "organization-delete"),
        ("delete_slug", own.as_str()),
        ("delete_password", PASSWORD),
    ];
    let deleted = ada.post("/console/organization", &right).await;
    leads_to(&deleted, "/console");
    assert_eq!(ada.me().await["organization"]["name"], "Acme");
}

async fn members_come_change_and_go_by_forms(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    register(&app, "bob@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let bob = Browser::sign_in(&client, "bob@example.org").await;
    let members = "/console/members";
    let invite = [
        ("form", "invite"),
        ("email", "bob@example.org"),
        ("role", "viewer"),
    ];
    leads_to(
        &ada.post(members, &invite).await,
        "/console/members?done=invited",
    );
    let shown = ada.page("/console/members?done=invited").await;
    assert!(shown.contains("bob@example.org") && shown.contains("on its way"));
    let wrong = [("form", "invite"), ("email", "bob"), ("role", "viewer")];
    let wrong = ada.post(members, &wrong).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Must be an e-mail address"),
        "{}",
        wrong.text()
    );

    let admin = app.admin().await;
    let mail = message(&admin, "invitation", "bob@example.org").await;
    let link = mail["link"].as_str().expect("a link");
    let (_, token) = link.split_once("token=").expect("a token");
    let joined = bob
        .post("/join", &[("form", "join"), ("token", token)])
        .await;
    leads_to(&joined, "/console");
    let refused = bob.post(members, &invite).await;
    assert_eq!(refused.status, 403, "a viewer invites nobody");
    let seen = bob.page(members).await;
    assert!(
        !seen.contains("name=\"email\"") && !seen.contains("Last seen"),
        "{seen}"
    );

    let id = bob.me().await["id"].as_str().expect("an id").to_owned();
    let chosen = ada.page(&format!("/console/members?member={id}")).await;
    assert!(chosen.contains("Take out of the organization"));
    let role = [
        ("form", "member-role"),
        ("id", id.as_str()),
        ("new_role", "developer"),
    ];
    leads_to(
        &ada.post(members, &role).await,
        "/console/members?done=role",
    );
    assert_eq!(bob.me().await["organization"]["role"], "developer");
    let last = ada
        .post("/console/organization", &[("form", "organization-leave")])
        .await;
    assert_eq!(last.status, 409, "the last owner stays: {}", last.text());
    let remove = [("form", "member-remove"), ("id", id.as_str())];
    leads_to(
        &ada.post(members, &remove).await,
        "/console/members?done=removed",
    );
    let again = ada.post(members, &remove).await;
    assert_eq!(again.status, 404);
    assert!(
        again.text().contains("nobody with this id")
            || again.text().contains("Nobody with this id")
    );
}

async fn the_navigation_shows_what_a_role_may_open(engine: Engine) {
    let app = start(engine).await;
    register(&app, "bill@example.org").await;
    let admin = app.admin().await;
    let invite = json!({ "email": "bill@example.org", "role": "billing" });
    admin.post("/invitations", &invite).await.assert_status(201);
    let mail = message(&admin, "invitation", "bill@example.org").await;
    let (_, token) = mail["link"]
        .as_str()
        .and_then(|link| link.split_once("token="))
        .expect("a token");
    let client = app.anonymous();
    let bill = Browser::sign_in(&client, "bill@example.org").await;
    leads_to(
        &bill
            .post("/join", &[("form", "join"), ("token", token)])
            .await,
        "/console",
    );
    let page = bill.page("/console/members").await;
    let has = |href: &str| page.contains(&format!("href=\"{href}\""));
    for open in [
        "/console/usage",
        "/console/costs",
        "/console/members",
        "/console/organization",
    ] {
        assert!(has(open), "{open}");
    }
    for shut in [
        "/console/apis",
        "/console/keys",
        "/console/limits",
        "/console/audit",
        "/console/outbox",
    ] {
        assert!(!has(shut), "{shut}");
        let refused = bill.get(shut).await;
        assert_eq!(refused.status, 403, "{shut}");
    }
    // What is switched to from a page the role may not open is the front.
    let me = bill.me().await;
    let id = me["organization"]["id"].as_str().expect("an id");
    let switch = [("form", "switch"), ("id", id)];
    let switched = bill
        .post_from("/console/keys", "/console/organization", &switch)
        .await;
    leads_to(&switched, "/console");
}

async fn messages_are_framed_and_may_do_nothing(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    register(&app, "eve@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let eve = Browser::sign_in(&client, "eve@example.org").await;
    let invite = [
        ("form", "invite"),
        ("email", "bob@example.org"),
        ("role", "viewer"),
    ];
    ada.post("/console/members", &invite).await;
    let list = ada
        .get("/api/v1/notifications")
        .await
        .expect_status(200)
        .json();
    let found = list["data"].as_array().expect("a list").iter();
    let found = found
        .filter(|one| one["event"] == "invitation")
        .collect::<Vec<_>>();
    let id = found[0]["id"].as_str().expect("an id");
    let html = ada
        .get(&format!("/console/outbox/{id}/html"))
        .await
        .expect_status(200);
    let policy = html.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    assert_eq!(html.header("x-frame-options"), Some("SAMEORIGIN"));
    assert!(html.text().contains("join?token="), "{}", html.text());
    let page = ada.page(&format!("/console/outbox/{id}")).await;
    assert!(page.contains("sandbox=\"\"") && page.contains("/join?token="));
    for path in [
        format!("/console/outbox/{id}/html"),
        format!("/console/outbox/{id}"),
    ] {
        assert_eq!(eve.get(&path).await.status, 404, "{path}");
    }
    let out = client.get("/console/outbox/x/html").await;
    assert_eq!(out.status, 303, "nobody is signed in");
    let template = ada
        .get("/console/outbox/templates/password_reset/html")
        .await;
    assert!(template.expect_status(200).text().contains("<h1"));
    assert_eq!(
        ada.get("/console/outbox/templates/nothing/html")
            .await
            .status,
        404
    );
}

async fn first_steps_follow_what_is_there(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    assert!(ada.page("/console").await.contains("0 of 6 done"));
    let sent = ada.post("/console", &[("form", "verification")]).await;
    leads_to(&sent, "/console?done=sent");
    let named = [("form", "organization"), ("name", "Acme"), ("slug", "acme")];
    ada.post("/console/organization", &named).await;
    let invite = [
        ("form", "invite"),
        ("email", "bob@example.org"),
        ("role", "viewer"),
    ];
    ada.post("/console/members", &invite).await;
    assert!(ada.page("/console").await.contains("2 of 6 done"));
    let dismissed = ada
        .post("/console", &[("form", "onboarding-dismiss")])
        .await;
    leads_to(&dismissed, "/console");
    assert!(!ada.page("/console").await.contains(" of 6 done"));
}
