use std::sync::Arc;

use serde_json::json;

use super::app::{App, Fixed};
use crate::{HealthProbe, RestSettings};

fn probe(name: &'static str, required: bool, ok: bool) -> Arc<dyn HealthProbe> {
    let result = if ok {
        Ok(Some("fine".to_owned()))
    } else {
        Err("no answer".to_owned())
    };
    Arc::new(Fixed {
        name,
        required,
        result,
    })
}

#[tokio::test]
async fn readiness_is_the_worst_of_what_is_required() {
    for (usage_ok, database_ok, status, word) in [
        (true, true, 200, "ok"),
        (false, true, 200, "degraded"),
        (true, false, 503, "unavailable"),
        (false, false, 503, "unavailable"),
    ] {
        let probes = vec![
            probe("usage_pipeline", false, usage_ok),
            probe("database", true, database_ok),
        ];
        let app = App::with(RestSettings::default(), probes).await;
        let answer = app.get("/health/ready").send().await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.at("/status"), json!(word));
        assert_eq!(answer.at("/checks/0/name"), json!("usage_pipeline"));
        assert_eq!(answer.at("/checks/1/ok"), json!(database_ok));
        assert!(answer.at("/checks/1/latency_ms").is_number());
        assert_eq!(answer.header("cache-control"), "no-store");
        // Alive all the while.
        assert_eq!(app.get("/health").send().await.at("/status"), json!("ok"));
    }
}

/// Never answers.
struct Silent;

impl HealthProbe for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn required(&self) -> bool {
        true
    }

    fn check(&self) -> crate::ProbeFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_silent_dependency_does_not_hang_the_answer() {
    let app = App::with(RestSettings::default(), vec![Arc::new(Silent)]).await;
    let answer = app.get("/health/ready").send().await;
    assert_eq!(answer.status, 503);
    assert!(answer.text_at("/checks/0/detail").contains("no answer"));
}

#[tokio::test]
async fn metrics_are_where_they_are_configured() {
    let app = App::start().await;
    let answer = app.get("/metrics").send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"));
    assert!(
        answer.text.contains("apiverse_build_info{version="),
        "{answer:?}"
    );
    assert!(
        answer.text.contains("process_resident_memory_bytes "),
        "{answer:?}"
    );

    let settings = RestSettings {
        metrics_path: Some("/internal/metrics".to_owned()),
        ..RestSettings::default()
    };
    let app = App::with(settings, Vec::new()).await;
    assert_eq!(app.get("/metrics").send().await.status, 404);
    assert_eq!(app.get("/internal/metrics").send().await.status, 200);
}

/// A metrics path on an address that is taken would end the process at its start.
#[test]
fn settings_refuse_a_metrics_path_that_is_taken() {
    use apiverse_settings::{FirstStart, Flags, Inputs, Settings};
    let document =
        serde_json::to_value(crate::openapi(crate::ServerFunctions::NONE)).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let folder = tempfile::tempdir().expect("a folder");
    for path in paths.keys() {
        let bare = path.strip_prefix("/api/v1").unwrap_or(path);
        let first = bare.split('/').nth(1).unwrap_or_default();
        let endpoint = format!("/{first}");
        let inputs = Inputs::new(
            [("METRICS_ENDPOINT", endpoint.as_str())].iter().copied(),
            folder.path(),
        );
        let loaded = Settings::load(&inputs, &Flags::default(), FirstStart::Create);
        let problems = loaded.expect_err(&endpoint).0;
        assert!(
            problems
                .iter()
                .any(|problem| problem.name == "METRICS_ENDPOINT"),
            "{endpoint}"
        );
    }
    for path in crate::router::UNKNOWN {
        let first = path.split('/').nth(1).unwrap_or_default();
        assert!(
            paths
                .keys()
                .any(|known| known.split('/').any(|part| part == first)),
            "{first} is unknown to the document"
        );
    }
}
