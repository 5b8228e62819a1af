//! The services over a real store in a temporary folder.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Bus;
use apiverse_connectors::egress::EgressPolicy;
use apiverse_connectors::objects::Objects;
use apiverse_contract::apis::CreateApi;
use apiverse_contract::auth::{ChangePassword, LoginRequest, RefreshRequest, RegisterRequest};
use apiverse_contract::keys::{CreateApiKey, KeyStatus, RotateApiKey};
use apiverse_contract::{ErrorCode, ListQuery};
use apiverse_settings::{Secret, Vault};
use apiverse_store::{ConnectOptions, Store};
use chrono::DateTime;

use crate::{
    AccountsConfig, Actor, Clock, Fault, MessagesConfig, Platform, PlatformConfig, ReportsConfig,
    RequestInfo, ThrottleConfig,
};

mod alerts;
mod insights;
mod limits;
mod live;
mod outbox;
mod plan;
mod reports;
mod resources;
mod retention;
mod sign_in;

struct Bench {
    platform: Platform,
    store: Store,
    clock: Clock,
    _folder: tempfile::TempDir,
}

const PASSWORD: &str = "a password of some length";

fn config() -> PlatformConfig {
    PlatformConfig {
        jwt_secret: Secret::new("one"),
        jwt_secret_previous: Vec::new(),
        jwt_refresh_secret: Secret::new("two"),
        jwt_lifetime: Duration::from_secs(86_400),
        refresh_lifetime: Duration::from_secs(30 * 86_400),
        session_lifetime: Duration::from_secs(14 * 86_400),
        unified_api_key: None,
        egress: EgressPolicy::new(Vec::new()),
        sample_enabled: true,
        secure_cookies: false,
        calls_kept: Some(Duration::from_secs(30 * 86_400)),
        minutes_kept: Duration::from_secs(8 * 86_400),
        questions: 8,
        throttle: ThrottleConfig::default(),
        messages: MessagesConfig {
            show_content: true,
            ..MessagesConfig::default()
        },
        sign_in: crate::SignInConfig::default(),
        accounts: AccountsConfig::default(),
        reports: ReportsConfig {
            objects: Objects::memory(),
            kept: Duration::from_secs(400 * 86_400),
        },
    }
}

async fn bench() -> Bench {
    bench_with(|_| ()).await
}

async fn bench_with(change: impl FnOnce(&mut PlatformConfig)) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let store = Store::connect(&url, &ConnectOptions::default())
        .await
        .expect("opens");
    store.migrate().await.expect("migrates");
    let clock = Clock::fixed(DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"));
    let mut config = config();
    change(&mut config);
    let vault = Arc::new(Vault::new(&Secret::new("a secret for tests"), &[]));
    let platform = Platform::new(config, store.clone(), vault, Bus::local(), clock.clone());
    Bench {
        platform,
        store,
        clock,
        _folder: folder,
    }
}

impl Bench {
    async fn actor(&self, name: &str) -> Actor {
        let email = format!("{name}@example.com");
        let info = RequestInfo::default();
        let input = RegisterRequest {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            full_name: None,
        };
        self.platform
            .register(&info, input)
            .await
            .expect("registers");
        let login = LoginRequest {
            email,
            password: PASSWORD.to_owned(),
        };
        let tokens = self.platform.login(&info, login).await.expect("signs in");
        self.platform
            .actor_from_bearer(&info, &tokens.access_token)
            .await
            .expect("is valid")
    }
}

fn api(name: &str) -> CreateApi {
    CreateApi {
        name: name.to_owned(),
        base_url: "https://api.example.com".to_owned(),
        is_active: true,
        ..CreateApi::default()
    }
}

#[tokio::test]
async fn access_tokens_end_with_time_and_with_the_account() {
    let bench = bench().await;
    let info = RequestInfo::default();
    bench.actor("ada").await;
    let login = || LoginRequest {
        email: "ADA@example.com".into(),
        password: PASSWORD.into(),
    };
    let tokens = bench
        .platform
        .login(&info, login())
        .await
        .expect("signs in");
    let valid = bench
        .platform
        .actor_from_bearer(&info, &tokens.access_token)
        .await;
    let actor = valid.expect("is valid");

    bench.clock.advance(Duration::from_secs(86_399));
    assert!(
        bench
            .platform
            .actor_from_bearer(&info, &tokens.access_token)
            .await
            .is_ok()
    );
    bench.clock.advance(Duration::from_secs(1));
    let late = bench
        .platform
        .actor_from_bearer(&info, &tokens.access_token)
        .await;
    assert_eq!(late.expect_err("is over").code(), ErrorCode::InvalidToken);

    let tokens = bench
        .platform
        .login(&info, login())
        .await
        .expect("signs in");
    let mut user = bench
        .store
        .user_get(actor.user_id.expect("a user"))
        .await
        .expect("reads")
        .expect("is");
    user.is_active = false;
    let line = bench
        .platform
        .audit(&actor, crate::accounts::user_event("user.updated", &user));
    bench
        .store
        .user_update(&user, &line)
        .await
        .expect("updates");
    assert!(
        bench
            .platform
            .actor_from_bearer(&info, &tokens.access_token)
            .await
            .is_err()
    );
    assert!(bench.platform.login(&info, login()).await.is_err());
    let refresh = RefreshRequest {
        refresh_token: tokens.refresh_token,
    };
    assert!(bench.platform.refresh(&info, refresh).await.is_err());
}

#[tokio::test]
async fn a_password_change_keeps_this_session_only() {
    let bench = bench().await;
    let info = RequestInfo::default();
    let here = bench.actor("ada").await;
    let login = LoginRequest {
        email: "ada@example.com".into(),
        password: PASSWORD.into(),
    };
    let elsewhere = bench.platform.login(&info, login).await.expect("signs in");
    let change = |current: &str, new: &str| ChangePassword {
        current_password: current.to_owned(),
        new_password: new.to_owned(),
    };
    let wrong = bench
        .platform
        .change_password(&here, change("wrong", "another long one"))
        .await;
    assert_eq!(
        wrong.expect_err("is refused").fields()[0].field,
        "current_password"
    );
    let short = bench
        .platform
        .change_password(&here, change(PASSWORD, "short"))
        .await;
    assert_eq!(
        short.expect_err("is refused").fields()[0].field,
        "new_password"
    );
    bench
        .platform
        .change_password(&here, change(PASSWORD, "another long one"))
        .await
        .expect("changes");
    let theirs = bench
        .platform
        .actor_from_bearer(&info, &elsewhere.access_token)
        .await;
    assert_eq!(theirs.expect_err("is over").code(), ErrorCode::InvalidToken);
    let refresh = RefreshRequest {
        refresh_token: elsewhere.refresh_token,
    };
    assert!(bench.platform.refresh(&info, refresh).await.is_err());
    let sessions = bench.platform.sessions(&here).await.expect("lists");
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].current);
}

#[tokio::test]
async fn keys_expire_rotate_and_end() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let mut input = CreateApiKey {
        name: "k".into(),
        ..CreateApiKey::default()
    };
    input.methods = vec!["get".into(), "GET".into()];
    input.allowed_ips = vec!["10.1.2.3/8".into(), "::1".into()];
    input.expires_at = Some(bench.platform.now() + chrono::Duration::seconds(10));
    let created = bench
        .platform
        .key_create(&actor, input)
        .await
        .expect("creates");
    assert_eq!(created.view.methods, ["GET"]);
    assert_eq!(created.view.allowed_ips, ["10.0.0.0/8", "::1/128"]);
    let id = created.view.id;
    bench.clock.advance(Duration::from_secs(10));
    let shown = bench.platform.key_get(&actor, id).await.expect("shows");
    assert_eq!(shown.status, KeyStatus::Expired);

    let rotate = RotateApiKey {
        grace_seconds: Some(60),
    };
    let rotated = bench
        .platform
        .key_rotate(&actor, id, rotate)
        .await
        .expect("rotates");
    assert_ne!(rotated.key, created.key);
    assert!(rotated.view.previous_expires_at.is_some());
    bench.clock.advance(Duration::from_secs(60));
    let shown = bench.platform.key_get(&actor, id).await.expect("shows");
    assert_eq!(shown.previous_expires_at, None);

    bench
        .platform
        .key_revoke(&actor, id)
        .await
        .expect("revokes");
    bench
        .platform
        .key_revoke(&actor, id)
        .await
        .expect("again is no error");
    let rotate = RotateApiKey {
        grace_seconds: None,
    };
    let over = bench.platform.key_rotate(&actor, id, rotate).await;
    assert_eq!(over.expect_err("is over").code(), ErrorCode::ApiKeyRevoked);
}

#[tokio::test]
async fn other_tenants_are_out_of_reach() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let bob = bench.actor("bob").await;
    let mine = bench
        .platform
        .api_create(&ada, api("mine"))
        .await
        .expect("creates");
    let gone = bench.platform.api_get(&bob, mine.id).await;
    assert_eq!(gone.expect_err("is not his").code(), ErrorCode::ApiNotFound);
    let gone = bench.platform.api_delete(&bob, mine.id).await;
    assert_eq!(gone.expect_err("is not his").code(), ErrorCode::ApiNotFound);
    let input = CreateApiKey {
        name: "k".into(),
        api_ids: vec![mine.id],
        ..CreateApiKey::default()
    };
    let refused = bench.platform.key_create(&bob, input).await;
    assert_eq!(
        refused.expect_err("is not his").fields()[0].field,
        "api_ids"
    );
    let session = bench.platform.sessions(&ada).await.expect("lists")[0].id;
    assert!(bench.platform.session_revoke(&bob, session).await.is_err());
    let seen = bench
        .platform
        .api_list(&bob, ListQuery::default())
        .await
        .expect("lists");
    assert!(seen.data.is_empty());
}

#[tokio::test]
async fn every_change_leaves_a_line_without_secrets() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let mut input = api("weather");
    input.auth_type = apiverse_contract::apis::AuthType::Bearer;
    input.auth_config = Some(serde_json::json!({ "token": "hush" }));
    let created = bench
        .platform
        .api_create(&actor, input)
        .await
        .expect("creates");
    let patch = apiverse_contract::apis::PatchApi {
        name: Some("Rain".into()),
        ..apiverse_contract::apis::PatchApi::default()
    };
    bench
        .platform
        .api_patch(&actor, created.id, patch)
        .await
        .expect("changes");
    bench
        .platform
        .api_delete(&actor, created.id)
        .await
        .expect("deletes");
    let lines = bench
        .platform
        .audit_list(&actor, ListQuery::default())
        .await
        .expect("lists");
    let actions: Vec<&str> = lines.data.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions[..3], ["api.deleted", "api.updated", "api.created"]);
    assert_eq!(
        lines.data[1].details,
        serde_json::json!({
            "name": { "before": "weather", "after": "Rain" },
        })
    );
    let all = serde_json::to_string(&lines).expect("JSON");
    assert!(!all.contains("hush") && !all.contains("argon2"), "{all}");
}

#[tokio::test]
async fn the_first_start_happens_once() {
    let bench = bench().await;
    let account = bench
        .platform
        .ensure_first_account(None, None)
        .await
        .expect("works");
    let account = account.expect("is the first");
    assert!(account.generated && account.password.len() == 20);
    let sample = bench
        .platform
        .ensure_sample()
        .await
        .expect("works")
        .expect("is registered");
    assert_eq!(sample.slug, "sample");
    assert!(
        bench
            .platform
            .ensure_first_account(None, None)
            .await
            .expect("works")
            .is_none()
    );
    assert!(
        bench
            .platform
            .ensure_sample()
            .await
            .expect("works")
            .is_none()
    );
}
