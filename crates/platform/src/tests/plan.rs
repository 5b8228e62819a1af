//! Recent calls against configurations that are not applied.

use apiverse_contract::auth::Role;
use apiverse_contract::configuration::ConfigurationRequest;
use apiverse_contract::configuration::plan::{PlanGroup, PlanOutcome, PlanRequest, TrafficPlan};
use apiverse_contract::keys::CreateApiKey;
use apiverse_contract::policies::{PolicyDocument, PolicyKind, PolicyLevel};
use apiverse_contract::{ApiId, ErrorCode, KeyId, ListQuery, UsageEventId};
use apiverse_store::{UsageMark, UsageRow};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Bench, api, bench};
use crate::{Actor, Draft, Fault};

struct Traffic {
    bench: Bench,
    actor: Actor,
    api: ApiId,
    key: KeyId,
    rows: Vec<UsageRow>,
}

impl Traffic {
    async fn new() -> Self {
        let bench = bench().await;
        let actor = bench.actor("ada").await;
        let made = bench.platform.api_create(&actor, api("Weather")).await;
        let made = made.expect("creates");
        let key = CreateApiKey {
            name: "mobile".to_owned(),
            ..CreateApiKey::default()
        };
        let key = bench.platform.key_create(&actor, key).await;
        let key = key.expect("creates").view.id;
        Self {
            bench,
            actor,
            api: made.id,
            key,
            rows: Vec::new(),
        }
    }

    /// A call that began so many seconds before now.
    fn call(&mut self, seconds: i64, path: &str) -> &mut UsageRow {
        let now_us = self.bench.clock.now().timestamp_micros();
        let number = self.rows.len() as u128;
        self.rows.push(UsageRow {
            id: UsageEventId(Uuid::from_u128(number + 1)),
            organization_id: self.actor.organization_id,
            api_id: Some(self.api),
            key_id: Some(self.key),
            request_id: "r".to_owned(),
            started_at_us: now_us - seconds * 1_000_000,
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            error_code: None,
            latency_us: 500_000,
            upstream_us: None,
            bytes_in: 0,
            bytes_out: 0,
            refused: false,
            route_id: None,
            verified: None,
            version_id: None,
            cache: None,
            tokens: apiverse_contract::usage::Tokens::default(),
        });
        self.rows.last_mut().expect("was pushed")
    }

    async fn store(&self) {
        let events: Vec<_> = self.rows.iter().map(UsageRow::as_event).collect();
        let mark = UsageMark {
            journal: Uuid::from_u128(1),
            from: 0,
            to: 1,
        };
        let now_us = self.bench.clock.now().timestamp_micros();
        let store = &self.bench.store;
        let stored = store.usage_ingest(&events, &[mark], now_us).await;
        stored.expect("stores");
    }

    async fn plan(&self, configuration: Value) -> TrafficPlan {
        self.plan_of(json!({ "configuration": configuration }))
            .await
    }

    async fn plan_of(&self, request: Value) -> TrafficPlan {
        let request: PlanRequest = serde_json::from_value(request).expect("is understood");
        let platform = &self.bench.platform;
        let planned = platform.configuration_plan(&self.actor, request).await;
        planned.unwrap_or_else(|error| panic!("{error}: {:?}", error.fields()))
    }

    async fn apply(&self, configuration: Value) {
        let request = json!({ "configuration": configuration });
        let request: ConfigurationRequest = serde_json::from_value(request).expect("understood");
        let platform = &self.bench.platform;
        let applied = platform.configuration_apply(&self.actor, request).await;
        applied.expect("is applied");
    }
}

fn weather(more: Value) -> Value {
    let mut own = json!({ "name": "Weather", "base_url": "https://api.example.com" });
    let fields = own.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    json!({ "apiverse": 1, "apis": { "weather": own } })
}

fn told(group: &PlanGroup) -> (PlanOutcome, PlanOutcome, Option<&str>, u64) {
    let (before, after) = (&group.before, &group.after);
    (
        before.outcome,
        after.outcome,
        after.by.as_deref(),
        group.calls,
    )
}

#[tokio::test]
async fn one_change_is_tried_where_it_would_be_made() {
    let mut traffic = Traffic::new().await;
    for seconds in [40, 30, 20, 10] {
        traffic.call(seconds, "/today");
    }
    traffic.store().await;
    traffic
        .apply(weather(
            json!({ "routes": { "today": { "path": "/today" } } }),
        ))
        .await;
    let platform = &traffic.bench.platform;
    let actor = &traffic.actor;
    let routes = platform.route_list(actor, traffic.api, ListQuery::default());
    let route = routes.await.expect("lists").data[0].id;
    let versions = platform.version_list(actor, traffic.api).await;
    let version = versions.expect("lists")[0].id;
    let plan = async |at: (PolicyLevel, Uuid), draft: Draft| {
        let plan = platform.draft_plan(actor, at, draft).await;
        plan.map_err(|error| error.code())
    };
    let cache = || {
        let document = PolicyDocument::from_value(PolicyKind::Cache, json!({}));
        Draft::Policy(Box::new(document.expect("is understood")))
    };
    let quota = || {
        let limits = json!({ "quotas": [{ "name": "daily", "limit": 3, "period": "day" }] });
        Draft::Limits(serde_json::from_value(limits).expect("is understood"))
    };
    let organization = (PolicyLevel::Organization, actor.organization_id.0);
    let api = (PolicyLevel::Api, traffic.api.0);
    let key = (PolicyLevel::Key, traffic.key.0);
    let route = (PolicyLevel::Route, route.0);
    let version = (PolicyLevel::Version, version.0);
    let by = |place: &str, what: &str| match place {
        "" => Some(what.to_owned()),
        place => Some(format!("{place}.{what}")),
    };
    for (at, place) in [
        (organization, ""),
        (api, "apis.weather"),
        (version, "apis.weather.versions.default"),
        (route, "apis.weather.routes.today"),
        (key, "keys.mobile"),
    ] {
        let told = plan(at, cache()).await.expect("is planned");
        assert_eq!((told.calls, told.after.cached), (4, 4), "{place}");
        assert_eq!(told.changed[0].after.by, by(place, "policies.cache"));
        if at == version {
            let refused = plan(at, quota()).await.expect_err("has none");
            assert_eq!(refused, ErrorCode::ValidationFailed);
            continue;
        }
        let told = plan(at, quota()).await.expect("is planned");
        assert_eq!((told.before.limited, told.after.limited), (0, 1));
        assert_eq!(told.changed[0].after.by, by(place, "limits.daily"));
    }
    let there = platform.configuration_export(actor).await.expect("exports");
    assert!(there.policies.is_empty() && there.keys.is_empty());

    // What is another's, or nobody's, is not there; what is not valid is not planned.
    for (level, id) in [(PolicyLevel::Api, Uuid::nil()), (PolicyLevel::Key, route.1)] {
        let refused = plan((level, id), cache()).await.expect_err("is not there");
        assert_eq!(refused, ErrorCode::ValidationFailed);
    }
    let eve = traffic.bench.actor("eve").await;
    let refused = platform.draft_plan(&eve, api, cache()).await;
    assert_eq!(
        refused.expect_err("is another's").code(),
        ErrorCode::ValidationFailed
    );
    let document = PolicyDocument::from_value(PolicyKind::Mock, json!({ "status": 1 }));
    let wrong = Draft::Policy(Box::new(document.expect("is understood")));
    assert!(plan(api, wrong).await.is_err());
    let billing = Actor {
        role: Role::Billing,
        ..actor.clone()
    };
    let refused = platform.draft_plan(&billing, api, cache()).await;
    assert_eq!(refused.expect_err("may not").code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_tighter_limit_is_told_before_it_hurts() {
    let mut traffic = Traffic::new().await;
    // Two a minute, and a burst of three.
    for seconds in [200, 170, 140, 110, 80, 50, 22, 21, 20] {
        traffic.call(seconds, "/today");
    }
    traffic.store().await;
    let limit = json!({ "limits": { "rate_limits": [{
        "name": "burst", "limit": 2, "window_seconds": 60, "algorithm": "sliding_window",
    }] } });
    let plan = traffic.plan(weather(limit.clone())).await;
    assert_eq!((plan.calls, plan.left_out, plan.is_partial), (9, 0, false));
    assert_eq!((plan.before.forwarded, plan.before.limited), (9, 0));
    assert_eq!((plan.after.forwarded, plan.after.limited), (7, 2));
    let [group] = &*plan.changed else {
        panic!("{:?}", plan.changed)
    };
    let by = Some("apis.weather.limits.burst");
    assert_eq!(
        told(group),
        (PlanOutcome::Forwarded, PlanOutcome::Limited, by, 2)
    );
    assert_eq!(group.after.code, Some(ErrorCode::RateLimited));
    assert_eq!(group.key_name.as_deref(), Some("mobile"));
    assert_eq!(group.example, "GET /today");

    // What is applied already changes nothing, and the way back is told too.
    traffic.apply(weather(limit)).await;
    let same = traffic.plan(json!({ "apiverse": 1 })).await;
    assert_eq!((same.before, same.changed), (plan.after, Vec::new()));
    let wider = json!({ "limits": { "rate_limits": [] } });
    let back = traffic.plan(weather(wider)).await;
    assert_eq!((back.before.limited, back.after.limited), (2, 0));
}

#[tokio::test]
async fn calls_at_once_are_counted_by_when_they_ended() {
    let mut traffic = Traffic::new().await;
    for (seconds, latency_us) in [(10, 4_000_000), (9, 500_000), (8, 100_000), (5, 100_000)] {
        traffic.call(seconds, "/slow").latency_us = latency_us;
    }
    traffic.store().await;
    let document =
        json!({ "apiverse": 1, "keys": { "mobile": { "limits": { "concurrency": 1 } } } });
    let plan = traffic.plan(document).await;
    assert_eq!((plan.after.limited, plan.after.forwarded), (2, 2));
    let group = &plan.changed[0];
    assert_eq!(group.after.code, Some(ErrorCode::ConcurrencyLimited));
    assert_eq!(
        group.after.by.as_deref(),
        Some("keys.mobile.limits.concurrency")
    );
}

#[tokio::test]
async fn policies_are_found_as_for_calls() {
    let mut traffic = Traffic::new().await;
    for seconds in [300, 90, 80, 70] {
        traffic.call(seconds, "/a");
    }
    traffic.call(60, "/gone/1").method = "POST".to_owned();
    traffic.call(50, "/never/1");
    let other = traffic.call(40, "/a");
    (other.key_id, other.refused) = (None, true);
    other.error_code = Some("invalid_api_key".to_owned());
    let limited = traffic.call(30, "/b");
    limited.refused = true;
    limited.error_code = Some("rate_limited".to_owned());
    traffic.store().await;

    let more = json!({
        "policies": { "cache": { "default_ttl_seconds": 60 } },
        "routes": {
            "gone": { "path": "/gone/*", "policies": { "mock": { "status": 410 } } },
            "never": { "path": "/never/*", "policies": { "cache": { "enabled": false } } },
        },
    });
    let plan = traffic.plan(weather(more)).await;
    assert_eq!((plan.calls, plan.left_out), (7, 1));
    assert_eq!(plan.after.cached, 5);
    assert_eq!((plan.after.mocked, plan.after.forwarded), (1, 1));
    assert_eq!(plan.repeated, 2);
    let told: Vec<_> = plan.changed.iter().map(told).collect();
    let forwarded = PlanOutcome::Forwarded;
    let cached = (
        forwarded,
        PlanOutcome::Cached,
        Some("apis.weather.policies.cache"),
        5,
    );
    let by = Some("apis.weather.routes.gone.policies.mock");
    assert_eq!(told, [cached, (forwarded, PlanOutcome::Mocked, by, 1)]);
    assert!(
        plan.unknown[0].starts_with("cache hits"),
        "{:?}",
        plan.unknown
    );
}

#[tokio::test]
async fn what_is_removed_or_switched_off_refuses() {
    let mut traffic = Traffic::new().await;
    traffic
        .apply(weather(json!({
            "versions": { "v1": { "base_url": "https://one.example.com" } },
        })))
        .await;
    traffic.call(10, "/v1/a");
    traffic.call(5, "/a");
    traffic.store().await;
    let codes = |plan: &TrafficPlan| -> Vec<_> {
        let changed = plan.changed.iter();
        changed
            .map(|group| (group.after.code, group.calls))
            .collect()
    };
    let off = traffic.plan(weather(json!({ "is_active": false }))).await;
    assert_eq!(codes(&off), [(Some(ErrorCode::ApiDisabled), 2)]);
    let over = traffic
        .plan(weather(json!({ "versions": { "v1": {
            "base_url": "https://one.example.com",
            "sunset_at": "2020-01-01T00:00:00Z", "refuse_after_sunset": true,
        } } })))
        .await;
    assert_eq!(codes(&over), [(Some(ErrorCode::VersionRetired), 1)]);
    let gone = json!({ "configuration": { "apiverse": 1 }, "prune": true });
    let gone = traffic.plan_of(gone).await;
    assert_eq!(codes(&gone), [(Some(ErrorCode::ApiNotFound), 2)]);
    // Nothing was changed by asking.
    let same = traffic.plan(json!({ "apiverse": 1 })).await;
    assert_eq!((same.after.forwarded, same.changed), (2, Vec::new()));
}

#[tokio::test]
async fn the_last_calls_are_replayed() {
    let mut traffic = Traffic::new().await;
    for seconds in 1..=5 {
        traffic.call(seconds, "/a");
    }
    traffic.store().await;
    let request = json!({ "configuration": { "apiverse": 1 }, "calls": 3 });
    let plan = traffic.plan_of(request).await;
    assert_eq!((plan.calls, plan.is_partial), (3, true));
    let now = traffic.bench.clock.now();
    let at = |seconds| Some(now - chrono::TimeDelta::seconds(seconds));
    assert_eq!((plan.first_at, plan.last_at), (at(3), at(1)));
    let from = json!({ "configuration": { "apiverse": 1 }, "from": at(2), "calls": 2 });
    let plan = traffic.plan_of(from).await;
    assert_eq!((plan.calls, plan.is_partial), (2, false));
}

#[tokio::test]
async fn quotas_go_on_from_what_was_counted() {
    let mut traffic = Traffic::new().await;
    for seconds in [50, 40, 30, 20, 10] {
        traffic.call(seconds, "/a");
    }
    traffic.store().await;
    let quota = |limit: u64, per: &str| {
        let limits = json!({ "quotas": [
            { "name": "daily", "limit": limit, "period": "day", "per": per },
        ] });
        json!({
            "configuration": { "apiverse": 1, "limits": limits },
            "calls": 2,
        })
    };
    for per in ["scope", "key"] {
        let plan = traffic.plan_of(quota(4, per)).await;
        assert_eq!((plan.calls, plan.after.limited), (2, 1), "{per}");
        let code = plan.changed[0].after.code;
        assert_eq!(code, Some(ErrorCode::QuotaExceeded));
        assert!(plan.unknown.is_empty(), "{:?}", plan.unknown);
        let plan = traffic.plan_of(quota(5, per)).await;
        assert_eq!(plan.after.limited, 0, "{per}");
    }
}
