use super::*;

fn rate(name: &str, limit: u32) -> RateLimit {
    RateLimit {
        name: name.to_owned(),
        limit,
        window_seconds: 60,
        algorithm: Algorithm::Gcra,
        burst: None,
        per: Per::Scope,
        count_denied: false,
        replaces_organization: false,
    }
}

fn quota(name: &str, limit: u64) -> Quota {
    Quota {
        name: name.to_owned(),
        limit,
        period: Period::Month,
        per: QuotaPer::Key,
        replaces_organization: false,
    }
}

fn fields(policy: &LimitPolicy) -> Vec<String> {
    let errors = policy.validate().expect_err("is refused");
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn the_least_a_document_needs() {
    let policy: LimitPolicy = serde_json::from_str(
        r#"{"rate_limits":[{"name":"burst","limit":10,"window_seconds":1}],
            "quotas":[{"name":"daily","limit":1000,"period":"day"}]}"#,
    )
    .expect("is understood");
    assert_eq!(policy.validate(), Ok(()));
    let limit = &policy.rate_limits[0];
    assert_eq!(limit.algorithm, Algorithm::Gcra);
    assert_eq!(limit.per, Per::Scope);
    assert_eq!(limit.burst(), 10);
    assert!(!limit.count_denied);
    assert_eq!(policy.quotas[0].per, QuotaPer::Scope);
    assert_eq!(policy.concurrency, None);

    let empty: LimitPolicy = serde_json::from_str("{}").expect("is understood");
    assert!(empty.is_empty());
    assert_eq!(empty.validate(), Ok(()));
    assert!(serde_json::from_str::<LimitPolicy>(r#"{"rate_limit":[]}"#).is_err());
}

#[test]
fn every_problem_is_told_at_once() {
    let policy = LimitPolicy {
        rate_limits: vec![
            RateLimit {
                window_seconds: 0,
                ..rate("Burst", 0)
            },
            RateLimit {
                algorithm: Algorithm::SlidingWindow,
                burst: Some(5),
                ..rate("hourly", MAX_RATE + 1)
            },
            rate("hourly", 1),
            rate(CONCURRENCY_NAME, 1),
        ],
        quotas: vec![quota("hourly", 0), quota("", MAX_QUOTA)],
        concurrency: Some(0),
    };
    assert_eq!(
        fields(&policy),
        [
            "concurrency",
            "rate_limits.0.name",
            "rate_limits.0.limit",
            "rate_limits.0.window_seconds",
            "rate_limits.1.limit",
            "rate_limits.1.burst",
            "rate_limits.2.name",
            "rate_limits.3.name",
            "quotas.0.name",
            "quotas.0.limit",
            "quotas.1.name",
        ]
    );
    let many = LimitPolicy {
        rate_limits: (0..9).map(|n| rate(&format!("r{n}"), 1)).collect(),
        quotas: (0..5).map(|n| quota(&format!("q{n}"), 1)).collect(),
        concurrency: None,
    };
    assert_eq!(fields(&many), ["rate_limits", "quotas"]);
    let route = CreateRoute {
        policy: many,
        ..CreateRoute::default()
    };
    let errors = route.validate().expect_err("is refused");
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        ["name", "path", "policy.rate_limits", "policy.quotas"]
    );
}

#[test]
fn the_lower_of_two_names_wins() {
    let organization = LimitPolicy {
        rate_limits: vec![rate("burst", 100), rate("hourly", 5000)],
        quotas: vec![quota("monthly", 1_000_000)],
        concurrency: Some(50),
    };
    let api = LimitPolicy {
        rate_limits: vec![rate("burst", 20)],
        ..LimitPolicy::default()
    };
    let key = LimitPolicy {
        rate_limits: vec![RateLimit {
            replaces_organization: true,
            ..rate("monthly", 7)
        }],
        quotas: vec![quota("burst", 9)],
        concurrency: Some(5),
    };
    let source = |scope, number, name, policy| PolicySource {
        scope,
        target_id: Uuid::from_u128(number),
        target_name: name,
        policy,
    };
    let told = |found: &[EffectiveLimit]| -> Vec<(PolicyScope, String, Vec<PolicyScope>)> {
        found
            .iter()
            .map(|one| {
                let overrides = one.overrides.iter().map(|o| o.from.scope).collect();
                (one.from.scope, one.limit.name().to_owned(), overrides)
            })
            .collect()
    };
    let line =
        |scope, name: &str, overrides: &[PolicyScope]| (scope, name.to_owned(), overrides.to_vec());
    use PolicyScope::{Api, Key, Organization};
    let found = effective(&[
        source(Key, 3, "Mobile", &key),
        source(Organization, 1, "Acme", &organization),
        source(Api, 2, "Weather", &api),
    ]);
    assert_eq!(
        told(&found),
        [
            line(Organization, "burst", &[]),
            line(Organization, "hourly", &[]),
            line(Organization, "concurrency", &[]),
            line(Key, "monthly", &[Organization]),
            line(Key, "burst", &[Api]),
            line(Key, "concurrency", &[]),
        ]
    );
    assert_eq!(found[4].limit, Limit::Quota(quota("burst", 9)));
    assert_eq!(
        found[4].overrides[0].limit,
        Limit::RateLimit(rate("burst", 20))
    );
    assert_eq!(found[4].from.target_name, "Mobile");

    // It is the lowest one's word that counts: one between that replaces the organization's is
    // replaced itself.
    let mut lifted = api.clone();
    lifted.rate_limits[0].replaces_organization = true;
    let sources = [
        source(Organization, 1, "Acme", &organization),
        source(Api, 2, "Weather", &lifted),
        source(Key, 3, "Mobile", &key),
    ];
    assert_eq!(
        told(&effective(&sources[..2])),
        [
            line(Organization, "hourly", &[]),
            line(Organization, "monthly", &[]),
            line(Organization, "concurrency", &[]),
            line(Api, "burst", &[Organization]),
        ]
    );
    assert_eq!(told(&effective(&sources)), told(&found));
    assert!(effective(&[]).is_empty());
}

#[test]
fn a_limit_reads_back() {
    for limit in [
        Limit::RateLimit(rate("burst", 3)),
        Limit::Quota(quota("monthly", 4)),
        Limit::Concurrency { limit: 5 },
    ] {
        let text = serde_json::to_string(&limit).expect("is JSON");
        let back: Limit = serde_json::from_str(&text).expect("is understood");
        assert_eq!(back, limit, "{text}");
    }
    let text = serde_json::to_value(Limit::Concurrency { limit: 5 }).expect("is JSON");
    assert_eq!(text, serde_json::json!({"kind": "concurrency", "limit": 5}));
}
