//! The audit log: found, taken along, and known when it was tampered with.

use apiverse_testkit::{App, Engine, both};
use serde_json::json;

use crate::start;

both!(the_log_is_searched_and_exported, tampering_shows);

async fn the_log_is_searched_and_exported(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    let api = ada.create_api("weather", "https://example.com").await;
    ada.delete(&format!("/apis/{api}")).await.assert_status(204);
    let found = async |query: &str| {
        let page = ada
            .get(&format!("/audit?{query}"))
            .await
            .expect_status(200)
            .json();
        page["data"].as_array().expect("a list").len()
    };
    assert_eq!(found("action=api.created").await, 1);
    assert_eq!(found(&format!("target_id={api}")).await, 2);
    assert_eq!(found("q=API.DEL").await, 1);
    assert_eq!(found("q=100%25").await, 0, "a wildcard is a character");
    assert_eq!(found("from=2100-01-01T00:00:00Z").await, 0);
    assert_eq!(found("to=2100-01-01T00:00:00Z&action=api.deleted").await, 1);
    let export = ada
        .get("/audit/export?target_type=api")
        .await
        .expect_status(200);
    assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
    let text = export.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let actions: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["action"].as_str())
        .collect();
    assert_eq!(actions, ["api.deleted", "api.created"]);
    let table = ada
        .get("/audit/export?target_type=api&format=csv")
        .await
        .expect_status(200);
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let table = table.text();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("time,actor,action,"), "{table}");
    assert!(rows[1].contains(",api.deleted,api,"), "{table}");
    assert_eq!(rows.len(), 3, "{table}");
    let eve = app.stranger("eve").await;
    assert!(
        !eve.get("/audit/export")
            .await
            .expect_status(200)
            .text()
            .contains(&api)
    );
}

/// What `apiverse audit verify` says, and whether it found nothing wrong.
fn verify(app: &App) -> (bool, String) {
    let mut command = std::process::Command::new(crate::BINARY);
    command
        .args(["audit", "verify"])
        .current_dir(app.folder())
        .env_clear()
        .env("APIVERSE_DATA_DIR", app.data_dir());
    if let Some(url) = app.database_url() {
        command.env("DATABASE_URL", url);
    }
    let out = command.output().expect("the binary runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (out.status.success(), text)
}

/// Does something to the database behind the application's back; whether that worked.
fn sql(app: &App, text: &str) -> bool {
    match app.database_url() {
        Some(url) => std::process::Command::new("psql")
            .args(["--quiet", "--no-psqlrc", "--dbname", url, "--command", text])
            .output()
            .expect("psql runs")
            .status
            .success(),
        None => {
            let path = app.data_dir().join("apiverse.db");
            let connection = rusqlite::Connection::open(path).expect("opens");
            connection
                .busy_timeout(std::time::Duration::from_secs(10))
                .expect("waits");
            connection.execute_batch(text).is_ok()
        }
    }
}

async fn tampering_shows(engine: Engine) {
    let app = start(engine).await;
    let ada = app.stranger("ada").await;
    for n in 0..3 {
        ada.create_api(&format!("api-{n}"), "https://example.com")
            .await;
    }
    let (fits, text) = verify(&app);
    assert!(fits, "{text}");
    assert!(text.contains("\nada: "), "{text}");

    let refused = sql(
        &app,
        "UPDATE audit_events SET actor = 'nobody' WHERE action = 'api.created'",
    );
    assert!(!refused, "lines are only added");
    // Whoever owns the database may do anything, but not unnoticed.
    assert!(sql(
        &app,
        match engine {
            Engine::Sqlite => "DROP TRIGGER audit_events_append_only",
            Engine::Postgres => "DROP TRIGGER audit_events_append_only ON audit_events",
        }
    ));
    assert!(sql(
        &app,
        "UPDATE audit_events SET actor = 'nobody' WHERE seq = 4 AND action = 'api.created'"
    ));
    let (fits, text) = verify(&app);
    assert!(!fits && text.contains("line 4 was changed"), "{text}");

    assert!(sql(&app, "DELETE FROM audit_events WHERE seq = 4"));
    let (fits, text) = verify(&app);
    assert!(!fits && text.contains("line 4 is missing"), "{text}");
    assert!(sql(&app, "DELETE FROM audit_events WHERE seq >= 4"));
    let (fits, text) = verify(&app);
    assert!(!fits && text.contains("does not end at line"), "{text}");
    ada.post(
        "/apis",
        &json!({ "name": "later", "base_url": "https://example.com" }),
    )
    .await
    .assert_status(201);
    let (fits, _) = verify(&app);
    assert!(!fits, "it does not heal");
}
