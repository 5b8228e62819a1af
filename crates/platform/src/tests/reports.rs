//! Reports: made once, of what there was, for who is a member.

use std::time::Duration;

use apiverse_connectors::objects::Objects;
use apiverse_contract::reports::{
    CreateReport, CreateReportSchedule, ReportStatus, ReportView, ReportsQuery,
    UpdateReportSchedule,
};
use apiverse_contract::{ApiId, ErrorCode, ListQuery, ReportScheduleId, UsageEventId, UserId};
use apiverse_store::{Ingested, ReportScheduleRow, UsageMark, UsageRow};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Bench, api, bench, bench_with};
use crate::{Actor, Fault, ReportFile};

/// Stores so many calls at a time, one of ten answered with 500.
async fn calls(bench: &Bench, actor: &Actor, api: ApiId, at: &str, count: usize) {
    let rows: Vec<UsageRow> = (0..count)
        .map(|n| UsageRow {
            id: UsageEventId(Uuid::from_bytes(bench.clock.random())),
            organization_id: actor.organization_id,
            api_id: Some(api),
            key_id: None,
            request_id: "r".to_owned(),
            started_at_us: moment(at).timestamp_micros(),
            method: "GET".to_owned(),
            path: "/x".to_owned(),
            status: if n % 10 == 9 { 500 } else { 200 },
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
    let now_us = bench.clock.now().timestamp_micros();
    let stored = bench.store.usage_ingest(&events, &[mark], now_us).await;
    assert_eq!(stored.expect("stores"), Ingested::Stored);
}

fn moment(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().expect("a time")
}

/// The bench's clock begins on 21 September 2026, 14:13:20 UTC.
fn pass_to(bench: &Bench, text: &str) {
    let by = moment(text) - bench.clock.now();
    bench.clock.advance(by.to_std().expect("is later"));
}

fn schedule(document: Value) -> CreateReportSchedule {
    serde_json::from_value(document).expect("a schedule")
}

async fn due(bench: &Bench) -> usize {
    let holder = Uuid::from_u128(7);
    let made = bench.platform.make_due_reports(holder).await;
    made.expect("looks")
}

async fn kept(bench: &Bench, actor: &Actor) -> Vec<ReportView> {
    let page = bench.platform.reports_list(actor, ReportsQuery::default());
    page.await.expect("reads").data
}

/// Who was mailed what about reports, the oldest first.
async fn told(bench: &Bench, actor: &Actor) -> Vec<(String, String)> {
    let page = bench.platform.outbox_list(actor, ListQuery::default());
    let page = page.await.expect("reads").data.into_iter();
    let mut all: Vec<_> = page
        .filter(|message| message.event == "report_ready")
        .map(|message| (message.recipient, message.subject))
        .collect();
    all.reverse();
    all
}

async fn row(bench: &Bench, actor: &Actor, id: ReportScheduleId) -> ReportScheduleRow {
    let found = bench.store.report_schedule_get(actor.organization_id, id);
    found.await.expect("reads").expect("is there")
}

fn user(actor: &Actor) -> UserId {
    actor.user_id.expect("a user")
}

#[tokio::test]
async fn a_week_is_told_once_when_it_is_over() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let platform = &bench.platform;
    let api = platform.api_create(&ada, api("<b>Weather</b>")).await;
    let api = api.expect("creates").id;
    // In Berlin it is the 22nd then: a day of this week.
    calls(&bench, &ada, api, "2026-09-21T13:00:00Z", 30).await;
    let made = platform.report_schedule_create(
        &ada,
        schedule(json!({
            "name": " Weekly ", "period": "week", "time_zone": "Europe/Berlin", "hour": 7,
            "recipients": [user(&ada), user(&ada)],
        })),
    );
    let made = made.await.expect("creates");
    assert_eq!(made.schedule.name, "Weekly");
    assert_eq!(made.schedule.recipients, [user(&ada)]);
    assert_eq!(made.next_due, Some(moment("2026-09-28T05:00:00Z")));
    assert_eq!(due(&bench).await, 0);
    pass_to(&bench, "2026-09-28T04:59:00Z");
    assert_eq!(due(&bench).await, 0);
    pass_to(&bench, "2026-09-28T05:00:00Z");

    // Two nodes that both read it before either noted it.
    let read = row(&bench, &ada, made.id).await;
    assert!(platform.make_due_report(&read).await.expect("makes"));
    assert!(!platform.make_due_report(&read).await.expect("comes late"));
    assert_eq!(due(&bench).await, 0);
    let reports = kept(&bench, &ada).await;
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!(report.from, moment("2026-09-20T22:00:00Z"));
    assert_eq!(report.to, moment("2026-09-27T22:00:00Z"));
    let days = (report.first_day.to_string(), report.last_day.to_string());
    assert_eq!(days, ("2026-09-21".to_owned(), "2026-09-27".to_owned()));
    assert_eq!((report.headline.calls, report.headline.errors), (30, 3));
    assert_eq!(report.status, ReportStatus::Ready);
    let words = "Weekly: 21 September 2026 – 27 September 2026 (Europe/Berlin)";
    let once = [("ada@example.com".to_owned(), words.to_owned())];
    assert_eq!(told(&bench, &ada).await, once);

    let file = |file| platform.report_file(&ada, report.id, file);
    let (name, html) = file(ReportFile::Html).await.expect("is kept");
    assert_eq!(name, "report-2026-09-21.html");
    let html = String::from_utf8(html.to_vec()).expect("a text");
    assert!(html.contains("&lt;b&gt;Weather&lt;&#x2f;b&gt;"), "{html}");
    assert!(!html.contains("<b>Weather"), "{html}");
    let (name, csv) = file(ReportFile::Csv).await.expect("is kept");
    assert_eq!(name, "report-2026-09-21.csv");
    let csv = String::from_utf8(csv.to_vec()).expect("a text");
    assert!(csv.contains("summary,,calls,30,0\r\n"), "{csv}");
    assert!(
        csv.contains("top_apis,<b>Weather</b>,calls,30,\r\n"),
        "{csv}"
    );
    assert_eq!(csv.matches("\r\nday,").count(), 14, "{csv}");

    // Three weeks without anybody who looks: only the last of them is made.
    pass_to(&bench, "2026-10-20T12:00:00Z");
    assert_eq!(due(&bench).await, 1);
    assert_eq!(due(&bench).await, 0);
    let reports = kept(&bench, &ada).await;
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].from, moment("2026-10-11T22:00:00Z"));
    // That with the day on which clocks are set back is an hour longer.
    pass_to(&bench, "2026-10-26T06:00:00Z");
    assert_eq!(due(&bench).await, 1);
    let long = &kept(&bench, &ada).await[0];
    assert_eq!((long.to - long.from).num_hours(), 7 * 24 + 1);

    let off = UpdateReportSchedule {
        enabled: Some(false),
        ..UpdateReportSchedule::default()
    };
    let off = platform.report_schedule_update(&ada, made.id, off).await;
    assert_eq!(off.expect("changes").next_due, None);
    pass_to(&bench, "2026-12-01T00:00:00Z");
    assert_eq!(due(&bench).await, 0);
}

#[tokio::test]
async fn who_is_not_a_member_gets_nothing() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let bob = bench.actor("bob").await;
    let platform = &bench.platform;
    let daily = |recipients: &[UserId]| {
        schedule(json!({ "name": "daily", "period": "day", "recipients": recipients }))
    };
    let foreign = platform.report_schedule_create(&ada, daily(&[user(&bob)]));
    let error = foreign.await.expect_err("bob is no member");
    assert_eq!(error.code(), ErrorCode::ValidationFailed);
    assert_eq!(error.fields()[0].field, "recipients");
    let theirs = platform.api_create(&bob, api("Theirs")).await;
    let theirs = theirs.expect("creates").id;
    let mut of_theirs = daily(&[]);
    of_theirs.api_id = Some(theirs);
    let refused = platform.report_schedule_create(&ada, of_theirs).await;
    let error = refused.expect_err("is another organization's");
    assert_eq!(error.fields()[0].field, "api_id");

    let made = platform.report_schedule_create(&ada, daily(&[user(&ada)]));
    let made = made.await.expect("creates");
    // As if bob had been a member then and was not any more.
    let mut left = row(&bench, &ada, made.id).await;
    left.schedule.recipients.push(user(&bob));
    let line = platform.audit(
        &ada,
        crate::platform::Event {
            action: "x",
            target_type: "report_schedule",
            target_id: made.id.to_string(),
            details: json!({}),
        },
    );
    bench
        .store
        .report_schedule_put(&left, &line)
        .await
        .expect("writes");
    let shown = platform.report_schedule_get(&ada, made.id).await;
    assert_eq!(shown.expect("reads").schedule.recipients, [user(&ada)]);
    pass_to(&bench, "2026-09-22T08:00:00Z");
    assert_eq!(due(&bench).await, 1);
    let told = told(&bench, &ada).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "ada@example.com");

    // Nothing of it is bob's.
    let report = kept(&bench, &ada).await.remove(0);
    assert_eq!(kept(&bench, &bob).await, []);
    let codes = [
        platform.report_get(&bob, report.id).await.map(|_| ()),
        platform
            .report_file(&bob, report.id, ReportFile::Html)
            .await
            .map(|_| ()),
        platform.report_delete(&bob, report.id).await,
        platform
            .report_schedule_get(&bob, made.id)
            .await
            .map(|_| ()),
        platform.report_schedule_delete(&bob, made.id).await,
    ]
    .map(|outcome| outcome.expect_err("is not bob's").code());
    use ErrorCode::{ReportNotFound as R, ReportScheduleNotFound as S};
    assert_eq!(codes, [R, R, R, S, S]);
}

#[tokio::test]
async fn a_report_is_made_when_it_is_asked_for_and_goes_with_its_files() {
    let bench = bench().await;
    let ada = bench.actor("ada").await;
    let platform = &bench.platform;
    let api = platform.api_create(&ada, api("Weather")).await;
    let api = api.expect("creates").id;
    calls(&bench, &ada, api, "2026-09-21T13:00:00Z", 20).await;
    calls(&bench, &ada, api, "2026-09-20T13:00:00Z", 10).await;
    let asked = |from: &str, to: &str| -> CreateReport {
        serde_json::from_value(json!({
            "from": from, "to": to, "api_id": api, "recipients": [user(&ada)],
        }))
        .expect("a report")
    };
    let tomorrow = platform
        .report_create(&ada, asked("2026-09-22", "2026-09-23"))
        .await;
    let error = tomorrow.expect_err("is in the future");
    assert_eq!(error.fields()[0].field, "from");
    let today = platform
        .report_create(&ada, asked("2026-09-21", "2026-09-22"))
        .await
        .expect("makes");
    assert_eq!(today.to, bench.clock.now());
    // The day before, up to the same time.
    assert_eq!(today.headline.calls, 20);
    assert_eq!(today.headline.calls_before, 10);
    assert_eq!(today.created_by, "ada@example.com");
    assert_eq!(told(&bench, &ada).await.len(), 1);

    let second = platform
        .report_create(&ada, asked("2026-09-20", "2026-09-21"))
        .await
        .expect("makes");
    platform
        .report_delete(&ada, second.id)
        .await
        .expect("deletes");
    let gone = platform.report_file(&ada, second.id, ReportFile::Csv).await;
    assert_eq!(gone.expect_err("is gone").code(), ErrorCode::ReportNotFound);
    // What is kept is forgotten in the end.
    platform.forget_reports().await.expect("forgets");
    assert_eq!(kept(&bench, &ada).await.len(), 1);
    bench.clock.advance(Duration::from_secs(401 * 86_400));
    platform.forget_reports().await.expect("forgets");
    let found = bench
        .store
        .reports_list(ada.organization_id, None, None, 10)
        .await;
    assert_eq!(found.expect("reads"), []);
}

#[tokio::test]
async fn what_could_not_be_kept_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("reports");
    // A file where the folder should be.
    std::fs::write(&place, "").expect("writes");
    let objects = Objects::folder(place.clone());
    let bench = bench_with(|config| config.reports.objects = objects).await;
    let ada = bench.actor("ada").await;
    let platform = &bench.platform;
    let daily = json!({ "name": "daily", "period": "day", "recipients": [user(&ada)] });
    let made = platform.report_schedule_create(&ada, schedule(daily)).await;
    made.expect("creates");
    pass_to(&bench, "2026-09-22T08:00:00Z");
    assert_eq!(due(&bench).await, 0);
    let failed = kept(&bench, &ada).await.remove(0);
    assert_eq!(failed.status, ReportStatus::Failed);
    assert!(failed.problem.is_some());
    assert_eq!(told(&bench, &ada).await, []);
    let file = platform.report_file(&ada, failed.id, ReportFile::Html);
    let code = file.await.expect_err("there is none").code();
    assert_eq!(code, ErrorCode::ReportNotFound);

    std::fs::remove_file(&place).expect("removes");
    assert_eq!(due(&bench).await, 0, "not at once");
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(due(&bench).await, 1);
    let ready = kept(&bench, &ada).await;
    assert_eq!(ready.len(), 1);
    assert_eq!(
        (ready[0].id, ready[0].status),
        (failed.id, ReportStatus::Ready)
    );
    assert_eq!(told(&bench, &ada).await.len(), 1);
}
