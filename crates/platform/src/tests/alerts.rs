//! Alerts, told once by whoever looks; silences; objectives.

use std::time::Duration;

use apiverse_connectors::egress::EgressPolicy;
use apiverse_connectors::messages::WebhookClient;
use apiverse_contract::alerts::{
    AlertState, CreateAlertWebhook, CreateSilence, IncidentsQuery, PutAlertRule, PutSlo, SloState,
    WebhookTopic,
};
use apiverse_contract::notifications::NotificationStatus;
use apiverse_contract::{ApiId, ErrorCode, ListQuery, UsageEventId};
use apiverse_store::{Ingested, UsageMark, UsageRow};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outbox::read_request;
use super::{Bench, api, bench, bench_with};
use crate::{Actor, Fault};

/// Stores calls of the minute before the last one, `bad` of them answered with 500.
async fn calls(bench: &Bench, actor: &Actor, api: ApiId, good: usize, bad: usize) {
    let now_us = bench.clock.now().timestamp_micros();
    let started_at_us = now_us - 70_000_000;
    let rows: Vec<UsageRow> = (0..good + bad)
        .map(|n| UsageRow {
            id: UsageEventId(Uuid::from_bytes(bench.clock.random())),
            organization_id: actor.organization_id,
            api_id: Some(api),
            key_id: None,
            request_id: "r".to_owned(),
            started_at_us,
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            status: if n < bad { 500 } else { 200 },
            error_code: None,
            latency_us: 100_000,
            upstream_us: None,
            bytes_in: 1,
            bytes_out: 2,
            refused: false,
            route_id: None,
            verified: None,
            version_id: None,
            cache: None,
            tokens: apiverse_contract::usage::Tokens::default(),
        })
        .collect();
    let events: Vec<_> = rows.iter().map(UsageRow::as_event).collect();
    let mark = UsageMark {
        journal: Uuid::from_bytes(bench.clock.random()),
        from: 0,
        to: 1,
    };
    let stored = bench.store.usage_ingest(&events, &[mark], now_us).await;
    assert_eq!(stored.expect("stores"), Ingested::Stored);
}

fn rule(document: Value) -> PutAlertRule {
    serde_json::from_value(document).expect("a rule")
}

/// Subjects of the messages about alerts, the oldest first.
async fn told(bench: &Bench, actor: &Actor) -> Vec<String> {
    let page = bench.platform.outbox_list(actor, ListQuery::default());
    let page = page.await.expect("reads").data;
    let of_alerts = page.into_iter().filter(|message| message.event == "alert");
    let mut subjects: Vec<String> = of_alerts.map(|message| message.subject).collect();
    subjects.reverse();
    subjects
}

async fn pass(bench: &Bench, actor: &Actor, minutes: u64) {
    bench.clock.advance(Duration::from_secs(60 * minutes));
    let looked = bench.platform.look_at_alerts(actor.organization_id).await;
    looked.expect("looks");
}

#[tokio::test]
async fn an_alert_rule_is_switched_off_and_on() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let document = json!({ "name": "r", "condition": { "kind": "absence", "minutes": 5 } });
    let made = platform.alert_rule_create(&actor, rule(document)).await;
    let made = made.expect("creates");
    let switch = async |enabled| {
        bench.clock.advance(Duration::from_secs(1));
        let done = platform.alert_rule_switch(&actor, made.id, enabled).await;
        done.expect("switches");
        let now = platform.alert_rule_get(&actor, made.id).await;
        now.expect("is there")
    };
    let off = switch(false).await;
    assert!(!off.rule.enabled && off.updated_at > made.updated_at);
    // What is as it shall be does not begin anew.
    assert_eq!(switch(false).await, off);
    let on = switch(true).await;
    assert_eq!(on.rule, made.rule);
    let stranger = bench.actor("eve").await;
    let refused = platform.alert_rule_switch(&stranger, made.id, false).await;
    let refused = refused.expect_err("is not theirs");
    assert_eq!(refused.code(), ErrorCode::AlertRuleNotFound);
}

#[tokio::test]
async fn an_alert_is_told_once_and_its_end_too() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let api = platform.api_create(&actor, api("Weather")).await;
    let api = api.expect("creates").id;
    let made = platform.alert_rule_create(
        &actor,
        rule(json!({
            "name": "errors", "severity": "critical",
            "condition": {
                "kind": "threshold", "metric": "server_error_rate", "value": 10,
                "window_minutes": 3, "min_calls": 10,
            },
            "filter": { "api_id": api }, "resolve_after_minutes": 2,
            "notify": { "roles": ["owner"] },
        })),
    );
    let made = made.await.expect("creates");
    assert_eq!(made.state, AlertState::Ok);
    let summary = "server error rate of Weather above 10 % over 3 minutes";
    assert_eq!(made.summary, summary);

    // Few calls say nothing.
    calls(&bench, &actor, api, 0, 9).await;
    pass(&bench, &actor, 0).await;
    assert_eq!(told(&bench, &actor).await, [] as [&str; 0]);
    calls(&bench, &actor, api, 16, 15).await;
    // Several look in the same minute, and again after that.
    bench.clock.advance(Duration::from_secs(60));
    for _ in 0..3 {
        let looked = platform.look_at_alerts(actor.organization_id).await;
        looked.expect("looks");
    }
    assert_eq!(told(&bench, &actor).await, ["Critical: errors"]);
    let firing = platform.alert_rule_get(&actor, made.id).await;
    let firing = firing.expect("is there");
    assert_eq!(firing.state, AlertState::Firing);
    assert_eq!(firing.value, Some(60.0));
    let query = IncidentsQuery {
        firing: Some(true),
        ..IncidentsQuery::default()
    };
    let incidents = platform.incidents_list(&actor, query.clone()).await;
    let incidents = incidents.expect("reads").data;
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].summary, format!("{summary}: it is 60 %"));

    // It is over when it was for two minutes.
    pass(&bench, &actor, 5).await;
    assert_eq!(told(&bench, &actor).await, ["Critical: errors"]);
    pass(&bench, &actor, 2).await;
    let both = ["Critical: errors", "Resolved: errors"];
    assert_eq!(told(&bench, &actor).await, both);
    pass(&bench, &actor, 1).await;
    assert_eq!(told(&bench, &actor).await, both);
    let none = platform.incidents_list(&actor, query).await.expect("reads");
    assert_eq!(none.data, []);

    // It would have fired once.
    let preview = platform.alert_preview(&actor, made.rule.clone()).await;
    let preview = preview.expect("previews");
    assert_eq!(preview.incidents.len(), 1, "{preview:?}");
    assert!(preview.incidents[0].resolved_at.is_some());
    let other = bench.actor("bob").await;
    let foreign = platform.alert_rule_get(&other, made.id).await;
    let code = foreign.expect_err("is not bob's").code();
    assert_eq!(code, ErrorCode::AlertRuleNotFound);
}

#[tokio::test]
async fn what_is_silenced_is_told_when_that_is_over() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let webhook = platform.alert_webhook_create(
        &actor,
        CreateAlertWebhook {
            name: "pager".to_owned(),
            url: "https://hooks.example.com/secret".to_owned(),
            topics: vec![WebhookTopic::Budgets],
        },
    );
    let webhook = webhook.await.expect("creates");
    assert!(webhook.secret.starts_with("whsec_"));
    let made = platform.alert_rule_create(
        &actor,
        rule(json!({
            "name": "quiet", "condition": { "kind": "absence", "minutes": 5 },
            "resolve_after_minutes": 0,
            "notify": { "webhook_ids": [webhook.webhook.id] },
        })),
    );
    let made = made.await.expect("creates");
    let silence = CreateSilence {
        rule_id: Some(made.id),
        until: bench.clock.now() + chrono::Duration::minutes(20),
        reason: "moving".to_owned(),
    };
    let silence = platform.silence_create(&actor, silence).await;
    assert_eq!(
        silence.expect("creates").rule_name.as_deref(),
        Some("quiet")
    );
    // Nothing is missed before it could have been seen.
    pass(&bench, &actor, 3).await;
    let state = async || {
        let found = platform.alert_rule_get(&actor, made.id).await;
        found.expect("reads").state
    };
    assert_eq!(state().await, AlertState::Ok);
    pass(&bench, &actor, 4).await;
    assert_eq!(state().await, AlertState::Firing);
    assert_eq!(told(&bench, &actor).await, [] as [&str; 0]);
    pass(&bench, &actor, 15).await;
    assert_eq!(told(&bench, &actor).await, ["Firing: quiet"]);
    pass(&bench, &actor, 1).await;
    assert_eq!(told(&bench, &actor).await, ["Firing: quiet"]);

    let tried = platform.alert_rule_test(&actor, made.id).await;
    assert_eq!(tried.expect("tries"), 1);
    // Messages of one moment have no order.
    bench.clock.advance(Duration::from_secs(1));
    platform
        .alert_webhook_test(&actor, webhook.webhook.id)
        .await
        .expect("tries");
    let expected = ["Firing: quiet", "Test: quiet", "Test of pager"];
    assert_eq!(told(&bench, &actor).await, expected);
    // The path of an address may be a secret.
    let page = platform.outbox_list(&actor, ListQuery::default()).await;
    for message in page.expect("reads").data {
        assert!(!message.recipient.contains("secret"), "{message:?}");
    }
    let bad = CreateAlertWebhook {
        name: "inside".to_owned(),
        url: "http://169.254.169.254/".to_owned(),
        topics: Vec::new(),
    };
    let refused = platform.alert_webhook_create(&actor, bad).await;
    let code = refused.expect_err("is refused").code();
    assert_eq!(code, ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn a_budget_that_burns_is_told() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let api = platform.api_create(&actor, api("Weather")).await;
    let api = api.expect("creates").id;
    let slo: PutSlo = serde_json::from_value(json!({
        "name": "Weather is up", "api_id": api, "objective": { "kind": "availability" },
        "target": 99, "days": 7,
    }))
    .expect("an objective");
    let slo = platform.slo_create(&actor, slo).await.expect("creates");
    assert_eq!((slo.state, slo.budget_left), (SloState::NoCalls, 100.0));
    let made = platform.alert_rule_create(
        &actor,
        rule(json!({
            "name": "burns", "condition": { "kind": "burn_rate", "slo_id": slo.id },
            "notify": { "roles": ["owner"] },
        })),
    );
    made.await.expect("creates");
    // One in a hundred may fail: two of 400 are half of it, and twelve are three times as much.
    calls(&bench, &actor, api, 398, 2).await;
    pass(&bench, &actor, 0).await;
    let view = async || {
        let report = platform.slo_report(&actor, slo.id).await;
        report.expect("reads")
    };
    let half = view().await;
    assert_eq!((half.view.calls, half.view.bad), (400, 2));
    assert_eq!(half.view.budget_left, 50.0);
    assert_eq!(half.view.achieved, Some(99.5));
    assert_eq!(half.view.burns[0].long, Some(0.5));
    assert!(!half.view.burns[0].is_fast);
    assert_eq!(
        half.points.last().map(|point| point.budget_left),
        Some(50.0)
    );
    assert_eq!(told(&bench, &actor).await, [] as [&str; 0]);
    bench.clock.advance(Duration::from_secs(60));
    calls(&bench, &actor, api, 0, 20).await;
    let looked = platform.look_at_alerts(actor.organization_id).await;
    looked.expect("looks");
    let missed = view().await;
    assert_eq!(missed.view.state, SloState::Missed);
    assert!(missed.view.burns[0].is_fast, "{missed:?}");
    assert_eq!(told(&bench, &actor).await, ["Firing: burns"]);
}

#[tokio::test]
async fn an_address_that_fails_is_called_again_with_the_same_id() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has an address");
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for status in [500, 204] {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            requests.push(read_request(&mut stream).await.expect("a request"));
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("answers");
        }
        requests
    });
    let loopback = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a network")]);
    let bench = bench_with(|config| {
        config.egress = loopback.clone();
        let client = apiverse_connectors::http::client(loopback.clone(), Duration::from_secs(15));
        let client = WebhookClient::new(loopback, client.expect("a client"));
        config.messages.webhooks = Some(client);
    })
    .await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let webhook = CreateAlertWebhook {
        name: "pager".to_owned(),
        url: format!("http://{address}/hook"),
        topics: Vec::new(),
    };
    let webhook = platform.alert_webhook_create(&actor, webhook).await;
    let webhook = webhook.expect("creates").webhook;
    platform
        .alert_webhook_test(&actor, webhook.id)
        .await
        .expect("tries");
    let status = async || {
        let page = platform.outbox_list(&actor, ListQuery::default()).await;
        let mut messages = page.expect("reads").data.into_iter();
        let found = messages.find(|message| message.event == "alert");
        found.expect("is there").status
    };
    let stop = CancellationToken::new();
    platform.dispatch_due(&stop).await.expect("sends");
    assert_eq!(status().await, NotificationStatus::Pending);
    bench.clock.advance(Duration::from_secs(60));
    platform.dispatch_due(&stop).await.expect("sends");
    assert_eq!(status().await, NotificationStatus::Sent);
    let requests = server.await.expect("has answered");
    let field = |n: usize, name: &str| -> String {
        let (head, _) = &requests[n];
        let found = head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("{head}")).to_owned()
    };
    assert!(
        requests[0].0.starts_with("POST /hook "),
        "{}",
        requests[0].0
    );
    assert_eq!(field(0, "webhook-id"), field(1, "webhook-id"));
    assert!(field(0, "webhook-signature").starts_with("v1,"));
    // It is signed anew: an old signature is not believed.
    assert_ne!(field(0, "webhook-timestamp"), field(1, "webhook-timestamp"));
    let body: Value = serde_json::from_str(&requests[1].1).expect("JSON");
    assert_eq!(body["type"], "alert.test");
    assert_eq!(body["data"]["name"], "pager");
}
