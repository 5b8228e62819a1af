//! Objectives, and what is left of their error budgets.

use apiverse_contract::alerts::{Burn, Objective, SloReport, SloState};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{SLOS, done, hidden};
use crate::format;
use crate::forms::Fields;
use crate::rpc::alerts::{RemoveSloFn, SloRef, SlosFn, SlosView};
use crate::rpc::{Loaded, load_with, send};
use crate::ui::dynamic::when;
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

type Data = Loaded<SlosView>;

pub fn slos() -> AnyView {
    let map = use_query_map();
    let data = load_with(|| Some(SlosFn {}));
    let add = view! {
        <a class="btn btn-outline btn-sm" href="/console/slos/new">
            "Add an objective"
        </a>
    }
    .into_any();
    view! {
        <div class="page">
            {page_head("Objectives", add)} {done_notice(map)}
            <p class="max-w-3xl text-muted">
                "How many calls are to be good, and what is left of those that may be bad: the error budget."
            </p>
            {load(data, skeleton::table, move |found| content(found, data))}
        </div>
    }
    .into_any()
}

fn content(found: SlosView, data: Data) -> AnyView {
    if found.slos.is_empty() {
        return view! {
            <section class="panel">
                <div class="empty">
                    {icon(icondata_lu::LuTarget.data)} <p class="font-medium text-ink">"No objectives yet"</p>
                    <p>
                        "An objective says how many calls of an API are to succeed, or to be answered in time. An alert rule tells you when too many do not."
                    </p>
                </div>
            </section>
        }
        .into_any();
    }
    let may_change = found.may_change;
    let cards = found
        .slos
        .into_iter()
        .map(|slo| card(slo, may_change, data))
        .collect_view();
    view! { <div class="grid gap-4 lg:grid-cols-2">{cards}</div> }.into_any()
}

fn card(report: SloReport, may_change: bool, data: Data) -> AnyView {
    let view = report.view;
    let (class, state) = match view.state {
        SloState::NoCalls => ("pill", "no calls"),
        SloState::Met => ("pill pill-ok", "met"),
        SloState::AtRisk => ("pill pill-warn", "at risk"),
        SloState::Missed => ("pill pill-bad", "missed"),
    };
    let good = match view.slo.objective {
        Objective::Availability => "not answered with 500 and above".to_owned(),
        Objective::Latency { milliseconds } => format!("answered within {milliseconds} ms"),
    };
    let of = view
        .api_name
        .clone()
        .unwrap_or_else(|| "an API that was deleted".to_owned());
    let route = view.slo.route.clone().map(|route| format!(", {route}"));
    let words = format!(
        "{} % of calls of {of}{} {good}, in {} days",
        view.slo.target,
        route.unwrap_or_default(),
        view.slo.days
    );
    let achieved = view
        .achieved
        .map_or_else(|| "–".to_owned(), |good| format!("{good} %"));
    let left = format!("{} %", format::decimal(view.budget_left, 1));
    let bad = format!(
        "{} of {}",
        format::count(view.bad),
        format::count(view.calls)
    );
    let burns = view.burns.iter().map(burn).collect_view();
    let id = view.id;
    let form = FormState::new("slo-delete");
    let run = move |_: Fields| -> Sent {
        let input = SloRef { id };
        done(data, "Deleted", Box::pin(send(RemoveSloFn { input })))
    };
    let name = view.slo.name.clone();
    let svg = budget_chart(&report.points);
    let table = budget_table(&report.points);
    view! {
        <section class="panel" aria-label=name>
            <div class="panel-head">
                <h2>{view.slo.name.clone()}</h2>
                <span class=class>{state}</span>
            </div>
            <div class="panel-body flex flex-col gap-3">
                <p class="text-sm text-muted">{words}</p>
                <dl class="grid grid-cols-3 gap-3">
                    {figure("Good", achieved)} {figure("Budget left", left)} {figure("Bad calls", bad)}
                </dl>
                <div inner_html=svg></div>
                <details class="text-sm">
                    <summary class="link-quiet cursor-pointer">"Budget as a table"</summary>
                    <div class="table-scroll" tabindex="0" inner_html=table></div>
                </details>
                <ul class="flex flex-col gap-1 text-sm">{burns}</ul>
                {when(may_change, || {
                    view! {
                        <form method="post" action=SLOS on:submit=form.on_submit(run)>
                            {hidden("slo-delete", id.to_string())}
                            {form.button_with_class("Delete", "btn btn-ghost btn-xs")}
                        </form>
                    }
                        .into_any()
                })}
            </div>
        </section>
    }
    .into_any()
}

fn figure(label: &'static str, value: String) -> AnyView {
    view! {
        <div class="flex flex-col gap-0.5">
            <dt class="stat-label">{label}</dt>
            <dd class="stat-figure-value num">{value}</dd>
        </div>
    }
    .into_any()
}

fn burn(burn: &Burn) -> AnyView {
    let times = |value: Option<f64>| match value {
        Some(value) => format!("{} ×", format::decimal(value, 1)),
        None => "no calls".to_owned(),
    };
    let words = format!(
        "Burns {} over {} min and {} over {} min; an alert at {} ×",
        times(burn.long),
        burn.window.long_minutes,
        times(burn.short),
        burn.window.short_minutes,
        burn.window.factor
    );
    let class = if burn.is_fast {
        "text-bad"
    } else {
        "text-muted"
    };
    view! { <li class=class>{words}</li> }.into_any()
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 90.0;

/// What was left at each time, from all of it down to twice as much as there was.
fn budget_chart(points: &[apiverse_contract::alerts::SloPoint]) -> String {
    let lowest = points.iter().map(|point| point.budget_left);
    let lowest = lowest.fold(0.0_f64, f64::min).max(-100.0);
    let y = |left: f64| HEIGHT * (100.0 - left.max(lowest)) / (100.0 - lowest);
    let line: Vec<String> = super::preview::along(points.len(), WIDTH)
        .zip(points)
        .map(|(x, point)| format!("{x:.1},{:.1}", y(point.budget_left)))
        .collect();
    let zero = y(0.0);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" class=\"w-full h-24\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"Budget left over time\">\
         <line x1=\"0\" x2=\"{WIDTH}\" y1=\"{zero:.1}\" y2=\"{zero:.1}\" class=\"stroke-line\" />\
         <polyline points=\"{}\" fill=\"none\" class=\"stroke-chart-1\" stroke-width=\"2\" \
         vector-effect=\"non-scaling-stroke\" /></svg>",
        line.join(" ")
    )
}

fn budget_table(points: &[apiverse_contract::alerts::SloPoint]) -> String {
    let mut table = String::from(
        "<table class=\"table\"><thead><tr><th>Until</th><th>Budget left</th><th>Calls</th>\
         <th>Bad</th></tr></thead><tbody>",
    );
    for point in points {
        table.push_str(&format!(
            "<tr><td>{}</td><td>{} %</td><td>{}</td><td>{}</td></tr>",
            format::stamp(point.at),
            format::decimal(point.budget_left, 1),
            format::count(point.calls),
            format::count(point.bad)
        ));
    }
    table.push_str("</tbody></table>");
    table
}
