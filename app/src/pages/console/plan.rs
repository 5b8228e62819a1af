//! A change that is not saved, tried on the calls of late: who would notice it.

use apiverse_contract::configuration::plan::{
    PlanCounts, PlanGroup, PlanOutcome, PlanVerdict, TrafficPlan,
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::format;
use crate::rpc::load_with;
use crate::rpc::plan::{DraftPlan, DraftRef, PlanFn};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::time::ago;
use crate::urlencoded::decode;

/// A form's post, as it stands in the address.
#[derive(Clone, Default, PartialEq)]
struct Asked {
    at: String,
    fields: Vec<(String, String)>,
}

impl Asked {
    /// `None` when there is nothing to plan.
    fn draft(&self) -> Option<DraftRef> {
        (!self.at.is_empty() && !self.fields.is_empty()).then(|| DraftRef {
            at: self.at.clone(),
            fields: self.fields.clone(),
        })
    }
}

pub fn plan() -> AnyView {
    let map = use_query_map();
    let asked = Memo::new(move |_| {
        map.with(|map| {
            let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
            let at = text("at");
            Asked {
                // It becomes the address of a form.
                at: if at.starts_with("/console/") {
                    at
                } else {
                    String::new()
                },
                fields: decode(&text("fields")),
            }
        })
    });
    view! {
        <div class="page">
            {page_head_below(
                ("/console/policies", "Policies"),
                "Plan".to_owned(),
                ().into_any(),
                ().into_any(),
            )}
            <p class="max-w-3xl text-muted">
                "The calls of late, as they went and as they would go with a change that is not saved. Nothing is sent, and nothing is changed."
            </p>
            {dynamic(move || {
                if asked.with(|asked| asked.draft().is_none()) {
                    return nothing();
                }
                let data = load_with(move || {
                    let input = asked.with(Asked::draft)?;
                    Some(PlanFn { input })
                });
                load(data, skeleton::table, move |found| content(found, asked.get_untracked()))
            })}
        </div>
    }
    .into_any()
}

fn nothing() -> AnyView {
    view! {
        <div class="panel">
            <div class="empty">
                <p class="font-medium text-ink">"No change to plan"</p>
                <p>
                    "Change a cache, a mock or a limit and press Plan in the place of Save. What is larger than 8 KiB is planned with "
                    <span class="mono">"apiverse config plan"</span> "."
                </p>
                <a class="btn btn-primary btn-sm" href="/console/policies">
                    "Policies"
                </a>
            </div>
        </div>
    }
    .into_any()
}

fn content(found: DraftPlan, asked: Asked) -> AnyView {
    let DraftPlan { title, plan } = found;
    let has_calls = plan.calls > 0;
    let is_same = plan.changed.is_empty();
    view! {
        <section class="panel" aria-label="Plan">
            <div class="panel-head">
                <h2>{title}</h2>
                <span class="text-sm text-muted">{span(&plan)}</span>
            </div>
            {if has_calls { counts(&plan) } else { no_calls() }} {keep(asked)}
        </section>
        {when(has_calls && is_same, || view! {
            <p class="alert alert-info w-full max-w-4xl">"No call would go another way."</p>
        }.into_any())}
        {when(!is_same, || changed(plan.changed))}
        {when(!plan.unknown.is_empty(), || unknown(plan.unknown))}
    }
    .into_any()
}

fn span(plan: &TrafficPlan) -> AnyView {
    let (Some(first), Some(last)) = (plan.first_at, plan.last_at) else {
        return ().into_any();
    };
    let calls = format::plural(plan.calls, "call", "calls");
    let left_out = match plan.left_out {
        0 => String::new(),
        count => format!(", {count} refused before left out"),
    };
    let more = if plan.is_partial {
        ", the newest of more"
    } else {
        ""
    };
    view! { {calls} " from " {ago(first)} " to " {ago(last)} {left_out} {more} }.into_any()
}

fn no_calls() -> AnyView {
    view! {
        <div class="empty">
            <p class="font-medium text-ink">"No calls to try it on"</p>
            <p>"Calls are replayed as long as they are kept. Save the change, or come back when there were some."</p>
        </div>
    }
    .into_any()
}

fn counts(plan: &TrafficPlan) -> AnyView {
    type Count = fn(&PlanCounts) -> u64;
    const ROWS: [(&str, Count); 5] = [
        ("Sent to the upstream", |counts| counts.forwarded),
        ("Looked up in the cache first", |counts| counts.cached),
        ("Answered by a mock", |counts| counts.mocked),
        ("Over a limit", |counts| counts.limited),
        ("Refused otherwise", |counts| counts.refused),
    ];
    let rows = ROWS
        .into_iter()
        .map(|(name, count)| {
            let (before, after) = (count(&plan.before), count(&plan.after));
            let change = match after.cmp(&before) {
                std::cmp::Ordering::Equal => "no change".to_owned(),
                std::cmp::Ordering::Greater => format!("+{}", format::count(after - before)),
                std::cmp::Ordering::Less => format!("\u{2212}{}", format::count(before - after)),
            };
            view! {
                <tr>
                    <th scope="row" class="font-normal">{name}</th>
                    <td class="num text-right">{format::count(before)}</td>
                    <td class="num text-right">{format::count(after)}</td>
                    <td class="num text-right">{change}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    let repeated = (plan.after.cached > 0).then(|| {
        let text = format!(
            "{} of those in the cache were asked for by the same key a little earlier: as many could be answered without the upstream, if its answers may be kept.",
            format::count(plan.repeated),
        );
        view! { <p class="border-t border-line px-4 py-3 text-sm text-muted">{text}</p> }.into_any()
    });
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Calls"</th>
                        <th scope="col" class="text-right">"Now"</th>
                        <th scope="col" class="text-right">"Then"</th>
                        <th scope="col" class="text-right">"Change"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {repeated}
    }
    .into_any()
}

/// The form again, as it was typed: saved from here it is what was planned.
fn keep(asked: Asked) -> AnyView {
    let back = asked.at.clone();
    let fields = asked
        .fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> }.into_any())
        .collect_view();
    view! {
        <form
            method="post"
            action=asked.at
            class="flex items-center justify-end gap-2 border-t border-line px-4 py-3"
        >
            {fields}
            <a class="btn btn-ghost btn-sm" href=back>
                "Leave it"
            </a>
            <button type="submit" class="btn btn-primary btn-sm">
                "Save the change"
            </button>
        </form>
    }
    .into_any()
}

fn changed(groups: Vec<PlanGroup>) -> AnyView {
    let rows = groups.into_iter().map(row).collect_view();
    view! {
        <section class="panel overflow-hidden" aria-label="Who would notice">
            <div class="panel-head">
                <h2>"Who would notice"</h2>
                <span class="text-sm text-muted">"Most calls first"</span>
            </div>
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Key"</th>
                            <th scope="col">"API"</th>
                            <th scope="col" class="text-right">"Calls"</th>
                            <th scope="col">"Now"</th>
                            <th scope="col">"Then"</th>
                            <th scope="col">"Such as"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn row(group: PlanGroup) -> AnyView {
    let key = format!("/console/keys/{}", group.key_id);
    let api = format!("/console/apis/{}", group.api_id);
    let gone = || "(gone)".to_owned();
    view! {
        <tr>
            <td>
                <a class="link-quiet" href=key>{group.key_name.unwrap_or_else(gone)}</a>
            </td>
            <td>
                <a class="link-quiet" href=api>{group.api_name.unwrap_or_else(gone)}</a>
            </td>
            <td class="num text-right">{format::count(group.calls)}</td>
            <td>{verdict(&group.before)}</td>
            <td>{verdict(&group.after)}</td>
            <td class="mono">{group.example}</td>
        </tr>
    }
    .into_any()
}

/// In a word, and by what.
fn verdict(verdict: &PlanVerdict) -> AnyView {
    let (class, word) = match verdict.outcome {
        PlanOutcome::Forwarded => ("pill", "sent"),
        PlanOutcome::Cached => ("pill pill-ok", "cache"),
        PlanOutcome::Mocked => ("pill", "mock"),
        PlanOutcome::Limited => ("pill pill-warn", "limited"),
        PlanOutcome::Refused => ("pill pill-bad", "refused"),
    };
    let by = match (&verdict.by, verdict.code) {
        (Some(by), _) => by.clone(),
        (None, Some(code)) => code.to_string(),
        (None, None) => String::new(),
    };
    view! {
        <span class=class>{word}</span>
        " "
        <span class="mono text-xs text-muted">{by}</span>
    }
    .into_any()
}

fn unknown(all: Vec<String>) -> AnyView {
    let lines = all
        .into_iter()
        .map(|line| view! { <li>{line}</li> }.into_any())
        .collect_view();
    view! {
        <section class="panel" aria-label="What this cannot tell">
            <div class="panel-head">
                <h2>"What this cannot tell"</h2>
            </div>
            <ul class="panel-body list-disc pl-8 text-sm text-muted">{lines}</ul>
        </section>
    }
    .into_any()
}
