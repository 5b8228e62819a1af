//! `/health` and `/health/ready`, for probes and people.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{HealthProbe, RestState};

/// A dependency that does not answer in this time is away, whatever it says later.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// How the node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Everything answers.
    Ok,
    /// Something is away, but the node serves.
    Degraded,
    /// The node should get no traffic.
    Unavailable,
}

/// `GET /health`
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`: whoever is not alive does not answer.
    pub status: HealthStatus,
    pub version: &'static str,
}

/// `GET /health/ready`
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    pub status: HealthStatus,
    pub version: &'static str,
    pub checks: Vec<HealthCheck>,
}

/// One dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthCheck {
    pub name: &'static str,
    pub ok: bool,
    /// Milliseconds the look took.
    pub latency_ms: f64,
    pub detail: Option<String>,
}

/// Whether the process is alive
///
/// Asks nothing else, so a dependency that is away does not get the process restarted.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "operations",
    responses((status = 200, description = "Alive", body = Alive)),
    security(()),
)]
pub async fn alive() -> Response {
    fresh(Json(Alive {
        status: HealthStatus::Ok,
        version: env!("CARGO_PKG_VERSION"),
    }))
}

/// Whether the node should get traffic
///
/// Looks at every dependency at once. 200 with `ok` or `degraded`; 503 with `unavailable` when
/// something is away that the node cannot serve without.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "health_ready", tag = "operations",
    responses(
        (status = 200, description = "Ready, perhaps degraded", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    ),
    security(()),
)]
pub async fn ready(State(state): State<RestState>) -> Response {
    let probes = &state.shared.probes;
    let checks = join_all(probes.iter().map(|probe| look(probe.as_ref()))).await;
    let mut status = HealthStatus::Ok;
    for (check, probe) in checks.iter().zip(probes) {
        if check.ok {
            continue;
        }
        if probe.required() {
            status = HealthStatus::Unavailable;
            break;
        }
        status = HealthStatus::Degraded;
    }
    let code = match status {
        HealthStatus::Ok | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = Json(Readiness {
        status,
        version: env!("CARGO_PKG_VERSION"),
        checks,
    });
    fresh((code, body))
}

async fn look(probe: &dyn HealthProbe) -> HealthCheck {
    let started = Instant::now();
    let result = match tokio::time::timeout(PROBE_TIME, probe.check()).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", PROBE_TIME.as_secs())),
    };
    let latency_ms = started.elapsed().as_micros() as f64 / 1000.0;
    let (ok, detail) = match result {
        Ok(detail) => (true, detail),
        Err(detail) => (false, Some(detail)),
    };
    HealthCheck {
        name: probe.name(),
        ok,
        latency_ms,
        detail,
    }
}

fn fresh(answer: impl IntoResponse) -> Response {
    super::no_store(answer.into_response())
}
