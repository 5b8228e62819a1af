//! Live: calls as they come.

use std::collections::{HashMap, VecDeque};

use apiverse_contract::usage::{CallView, LiveCall, LiveCounters, LiveDropped, StatusClass};
use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use send_wrapper::SendWrapper;

use super::calls::{Columns, Inspector, calls_table};
use super::series::to_f64;
use crate::ambient;
use crate::format;
use crate::rpc::calls::{CallChoices, ChoicesFn};
use crate::rpc::load_with;
use crate::ui::chart::spark;
use crate::ui::dynamic::{dynamic, on, text, when};
use crate::ui::events::{Events, Kept, Said};
use crate::ui::filter_form::{choice, filter_form, named as with_names};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::urlencoded;

const PATH: &str = "/console/live";
/// Calls that are shown; the older ones are on the Usage page.
const ROWS: usize = 100;
/// Seconds that the figures look back.
const SECONDS: usize = 60;

/// Which calls are meant: the address' query, and the stream's too.
#[derive(Clone, Default, PartialEq)]
struct Filter {
    api: String,
    key: String,
    status: String,
    path: String,
}

impl Filter {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        Self {
            api: text("api"),
            key: text("key"),
            status: text("status"),
            path: text("path"),
        }
    }

    fn stream(&self) -> String {
        let status = StatusClass::ALL
            .into_iter()
            .find(|class| class.as_str() == self.status);
        let pairs = [
            ("api_id", self.api.as_str()),
            ("key_id", self.key.as_str()),
            ("status", status.map_or("", StatusClass::as_str)),
            ("path", self.path.as_str()),
        ];
        format!("/api/v1/usage/live{}", urlencoded::query(&pairs))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Lost,
    Ended,
    Paused,
}

/// What came so far. It belongs to the page.
#[derive(Clone, Copy)]
struct Feed {
    state: RwSignal<State>,
    calls: RwSignal<VecDeque<LiveCall>>,
    /// The last seconds, each with its count; the latest at the end.
    seconds: RwSignal<VecDeque<LiveCounters>>,
    /// Calls that the stream did not bring.
    missed: RwSignal<u64>,
    stream: Kept,
}

impl Feed {
    fn new() -> Self {
        Self {
            state: RwSignal::new(State::Connecting),
            calls: RwSignal::new(VecDeque::new()),
            seconds: RwSignal::new(VecDeque::new()),
            missed: RwSignal::new(0),
            stream: StoredValue::new(None),
        }
    }

    fn open(self, filter: &Filter) {
        self.state.set(State::Connecting);
        let names = ["calls", "counters", "dropped", "gap"];
        let events = Events::open(&filter.stream(), &names, move |said| self.hear(said));
        if events.is_none() {
            self.state.set(State::Ended);
        }
        self.stream.set_value(events.map(SendWrapper::new));
    }

    fn hear(self, said: Said) {
        match said {
            Said::Open => self.state.set(State::Open),
            Said::Lost => self.state.set(State::Lost),
            Said::Ended => self.state.set(State::Ended),
            Said::Event("calls", data) => {
                let Ok(new) = ambient::read::<Vec<LiveCall>>(&data) else {
                    return;
                };
                self.calls.update(|calls| {
                    for call in new {
                        calls.push_front(call);
                    }
                    calls.truncate(ROWS);
                });
            }
            Said::Event("counters", data) => {
                let Ok(counters) = ambient::read::<LiveCounters>(&data) else {
                    return;
                };
                self.seconds.update(|seconds| {
                    seconds.push_back(counters);
                    if seconds.len() > SECONDS {
                        seconds.pop_front();
                    }
                });
            }
            Said::Event("dropped", data) => {
                if let Ok(dropped) = ambient::read::<LiveDropped>(&data) {
                    self.missed.update(|missed| *missed += dropped.calls);
                }
            }
            // Calls while the stream was away for long: how many is not known.
            Said::Event(..) => {}
        }
    }
}

pub fn live() -> AnyView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(Filter::read));
    let feed = Feed::new();
    let inspector = Inspector::new();
    Effect::new(move |_| {
        let filter = filter.get();
        feed.calls.set(VecDeque::new());
        feed.seconds.set(VecDeque::new());
        feed.missed.set(0);
        feed.open(&filter);
    });
    // Those that leave out what a role does not see: who looks after the bills may watch calls.
    let choices = load_with(|| Some(ChoicesFn {}));
    view! {
        <div class="page">
            {page_head("Live", indicator(feed, filter))}
            <noscript inner_html=r#"<p class="alert">Live needs JavaScript. The page Usage has the same calls two seconds later.</p>"#></noscript>
            {load(choices, skeleton::dashboard, move |choices| {
                content(&choices, &filter.get_untracked(), feed, inspector)
            })} {inspector.view()}
        </div>
    }
    .into_any()
}

/// Whether it runs, and a button to hold it.
fn indicator(feed: Feed, filter: Memo<Filter>) -> AnyView {
    let shown = move || {
        let (class, words) = match feed.state.get() {
            State::Connecting => ("dot", "Connecting"),
            State::Open => ("dot dot-ok motion-safe:animate-pulse", "Live"),
            State::Lost => ("dot dot-warn", "Lost, trying again"),
            State::Ended => ("dot dot-bad", "Ended: load the page again"),
            State::Paused => ("dot dot-info", "Paused"),
        };
        view! {
            <span class="flex items-center gap-2 text-sm" role="status">
                <span class=class aria-hidden="true"></span>
                {words}
            </span>
        }
        .into_any()
    };
    let hold = move |_: MouseEvent| {
        if feed.state.get_untracked() == State::Paused {
            feed.open(&filter.get_untracked());
        } else {
            feed.stream.set_value(None);
            feed.state.set(State::Paused);
        }
    };
    let words = move || {
        if feed.state.get() == State::Paused {
            "Go on".to_owned()
        } else {
            "Pause".to_owned()
        }
    };
    view! {
        <div class="flex items-center gap-3">
            {dynamic(shown)}
            <button type="button" class="btn btn-outline btn-sm" on:click=on(hold)>
                {text(words)}
            </button>
        </div>
    }
    .into_any()
}

fn content(choices: &CallChoices, filter: &Filter, feed: Feed, inspector: Inspector) -> AnyView {
    let names: HashMap<String, String> = choices
        .apis
        .iter()
        .chain(&choices.keys)
        .map(|named| (named.id.clone(), named.name.clone()))
        .collect();
    let list = move || {
        let calls: Vec<CallView> = feed
            .calls
            .with(|calls| calls.iter().map(|call| named(call, &names)).collect());
        if calls.is_empty() {
            waiting()
        } else {
            calls_table(calls, Columns::default(), inspector)
        }
    };
    let missed = move || {
        let missed = feed.missed.get();
        when(missed > 0, || {
            view! {
                <p class="border-b border-line px-4 py-2 text-sm text-muted">
                    {format!("{} more came than are shown here.", format::plural(missed, "call", "calls"))}
                </p>
            }
            .into_any()
        })
    };
    view! {
        <div class="flex flex-col gap-4">
            {filters(choices, filter)} {dynamic(move || figures(&feed.seconds.get()))}
            <section class="panel" aria-label="Calls">
                <div class="panel-head">
                    <h2>"Calls"</h2>
                    <span class="text-sm text-muted">{format!("The latest {ROWS}")}</span>
                </div>
                {dynamic(missed)} {dynamic(list)}
            </section>
        </div>
    }
    .into_any()
}

fn named(call: &LiveCall, names: &HashMap<String, String>) -> CallView {
    let name = |id: Option<String>| id.and_then(|id| names.get(&id).cloned());
    CallView {
        id: call.id,
        request_id: call.request_id.clone(),
        started_at: call.started_at,
        api_id: call.api_id,
        api_name: name(call.api_id.map(|id| id.to_string())),
        key_id: call.key_id,
        key_name: name(call.key_id.map(|id| id.to_string())),
        version_id: call.version_id,
        route_id: call.route_id,
        cache: call.cache,
        method: call.method.clone(),
        path: call.path.clone(),
        status: call.status,
        latency_ms: call.latency_ms,
        upstream_ms: call.upstream_ms,
        bytes_in: call.bytes_in,
        bytes_out: call.bytes_out,
        tokens: None,
        error_code: call.error_code.clone(),
        cost: None,
    }
}

/// Rates over the last seconds, each with its line.
fn figures(seconds: &VecDeque<LiveCounters>) -> AnyView {
    let rate = |value: fn(&LiveCounters) -> u64| {
        let sum: u64 = seconds.iter().map(value).sum();
        to_f64(sum) / to_f64(seconds.len().max(1) as u64)
    };
    let line = |value: fn(&LiveCounters) -> u64, class: &'static str| {
        let missing = SECONDS.saturating_sub(seconds.len());
        let values: Vec<Option<f64>> = std::iter::repeat_n(None, missing)
            .chain(seconds.iter().map(|second| Some(to_f64(value(second)))))
            .collect();
        spark(&values, class)
    };
    let sums = seconds.iter().fold((0, 0), |(errors, calls), second| {
        (errors + second.errors, calls + second.calls)
    });
    let figure = |label: &'static str, value: String, line: String| {
        view! {
            <div class="flex min-w-0 flex-col gap-0.5 bg-surface px-4 py-3">
                <p class="stat-label">{label}</p>
                <p class="stat-figure-value">{value}</p>
                <div class="mt-1.5 h-6" inner_html=line></div>
            </div>
        }
        .into_any()
    };
    let bytes = |second: &LiveCounters| second.bytes_in + second.bytes_out;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate of bytes is not negative, and shown with three digits"
    )]
    let transferred = format::bytes(rate(bytes) as u64);
    view! {
        <section
            aria-label="The last minute"
            class="grid grid-cols-2 gap-px overflow-hidden rounded-box border border-line bg-line lg:grid-cols-4"
        >
            {figure(
                "Calls a second",
                format::compact(rate(|second| second.calls)),
                line(|second| second.calls, "stroke-chart-1"),
            )}
            {figure("Error rate", format::percent(sums.0, sums.1), line(|second| second.errors, "stroke-chart-5xx"))}
            {figure(
                "Refused a second",
                format::compact(rate(|second| second.refused)),
                line(|second| second.refused, "stroke-chart-4xx"),
            )}
            {figure("Transferred a second", transferred, line(bytes, "stroke-chart-5"))}
        </section>
    }
    .into_any()
}

fn waiting() -> AnyView {
    view! {
        <div class="empty">
            {icon(icondata_lu::LuRadio.data)} <p class="font-medium text-ink">"Waiting for calls"</p>
            <p>"What comes through the gateway from now on appears here within a second."</p>
            <a class="btn btn-outline btn-sm" href="/console/explorer">
                "Send one from the Explorer"
            </a>
        </div>
    }
    .into_any()
}

/// As on the Usage page.
fn filters(choices: &CallChoices, filter: &Filter) -> AnyView {
    let classes = StatusClass::ALL
        .into_iter()
        .map(|class| (class.as_str().to_owned(), class.as_str().to_owned()))
        .collect();
    let fields = view! {
        {choice("api", "API", "All APIs", with_names(&choices.apis), &filter.api)}
        {choice("key", "Key", "All keys", with_names(&choices.keys), &filter.key)}
        {choice("status", "Status", "Every status", classes, &filter.status)}
        <label class="flex w-full flex-col gap-1 sm:w-auto">
            <span class="text-xs text-muted">"Path has"</span>
            <input type="search" name="path" class="input input-sm mono w-full sm:w-44" value=filter.path.clone() />
        </label>
    }
    .into_any();
    filter_form(PATH, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_asked_for_what_the_page_shows() {
        let filter = Filter {
            api: "0193a000-0000-7000-8000-000000000001".to_owned(),
            status: "5xx".to_owned(),
            path: "/a b".to_owned(),
            ..Filter::default()
        };
        assert_eq!(
            filter.stream(),
            "/api/v1/usage/live?api_id=0193a000-0000-7000-8000-000000000001&status=5xx&path=%2Fa%20b"
        );
        let stale = Filter {
            status: "teapot".to_owned(),
            ..Filter::default()
        };
        assert_eq!(stale.stream(), "/api/v1/usage/live");
    }
}
