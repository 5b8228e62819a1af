//! Usage: what went through the gateway.

use apiverse_contract::Page;
use apiverse_contract::usage::{CallView, TopRow, UsageQuery, UsageReport};
use axum::Json;
use axum::extract::State;

use crate::openapi::problems::{QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(UsageProblems: SIGNED_IN, ROLE, QUERY);

/// Count calls over time
///
/// Totals and a series over `from` to `to`; every call that reached an API counts within two
/// seconds, those that the gateway refused too, told apart in `refused`.
#[utoipa::path(
    get, path = "/usage", operation_id = "usage_report", tag = "usage",
    params(UsageQuery),
    responses((status = 200, description = "Totals and series", body = UsageReport), UsageProblems),
)]
pub async fn report(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Answer<Json<UsageReport>> {
    Ok(Json(state.platform.usage_report(&actor, query).await?))
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
) -> Answer<Json<Page<CallView>>> {
    Ok(Json(state.platform.usage_calls(&actor, query).await?))
}

/// Rank APIs or keys by calls
///
/// Most calls first, at most `limit` rows.
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
