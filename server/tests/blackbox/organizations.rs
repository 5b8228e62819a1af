//! Organizations: members, roles, invitations, and always an owner.

use apiverse_testkit::{App, Client, Engine, Upstream, both, eventually};
use serde_json::{Value, json};

use crate::outbox::{message, token};
use crate::start;

both!(
    somebody_is_invited_joins_and_is_taken_out,
    an_invitation_ends_in_every_way_there_is,
    several_organizations_and_a_session_that_switches,
    an_organization_is_handed_over_and_always_has_an_owner,
    an_organization_is_deleted_with_its_apis,
);

async fn invite(client: &Client, email: &str, role: &str) -> Value {
    let body = json!({ "email": email, "role": role });
    client
        .post("/invitations", &body)
        .await
        .expect_status(201)
        .json()
}

async fn accept(client: &Client, token: &str) -> apiverse_testkit::Answer {
    client
        .post("/invitations/accept", &json!({ "token": token }))
        .await
}

/// Lets an account join an organization with a role.
pub async fn join(app: &App, owner: &Client, name: &str, role: &str) -> Client {
    let client = app.stranger(name).await;
    let email = format!("{name}@example.org");
    invite(owner, &email, role).await;
    let secret = token(owner, "invitation", &email).await;
    accept(&client, &secret).await.assert_status(200);
    client
}

async fn me(client: &Client) -> Value {
    client.get("/auth/me").await.expect_status(200).json()
}

async fn somebody_is_invited_joins_and_is_taken_out(engine: Engine) {
    let app = start(engine).await;
    let admin = app.admin().await;
    let owner = app.stranger("ada").await;
    let api = owner.create_api("weather", "https://example.com").await;
    let bob = app.stranger("bob").await;
    bob.get(&format!("/apis/{api}"))
        .await
        .assert_problem(404, "api_not_found");

    let owners = json!({ "email": "x@example.org", "role": "owner" });
    owner
        .post("/invitations", &owners)
        .await
        .assert_problem(422, "validation_failed");
    invite(&owner, "bob@example.org", "viewer").await;
    let sent = message(&admin, "invitation", "bob@example.org").await;
    assert!(
        sent["text"]
            .as_str()
            .expect("a text")
            .contains("ada@example.org invites you")
    );
    let secret = token(&owner, "invitation", "bob@example.org").await;
    let offer = app
        .anonymous()
        .post("/invitations/offer", &json!({ "token": secret }))
        .await;
    let offer = offer.expect_status(200).json();
    assert_eq!(
        (&offer["role"], &offer["email"]),
        (&json!("viewer"), &json!("bob@example.org"))
    );
    let eve = app.stranger("eve").await;
    accept(&eve, &secret).await.assert_problem(403, "forbidden");
    accept(&bob, &secret).await.assert_status(200);
    accept(&bob, &secret)
        .await
        .assert_problem(400, "invalid_link");
    message(&admin, "invitation_accepted", "ada@example.org").await;

    // The session acts there now, as a viewer.
    assert_eq!(me(&bob).await["organization"]["role"], "viewer");
    assert_eq!(me(&bob).await["email_verified"], true);
    bob.get(&format!("/apis/{api}")).await.assert_status(200);
    bob.delete(&format!("/apis/{api}"))
        .await
        .assert_problem(403, "forbidden");
    let members = owner.get("/members").await.expect_status(200).json();
    assert_eq!(members["data"].as_array().map(Vec::len), Some(2));
    let id = me(&bob).await["id"].as_str().expect("an id").to_owned();
    let path = format!("/members/{id}");
    bob.patch(&path, &json!({ "role": "owner" }))
        .await
        .assert_problem(403, "forbidden");
    let changed = owner.patch(&path, &json!({ "role": "developer" })).await;
    assert_eq!(changed.expect_status(200).json()["role"], "developer");
    bob.delete(&format!("/apis/{api}")).await.assert_status(204);

    owner.delete(&path).await.assert_status(204);
    owner
        .delete(&path)
        .await
        .assert_problem(404, "member_not_found");
    let told = eventually("what became of it", async || {
        let told = message(&admin, "role_changed", "bob@example.org").await;
        told["text"]
            .as_str()?
            .contains("removed you")
            .then_some(told)
    })
    .await;
    assert_eq!(told["status"], "kept");
    assert_eq!(
        me(&bob).await["organization"]["role"],
        "owner",
        "back in his own"
    );
    let log = owner
        .get("/audit?limit=200")
        .await
        .expect_status(200)
        .text();
    for action in [
        "invitation.created",
        "invitation.accepted",
        "member.role_changed",
        "member.removed",
    ] {
        assert!(log.contains(action), "{action} is not in the log");
    }
}

async fn an_invitation_ends_in_every_way_there_is(engine: Engine) {
    let app = start(engine).await;
    let owner = app.stranger("ada").await;
    let bob = app.stranger("bob").await;
    let first = invite(&owner, "bob@example.org", "viewer").await;
    let secret = token(&owner, "invitation", "bob@example.org").await;
    let id = first["id"].as_str().expect("an id").to_owned();
    let resent = owner
        .send(owner.request("POST", &format!("/invitations/{id}/resend")))
        .await;
    assert_eq!(resent.expect_status(200).json()["status"], "pending");
    accept(&bob, &secret)
        .await
        .assert_problem(400, "invalid_link");
    let newer = eventually("the new link", async || {
        let newer = token(&owner, "invitation", "bob@example.org").await;
        (newer != secret).then_some(newer)
    })
    .await;
    bob.delete(&format!("/invitations/{id}"))
        .await
        .assert_problem(404, "invitation_not_found");
    owner
        .delete(&format!("/invitations/{id}"))
        .await
        .assert_status(204);
    accept(&bob, &newer)
        .await
        .assert_problem(400, "invalid_link");
    owner
        .send(owner.request("POST", &format!("/invitations/{id}/resend")))
        .await
        .assert_problem(404, "invitation_not_found");
    let list = owner.get("/invitations").await.expect_status(200).json();
    assert_eq!(list["data"][0]["status"], "revoked");
}

async fn several_organizations_and_a_session_that_switches(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let body = json!({ "name": "Second" });
    let second = ada
        .post("/organizations", &body)
        .await
        .expect_status(201)
        .json();
    assert_eq!(
        (&second["slug"], &second["role"]),
        (&json!("second"), &json!("owner"))
    );
    ada.post("/organizations", &json!({ "name": "x", "slug": "second" }))
        .await
        .assert_problem(409, "slug_taken");
    ada.create_api("first-api", "https://example.com").await;
    let id = second["id"].as_str().expect("an id");
    let switch = async |client: &Client| {
        client
            .send(client.request("POST", &format!("/organizations/{id}/switch")))
            .await
    };
    let eve = app.stranger("eve").await;
    switch(&eve)
        .await
        .assert_problem(404, "organization_not_found");
    switch(&ada).await.assert_status(200);
    assert_eq!(me(&ada).await["organization"]["slug"], "second");
    let apis = ada.get("/apis").await.expect_status(200).json();
    assert_eq!(apis["data"], json!([]));
    let renamed = ada
        .patch("/organization", &json!({ "name": "Zweite" }))
        .await;
    assert_eq!(renamed.expect_status(200).json()["name"], "Zweite");
    // Another session of the same user goes on where it was.
    let mut other = app.anonymous();
    other
        .login("ada@example.org", "a password of some length")
        .await;
    assert_ne!(me(&other).await["organization"]["slug"], "second");
    let all = ada.get("/organizations").await.expect_status(200).json();
    let current: Vec<_> = all["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|o| o["current"].clone())
        .collect();
    assert_eq!(current, [json!(false), json!(true)]);
}

async fn an_organization_is_handed_over_and_always_has_an_owner(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let bob = join(&app, &ada, "bob", "admin").await;
    let (ada_id, bob_id) = (me(&ada).await["id"].clone(), me(&bob).await["id"].clone());
    let leave = async |client: &Client| {
        client
            .send(client.request("POST", "/organization/leave"))
            .await
    };
    leave(&ada).await.assert_problem(409, "last_owner");
    let path = format!("/members/{}", ada_id.as_str().expect("an id"));
    ada.patch(&path, &json!({ "role": "viewer" }))
        .await
        .assert_problem(409, "last_owner");
    bob.delete(&path).await.assert_problem(403, "forbidden");
    let delete = json!({ "current_password": "a password of some length" });
    ada.send(ada.request("DELETE", "/auth/me").json(&delete))
        .await
        .assert_problem(409, "last_owner");
    let transfer = json!({ "user_id": bob_id });
    bob.post("/organization/transfer", &transfer)
        .await
        .assert_problem(403, "forbidden");
    ada.post("/organization/transfer", &transfer)
        .await
        .assert_status(204);
    assert_eq!(me(&bob).await["organization"]["role"], "owner");
    assert_eq!(me(&ada).await["organization"]["role"], "admin");
    leave(&ada).await.assert_status(204);
    leave(&bob).await.assert_problem(409, "last_owner");
    // She was in no other: one of her own is made.
    let own = me(&ada).await;
    assert_eq!(own["organization"]["role"], "owner");
    assert_ne!(
        own["organization"]["id"],
        me(&bob).await["organization"]["id"]
    );
}

async fn an_organization_is_deleted_with_its_apis(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let ada = app.stranger("ada").await;
    let api = ada.create_api("weather", &upstream.base()).await;
    let (_, key) = ada.create_key("k").await;
    let call = async || ada.send(ada.proxy("GET", &format!("/{api}/x"), &key)).await;
    call().await.assert_status(200);
    let slug = me(&ada).await["organization"]["slug"]
        .as_str()
        .expect("a slug")
        .to_owned();
    let delete = async |slug: &str| {
        ada.send(
            ada.request("DELETE", "/organization")
                .json(&json!({ "slug": slug })),
        )
        .await
    };
    delete("another")
        .await
        .assert_problem(422, "validation_failed");
    delete(&slug).await.assert_status(204);
    call().await.assert_gateway_problem(401, "invalid_api_key");
    assert_eq!(
        me(&ada).await["organization"]["role"],
        "owner",
        "a new one of her own"
    );
    ada.get(&format!("/apis/{api}"))
        .await
        .assert_problem(404, "api_not_found");
}
