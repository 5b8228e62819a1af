//! Signing in and out, in a browser and with tokens.

use std::sync::Arc;

use apiverse_contract::ErrorCode;
use apiverse_contract::ListQuery;
use apiverse_contract::auth::{LoginRequest, RefreshRequest, RegisterRequest, Role, SessionKind};
use apiverse_settings::Secret;
use tower_sessions::session::Id;
use tower_sessions::{Session, SessionStore};

use super::{PASSWORD, bench, bench_with};
use crate::sessions::IssueError;
use crate::{Fault, RequestInfo, Via};

fn login(email: &str) -> LoginRequest {
    LoginRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

fn refresh(token: &str) -> RefreshRequest {
    RefreshRequest {
        refresh_token: token.to_owned(),
    }
}

#[tokio::test]
async fn an_address_is_one_however_it_is_written() {
    let bench = bench().await;
    let info = RequestInfo::default();
    let register = |email: &str| RegisterRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        full_name: None,
    };
    let user = bench
        .platform
        .register(&info, register("Ada@Example.COM"))
        .await
        .expect("registers");
    let crate::Registered::Account(user) = user else {
        panic!("no account: {user:?}");
    };
    assert_eq!(user.email, "ada@example.com");
    let blank = bench.platform.register(&info, register("ada@example.com "));
    assert_eq!(
        blank.await.expect_err("is refused").fields()[0].field,
        "email"
    );
    let again = bench.platform.register(&info, register("ada@example.com"));
    assert_eq!(
        again.await.expect_err("is taken").code(),
        ErrorCode::EmailTaken
    );
    let tokens = bench.platform.login(&info, login("ADA@example.com ")).await;
    let token = tokens.expect("signs in").access_token;
    let actor = bench.platform.actor_from_bearer(&info, &token).await;
    let me = bench.platform.me(&actor.expect("is valid")).await;
    let me = me.expect("is shown");
    assert_eq!(me.user, user);
    assert_eq!(me.organization.name, "ada's organization");
    assert_eq!(me.organization.slug, "ada");
    assert_eq!(me.organization.role, Role::Owner);
}

#[tokio::test]
async fn a_used_refresh_token_ends_the_family_and_no_other() {
    let bench = bench().await;
    let info = RequestInfo::default();
    bench.actor("ada").await;
    let platform = &bench.platform;
    let one = platform.login(&info, login("ada@example.com")).await;
    let one = one.expect("signs in");
    let other = platform.login(&info, login("ada@example.com")).await;
    let other = other.expect("signs in");

    let two = platform.refresh(&info, refresh(&one.refresh_token)).await;
    let two = two.expect("is good once");
    assert_ne!(two.refresh_token, one.refresh_token);
    let stolen = platform.refresh(&info, refresh(&one.refresh_token)).await;
    assert_eq!(
        stolen.expect_err("is used").code(),
        ErrorCode::InvalidRefreshToken
    );
    assert!(
        platform
            .refresh(&info, refresh(&two.refresh_token))
            .await
            .is_err()
    );
    for token in [&one.access_token, &two.access_token] {
        assert!(platform.actor_from_bearer(&info, token).await.is_err());
    }
    assert!(
        platform
            .actor_from_bearer(&info, &other.access_token)
            .await
            .is_ok()
    );
    assert!(
        platform
            .refresh(&info, refresh(&other.refresh_token))
            .await
            .is_ok()
    );
}

/// Two uses of one token at the same time: the later ends the family before the earlier has its
/// next token stored.
#[tokio::test]
async fn a_family_that_ends_meanwhile_is_no_fault_of_ours() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let session = actor.session_id().expect("has one");
    let user = actor.user_id.expect("is one");
    bench.platform.logout(&actor).await.expect("ends");
    let late = bench
        .platform
        .next_tokens(user, session, bench.platform.now())
        .await;
    assert!(matches!(late, Err(IssueError::Ended)));
    assert_eq!(
        crate::RefreshError::from(IssueError::Ended).code(),
        ErrorCode::InvalidRefreshToken
    );
}

#[tokio::test]
async fn a_browser_gets_a_new_id_and_leaves_a_line_when_it_goes() {
    let bench = bench().await;
    let platform = &bench.platform;
    let token = bench.actor("ada").await;
    let info = RequestInfo {
        user_agent: Some("Browser\r\n1.0".to_owned()),
        ..RequestInfo::default()
    };
    let store = Arc::new(platform.session_store());
    let planted = Session::new(None, store.clone(), None);
    planted.insert("planted", true).await.expect("is kept");
    planted.save().await.expect("is stored");
    let planted_id = planted.id().expect("has an id");

    let session = Session::new(Some(planted_id), store.clone(), None);
    platform
        .sign_in(&session, &info, login("ada@example.com"))
        .await
        .expect("signs in");
    let id = session.id().expect("has an id");
    assert_ne!(id, planted_id);
    let read = |id| Session::new(Some(id), store.clone(), None);
    let before = platform.actor_from_session(&read(planted_id), &info).await;
    assert!(before.expect("is read").is_none());
    let here = platform.actor_from_session(&read(id), &info).await;
    let here = here.expect("is read").expect("is signed in");
    assert!(matches!(here.via, Via::Browser(_)));
    let planted: Option<bool> = read(id).get("planted").await.expect("is read");
    assert_eq!(planted, None);

    let sessions = platform.sessions(&here).await.expect("lists");
    let browser = sessions.iter().find(|s| s.current).expect("is there");
    assert_eq!(browser.kind, SessionKind::Browser);
    assert_eq!(browser.user_agent.as_deref(), Some("Browser1.0"));
    let other = sessions.iter().find(|s| !s.current).expect("is there");
    assert_eq!(Some(other.id), token.session_id());
    assert_eq!(other.kind, SessionKind::Token);

    let ended = async || {
        let lines = platform.audit_list(&token, ListQuery::default()).await;
        let lines = lines.expect("lists").data;
        lines
            .iter()
            .filter(|line| line.action == "session.ended")
            .count()
    };
    let session = read(id);
    platform.sign_out(&session, &info).await.expect("signs out");
    assert_eq!(ended().await, 1);
    let after = platform.actor_from_session(&read(id), &info).await;
    assert!(after.expect("is read").is_none());
    platform
        .sign_out(&read(id), &info)
        .await
        .expect("again is nothing");
    assert_eq!(ended().await, 1);
}

/// Another request of the browser still has the session in hand when it is ended.
#[tokio::test]
async fn an_ended_session_does_not_come_back_by_being_saved() {
    let bench = bench().await;
    let platform = &bench.platform;
    let token = bench.actor("ada").await;
    let info = RequestInfo::default();
    let store = Arc::new(platform.session_store());
    let session = Session::new(None, store.clone(), None);
    platform
        .sign_in(&session, &info, login("ada@example.com"))
        .await
        .expect("signs in");
    let id = session.id().expect("has an id");
    let slow = Session::new(Some(id), store.clone(), None);
    slow.insert("page", 7).await.expect("is kept");

    let sessions = platform.sessions(&token).await.expect("lists");
    let browser = sessions.iter().find(|s| !s.current).expect("is there");
    platform
        .session_revoke(&token, browser.id)
        .await
        .expect("ends");
    slow.save().await.expect("is no failure of the request");
    assert!(store.load(&id).await.expect("is read").is_none());
    assert_eq!(platform.sessions(&token).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn the_organization_sees_that_a_refresh_token_was_copied() {
    let bench = bench().await;
    let owner = bench.actor("ada").await;
    let info = RequestInfo {
        ip: Some([192, 0, 2, 7].into()),
        ..RequestInfo::default()
    };
    let tokens = bench.platform.login(&info, login("ada@example.com")).await;
    let token = tokens.expect("signs in").refresh_token;
    for _ in 0..2 {
        let _ = bench.platform.refresh(&info, refresh(&token)).await;
    }
    let lines = bench
        .platform
        .audit_list(&owner, ListQuery::default())
        .await
        .expect("lists");
    let line = &lines.data[0];
    assert_eq!(line.action, "session.refresh_reused");
    assert_eq!(line.actor, "unknown");
    assert_eq!(line.ip.as_deref(), Some("192.0.2.7"));
}

#[tokio::test]
async fn an_id_that_was_never_issued_is_not_adopted() {
    let bench = bench().await;
    bench.actor("ada").await;
    let store = Arc::new(bench.platform.session_store());
    let invented = Id::default();
    let session = Session::new(Some(invented), store.clone(), None);
    bench
        .platform
        .sign_in(&session, &RequestInfo::default(), login("ada@example.com"))
        .await
        .expect("signs in");
    assert_ne!(session.id(), Some(invented));
    assert!(store.load(&invented).await.expect("is read").is_none());
    let id = session.id().expect("has an id");
    assert!(store.load(&id).await.expect("is read").is_some());
}

#[tokio::test]
async fn failed_sign_ins_look_alike_and_are_written_down() {
    let bench = bench().await;
    let platform = &bench.platform;
    let info = RequestInfo::default();
    let owner = bench.actor("ada").await;
    let wrong = |email: &str| LoginRequest {
        email: email.to_owned(),
        password: "not the password".to_owned(),
    };
    let known = platform.login(&info, wrong("ada@example.com")).await;
    let unknown = platform.login(&info, wrong("bob@example.com")).await;
    let known = known.expect_err("is refused").problem();
    assert_eq!(known, unknown.expect_err("is refused").problem());
    let lines = platform.audit_list(&owner, ListQuery::default()).await;
    let lines = lines.expect("lists").data;
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.action == "user.sign_in_failed")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].target_id, owner.user_id.map(|id| id.to_string()));
}

#[tokio::test]
async fn the_operators_key_is_an_admin() {
    let bench = bench_with(|config| config.unified_api_key = Some(Secret::new("operator"))).await;
    let info = RequestInfo::default();
    let early = bench.platform.actor_from_bearer(&info, "operator").await;
    assert!(early.is_err(), "there is no organization yet");
    let ada = bench.actor("ada").await;
    bench.actor("bob").await;
    let operator = bench.platform.actor_from_bearer(&info, "operator").await;
    let operator = operator.expect("is known");
    assert_eq!(operator.organization_id, ada.organization_id);
    assert_eq!(
        (operator.role, operator.via),
        (Role::Admin, Via::UnifiedKey)
    );
    for wrong in ["", "operato", "operator ", "Operator"] {
        let refused = bench.platform.actor_from_bearer(&info, wrong).await;
        assert_eq!(
            refused.expect_err("is refused").code(),
            ErrorCode::InvalidToken
        );
    }
}

/// A sign-in with the former password can be under way on another node while it is changed.
#[tokio::test]
async fn a_session_begun_with_the_former_password_is_over() {
    let bench = super::bench().await;
    let info = RequestInfo::default();
    let ada = bench.actor("ada").await;
    let former = bench.store.user_get(ada.user_id.expect("a user")).await;
    let former = former.expect("reads").expect("is there");
    let change = apiverse_contract::auth::ChangePassword {
        current_password: super::PASSWORD.to_owned(),
        new_password: "entirely other words".to_owned(),
    };
    let changed = bench.platform.change_password(&ada, change).await;
    changed.expect("changes");
    let late = bench.platform.issue_tokens(&former, &info).await;
    let late = late.expect("are made");
    let refused = bench
        .platform
        .actor_from_bearer(&info, &late.access_token)
        .await;
    assert_eq!(
        refused.expect_err("is over").code(),
        ErrorCode::InvalidToken
    );
    let refresh = RefreshRequest {
        refresh_token: late.refresh_token,
    };
    let refused = bench.platform.refresh(&info, refresh).await;
    assert_eq!(
        refused.err().map(|error| error.code()),
        Some(ErrorCode::InvalidRefreshToken)
    );
}
