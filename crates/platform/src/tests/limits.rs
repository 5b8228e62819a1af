//! Who may set which limits.

use apiverse_contract::ErrorCode;
use apiverse_contract::auth::Role;
use apiverse_contract::keys::CreateApiKey;
use apiverse_contract::limits::{
    Algorithm, CreateRoute, LimitPolicy, PatchRoute, Per, Period, Quota, QuotaPer, RateLimit,
};

use super::{api, bench};
use crate::permissions::Permission;
use crate::{Actor, Fault, PolicyTarget};

fn burst(limit: u32, replaces_organization: bool) -> LimitPolicy {
    LimitPolicy {
        rate_limits: vec![RateLimit {
            name: "burst".to_owned(),
            limit,
            window_seconds: 1,
            algorithm: Algorithm::Gcra,
            burst: None,
            per: Per::Scope,
            count_denied: false,
            replaces_organization,
        }],
        ..LimitPolicy::default()
    }
}

fn daily(limit: u64, replaces_organization: bool) -> LimitPolicy {
    LimitPolicy {
        quotas: vec![Quota {
            name: "daily".to_owned(),
            limit,
            period: Period::Day,
            per: QuotaPer::Scope,
            replaces_organization,
        }],
        ..LimitPolicy::default()
    }
}

fn with_role(actor: &Actor, role: Role) -> Actor {
    Actor {
        role,
        ..actor.clone()
    }
}

/// Whether it was done; a refusal is one for want of permission.
fn is_done<T, E: Fault>(outcome: Result<T, E>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::Forbidden, "{error}");
            false
        }
    }
}

#[tokio::test]
async fn only_who_manages_the_organization_lets_others_hold_in_its_place() {
    let bench = bench().await;
    let platform = &bench.platform;
    let owner = bench.actor("ada").await;
    let made = platform.api_create(&owner, api("weather")).await;
    let api_id = made.expect("creates").id;
    let key = CreateApiKey {
        name: "k".to_owned(),
        ..CreateApiKey::default()
    };
    let key = platform.key_create(&owner, key).await.expect("creates");
    let targets = [PolicyTarget::Api(api_id), PolicyTarget::Key(key.view.id)];
    for role in Role::ALL {
        let actor = with_role(&owner, role);
        let manages = Permission::OrganizationWrite.roles().contains(&role);
        let edits = Permission::ApisWrite.roles().contains(&role);
        let put = async |target, policy| is_done(platform.limits_put(&actor, target, policy).await);
        let organization = PolicyTarget::Organization;
        assert_eq!(
            put(organization, burst(10, false)).await,
            manages,
            "{role:?}"
        );
        for target in targets {
            let by_owner = async |policy| {
                let set = platform.limits_put(&owner, target, policy).await;
                set.expect("an owner may");
            };
            by_owner(LimitPolicy::default()).await;
            assert_eq!(put(target, burst(99, false)).await, edits, "{role:?}");
            assert_eq!(put(target, burst(99, true)).await, manages, "{role:?}");
            assert_eq!(put(target, daily(99, true)).await, manages, "{role:?}");
            // What an owner has set stays and goes with others' changes, as it is.
            by_owner(burst(50, true)).await;
            let beside = LimitPolicy {
                concurrency: Some(1),
                ..burst(50, true)
            };
            assert_eq!(put(target, beside).await, edits, "{role:?}");
            assert_eq!(put(target, burst(51, true)).await, manages, "{role:?}");
            assert_eq!(put(target, LimitPolicy::default()).await, edits, "{role:?}");
        }

        let route = |name: &str, policy| CreateRoute {
            name: format!("{name} {}", role.as_str()),
            methods: vec!["GET".to_owned()],
            path: "/users".to_owned(),
            policy,
        };
        let create = async |route| is_done(platform.route_create(&actor, api_id, route).await);
        assert_eq!(
            create(route("a", burst(99, false))).await,
            edits,
            "{role:?}"
        );
        assert_eq!(
            create(route("b", burst(99, true))).await,
            manages,
            "{role:?}"
        );
        let made = platform
            .route_create(&owner, api_id, route("c", burst(50, true)))
            .await;
        let made = made.expect("creates");
        let patch =
            async |patch| is_done(platform.route_patch(&actor, api_id, made.id, patch).await);
        let wider = PatchRoute {
            path: Some("/*".to_owned()),
            ..PatchRoute::default()
        };
        let looser = PatchRoute {
            policy: Some(burst(51, true)),
            ..PatchRoute::default()
        };
        let tighter = PatchRoute {
            policy: Some(burst(51, false)),
            path: Some("/*".to_owned()),
            ..PatchRoute::default()
        };
        assert_eq!(patch(wider).await, manages, "{role:?}");
        assert_eq!(patch(looser).await, manages, "{role:?}");
        assert_eq!(patch(tighter).await, edits, "{role:?}");
    }
}

#[tokio::test]
async fn nothing_is_above_the_organization() {
    let bench = bench().await;
    let owner = bench.actor("ada").await;
    for (policy, field) in [
        (burst(1, true), "rate_limits.0.replaces_organization"),
        (daily(1, true), "quotas.0.replaces_organization"),
    ] {
        let refused = bench
            .platform
            .limits_put(&owner, PolicyTarget::Organization, policy)
            .await
            .expect_err("is refused");
        let fields: Vec<String> = refused.fields().into_iter().map(|f| f.field).collect();
        assert_eq!(fields, [field]);
    }
}
