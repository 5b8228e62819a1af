//! Usage: what went through the gateway.

use apiverse_contract::Page;
use apiverse_contract::usage::{
    CallView, ErrorRow, LatencyReport, TopRow, UsageBreakdown, UsageFormat, UsageQuery,
    UsageReport, UsageTotals,
};
use apiverse_platform::Csv;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::csv::file;
use crate::openapi::problems::{QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(UsageProblems: SIGNED_IN, ROLE, QUERY);

/// Rows of a file with calls.
const CALLS_IN_FILE: usize = 10_000;

const fn is_csv(query: &UsageQuery) -> bool {
    matches!(query.format, Some(UsageFormat::Csv))
}

/// Count calls over time
///
/// Totals and a series over `from` to `to`; every call that reached an API counts within two
/// seconds, those that the gateway refused too, told apart in `refused`. With `compare` the same
/// of the time before.
#[utoipa::path(
    get, path = "/usage", operation_id = "usage_report", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "Totals and series", body = UsageReport), UsageProblems),
)]
pub async fn report(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Response> {
    let as_csv = is_csv(&query);
    let report = state.platform.usage_report(&actor, query).await?;
    if !as_csv {
        return Ok(Json(report).into_response());
    }
    let mut csv = Csv::new(&[
        "start",
        "calls",
        "errors",
        "refused",
        "s2xx",
        "s3xx",
        "s4xx",
        "s5xx",
        "bytes_in",
        "bytes_out",
        "cache_lookups",
        "cache_hits",
        "p50_ms",
        "p95_ms",
        "p99_ms",
    ]);
    for point in &report.series {
        csv.value(Some(point.start.to_rfc3339()));
        for count in [
            point.calls,
            point.errors,
            point.refused,
            point.s2xx,
            point.s3xx,
            point.s4xx,
            point.s5xx,
            point.bytes_in,
            point.bytes_out,
            point.cache_lookups,
            point.cache_hits,
        ] {
            csv.value(Some(count));
        }
        for latency in [point.p50_ms, point.p95_ms, point.p99_ms] {
            csv.value(latency);
        }
        csv.end_row();
    }
    Ok(file(csv, "usage.csv"))
}

/// List calls
///
/// Newest first.
#[utoipa::path(
    get, path = "/usage/calls", operation_id = "list_calls", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "A page of calls", body = Page<CallView>), UsageProblems),
)]
pub async fn calls(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Response> {
    if !is_csv(&query) {
        let page = state.platform.usage_calls(&actor, query).await?;
        return Ok(Json(page).into_response());
    }
    let mut csv = Csv::new(&[
        "started_at",
        "request_id",
        "api_id",
        "api_name",
        "key_id",
        "key_name",
        "version_id",
        "route_id",
        "method",
        "path",
        "status",
        "error_code",
        "cache",
        "latency_ms",
        "upstream_ms",
        "bytes_in",
        "bytes_out",
        "tokens_in",
        "tokens_out",
    ]);
    let mut rows = 0;
    let mut cursor = query.cursor.clone();
    while rows < CALLS_IN_FILE {
        let page = UsageQuery {
            cursor,
            limit: Some(200),
            ..query.clone()
        };
        let page = state.platform.usage_calls(&actor, page).await?;
        rows += page.data.len();
        for call in &page.data {
            call_row(&mut csv, call);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(file(csv, "calls.csv"))
}

fn call_row(csv: &mut Csv, call: &CallView) {
    csv.value(Some(call.started_at.to_rfc3339()));
    csv.text(&call.request_id);
    csv.value(call.api_id);
    csv.optional_text(call.api_name.as_deref());
    csv.value(call.key_id);
    csv.optional_text(call.key_name.as_deref());
    csv.value(call.version_id);
    csv.value(call.route_id);
    csv.text(&call.method);
    csv.text(&call.path);
    csv.value(Some(call.status));
    csv.optional_text(call.error_code.as_deref());
    csv.value(call.cache.map(|state| state.as_str()));
    csv.value(Some(call.latency_ms));
    csv.value(call.upstream_ms);
    csv.value(Some(call.bytes_in));
    csv.value(Some(call.bytes_out));
    csv.value(call.tokens.map(|tokens| tokens.input));
    csv.value(call.tokens.map(|tokens| tokens.output));
    csv.end_row();
}

/// Rank APIs or keys by calls
///
/// Most calls first, or what `sort` says; at most `limit` rows. `/usage/breakdown` tells more.
#[utoipa::path(
    get, path = "/usage/top", operation_id = "usage_top", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "The ranking", body = Page<TopRow>), UsageProblems),
)]
pub async fn top(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Json<Page<TopRow>>> {
    let data = state.platform.usage_top(&actor, query).await?;
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}

/// Break calls down
///
/// Calls by one dimension (`by`) or two (`and`), with totals for each row, the largest first, or
/// what `sort` says; with `series` a series for each, with `compare` the time before.
#[utoipa::path(
    get, path = "/usage/breakdown", operation_id = "usage_breakdown", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "The rows", body = UsageBreakdown), UsageProblems),
)]
pub async fn breakdown(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Response> {
    let as_csv = is_csv(&query);
    let breakdown = state.platform.usage_breakdown(&actor, query).await?;
    if !as_csv {
        return Ok(Json(breakdown).into_response());
    }
    let mut csv = Csv::new(&[
        "by",
        "id",
        "name",
        "and",
        "and_id",
        "and_name",
        "calls",
        "errors",
        "refused",
        "bytes_in",
        "bytes_out",
        "cache_lookups",
        "cache_hits",
        "avg_ms",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "tokens_in",
        "tokens_out",
    ]);
    for row in &breakdown.data {
        for at in 0..2 {
            let value = row.values.get(at);
            let dimension = value.map(|value| format!("{:?}", value.dimension).to_lowercase());
            csv.value(dimension);
            csv.optional_text(value.and_then(|value| value.id.as_deref()));
            csv.optional_text(value.and_then(|value| value.name.as_deref()));
        }
        totals_cells(&mut csv, &row.totals);
        csv.end_row();
    }
    Ok(file(csv, "breakdown.csv"))
}

fn totals_cells(csv: &mut Csv, totals: &UsageTotals) {
    for count in [
        totals.calls,
        totals.errors,
        totals.refused,
        totals.bytes_in,
        totals.bytes_out,
        totals.cache_lookups,
        totals.cache_hits,
    ] {
        csv.value(Some(count));
    }
    for latency in [totals.avg_ms, totals.p50_ms, totals.p95_ms, totals.p99_ms] {
        csv.value(latency);
    }
    csv.value(Some(totals.tokens_in));
    csv.value(Some(totals.tokens_out));
}

/// Show how long calls took
///
/// A histogram with four bars to a doubling.
#[utoipa::path(
    get, path = "/usage/latency", operation_id = "usage_latency", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "The histogram", body = LatencyReport), UsageProblems),
)]
pub async fn latency(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Json<LatencyReport>> {
    Ok(Json(state.platform.usage_latency(&actor, query).await?))
}

/// List errors by kind
///
/// By API, route, status and error code: first those that did not happen in the time before, which
/// is as long as the range.
#[utoipa::path(
    get, path = "/usage/errors", operation_id = "usage_errors", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "The errors", body = Page<ErrorRow>), UsageProblems),
)]
pub async fn errors(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Json<Page<ErrorRow>>> {
    Ok(Json(state.platform.usage_errors(&actor, query).await?))
}
