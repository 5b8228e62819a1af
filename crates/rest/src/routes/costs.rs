//! What calls cost: prices, costs, budgets.

use apiverse_contract::costs::{
    BudgetView, CostQuery, CostReport, PriceRuleView, PutBudget, PutPriceRule,
};
use apiverse_contract::{BudgetId, ErrorCode, Page, PriceRuleId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const RULE: &[ErrorCode] = &[ErrorCode::PriceRuleNotFound];
const BUDGET: &[ErrorCode] = &[ErrorCode::BudgetNotFound];
const MANY: &[ErrorCode] = &[ErrorCode::InvalidRequest];

problems!(CostProblems: SIGNED_IN, ROLE, QUERY);

/// Show what calls cost
///
/// By API, key, route or rule, and by day, as the price rules say.
#[utoipa::path(
    get, path = "/costs", operation_id = "cost_report", tag = "costs",
    params(CostQuery),
    responses((status = 200, description = "The costs", body = CostReport), CostProblems),
)]
pub async fn report(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<CostQuery>,
) -> Answer<Json<CostReport>> {
    Ok(Json(state.platform.cost_report(&actor, query).await?))
}

problems!(ListProblems: SIGNED_IN, ROLE);

/// List price rules
#[utoipa::path(
    get, path = "/costs/rules", operation_id = "list_price_rules", tag = "costs",
    responses((status = 200, description = "All rules, the oldest first", body = Page<PriceRuleView>), ListProblems),
)]
pub async fn rules(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<PriceRuleView>>> {
    Ok(Json(state.platform.price_rules_list(&actor).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, MANY);

/// Create a price rule
///
/// Rules add up: a call that two rules are for costs what both say.
#[utoipa::path(
    post, path = "/costs/rules", operation_id = "create_price_rule", tag = "costs",
    request_body = PutPriceRule,
    responses((status = 201, description = "The rule", body = PriceRuleView), CreateProblems),
)]
pub async fn create_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PutPriceRule>,
) -> Answer<Response> {
    let rule = state.platform.price_rule_create(&actor, request).await?;
    Ok(created("/costs/rules", rule.id, rule))
}

problems!(RuleProblems: SIGNED_IN, CHANGE, BODY, RULE);

/// Replace a price rule
#[utoipa::path(
    put, path = "/costs/rules/{id}", operation_id = "replace_price_rule", tag = "costs",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    request_body = PutPriceRule,
    responses((status = 200, description = "The rule", body = PriceRuleView), RuleProblems),
)]
pub async fn replace_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<PriceRuleId>,
    ApiJson(request): ApiJson<PutPriceRule>,
) -> Answer<Json<PriceRuleView>> {
    let rule = state.platform.price_rule_replace(&actor, id, request);
    Ok(Json(rule.await?))
}

problems!(DeleteRuleProblems: SIGNED_IN, CHANGE, RULE);

/// Delete a price rule
///
/// What it made calls cost is in no report any more; to end it, give it a `to`.
#[utoipa::path(
    delete, path = "/costs/rules/{id}", operation_id = "delete_price_rule", tag = "costs",
    params(("id" = String, Path, format = Uuid, description = "Id of the rule")),
    responses((status = 204, description = "It is gone"), DeleteRuleProblems),
)]
pub async fn delete_rule(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<PriceRuleId>,
) -> Answer<StatusCode> {
    state.platform.price_rule_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(BudgetsProblems: SIGNED_IN, ROLE);

/// List budgets
///
/// With what is spent this month, and what the month comes to.
#[utoipa::path(
    get, path = "/costs/budgets", operation_id = "list_budgets", tag = "costs",
    responses((status = 200, description = "All budgets, the oldest first", body = Page<BudgetView>), BudgetsProblems),
)]
pub async fn budgets(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<BudgetView>>> {
    Ok(Json(state.platform.budgets_list(&actor).await?))
}

problems!(CreateBudgetProblems: SIGNED_IN, CHANGE, BODY, MANY);

/// Create a budget
#[utoipa::path(
    post, path = "/costs/budgets", operation_id = "create_budget", tag = "costs",
    request_body = PutBudget,
    responses((status = 201, description = "The budget", body = BudgetView), CreateBudgetProblems),
)]
pub async fn create_budget(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PutBudget>,
) -> Answer<Response> {
    let budget = state.platform.budget_create(&actor, request).await?;
    Ok(created("/costs/budgets", budget.id, budget))
}

problems!(BudgetProblems: SIGNED_IN, CHANGE, BODY, BUDGET);

/// Replace a budget
#[utoipa::path(
    put, path = "/costs/budgets/{id}", operation_id = "replace_budget", tag = "costs",
    params(("id" = String, Path, format = Uuid, description = "Id of the budget")),
    request_body = PutBudget,
    responses((status = 200, description = "The budget", body = BudgetView), BudgetProblems),
)]
pub async fn replace_budget(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<BudgetId>,
    ApiJson(request): ApiJson<PutBudget>,
) -> Answer<Json<BudgetView>> {
    let budget = state.platform.budget_replace(&actor, id, request);
    Ok(Json(budget.await?))
}

problems!(DeleteBudgetProblems: SIGNED_IN, CHANGE, BUDGET);

/// Delete a budget
#[utoipa::path(
    delete, path = "/costs/budgets/{id}", operation_id = "delete_budget", tag = "costs",
    params(("id" = String, Path, format = Uuid, description = "Id of the budget")),
    responses((status = 204, description = "It is gone"), DeleteBudgetProblems),
)]
pub async fn delete_budget(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<BudgetId>,
) -> Answer<StatusCode> {
    state.platform.budget_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
