//! Alert rules, what they found, silences, addresses, objectives.

use apiverse_contract::alerts::{PutAlertRule, PutSlo, WebhookTopic};
use apiverse_contract::{
    AlertRuleId, AlertWebhookId, ApiId, IncidentId, NotificationId, OrganizationId, SilenceId,
    SloId,
};
use apiverse_store::{
    AlertRuleRow, AlertStanding, AlertWebhookRow, IncidentFilter, IncidentRow, NotificationRow,
    OutboxScope, SilenceRow, SloRow, Store,
};
use serde_json::json;

use crate::samples::{after, audit, id, t0, tenant};

fn rule(organization_id: OrganizationId) -> AlertRuleRow {
    let rule: PutAlertRule = serde_json::from_value(json!({
        "name": "slow ä",
        "condition": { "kind": "threshold", "metric": "p95", "value": 300.5 },
        "notify": { "roles": ["owner"] },
    }))
    .expect("a rule");
    AlertRuleRow {
        id: AlertRuleId(id()),
        organization_id,
        rule,
        standing: AlertStanding::default(),
        created_at: t0(),
        updated_at: t0(),
    }
}

fn incident(of: &AlertRuleRow, fired_us: i64) -> IncidentRow {
    IncidentRow {
        id: IncidentId(id()),
        organization_id: of.organization_id,
        rule_id: of.id,
        rule_name: of.rule.name.clone(),
        severity: "warning".into(),
        summary: "p95 is 400 ms".into(),
        began_us: fired_us - 60,
        fired_us,
        resolved_us: None,
        value: Some(400.25),
        told: true,
    }
}

fn message(organization_id: OrganizationId, key: &str) -> NotificationRow {
    NotificationRow {
        id: NotificationId(id()),
        organization_id: Some(organization_id),
        user_id: None,
        event: "alert".into(),
        channel: "webhook".into(),
        recipient: "https://hooks.example.com".into(),
        idempotency_key: key.into(),
        subject: "slow".into(),
        content: Some(vec![1]),
        status: "pending".into(),
        attempts: 0,
        due_at: t0(),
        leased_until: None,
        provider: None,
        provider_id: None,
        last_error: None,
        created_at: t0(),
        updated_at: t0(),
    }
}

pub async fn of_two_that_look_at_a_rule_one_notes(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let line = || audit(ada.id, "x");
    let read = rule(ada.id);
    store.alert_rule_put(&read, &line()).await.expect("writes");
    let stolen = AlertRuleRow {
        organization_id: bob.id,
        ..read.clone()
    };
    store
        .alert_rule_put(&stolen, &line())
        .await
        .expect("writes nothing");
    assert_eq!(
        store.alert_rules_list(ada.id).await.expect("reads"),
        std::slice::from_ref(&read)
    );
    assert_eq!(store.alert_rules_list(bob.id).await.expect("reads"), []);
    assert_eq!(
        store.alert_rule_get(bob.id, read.id).await.expect("reads"),
        None
    );
    assert_eq!(store.alert_organizations().await.expect("reads"), [ada.id]);

    let fired = incident(&read, 1000);
    let firing = AlertStanding {
        state: "firing".into(),
        since_us: Some(1000),
        value: Some(400.25),
        looked_us: 1000,
        incident_id: Some(fired.id),
        ..AlertStanding::default()
    };
    let note = async |read: &AlertRuleRow, incident: &IncidentRow, key: &str| {
        let messages = [message(ada.id, key)];
        let noted = store
            .alert_note(read, &firing, Some(incident), &messages)
            .await;
        noted.expect("notes")
    };
    assert!(note(&read, &fired, "one").await);
    // Another node looked at the same and found the same.
    assert!(!note(&read, &incident(&read, 1000), "two").await);
    assert!(!note(&stolen, &incident(&read, 1000), "three").await);
    let outbox = store.notification_list(OutboxScope::All, None, 10).await;
    assert_eq!(outbox.expect("reads").len(), 1);
    let now = store.alert_rule_get(ada.id, read.id).await.expect("reads");
    let now = now.expect("is there");
    assert_eq!(
        now.standing,
        AlertStanding {
            turn: 1,
            ..firing.clone()
        }
    );

    let of = |firing| IncidentFilter {
        organization_id: ada.id,
        rule_id: Some(read.id),
        firing,
    };
    let list = async |filter, before| {
        store
            .incidents_list(filter, before, 10)
            .await
            .expect("reads")
    };
    assert_eq!(
        list(of(Some(true)), None).await,
        std::slice::from_ref(&fired)
    );
    assert_eq!(list(of(Some(false)), None).await, []);
    let over = IncidentRow {
        resolved_us: Some(2000),
        ..fired.clone()
    };
    let noted = store
        .alert_note(&now, &AlertStanding::default(), Some(&over), &[])
        .await;
    assert!(noted.expect("notes"));
    assert_eq!(list(of(Some(true)), None).await, []);
    assert_eq!(list(of(None), None).await, std::slice::from_ref(&over));
    assert_eq!(list(of(None), Some((1000, over.id))).await, []);
    let foreign = store.incident_get(bob.id, over.id).await;
    assert_eq!(foreign.expect("reads"), None);
    let own = store.incident_get(ada.id, over.id).await;
    assert_eq!(own.expect("reads"), Some(over));

    // A rule that is replaced begins anew, and its incident is over.
    let now = store.alert_rule_get(ada.id, read.id).await.expect("reads");
    let now = now.expect("is there");
    let next = incident(&read, 3000);
    let noted = store.alert_note(&now, &firing, Some(&next), &[]).await;
    assert!(noted.expect("notes"));
    let replaced = AlertRuleRow {
        updated_at: after(9),
        ..read.clone()
    };
    store
        .alert_rule_put(&replaced, &line())
        .await
        .expect("writes");
    assert_eq!(list(of(Some(true)), None).await, []);
    let kept = store.alert_rule_get(ada.id, read.id).await.expect("reads");
    let kept = kept.expect("is there");
    assert_eq!(
        (kept.standing.state.as_str(), kept.standing.turn),
        ("ok", 4)
    );
    assert_eq!(store.incidents_forget(2001).await.expect("forgets"), 1);
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let gone = store
            .alert_rule_delete(organization, read.id, &line())
            .await;
        assert_eq!(gone.expect("deletes"), expected);
    }
    assert_eq!(list(of(None), None).await, [], "they go with their rule");
}

pub async fn silences_and_addresses_stay_inside_their_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let line = || audit(ada.id, "x");
    let silence = SilenceRow {
        id: SilenceId(id()),
        organization_id: ada.id,
        rule_id: None,
        until_us: 500,
        reason: "deploy".into(),
        created_by: "Ada".into(),
        created_us: 100,
    };
    store
        .silence_insert(&silence, &line())
        .await
        .expect("writes");
    let list =
        async |organization, now| store.silences_list(organization, now).await.expect("reads");
    assert_eq!(list(ada.id, 499).await, std::slice::from_ref(&silence));
    assert_eq!(list(ada.id, 500).await, []);
    assert_eq!(list(bob.id, 0).await, []);
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let line = line();
        let gone = store.silence_delete(organization, silence.id, &line);
        assert_eq!(gone.await.expect("deletes"), expected);
    }

    let webhook = AlertWebhookRow {
        id: AlertWebhookId(id()),
        organization_id: ada.id,
        name: "pager".into(),
        url: "https://hooks.example.com/x".into(),
        topics: vec![WebhookTopic::Budgets],
        secret: vec![0, 255],
        created_by: "Ada".into(),
        created_us: 100,
    };
    store
        .alert_webhook_insert(&webhook, &line())
        .await
        .expect("writes");
    let all = store.alert_webhooks_list(ada.id).await.expect("reads");
    assert_eq!(all, std::slice::from_ref(&webhook));
    assert_eq!(store.alert_webhooks_list(bob.id).await.expect("reads"), []);
    let foreign = store.alert_webhook_get(bob.id, webhook.id).await;
    assert_eq!(foreign.expect("reads"), None);
    let own = store.alert_webhook_get(ada.id, webhook.id).await;
    assert_eq!(own.expect("reads"), Some(webhook.clone()));
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let line = line();
        let gone = store.alert_webhook_delete(organization, webhook.id, &line);
        assert_eq!(gone.await.expect("deletes"), expected);
    }
}

pub async fn objectives_stay_inside_their_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let line = || audit(ada.id, "x");
    let slo: PutSlo = serde_json::from_value(json!({
        "name": "up", "api_id": ApiId(id()), "objective": { "kind": "latency", "milliseconds": 5 },
        "target": 99.95, "days": 28,
    }))
    .expect("an objective");
    let mut row = SloRow {
        id: SloId(id()),
        organization_id: ada.id,
        slo,
        created_at: t0(),
        updated_at: t0(),
    };
    store.slo_put(&row, &line()).await.expect("writes");
    row.slo.days = 7;
    row.updated_at = after(3);
    store.slo_put(&row, &line()).await.expect("writes");
    let stolen = SloRow {
        organization_id: bob.id,
        ..row.clone()
    };
    store
        .slo_put(&stolen, &line())
        .await
        .expect("writes nothing");
    assert_eq!(
        store.slos_list(ada.id).await.expect("reads"),
        std::slice::from_ref(&row)
    );
    assert_eq!(store.slos_list(bob.id).await.expect("reads"), []);
    assert_eq!(store.slo_get(bob.id, row.id).await.expect("reads"), None);
    let own = store.slo_get(ada.id, row.id).await.expect("reads");
    assert_eq!(own, Some(row.clone()));
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let line = line();
        let gone = store.slo_delete(organization, row.id, &line);
        assert_eq!(gone.await.expect("deletes"), expected);
    }
}
