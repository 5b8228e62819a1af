//! Price rules and budgets as lists.

use apiverse_contract::costs::{BudgetView, PriceRuleView};
use leptos::prelude::*;

use super::{Data, PATH};
use crate::format;
use crate::forms::Fields;
use crate::forms::cost::{money, unit_name};
use crate::rpc::costs::{BudgetRef, CostsView, RemoveBudgetFn, RemoveRuleFn, RuleRef};
use crate::rpc::{Named, send};
use crate::ui::dynamic::when;
use crate::ui::form::{FormState, Sent};
use crate::ui::toast::Toasts;

/// Sends, tells what was done, and shows the page anew.
fn removed(data: Data, sent: Sent) -> Sent {
    let toasts = use_context::<Toasts>();
    Box::pin(async move {
        sent.await?;
        if let Some(toasts) = toasts {
            toasts.show("Deleted");
        }
        data.refetch();
        Ok(())
    })
}

fn remove_button(form: FormState, name: &'static str, id: String, what: &str) -> AnyView {
    view! {
        <input type="hidden" name="form" value=name />
        <input type="hidden" name="id" value=id />
        <span class="sr-only">{what.to_owned()}</span>
        {form.button_with_class("Delete", "btn btn-ghost btn-xs")}
    }
    .into_any()
}

fn head(title: &'static str, href: &'static str, action: &'static str, may: bool) -> AnyView {
    view! {
        <div class="panel-head">
            <h2>{title}</h2>
            {when(may, || {
                view! {
                    <a class="btn btn-outline btn-sm" href=href>
                        {action}
                    </a>
                }
                    .into_any()
            })}
        </div>
    }
    .into_any()
}

fn name_of(all: &[Named], id: &str) -> String {
    let found = all.iter().find(|named| named.id == id);
    found.map_or_else(|| format::middle(id, 8, 4), |named| named.name.clone())
}

pub fn rules(found: &CostsView, data: Data) -> AnyView {
    let may_change = found.may_change;
    let rows = found
        .rules
        .iter()
        .map(|rule| {
            let id = rule.id;
            let form = FormState::new("rule-delete");
            let run = move |_: Fields| -> Sent {
                let input = RuleRef { id };
                removed(data, Box::pin(send(RemoveRuleFn { input })))
            };
            let name = rule.rule.name.clone();
            view! {
                <li class="flex items-center gap-3 px-4 py-2.5">
                    <div class="flex min-w-0 grow flex-col gap-0.5">
                        <h3 class="font-medium">{name.clone()}</h3>
                        <p class="text-sm">{words(rule, &found.apis)}</p>
                    </div>
                    {when(may_change, || {
                        view! {
                            <form method="post" action=PATH on:submit=form.on_submit(run)>
                                {remove_button(form, "rule-delete", id.to_string(), &name)}
                            </form>
                        }
                            .into_any()
                    })}
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="Price rules">
            {head("Price rules", "/console/costs/rules/new", "Add a price rule", may_change)}
            <ul class="divide-y divide-line">{rows}</ul>
        </section>
    }
    .into_any()
}

/// A rule in a sentence.
fn words(rule: &PriceRuleView, apis: &[Named]) -> String {
    let rule = &rule.rule;
    let mut tiers = Vec::new();
    for tier in &rule.tiers {
        let price = money(tier.price_micros, &rule.currency);
        tiers.push(match tier.up_to {
            Some(count) => format!("{price} up to {}", format::count(count)),
            None if rule.tiers.len() > 1 => format!("then {price}"),
            None => price,
        });
    }
    let place = match (rule.api_id, &rule.route) {
        (Some(api), Some(route)) => format!("{} {route}", name_of(apis, &api.to_string())),
        (Some(api), None) => name_of(apis, &api.to_string()),
        (None, Some(route)) => route.clone(),
        (None, None) => "every API".to_owned(),
    };
    let statuses: Vec<String> = rule.statuses.iter().map(ToString::to_string).collect();
    let statuses = if statuses.is_empty() {
        String::new()
    } else {
        format!(", {} only", statuses.join(" and "))
    };
    let until = rule
        .to
        .map_or_else(String::new, |to| format!(" until {to}"));
    format!(
        "{} a {}, for {place}{statuses}, from {}{until}",
        tiers.join(", "),
        unit_name(rule.unit),
        rule.from
    )
}

pub fn budgets(found: &CostsView, data: Data) -> AnyView {
    let may_change = found.may_change;
    let list = if found.budgets.is_empty() {
        view! {
            <p class="panel-body text-muted">
                "A budget says what a month may cost: it tells when a part of it is spent, and refuses calls beyond it when it shall."
            </p>
        }
        .into_any()
    } else {
        let rows = found
            .budgets
            .iter()
            .map(|budget| row(budget, found, data))
            .collect_view();
        view! { <ul class="divide-y divide-line">{rows}</ul> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Budgets">
            {head("Budgets", "/console/costs/budgets/new", "Add a budget", may_change)} {list}
        </section>
    }
    .into_any()
}

fn row(found: &BudgetView, costs: &CostsView, data: Data) -> AnyView {
    let id = found.id;
    let budget = &found.budget;
    let form = FormState::new("budget-delete");
    let run = move |_: Fields| -> Sent {
        let input = BudgetRef { id };
        removed(data, Box::pin(send(RemoveBudgetFn { input })))
    };
    let place = match (budget.api_id, budget.key_id) {
        (_, Some(key)) => format!("for the key {}", name_of(&costs.keys, &key.to_string())),
        (Some(api), None) => format!("for {}", name_of(&costs.apis, &api.to_string())),
        (None, None) => "for all calls".to_owned(),
    };
    let (class, state) = if found.blocked_until.is_some() {
        ("pill pill-bad", "calls are refused")
    } else if found.percent >= 100.0 {
        ("pill pill-bad", "spent")
    } else if !found.reached.is_empty() {
        ("pill pill-warn", "threshold reached")
    } else {
        ("pill pill-ok", "within")
    };
    let bar = format!(
        r#"<svg width="100%" height="6" aria-hidden="true"><rect width="100%" height="6" rx="3" class="fill-sunken"/><rect width="{}%" height="6" rx="3" class="{}"/></svg>"#,
        format::decimal(found.percent.clamp(0.0, 100.0), 1),
        if found.percent >= 100.0 {
            "fill-chart-5xx"
        } else {
            "fill-chart-1"
        },
    );
    let said = format!(
        "{} of {} {place}, {} %; {} at the month's end as it goes",
        money(found.spent_micros, &budget.currency),
        money(budget.amount_micros, &budget.currency),
        format::decimal(found.percent, 1),
        money(found.projected_micros, &budget.currency),
    );
    let name = budget.name.clone();
    view! {
        <li class="flex items-center gap-3 px-4 py-2.5">
            <div class="flex min-w-0 grow flex-col gap-1">
                <div class="flex flex-wrap items-center gap-2">
                    <h3 class="font-medium">{name.clone()}</h3>
                    <span class=class>{state}</span>
                </div>
                <div class="max-w-lg" inner_html=bar></div>
                <p class="text-sm num">{said}</p>
            </div>
            {when(costs.may_change, || {
                view! {
                    <form method="post" action=PATH on:submit=form.on_submit(run)>
                        {remove_button(form, "budget-delete", id.to_string(), &name)}
                    </form>
                }
                    .into_any()
            })}
        </li>
    }
    .into_any()
}
