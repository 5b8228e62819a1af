//! What calls cost: prices, reports, budgets.

use apiverse_contract::costs::{
    BudgetView, CostQuery, CostReport, PriceRuleView, PutBudget, PutPriceRule,
};
use apiverse_contract::{BudgetId, PriceRuleId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::{Named, Rpc};

/// Costs of a time, with the rules and budgets they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CostsView {
    pub report: CostReport,
    pub rules: Vec<PriceRuleView>,
    pub budgets: Vec<BudgetView>,
    pub apis: Vec<Named>,
    pub keys: Vec<Named>,
    /// Whether the one who asks may set prices and budgets.
    pub may_change: bool,
}

/// Which rule is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleRef {
    pub id: PriceRuleId,
}

/// Which budget is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetRef {
    pub id: BudgetId,
}

/// Costs, rules and budgets.
#[server(ReportFn, prefix = "/api/fn", endpoint = "costs/report", input = Json)]
pub async fn report(input: CostQuery) -> Rpc<CostsView> {
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    use crate::ssr::views;
    let member = member().await?;
    let (platform, actor) = (&member.platform, &member.actor);
    Ok(CostsView {
        report: platform.cost_report(actor, input).await.map_err(fail)?,
        rules: platform.price_rules_list(actor).await.map_err(fail)?.data,
        budgets: platform.budgets_list(actor).await.map_err(fail)?.data,
        apis: views::api_names_seen(&member).await?,
        keys: views::key_names_seen(&member).await?,
        may_change: actor.require(Permission::CostsWrite).is_ok(),
    })
}

/// Makes a price rule.
#[server(AddRuleFn, prefix = "/api/fn", endpoint = "costs/rules/add", input = Json)]
pub async fn add_rule(input: PutPriceRule) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.price_rule_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes a price rule.
#[server(RemoveRuleFn, prefix = "/api/fn", endpoint = "costs/rules/remove", input = Json)]
pub async fn remove_rule(input: RuleRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.price_rule_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}

/// Makes a budget.
#[server(AddBudgetFn, prefix = "/api/fn", endpoint = "costs/budgets/add", input = Json)]
pub async fn add_budget(input: PutBudget) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.budget_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes a budget.
#[server(RemoveBudgetFn, prefix = "/api/fn", endpoint = "costs/budgets/remove", input = Json)]
pub async fn remove_budget(input: BudgetRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.budget_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}
