//! The frame: navigation on the left, the organization and the user on top.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;

use crate::browser;
use crate::page_context::Page;
use crate::pages::public::brand;
use crate::ui::dynamic::{changing, on, text};
use crate::ui::icon::icon;
use crate::ui::theme::theme_toggle;

struct Entry {
    href: &'static str,
    name: &'static str,
    icon: &'static str,
}

struct Group {
    name: &'static str,
    entries: &'static [Entry],
}

/// Only what exists has an entry.
static GROUPS: [Group; 3] = [
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
                href: "/console/explain",
                name: "Explain",
                icon: icondata_lu::LuListTree.data,
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

fn navigation(in_sheet: bool) -> AnyView {
    let groups = GROUPS
        .iter()
        .map(|group| {
            let entries = group
                .entries
                .iter()
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
    let me = Page::get().me;
    let organization = move || {
        me.with(|me| {
            me.as_ref()
                .map_or_else(String::new, |me| me.organization.clone())
        })
    };
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
            <span class="flex min-w-0 items-center gap-2 font-medium">
                <span class="flex text-muted">{icon(icondata_lu::LuBuilding2.data)}</span>
                <span class="truncate">{text(organization)}</span>
            </span>
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
