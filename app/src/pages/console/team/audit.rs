//! `/console/audit`: who changed what, when, from where; and whether the log was tampered with.

use apiverse_contract::audit::AuditQuery;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::format;
use crate::rpc::load_with;
use crate::rpc::team::{
    AuditChange, AuditEntry, AuditFact, AuditFn, AuditPage, ChainFn, ChainQuery, ChainShown,
};
use crate::ui::badge::pill;
use crate::ui::code::mono_copy;
use crate::ui::dynamic::{dynamic, when};
use crate::ui::filter_form::{choice, filter_form, range, search_field};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::time::ago;
use crate::urlencoded::query;

const PATH: &str = "/console/audit";

/// What lines are about, as the log names it, and for people.
const TARGETS: [(&str, &str); 16] = [
    ("organization", "Organization"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("user", "Accounts and sign-ins"),
    ("session", "Sessions"),
    ("api", "APIs"),
    ("route", "Routes"),
    ("version", "Versions"),
    ("api_key", "API keys"),
    ("access_token", "Access tokens"),
    ("service_account", "Service accounts"),
    ("price_rule", "Price rules"),
    ("budget", "Budgets"),
    ("finding", "Insights"),
    ("mute", "Mutes"),
    ("suppression", "Addresses without messages"),
];

/// What the address asks for.
#[derive(Clone, Default, PartialEq)]
struct Filter {
    q: String,
    target: String,
    from: String,
    to: String,
    cursor: String,
}

impl Filter {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        Self {
            q: text("q"),
            target: text("about"),
            from: text("from"),
            to: text("to"),
            cursor: text("cursor"),
        }
    }

    fn query(&self) -> AuditQuery {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        AuditQuery {
            q: some(&self.q),
            target_type: some(&self.target),
            from: format::parse_minute(&self.from),
            to: format::parse_minute(&self.to),
            cursor: some(&self.cursor),
            ..AuditQuery::default()
        }
    }

    /// For links to the same lines.
    fn pairs(&self) -> Vec<(&str, &str)> {
        vec![
            ("q", self.q.as_str()),
            ("about", self.target.as_str()),
            ("from", self.from.as_str()),
            ("to", self.to.as_str()),
        ]
    }

    /// The export of the same lines.
    fn export(&self, format: &str) -> String {
        let time = |text: &str| {
            format::parse_minute(text)
                .map(format::iso)
                .unwrap_or_default()
        };
        let (from, to) = (time(&self.from), time(&self.to));
        let pairs = [
            ("q", self.q.trim()),
            ("target_type", self.target.as_str()),
            ("from", from.as_str()),
            ("to", to.as_str()),
            ("format", format),
        ];
        format!("/api/v1/audit/export{}", query(&pairs))
    }

    fn is_narrow(&self) -> bool {
        self.pairs().iter().any(|(_, value)| !value.is_empty())
    }
}

pub fn audit() -> AnyView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(Filter::read));
    let check = Memo::new(move |_| map.with(|map| map.get_str("verify").is_some()));
    let chained = load_with(move || {
        let input = ChainQuery { check: check.get() };
        Some(ChainFn { input })
    });
    let data = load_with(move || {
        let input = filter.with(Filter::query);
        Some(AuditFn { input })
    });
    let exports = move || {
        let (csv, json) = filter.with(|filter| (filter.export("csv"), filter.export("json")));
        view! {
            <div class="flex gap-2">
                <a class="btn btn-outline btn-sm" href=csv rel="external" download="">
                    {icon(icondata_lu::LuDownload.data)}
                    "CSV"
                </a>
                <a class="btn btn-outline btn-sm" href=json rel="external" download="">
                    {icon(icondata_lu::LuDownload.data)}
                    "JSON"
                </a>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="page">
            {page_head("Audit log", dynamic(exports))} {load(chained, skeleton::rows, chain)}
            {dynamic(move || filters(&filter.get()))}
            {load(data, skeleton::table, move |page| lines(page, &filter.get_untracked()))}
        </div>
    }
    .into_any()
}

fn filters(filter: &Filter) -> AnyView {
    let targets = TARGETS
        .into_iter()
        .map(|(value, name)| (value.to_owned(), name.to_owned()))
        .collect();
    let fields = view! {
        {search_field("q", "Who, what, id or address", &filter.q)}
        {choice("about", "About", "Everything", targets, &filter.target)}
        {range(when_words(filter), shown(&filter.from), shown(&filter.to))}
        {when(filter.is_narrow(), || {
            view! {
                <a class="btn btn-ghost btn-sm font-normal" href=PATH>
                    {icon(icondata_lu::LuX.data)}
                    "Clear"
                </a>
            }
                .into_any()
        })}
    }
    .into_any();
    filter_form(PATH, fields)
}

/// What the field of a range shows: an address may have it in UTC.
fn shown(text: &str) -> String {
    format::parse_minute(text).map_or_else(String::new, format::local_minute)
}

fn when_words(filter: &Filter) -> String {
    let shown = |text: &str| format::parse_minute(text).map(format::stamp);
    match (shown(&filter.from), shown(&filter.to)) {
        (None, None) => "Any time".to_owned(),
        (Some(from), None) => format!("Since {from}"),
        (None, Some(to)) => format!("Before {to}"),
        (Some(from), Some(to)) => format!("{from} – {to}"),
    }
}

/// Whether the log is whole: checked when asked, since every line is read for it.
fn chain(checked: Option<ChainShown>) -> AnyView {
    if let Some(chain) = checked {
        return view! { <section class="panel" aria-label="Chain">{verdict(chain)}</section> }
            .into_any();
    }
    view! {
        <section class="panel flex flex-wrap items-center gap-3 px-4 py-3" aria-label="Chain">
            <span class="flex text-muted">{icon(icondata_lu::LuLink.data)}</span>
            <p class="min-w-0 grow basis-64 text-sm text-muted">
                "Each line holds a hash over itself and the line before. A check reads them all again: a line that was \
                 changed, put in or taken out breaks the chain."
            </p>
            <a class="btn btn-outline btn-sm" href="/console/audit?verify=1">
                "Check the chain"
            </a>
        </section>
    }
    .into_any()
}

fn verdict(chain: ChainShown) -> AnyView {
    let lines = format::plural(chain.lines.unsigned_abs(), "line", "lines");
    let before = when(chain.unchained > 0, || {
        let count = format::plural(chain.unchained.unsigned_abs(), "line is", "lines are");
        view! { <p class="text-sm text-muted">{format!("{count} from before there were chains: nothing protects them.")}</p> }
            .into_any()
    });
    let body = if let Some(fault) = chain.fault {
        view! {
            <p class="flex items-center gap-2">
                {pill("pill pill-bad", "Broken")}
                <span class="font-medium">{format!("After {lines}: {fault}.")}</span>
            </p>
            <p class="text-sm text-muted">
                "Somebody changed the database beside APIverse. Compare it with a backup from before, and look for who \
                 had access to it."
            </p>
        }
        .into_any()
    } else {
        let head = chain.head;
        view! {
            <p class="flex flex-wrap items-center gap-2">
                {pill("pill pill-ok", "Verified")}
                <span class="font-medium">{format!("{lines}, none changed, put in or taken out.")}</span>
                <span class="text-sm text-muted">{ago(chain.checked_at)}</span>
            </p>
            {when(!head.is_empty(), || {
                view! {
                    <p class="flex flex-wrap items-center gap-x-2 text-sm text-muted">
                        "Last hash" {mono_copy(head.clone(), format::middle(&head, 12, 8), "last hash")}
                        "Keep it elsewhere: whoever may rewrite the whole database cannot make it come out again."
                    </p>
                }
                    .into_any()
            })}
        }
        .into_any()
    };
    view! { <div class="flex flex-col gap-2 px-4 py-3" role="status">{body} {before}</div> }
        .into_any()
}

fn lines(page: AuditPage, filter: &Filter) -> AnyView {
    let cursor = Some(filter.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let next = page.next_cursor;
    let list = if page.entries.is_empty() {
        nothing(filter.is_narrow())
    } else {
        let rows = page.entries.into_iter().map(entry).collect_view();
        view! { <ol class="divide-y divide-line">{rows}</ol> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Lines">
            {list} {pager(PATH, &filter.pairs(), cursor, next.as_deref())}
        </section>
    }
    .into_any()
}

fn nothing(is_narrow: bool) -> AnyView {
    let (title, words) = if is_narrow {
        ("No line fits", "Take a filter away, or look further back.")
    } else {
        (
            "Nothing yet",
            "Every change and every security event of the organization will be here.",
        )
    };
    view! {
        <div class="empty">
            {icon(icondata_lu::LuScrollText.data)} <p class="font-medium text-ink">{title}</p> <p>{words}</p>
        </div>
    }
    .into_any()
}

fn entry(line: AuditEntry) -> AnyView {
    let target = line.target_id.clone().unwrap_or_default();
    let target_shown = if target.contains('-') {
        format::middle(&target, 8, 4)
    } else {
        target.clone()
    };
    let address = line.ip.clone().unwrap_or_else(|| "–".to_owned());
    // What it is about, by the name the line knows it by.
    let known = line
        .facts
        .iter()
        .find(|fact| matches!(fact.name.as_str(), "name" | "email"));
    let named = line.changes.iter().find(|change| change.field == "name");
    let named = named.and_then(|change| change.after.as_ref().or(change.before.as_ref()));
    let known = known.map(|fact| &fact.value).or(named);
    let subject = match known {
        Some(known) if *known != line.actor => known.clone(),
        _ => line.target_type.replace('_', " "),
    };
    let count = line.changes.len();
    let summary = when(count > 0, || {
        let words = format::plural(count as u64, "field", "fields");
        view! { <span class="pill">{words}</span> }.into_any()
    });
    view! {
        <li>
            <details class="group">
                <summary class="grid cursor-pointer list-none grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-0.5 px-4 py-2 text-sm hover:bg-sunken md:grid-cols-[1rem_minmax(0,14rem)_minmax(0,1fr)_minmax(0,1fr)_minmax(0,8rem)_4.5rem_6rem]">
                    <span class="flex text-muted transition-transform group-open:rotate-90 max-md:hidden">
                        {icon(icondata_lu::LuChevronRight.data)}
                    </span>
                    <span class="mono truncate font-medium">{line.action.clone()}</span>
                    <span class="truncate max-md:col-start-1 max-md:row-start-2">{line.actor.clone()}</span>
                    <span class="truncate text-muted max-md:hidden">{subject}</span>
                    <span class="mono truncate text-muted max-md:hidden">{address.clone()}</span>
                    <span class="max-md:hidden">{summary}</span>
                    <span class="text-right text-muted max-md:col-start-2 max-md:row-start-1">{ago(line.at)}</span>
                </summary>
                <div class="flex flex-col gap-3 px-4 pt-1 pb-4 md:pl-12">
                    {diff(line.changes)} {facts(line.facts)}
                    <dl class="grid gap-x-6 gap-y-1 text-sm sm:grid-cols-[auto_minmax(0,1fr)]">
                        {pair("When", format::stamp(line.at).into_any())}
                        {pair("Who", line.actor.into_any())}
                        {pair(
                            "About",
                            if target.is_empty() {
                                line.target_type.into_any()
                            } else {
                                view! {
                                    <span class="flex flex-wrap items-center gap-x-2">
                                        {line.target_type} {mono_copy(target, target_shown, "id")}
                                    </span>
                                }
                                    .into_any()
                            },
                        )}
                        {pair("From", view! { <span class="mono">{address}</span> }.into_any())}
                        {match line.request_id {
                            Some(id) => {
                                pair("Request", view! { <span class="mono">{id}</span> }.into_any())
                            }
                            None => ().into_any(),
                        }}
                    </dl>
                </div>
            </details>
        </li>
    }
    .into_any()
}

fn pair(name: &'static str, value: AnyView) -> AnyView {
    view! {
        <dt class="text-muted">{name}</dt>
        <dd class="min-w-0 break-words">{value}</dd>
    }
    .into_any()
}

fn facts(facts: Vec<AuditFact>) -> AnyView {
    if facts.is_empty() {
        return ().into_any();
    }
    let rows = facts
        .into_iter()
        .map(|fact| {
            view! {
                <dt class="text-muted">{fact.name}</dt>
                <dd class="min-w-0 break-words">{fact.value}</dd>
            }
            .into_any()
        })
        .collect_view();
    view! { <dl class="grid gap-x-6 gap-y-1 text-sm sm:grid-cols-[auto_minmax(0,1fr)]">{rows}</dl> }
        .into_any()
}

/// What was and what is, side by side: a word beside each colour.
fn diff(changes: Vec<AuditChange>) -> AnyView {
    if changes.is_empty() {
        return ().into_any();
    }
    let rows = changes
        .into_iter()
        .map(|change| {
            let before = change.before.map(|text| {
                view! { <del class="rounded-sm bg-bad-soft px-1 text-bad no-underline">{text}</del> }.into_any()
            });
            let after = change.after.map(|text| {
                view! { <ins class="rounded-sm bg-ok-soft px-1 text-ok no-underline">{text}</ins> }.into_any()
            });
            let none = || view! { <span class="text-muted">"nothing"</span> }.into_any();
            view! {
                <tr>
                    <th scope="row" class="mono font-normal">
                        {change.field}
                    </th>
                    <td class="mono break-all whitespace-normal">{before.unwrap_or_else(none)}</td>
                    <td class="mono break-all whitespace-normal">{after.unwrap_or_else(none)}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="table-scroll rounded-box border border-line" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Field"</th>
                        <th scope="col">"Before"</th>
                        <th scope="col">"After"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_is_of_what_is_shown() {
        let filter = Filter {
            q: " ada ".to_owned(),
            target: "api".to_owned(),
            from: "2026-11-21T10:00".to_owned(),
            ..Filter::default()
        };
        assert_eq!(
            filter.export("csv"),
            "/api/v1/audit/export?q=ada&target_type=api&from=2026-11-21T10%3A00%3A00Z&format=csv"
        );
        assert_eq!(
            Filter::default().export("json"),
            "/api/v1/audit/export?format=json"
        );
        let query = filter.query();
        assert_eq!(
            (query.q.as_deref(), query.target_type.as_deref()),
            (Some("ada"), Some("api"))
        );
        assert!(filter.is_narrow() && !Filter::default().is_narrow());
    }
}
