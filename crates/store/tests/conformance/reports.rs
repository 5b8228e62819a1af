//! When reports are made, and those that are kept.

use apiverse_contract::reports::{CreateReportSchedule, ReportHeadline, ReportPeriod};
use apiverse_contract::{
    ApiId, NotificationId, OrganizationId, ReportId, ReportScheduleId, UserId,
};
use apiverse_store::{NotificationRow, OutboxScope, ReportRow, ReportScheduleRow, Store};

use crate::samples::{after, audit, id, t0, tenant};

fn schedule(organization_id: OrganizationId, due_us: Option<i64>) -> ReportScheduleRow {
    ReportScheduleRow {
        id: ReportScheduleId(id()),
        organization_id,
        schedule: CreateReportSchedule {
            name: "weekly ä".into(),
            period: ReportPeriod::Week,
            api_id: Some(ApiId(id())),
            recipients: vec![UserId(id())],
            time_zone: "Europe/Berlin".into(),
            hour: 8,
            enabled: true,
        },
        created_by: "ada@example.com".into(),
        due_us,
        created_at: t0(),
        updated_at: t0(),
    }
}

fn report(of: &ReportScheduleRow, status: &str) -> ReportRow {
    let key = id();
    ReportRow {
        id: ReportId(id()),
        organization_id: of.organization_id,
        schedule_id: Some(of.id),
        name: of.schedule.name.clone(),
        api_id: of.schedule.api_id,
        from_us: 1000,
        to_us: 2000,
        time_zone: "Europe/Berlin".into(),
        made_us: 3000,
        status: status.into(),
        problem: (status == "failed").then(|| "no room".into()),
        size: 5_000_000_000,
        object_key: format!("x/{key}"),
        headline: ReportHeadline {
            calls: 7,
            p95_ms: Some(1.5),
            ..ReportHeadline::default()
        },
        created_by: "ada@example.com".into(),
    }
}

fn message(organization_id: OrganizationId, key: &str) -> NotificationRow {
    NotificationRow {
        id: NotificationId(id()),
        organization_id: Some(organization_id),
        user_id: None,
        event: "report_ready".into(),
        channel: "email".into(),
        recipient: "ada@example.com".into(),
        idempotency_key: key.into(),
        subject: "weekly".into(),
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

pub async fn schedules_stay_inside_their_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let line = || audit(ada.id, "x");
    let first = schedule(ada.id, Some(1000));
    let off = schedule(ada.id, None);
    for row in [&first, &off] {
        store
            .report_schedule_put(row, &line())
            .await
            .expect("writes");
    }
    let stolen = ReportScheduleRow {
        organization_id: bob.id,
        ..first.clone()
    };
    store
        .report_schedule_put(&stolen, &line())
        .await
        .expect("writes nothing");
    let list = async |of| store.report_schedules_list(of).await.expect("reads");
    assert_eq!(list(ada.id).await, [first.clone(), off.clone()]);
    assert_eq!(list(bob.id).await, []);
    let get = async |of| {
        store
            .report_schedule_get(of, first.id)
            .await
            .expect("reads")
    };
    assert_eq!(get(ada.id).await.as_ref(), Some(&first));
    assert_eq!(get(bob.id).await, None);

    let due = async |now_us| {
        let found = store.report_schedules_due(now_us, 10).await;
        found.expect("reads")
    };
    assert_eq!(due(999).await, []);
    assert_eq!(due(1000).await, std::slice::from_ref(&first));

    let delete = async |of, id| {
        let done = store.report_schedule_delete(of, id, &line()).await;
        done.expect("deletes")
    };
    assert!(!delete(bob.id, first.id).await);
    assert!(delete(ada.id, first.id).await);
    assert!(!delete(ada.id, first.id).await);
    assert_eq!(list(ada.id).await, [off]);
}

pub async fn of_two_that_make_a_report_one_notes(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let read = schedule(ada.id, Some(1000));
    let line = || audit(ada.id, "x");
    store
        .report_schedule_put(&read, &line())
        .await
        .expect("writes");
    let note = async |read: &ReportScheduleRow, due_us, report: &ReportRow, key: &str| {
        let messages = [message(ada.id, key)];
        let noted = store.report_note(read, due_us, report, &messages).await;
        noted.expect("notes")
    };
    let reports = async || {
        let found = store.reports_list(ada.id, None, None, 10).await;
        found.expect("reads")
    };
    // It could not be made, and is tried again.
    let failed = report(&read, "failed");
    assert!(
        store
            .report_note(&read, 1500, &failed, &[])
            .await
            .expect("notes")
    );
    assert_eq!(reports().await, std::slice::from_ref(&failed));
    let again = ReportScheduleRow {
        due_us: Some(1500),
        ..read.clone()
    };
    let ready = report(&read, "ready");
    assert!(
        !note(&read, 9000, &ready, "late").await,
        "it was read before"
    );
    assert!(note(&again, 9000, &ready, "one").await);
    assert!(!note(&again, 9000, &report(&read, "ready"), "two").await);
    let kept = ReportRow {
        id: failed.id,
        ..ready.clone()
    };
    assert_eq!(reports().await, std::slice::from_ref(&kept));
    // A schedule that was changed and is due at once again: what is made is not made anew.
    let moved = ReportScheduleRow {
        due_us: Some(9500),
        updated_at: after(5),
        ..read.clone()
    };
    store
        .report_schedule_put(&moved, &line())
        .await
        .expect("writes");
    assert!(!note(&moved, 9900, &report(&read, "ready"), "three").await);
    assert_eq!(reports().await, [kept]);
    let now = store.report_schedule_get(ada.id, read.id).await;
    assert_eq!(now.expect("reads").and_then(|row| row.due_us), Some(9900));
    let outbox = store.notification_list(OutboxScope::All, None, 10).await;
    assert_eq!(outbox.expect("reads").len(), 1);
}

pub async fn reports_page_and_are_forgotten(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let of = schedule(ada.id, None);
    let asked = ReportRow {
        schedule_id: None,
        made_us: 500,
        ..report(&of, "ready")
    };
    let twin = ReportRow {
        id: ReportId(id()),
        made_us: 3000,
        ..asked.clone()
    };
    for row in [&asked, &twin] {
        let messages = [message(ada.id, &row.id.to_string())];
        let line = audit(ada.id, "x");
        let kept = store.report_insert(row, &messages, &line).await;
        kept.expect("writes");
    }
    let mut both = [asked.clone(), twin.clone()];
    both.sort_by_key(|row| std::cmp::Reverse(row.id));
    let list = async |of, schedule_id, before, limit| {
        let found = store.reports_list(of, schedule_id, before, limit).await;
        found.expect("reads")
    };
    assert_eq!(list(ada.id, None, None, 10).await, both);
    assert_eq!(list(ada.id, None, None, 1).await, both[..1]);
    assert_eq!(list(ada.id, None, Some(both[0].id), 10).await, both[1..]);
    assert_eq!(list(ada.id, Some(of.id), None, 10).await, []);
    assert_eq!(list(bob.id, None, None, 10).await, []);
    let get = async |of| store.report_get(of, twin.id).await.expect("reads");
    assert_eq!(get(ada.id).await.as_ref(), Some(&twin));
    assert_eq!(get(bob.id).await, None);

    let over = async |before_us| store.reports_over(before_us, 10).await.expect("reads");
    assert_eq!(over(500).await, []);
    assert_eq!(over(501).await, [asked]);
    let delete = async |of| {
        let done = store.report_delete(of, twin.id, None).await;
        done.expect("deletes")
    };
    assert!(!delete(bob.id).await);
    assert!(delete(ada.id).await);
    assert!(!delete(ada.id).await);

    // What is left of an organization that is gone is found by its row.
    let orphan = ReportRow {
        id: ReportId(id()),
        organization_id: bob.id,
        ..twin
    };
    let line = audit(ada.id, "x");
    let kept = store.report_insert(&orphan, &[], &line).await;
    kept.expect("writes");
    let gone = store.organization_delete(bob.id, &audit(ada.id, "x")).await;
    assert!(gone.expect("deletes"));
    assert_eq!(over(0).await, [orphan]);
}
