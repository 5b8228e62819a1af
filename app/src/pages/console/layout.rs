//! The frame: navigation on the left, the organization and the user on top.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;

use crate::browser;
use crate::page_context::Page;
use crate::pages::public::brand;
use crate::ui::dynamic::{changing, on, text, when};
use crate::ui::icon::icon;
use crate::ui::theme::theme_toggle;

pub struct Entry {
    pub href: &'static str,
    name: &'static str,
    icon: &'static str,
}

pub struct Group {
    name: &'static str,
    pub entries: &'static [Entry],
}

/// Only what exists has an entry, and a role sees those it may open.
pub static GROUPS: [Group; 4] = [
    Group {
        name: "",
        entries: &[
            Entry {
                href: "/console",
                name: "Overview",
                icon: icondata_lu::LuLayoutDashboard.data,
            },
            Entry {
                href: "/console/live",
                name: "Live",
                icon: icondata_lu::LuRadio.data,
            },
        ],
    },
    Group {
        name: "Build",
        entries: &[
            Entry {
                href: "/console/apis",
                name: "APIs",
                icon: icondata_lu::LuWaypoints.data,
            },
            Entry {
                href: "/console/keys",
                name: "Keys",
                icon: icondata_lu::LuKeyRound.data,
            },
            Entry {
                href: "/console/limits",
                name: "Limits",
                icon: icondata_lu::LuGauge.data,
            },
            Entry {
                href: "/console/policies",
                name: "Policies",
                icon: icondata_lu::LuListChecks.data,
            },
            Entry {
                href: "/console/explorer",
                name: "Explorer",
                icon: icondata_lu::LuSquareTerminal.data,
            },
        ],
    },
    Group {
        name: "Observe",
        entries: &[
            Entry {
                href: "/console/usage",
                name: "Usage",
                icon: icondata_lu::LuChartColumn.data,
            },
            Entry {
                href: "/console/costs",
                name: "Costs",
                icon: icondata_lu::LuCoins.data,
            },
            Entry {
                href: "/console/insights",
                name: "Insights",
                icon: icondata_lu::LuLightbulb.data,
            },
            Entry {
                href: "/console/alerts",
                name: "Alerts",
                icon: icondata_lu::LuBell.data,
            },
            Entry {
                href: "/console/slos",
                name: "Objectives",
                icon: icondata_lu::LuTarget.data,
            },
            Entry {
                href: "/console/reports",
                name: "Reports",
                icon: icondata_lu::LuNewspaper.data,
            },
            Entry {
                href: "/console/explain",
                name: "Explain",
                icon: icondata_lu::LuListTree.data,
            },
        ],
    },
    Group {
        name: "Team",
        entries: &[
            Entry {
                href: "/console/members",
                name: "Members",
                icon: icondata_lu::LuUsers.data,
            },
            Entry {
                href: "/console/service-accounts",
                name: "Service accounts",
                icon: icondata_lu::LuBot.data,
            },
            Entry {
                href: "/console/audit",
                name: "Audit log",
                icon: icondata_lu::LuScrollText.data,
            },
            Entry {
                href: "/console/outbox",
                name: "Outbox",
                icon: icondata_lu::LuMailbox.data,
            },
            Entry {
                href: "/console/organization",
                name: "Organization",
                icon: icondata_lu::LuBuilding2.data,
            },
        ],
    },
];

static SETTINGS: Entry = Entry {
    href: "/console/settings",
    name: "Settings",
    icon: icondata_lu::LuSettings.data,
};

pub fn layout() -> AnyView {
    Effect::new(|_| {
        let handle = window_event_listener(leptos::ev::click, |ev| {
            browser::close_menus_except(ev.target());
        });
        on_cleanup(move || handle.remove());
    });
    view! {
        <a class="skip-link" href="#main" rel="external">
            "Skip to content"
        </a>
        <div class="flex min-h-dvh">
            <div class="hidden w-14 shrink-0 border-r border-line bg-surface md:block lg:w-56">
                <div class="sticky top-0 flex h-dvh flex-col">
                    <a
                        class="flex h-12 shrink-0 items-center overflow-hidden px-4 max-lg:[&>span]:text-[0px]"
                        href="/console"
                        aria-label="APIverse, overview"
                    >
                        {brand()}
                    </a>
                    <nav aria-label="Main" class="flex grow flex-col overflow-y-auto px-2 pb-3">
                        {navigation(false)}
                    </nav>
                </div>
            </div>
            <div class="flex min-w-0 grow flex-col">
                {top_bar()}
                <main id="main" tabindex="-1" class="min-w-0 grow outline-none">
                    <Outlet />
                </main>
            </div>
        </div>
        <div
            id="sheet"
            popover="auto"
            class="m-0 h-dvh max-h-none w-64 border-r border-line bg-surface p-2 text-ink shadow-float backdrop:bg-scrim"
        >
            <div class="flex h-12 items-center px-2">{brand()}</div>
            <nav aria-label="Main" class="flex flex-col">
                {navigation(true)}
            </nav>
        </div>
    }
    .into_any()
}

/// The permission without which a page of the navigation shows nothing; empty: every role has it.
pub fn needs(href: &str) -> &'static str {
    match href {
        "/console/apis" | "/console/limits" | "/console/policies" => "apis:read",
        "/console/keys" | "/console/explorer" | "/console/explain" => "keys:read",
        "/console/audit" => "audit:read",
        "/console/outbox" => "outbox:read",
        _ => "",
    }
}

fn navigation(in_sheet: bool) -> AnyView {
    let me = Page::get().me.get_untracked();
    let sees = |entry: &&Entry| {
        let needs = needs(entry.href);
        needs.is_empty() || me.as_ref().is_none_or(|me| me.may(needs))
    };
    let groups = GROUPS
        .iter()
        .filter(|group| group.entries.iter().any(|entry| sees(&entry)))
        .map(|group| {
            let entries = group
                .entries
                .iter()
                .filter(sees)
                .map(|entry| item(entry, in_sheet))
                .collect_view();
            view! {
                {(!group.name.is_empty())
                    .then(|| {
                        let class = if in_sheet { "nav-group" } else { "nav-group max-lg:invisible" };
                        view! { <p class=class>{group.name}</p> }.into_any()
                    })}
                <ul class="flex flex-col gap-0.5">{entries}</ul>
            }
            .into_any()
        })
        .collect_view();
    view! {
        {groups}
        <ul class="mt-auto flex flex-col gap-0.5 pt-3">{item(&SETTINGS, in_sheet)}</ul>
    }
    .into_any()
}

fn item(entry: &'static Entry, in_sheet: bool) -> AnyView {
    let pathname = use_location().pathname;
    let current = move || {
        pathname.with(|path| {
            let path = path.trim_end_matches('/');
            let below = entry.href != "/console"
                && path
                    .strip_prefix(entry.href)
                    .is_some_and(|rest| rest.starts_with('/'));
            (path == entry.href || below).then(|| "page".to_owned())
        })
    };
    // In the narrow rail the name is there for those who do not see the icon, and as a tooltip.
    let label = if in_sheet { "" } else { "max-lg:sr-only" };
    view! {
        <li>
            <a
                class="nav-item"
                href=entry.href
                title=(!in_sheet).then_some(entry.name)
                aria-current=changing(current)
                on:click=on(move |_: MouseEvent| {
                    if in_sheet {
                        browser::close_popover("sheet");
                    }
                })
            >
                {icon(entry.icon)}
                <span class=label>{entry.name}</span>
            </a>
        </li>
    }
    .into_any()
}

fn top_bar() -> AnyView {
    view! {
        <header class="sticky top-0 z-20 flex h-12 shrink-0 items-center gap-2 border-b border-line bg-surface px-3 md:px-6">
            <button
                type="button"
                class="btn btn-ghost btn-sm btn-square md:hidden"
                aria-label="Menu"
                popovertarget="sheet"
            >
                {icon(icondata_lu::LuMenu.data)}
            </button>
            {switcher()}
            <div class="ml-auto flex items-center gap-1">
                <a
                    class="btn btn-ghost btn-sm hidden font-normal sm:inline-flex"
                    href="/api/docs"
                    rel="external"
                >
                    "API reference"
                </a>
                {theme_toggle()}
                {user_menu()}
            </div>
        </header>
    }
    .into_any()
}

/// The organization one acts in, and the way to the others. A post of its own, with a script or
/// without: everything on the page belongs to one organization.
fn switcher() -> AnyView {
    let me = Page::get().me.get_untracked().unwrap_or_default();
    let label = format!("Organization {}: switch", me.organization);
    let rows = me
        .organizations
        .into_iter()
        .map(|one| {
            let is_current = one.id == me.organization_id;
            view! {
                <button
                    type="submit"
                    name="id"
                    value=one.id
                    class="nav-item w-full cursor-pointer text-left"
                    aria-current=is_current.then_some("true")
                >
                    <span class="min-w-0 grow truncate">{one.name}</span>
                    {when(is_current, || icon(icondata_lu::LuCheck.data))}
                </button>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <details class="dropdown -ml-2 min-w-0" data-menu="">
            <summary class="btn btn-ghost btn-sm max-w-full min-w-0 flex-nowrap px-2" aria-label=label>
                <span class="flex text-muted">{icon(icondata_lu::LuBuilding2.data)}</span>
                <span class="truncate">{me.organization}</span>
                <span class="flex text-muted">{icon(icondata_lu::LuChevronsUpDown.data)}</span>
            </summary>
            <div class="dropdown-content z-30 mt-1 flex w-64 flex-col p-1.5">
                <form method="post" action="/console/organization" class="max-h-72 overflow-y-auto">
                    <input type="hidden" name="form" value="switch" />
                    {rows}
                </form>
                <a class="nav-item mt-1 border-t border-line" href="/console/organization/new">
                    {icon(icondata_lu::LuPlus.data)}
                    "New organization"
                </a>
            </div>
        </details>
    }
    .into_any()
}

fn user_menu() -> AnyView {
    let me = Page::get().me;
    let email = move || me.with(|me| me.as_ref().map_or_else(String::new, |me| me.email.clone()));
    let name = move || {
        me.with(|me| {
            me.as_ref().map_or_else(String::new, |me| {
                me.full_name.clone().unwrap_or_else(|| me.email.clone())
            })
        })
    };
    let initial = move || {
        name()
            .chars()
            .next()
            .map_or_else(String::new, |c| c.to_ascii_uppercase().to_string())
    };
    view! {
        <details class="dropdown dropdown-end" data-menu="">
            <summary class="btn btn-ghost btn-sm btn-square" aria-label="User menu">
                <span class="flex size-6 items-center justify-center rounded-full bg-accent-soft text-xs font-semibold text-accent-ink">
                    {text(initial)}
                </span>
            </summary>
            <div class="dropdown-content z-30 mt-1 flex w-60 flex-col p-1.5">
                <div class="min-w-0 px-2.5 pt-1.5 pb-2">
                    <p class="truncate font-medium">{text(name)}</p>
                    <p class="truncate text-sm text-muted">{text(email)}</p>
                </div>
                <a class="nav-item" href="/console/settings">
                    {icon(icondata_lu::LuSettings.data)}
                    "Settings"
                </a>
                <form method="post" action="/sign-out">
                    <button type="submit" class="nav-item w-full cursor-pointer">
                        {icon(icondata_lu::LuLogOut.data)}
                        "Sign out"
                    </button>
                </form>
            </div>
        </details>
    }
    .into_any()
}
