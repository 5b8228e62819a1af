//! Insights: what was unusual in the traffic, since when, and what explains it.

use apiverse_contract::insights::{
    CreateMute, FindingMetric, FindingPart, FindingState, FindingView, FindingsQuery, MuteView,
};
use chrono::{DateTime, Duration, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::format;
use crate::forms::Fields;
use crate::page_context::Page;
use crate::rpc::insights::{
    FindingRef, InsightsView, ListFn, MuteFn, MuteRef, NoteFn, ReopenFn, TakeNote, UnmuteFn,
};
use crate::rpc::{Loaded, load_with, send};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::time::ago;
use crate::ui::toast::Toasts;
use crate::urlencoded;

const PATH: &str = "/console/insights";

/// What the address asks for.
#[derive(Clone, Default, PartialEq)]
struct Filter {
    /// A state; empty: all.
    state: String,
    cursor: String,
}

impl Filter {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        Self {
            state: text("state"),
            cursor: text("cursor"),
        }
    }

    fn query(&self) -> FindingsQuery {
        FindingsQuery {
            state: FindingState::parse(&self.state),
            cursor: Some(self.cursor.clone()).filter(|cursor| !cursor.is_empty()),
            limit: Some(20),
            ..FindingsQuery::default()
        }
    }
}

pub fn insights() -> AnyView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(Filter::read));
    let data = load_with(move || {
        let input = filter.with(Filter::query);
        Some(ListFn { input })
    });
    let choices = move || {
        let links = [
            ("", "All"),
            ("open", "Open"),
            ("passed", "Passed"),
            ("level", "New level"),
        ]
        .into_iter()
        .map(|(state, name)| {
            let href = format!("{PATH}{}", urlencoded::query(&[("state", state)]));
            let is_current = filter.with(|filter| filter.state == state);
            view! {
                <a class="tab-link" href=href aria-current=is_current.then_some("true")>
                    {name}
                </a>
            }
            .into_any()
        })
        .collect_view();
        view! {
            <nav class="flex gap-1" aria-label="State">
                {links}
            </nav>
        }
        .into_any()
    };
    view! {
        <div class="page">
            {page_head("Insights", dynamic(choices))}
            <p class="max-w-3xl text-muted">
                "Calls, error rates and latencies that were far from what was expected at that hour of that day, of every API and route."
            </p>
            {load(data, skeleton::table, move |found| content(found, &filter.get_untracked(), data))}
        </div>
    }
    .into_any()
}

type Data = Loaded<InsightsView>;

fn content(found: InsightsView, filter: &Filter, data: Data) -> AnyView {
    let InsightsView {
        findings,
        mutes,
        may_change,
    } = found;
    let next = findings.next_cursor.clone();
    let cursor = Some(filter.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let list = if findings.data.is_empty() {
        nothing(filter)
    } else {
        let rows = findings
            .data
            .into_iter()
            .map(|finding| row(finding, may_change, data))
            .collect_view();
        view! { <ol class="divide-y divide-line">{rows}</ol> }.into_any()
    };
    view! {
        <div class="flex flex-col gap-4">
            <section class="panel" aria-label="Findings">
                {list} {pager(PATH, &[("state", filter.state.as_str())], cursor, next.as_deref())}
            </section>
            {when(!mutes.is_empty(), || muted(mutes, may_change, data))}
        </div>
    }
    .into_any()
}

fn nothing(filter: &Filter) -> AnyView {
    let (title, words) = if filter.state.is_empty() {
        (
            "Nothing unusual",
            "What differs from the days before is listed here, with what explains it. A few hours of calls are needed first.",
        )
    } else {
        ("None of these", "No finding is in this state.")
    };
    view! {
        <div class="empty">
            {icon(icondata_lu::LuLightbulb.data)} <p class="font-medium text-ink">{title}</p> <p>{words}</p>
        </div>
    }
    .into_any()
}

fn row(finding: FindingView, may_change: bool, data: Data) -> AnyView {
    let (class, state) = match finding.state {
        FindingState::Open => ("pill pill-bad", "open"),
        FindingState::Passed => ("pill", "passed"),
        FindingState::Level => ("pill pill-info", "new level"),
    };
    let metric = match finding.metric {
        FindingMetric::Traffic => "Calls",
        FindingMetric::ErrorRate => "Errors",
        FindingMetric::Latency => "Latency",
    };
    let lasted = match finding.ended_at {
        Some(end) => format!(
            "{}, for {}",
            format::stamp(finding.started_at),
            length(end - finding.started_at)
        ),
        None => format!("since {}", format::stamp(finding.started_at)),
    };
    let usage = usage_of(&finding, None);
    let parts = finding
        .parts
        .iter()
        .map(|part| {
            let href = usage_of(&finding, Some(part));
            let name = part
                .name
                .clone()
                .or_else(|| part.id.clone())
                .unwrap_or_else(|| "none".to_owned());
            let words = format!("{} {name}", part.dimension);
            let share = format::decimal(part.share * 100.0, 0);
            view! {
                <li class="flex items-center gap-1.5">
                    <a class="link-quiet" href=href>
                        {words}
                    </a>
                    <span class="text-muted num">{format!("{share} %")}</span>
                </li>
            }
            .into_any()
        })
        .collect_view();
    let known = finding.acknowledged_by.clone().map(|by| {
        let note = finding.note.clone().map(|note| format!(": {note}"));
        view! {
            <p class="text-sm text-muted">
                {format!("{by} knows{}", note.unwrap_or_default())}
            </p>
        }
        .into_any()
    });
    view! {
        <li class="flex flex-col gap-2 px-4 py-3">
            <div class="flex flex-wrap items-center gap-2">
                <span class=class>{state}</span>
                <span class="text-sm text-muted">{metric}</span>
                <span class="text-sm text-muted">{ago(finding.started_at)}</span>
            </div>
            <p class="font-medium">{finding.summary.clone()}</p>
            <p class="text-sm text-muted">
                {lasted} ". " <a class="link-quiet" href=usage>
                    "Usage at that time"
                </a>
            </p>
            {when(!finding.parts.is_empty(), || {
                view! {
                    <div class="flex flex-wrap gap-x-4 gap-y-1 text-sm">
                        <span class="text-muted">"Most of it:"</span>
                        <ul class="flex flex-wrap gap-x-4 gap-y-1">{parts}</ul>
                    </div>
                }
                    .into_any()
            })}
            {known} {when(may_change, || actions(&finding, data))}
        </li>
    }
    .into_any()
}

/// Two hours around a finding, narrowed to where it was.
fn usage_of(finding: &FindingView, part: Option<&FindingPart>) -> String {
    let from = finding.started_at - Duration::hours(1);
    let to = finding.ended_at.unwrap_or(finding.worst_at) + Duration::hours(1);
    let (from, to) = (format::address_minute(from), format::address_minute(to));
    let api = finding.api_id.map(|id| id.to_string()).unwrap_or_default();
    let mut pairs = vec![("from", from.as_str()), ("to", to.as_str()), ("api", &api)];
    let mut route = finding.route.as_deref().unwrap_or_default();
    if let Some(part) = part {
        let id = part.id.as_deref().unwrap_or_default();
        match part.dimension.as_str() {
            "key" => pairs.push(("key", id)),
            "status" => pairs.push(("code", id)),
            "route" => route = id,
            _ => {}
        }
    }
    pairs.push(("route", route));
    format!("/console/usage{}", urlencoded::query(&pairs))
}

/// `40 min`, `3 h`, `2 d`
fn length(length: Duration) -> String {
    match length.num_minutes() {
        minutes @ ..=119 => format!("{minutes} min"),
        minutes @ 120..=2879 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

/// Sends, tells what was done, and shows the page anew.
fn done(data: Data, words: &'static str, sent: Sent) -> Sent {
    let toasts = use_context::<Toasts>();
    Box::pin(async move {
        sent.await?;
        if let Some(toasts) = toasts {
            toasts.show(words);
        }
        data.refetch();
        Ok(())
    })
}

fn actions(finding: &FindingView, data: Data) -> AnyView {
    let id = finding.id;
    let know = if finding.acknowledged_at.is_some() {
        let form = FormState::new("reopen");
        let run = move |_: Fields| -> Sent {
            let input = FindingRef { id };
            done(data, "Taken back", Box::pin(send(ReopenFn { input })))
        };
        view! {
            <form method="post" action=PATH on:submit=form.on_submit(run)>
                {hidden("reopen", id.to_string())}
                {form.button_with_class("Nobody knows any more", "btn btn-ghost btn-xs")}
            </form>
        }
        .into_any()
    } else {
        let form = FormState::new("acknowledge");
        let run = move |fields: Fields| -> Sent {
            let input = TakeNote {
                id,
                note: fields.optional("note"),
            };
            done(data, "Noted", Box::pin(send(NoteFn { input })))
        };
        view! {
            <form method="post" action=PATH class="flex items-center gap-2" on:submit=form.on_submit(run)>
                {hidden("acknowledge", id.to_string())}
                <input
                    type="text"
                    name="note"
                    maxlength="1000"
                    class="input input-xs w-48"
                    aria-label="Note"
                    placeholder="What is known"
                />
                {form.button_with_class("I know", "btn btn-outline btn-xs")}
            </form>
        }
        .into_any()
    };
    let form = FormState::new("mute");
    let api_id = finding.api_id;
    let route = finding.route.clone();
    let metric = finding.metric;
    let now = Page::get().now;
    let fields = (
        api_id.map(|id| id.to_string()).unwrap_or_default(),
        route.clone().unwrap_or_default(),
    );
    let run = move |_: Fields| -> Sent {
        let input = CreateMute {
            api_id,
            route: route.clone(),
            metric: Some(metric),
            until: Some(until(now.get_untracked())),
        };
        done(data, "Muted for a week", Box::pin(send(MuteFn { input })))
    };
    view! {
        <div class="flex flex-wrap items-center gap-2">
            {know}
            {when(!finding.muted, || {
                view! {
                    <form method="post" action=PATH on:submit=form.on_submit(run)>
                        {hidden("mute", String::new())} <input type="hidden" name="api" value=fields.0 />
                        <input type="hidden" name="route" value=fields.1 />
                        <input type="hidden" name="metric" value=metric.as_str() />
                        {form.button_with_class("Mute such for a week", "btn btn-ghost btn-xs")}
                    </form>
                }
                    .into_any()
            })}
        </div>
    }
    .into_any()
}

/// When a mute that a button makes ends.
pub fn until(now: DateTime<Utc>) -> DateTime<Utc> {
    now + Duration::days(7)
}

fn hidden(form: &'static str, id: String) -> AnyView {
    view! {
        <input type="hidden" name="form" value=form />
        <input type="hidden" name="id" value=id />
    }
    .into_any()
}

/// What is not told, and until when.
fn muted(mutes: Vec<MuteView>, may_change: bool, data: Data) -> AnyView {
    let rows = mutes
        .into_iter()
        .map(|mute| {
            let id = mute.id;
            let what = match mute.metric {
                Some(FindingMetric::Traffic) => "Calls",
                Some(FindingMetric::ErrorRate) => "Errors",
                Some(FindingMetric::Latency) => "Latency",
                None => "Everything",
            };
            let place = match (&mute.api_id, &mute.route) {
                (_, Some(route)) => route.clone(),
                (Some(id), None) => format!("API {}", format::middle(&id.to_string(), 8, 4)),
                (None, None) => "every API".to_owned(),
            };
            let until = mute.until.map_or_else(
                || "for ever".to_owned(),
                |at| format!("until {}", format::stamp(at)),
            );
            let form = FormState::new("unmute");
            let run = move |_: Fields| -> Sent {
                let input = MuteRef { id };
                done(data, "Told again", Box::pin(send(UnmuteFn { input })))
            };
            view! {
                <li class="flex items-center gap-3 px-4 py-2.5">
                    <p class="min-w-0 grow text-sm">
                        {format!("{what} of {place}, {until}, by {}", mute.created_by)}
                    </p>
                    {when(may_change, || {
                        view! {
                            <form method="post" action=PATH on:submit=form.on_submit(run)>
                                {hidden("unmute", id.to_string())}
                                {form.button_with_class("Tell again", "btn btn-ghost btn-xs")}
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
        <section class="panel" aria-label="Muted">
            <div class="panel-head">
                <h2>"Muted"</h2>
            </div>
            <ul class="divide-y divide-line">{rows}</ul>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_one_unit() {
        assert_eq!(length(Duration::minutes(40)), "40 min");
        assert_eq!(length(Duration::minutes(200)), "3 h");
        assert_eq!(length(Duration::days(3)), "3 d");
    }
}
