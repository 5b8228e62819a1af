//! How people look at their usage: time zones, saved views, and the alerts they keep in order.

use apiverse_testkit::{Engine, both};
use chrono::{DateTime, Duration, SubsecRound, Timelike, Utc};
use serde_json::{Value, json};

use crate::organizations::join;
use crate::start;
use crate::team::{Browser, leads_to, register};

both!(
    alert_rules_are_changed_and_switched_by_forms,
    all_alerts_are_silenced_by_a_form_in_the_reader_s_time_zone,
    a_time_zone_is_chosen_and_times_follow,
    views_are_private_unless_they_are_shared,
    views_are_saved_and_opened_by_forms,
);

const ALERTS: &str = "/console/alerts";
const SETTINGS: &str = "/console/settings";

async fn alert_rules_are_changed_and_switched_by_forms(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let new = [
        ("kind", "threshold"),
        ("name", "Slow"),
        ("condition.metric", "p95"),
        ("condition.value", "250.5"),
        ("filter.status", "5xx"),
        ("filter.method", "post"),
        ("filter.error_code", "upstream_timeout"),
        ("notify.roles", "admin"),
        ("for_minutes", "3"),
    ];
    let made = ada.post("/console/alerts/new?kind=threshold", &new).await;
    leads_to(&made, "/console/alerts?done=saved");
    let rule = async || -> Value {
        let all = ada.get("/api/v1/alerts/rules").await.expect_status(200);
        all.json()["data"][0].clone()
    };
    let first = rule().await;
    let id = first["id"].as_str().expect("an id").to_owned();
    assert_eq!(first["filter"]["method"], "POST");
    assert_eq!(first["filter"]["error_code"], "upstream_timeout");

    let edit = format!("/console/alerts/{id}/edit");
    let page = ada.page(&edit).await;
    for value in ["250.5", "Slow", "upstream_timeout", "Save changes"] {
        assert!(page.contains(value), "{value}: {page}");
    }
    let mut changed = new.to_vec();
    changed[3] = ("condition.value", "much");
    let wrong = ada.post(&edit, &changed).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Must be a number"),
        "{}",
        wrong.text()
    );
    assert!(
        wrong.text().contains("value=\"much\""),
        "what was typed stays"
    );
    changed[3] = ("condition.value", "300");
    leads_to(
        &ada.post(&edit, &changed).await,
        "/console/alerts?done=saved",
    );
    assert_eq!(rule().await["condition"]["value"], 300.0);
    // Another kind is another form of the same rule.
    let absence = ada.page(&format!("{edit}?kind=absence")).await;
    assert!(absence.contains("condition.minutes"), "{absence}");

    let switch = async |enabled: &str| {
        let form = [("form", "rule-switch"), ("id", &id), ("enabled", enabled)];
        leads_to(&ada.post(ALERTS, &form).await, "/console/alerts?done=saved");
    };
    switch("false").await;
    assert_eq!(rule().await["enabled"], false);
    assert!(ada.page(ALERTS).await.contains("Switch on"));
    // A rule that is off stays so when it is changed.
    let page = ada.page(&edit).await;
    let kept = "name=\"enabled\" value=\"false\"";
    assert!(page.contains(kept), "{page}");
    changed.push(("enabled", "false"));
    leads_to(
        &ada.post(&edit, &changed).await,
        "/console/alerts?done=saved",
    );
    assert_eq!(rule().await["enabled"], false);
    switch("true").await;
    assert_eq!(rule().await["enabled"], true);

    let stranger = app.stranger("eve").await;
    for (name, arguments) in [
        ("get", json!({ "id": id })),
        ("switch", json!({ "id": id, "enabled": false })),
        (
            "replace",
            json!({ "id": id, "rule": {
                "name": "r", "condition": { "kind": "absence", "minutes": 5 } } }),
        ),
    ] {
        let answer = stranger
            .post(&format!("/api/fn/alerts/{name}"), &arguments)
            .await;
        answer.assert_problem(404, "alert_rule_not_found");
    }
}

async fn choose_zone(ada: &Browser<'_>, name: &str) {
    let form = [("form", "zone"), ("time_zone", name)];
    let chosen = ada.post(SETTINGS, &form).await;
    leads_to(&chosen, "/console/settings?done=zone");
}

async fn all_alerts_are_silenced_by_a_form_in_the_reader_s_time_zone(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    choose_zone(&ada, "Asia/Kathmandu").await;
    let new = [
        ("kind", "absence"),
        ("name", "Silent"),
        ("condition.minutes", "9"),
    ];
    let made = ada.post("/console/alerts/new?kind=absence", &new).await;
    leads_to(&made, "/console/alerts?done=saved");
    assert!(ada.page(ALERTS).await.contains("Asia/Kathmandu"));

    let silence = async |until: &str, reason: &str| {
        let form = [
            ("form", "silence-all"),
            ("until", until),
            ("reason", reason),
        ];
        ada.post(ALERTS, &form).await
    };
    for (until, reason, told) in [
        ("soon", "moving", "Must be a day and a time"),
        ("2020-01-01T00:00", "moving", "Must be in the future"),
    ] {
        let wrong = silence(until, reason).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text().contains(told), "{}", wrong.text());
    }
    let until = (Utc::now() + Duration::days(2)).trunc_subsecs(0);
    let until = until.with_second(0).expect("a minute");
    let local = until + Duration::minutes(345);
    let local = local.format("%Y-%m-%dT%H:%M").to_string();
    let wrong = silence(&local, "").await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains(&format!("value=\"{local}\"")),
        "what was typed stays"
    );
    leads_to(
        &silence(&local, "moving").await,
        "/console/alerts?done=saved",
    );
    let all = ada.get("/api/v1/alerts/silences").await.expect_status(200);
    let silence = all.json()["data"][0].clone();
    assert_eq!(silence["rule_id"], Value::Null);
    let at: DateTime<Utc> = silence["until"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("a time");
    assert_eq!(at, until);
    let page = ada.page(ALERTS).await;
    assert!(
        page.contains("All rules, until") && page.contains("UTC+05:45"),
        "{page}"
    );
    let id = silence["id"].as_str().expect("an id");
    let end = [("form", "silence-delete"), ("id", id)];
    leads_to(&ada.post(ALERTS, &end).await, "/console/alerts?done=saved");
    let all = ada.get("/api/v1/alerts/silences").await.expect_status(200);
    assert_eq!(all.json()["data"], json!([]));
}

async fn a_time_zone_is_chosen_and_times_follow(engine: Engine) {
    let app = start(engine).await;
    let eve = app.stranger("eve").await;
    let me = eve.get("/auth/me").await.expect_status(200).json();
    assert_eq!(me["time_zone"], Value::Null);
    for wrong in ["Mars/Olympus", "", "europe/oslo", "UTC+1"] {
        let answer = eve.patch("/auth/me", &json!({ "time_zone": wrong })).await;
        let problem = answer.assert_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "time_zone", "{wrong}");
    }
    let zone = json!({ "time_zone": "Europe/Oslo" });
    let me = eve.patch("/auth/me", &zone).await.expect_status(200).json();
    assert_eq!(me["time_zone"], "Europe/Oslo");
    let named = json!({ "full_name": "Eve" });
    let me = eve
        .patch("/auth/me", &named)
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (&me["time_zone"], &me["full_name"]),
        (&json!("Europe/Oslo"), &json!("Eve"))
    );
    let none = json!({ "time_zone": null });
    let me = eve.patch("/auth/me", &none).await.expect_status(200).json();
    assert_eq!(me["time_zone"], Value::Null);

    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let settings = ada.page(SETTINGS).await;
    assert!(settings.contains("UTC (nothing chosen)") && settings.contains("Pacific/Chatham"));
    let wrong = [("form", "zone"), ("time_zone", "Mars/Olympus")];
    let wrong = ada.post(SETTINGS, &wrong).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("Is no time zone"), "{}", wrong.text());
    assert!(ada.page("/console/usage").await.contains("From (UTC)"));
    choose_zone(&ada, "Asia/Kathmandu").await;
    let usage = ada.page("/console/usage").await;
    assert!(
        usage.contains("From (Asia/Kathmandu)") && usage.contains("+05:45</text>"),
        "{usage}"
    );
    let audit = ada.page("/console/audit").await;
    assert!(audit.contains("UTC+05:45"), "{audit}");

    // Days begin at local midnight, 18:15 UTC.
    let starts = async |body: &Value| -> Vec<i64> {
        let report = eve.post("/api/fn/usage/report", body).await;
        let report = report.expect_status(200).json();
        let starts = report["usage"]["series"]["starts"].as_array().cloned();
        let starts = starts.expect("steps").into_iter();
        starts.filter_map(|start| start.as_i64()).collect()
    };
    let days = json!({ "granularity": "day" });
    assert!(starts(&days).await.iter().all(|start| start % 86_400 == 0));
    let zone = json!({ "time_zone": "Asia/Kathmandu" });
    eve.patch("/auth/me", &zone).await.assert_status(200);
    let local = starts(&days).await;
    assert!(
        !local.is_empty() && local.iter().all(|start| start % 86_400 == 65_700),
        "{local:?}"
    );
    // Whoever asks over REST says which zone is meant.
    let report = eve
        .get("/usage?granularity=day")
        .await
        .expect_status(200)
        .json();
    let start = report["series"][0]["start"].as_str().expect("a step");
    assert!(start.contains("T00:00:00"), "{start}");
}

async fn views_are_private_unless_they_are_shared(engine: Engine) {
    let app = start(engine).await;
    let owner = app.stranger("owner").await;
    let dev = join(&app, &owner, "dev", "developer").await;
    let viewer = join(&app, &owner, "viewer", "viewer").await;
    let eve = app.stranger("eve").await;
    let save = async |client: &apiverse_testkit::Client, name: &str, shared: bool| {
        let view = json!({ "name": name, "query": "span=7d&by=key", "shared": shared });
        client.post("/saved-views", &view).await
    };
    let made = save(&dev, " Mine ", false).await.expect_status(201).json();
    assert_eq!(
        (&made["name"], &made["page"]),
        (&json!("Mine"), &json!("usage"))
    );
    let mine = format!("/saved-views/{}", made["id"].as_str().expect("an id"));
    let made = save(&dev, "Ours", true).await.expect_status(201).json();
    let ours = format!("/saved-views/{}", made["id"].as_str().expect("an id"));
    save(&dev, "Ours", false)
        .await
        .assert_problem(409, "saved_view_name_taken");
    save(&owner, "Ours", false).await.assert_status(201);
    save(&viewer, "Everybody's", true)
        .await
        .assert_problem(403, "forbidden");
    save(&viewer, "Own", false).await.assert_status(201);
    for query in ["cursor=x", "span=7d&span=1h", "a=<b>"] {
        let wrong = json!({ "name": "Wrong", "query": query });
        let problem = dev.post("/saved-views", &wrong).await;
        let problem = problem.assert_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "query", "{query}");
    }

    let names = async |client: &apiverse_testkit::Client| -> Vec<String> {
        let all = client
            .get("/saved-views?page=usage")
            .await
            .expect_status(200)
            .json();
        let all = all["data"].as_array().cloned().expect("views").into_iter();
        all.map(|view| view["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(names(&dev).await, ["Mine", "Ours"]);
    assert_eq!(names(&owner).await, ["Ours", "Ours"]);
    assert_eq!(names(&viewer).await, ["Ours", "Own"]);
    assert!(names(&eve).await.is_empty());

    let renamed = json!({ "name": "Yours" });
    let default = json!({ "is_default": true });
    for (client, path) in [(&owner, &mine), (&eve, &mine), (&eve, &ours)] {
        client
            .patch(path, &renamed)
            .await
            .assert_problem(404, "saved_view_not_found");
        client
            .patch(path, &default)
            .await
            .assert_problem(404, "saved_view_not_found");
        client
            .delete(path)
            .await
            .assert_problem(404, "saved_view_not_found");
    }
    viewer
        .patch(&ours, &renamed)
        .await
        .assert_problem(403, "forbidden");
    viewer.delete(&ours).await.assert_problem(403, "forbidden");
    let opened = viewer
        .patch(&ours, &default)
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (&opened["is_default"], &opened["owner"]),
        (&json!(true), &json!("dev@example.org"))
    );
    let seen = dev.get("/saved-views").await.expect_status(200).json();
    assert!(
        seen["data"]
            .as_array()
            .expect("views")
            .iter()
            .all(|view| view["is_default"] == false)
    );

    // An owner keeps order among what is shared; the log says so.
    owner.patch(&ours, &renamed).await.assert_status(200);
    let log = owner.get("/audit").await.expect_status(200).json();
    let actions: Vec<&str> = log["data"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["target_type"] == "saved_view")
        .filter_map(|line| line["action"].as_str())
        .collect();
    assert_eq!(actions, ["saved_view.updated", "saved_view.created"]);
    // What is shared no more is nobody else's default.
    dev.patch(&ours, &json!({ "shared": false }))
        .await
        .assert_status(200);
    assert_eq!(names(&viewer).await, ["Own"]);
    dev.delete(&mine).await.assert_status(204);
    dev.delete(&mine)
        .await
        .assert_problem(404, "saved_view_not_found");
}

async fn views_are_saved_and_opened_by_forms(engine: Engine) {
    let app = start(engine).await;
    register(&app, "ada@example.org").await;
    let client = app.anonymous();
    let ada = Browser::sign_in(&client, "ada@example.org").await;
    let here = "/console/usage?status=5xx&span=7d";
    let save = async |name: &str| {
        let form = [
            ("form", "view-save"),
            ("name", name),
            ("query", "status=5xx&span=7d"),
        ];
        ada.post(here, &form).await
    };
    let wrong = save("").await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Must have 1 to 100 characters"),
        "{}",
        wrong.text()
    );
    leads_to(&save("Failures").await, here);
    let taken = save("Failures").await;
    assert_eq!(taken.status, 409);
    assert!(taken.text().contains("name is taken"), "{}", taken.text());
    let shown = ada.page(here).await;
    assert!(shown.contains("Without the view"), "{shown}");
    let all = ada
        .get("/api/v1/saved-views")
        .await
        .expect_status(200)
        .json();
    let view = all["data"][0].clone();
    assert_eq!(view["query"], "status=5xx&span=7d");
    let id = view["id"].as_str().expect("an id");

    let post = async |form: &str, more: &[(&str, &str)]| {
        let fields = [&[("form", form), ("id", id)], more].concat();
        ada.post(here, &fields).await
    };
    assert_eq!(ada.get("/console/usage").await.status, 200);
    leads_to(&post("view-default", &[("to", "true")]).await, here);
    leads_to(&ada.get("/console/usage").await, here);
    assert_eq!(ada.get("/console/usage?span=24h").await.status, 200);
    let wrong = post("view-rename", &[("name", " ")]).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("must have 1 to 100 characters"),
        "{}",
        wrong.text()
    );
    leads_to(&post("view-rename", &[("name", "Broken")]).await, here);
    assert!(ada.page(here).await.contains("Broken"));
    leads_to(&post("view-share", &[("to", "true")]).await, here);
    leads_to(&post("view-default", &[("to", "false")]).await, here);
    assert_eq!(ada.get("/console/usage").await.status, 200);
    leads_to(&post("view-default", &[("to", "true")]).await, here);
    leads_to(&post("view-delete", &[]).await, here);
    assert_eq!(ada.get("/console/usage").await.status, 200);
    let all = ada
        .get("/api/v1/saved-views")
        .await
        .expect_status(200)
        .json();
    assert_eq!(all["data"], json!([]));
}
