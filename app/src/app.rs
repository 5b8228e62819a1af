//! The application: what is at which address.

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::SsrMode;
use leptos_router::components::{ParentRoute, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::path;

use crate::ambient;
use crate::page_context::{Page, PageSeed};
use crate::pages::console::{apis, explorer, keys, layout, limits, overview, settings, usage};
use crate::pages::not_found::not_found;
use crate::pages::public::{landing, login, register};
use crate::ui::toast::{Toasts, region};

/// How often "5 s ago" is counted anew.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// Every page waits for its data on the server, so that the first paint is the real thing, and the
/// page is whole without a script.
const WHOLE: SsrMode = SsrMode::Async;

/// The root of the console, the same on the server and in the browser.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let page = Page::new(PageSeed::shared());
    provide_context(page);
    let toasts = Toasts::new();
    provide_context(toasts);

    Effect::new(move |_| {
        let clock = set_interval_with_handle(move || page.now.set(ambient::now()), CLOCK_STEP);
        if let Ok(clock) = clock {
            on_cleanup(move || clock.clear());
        }
    });

    view! {
        <Title formatter=|title: String| {
            if title.is_empty() { "APIverse".to_owned() } else { format!("{title} · APIverse") }
        } />
        <Router>
            {forget_flash_on_leaving(page)}
            <Routes fallback=not_found>
                <Route path=path!("/") view=landing ssr=WHOLE />
                <Route path=path!("/login") view=login ssr=WHOLE />
                <Route path=path!("/register") view=register ssr=WHOLE />
                <ParentRoute path=path!("/console") view=layout ssr=WHOLE>
                    <Route path=path!("") view=overview ssr=WHOLE />
                    <Route path=path!("apis") view=apis::list ssr=WHOLE />
                    <Route path=path!("apis/new") view=apis::create ssr=WHOLE />
                    <Route path=path!("apis/:id") view=apis::detail ssr=WHOLE />
                    <Route path=path!("keys") view=keys::list ssr=WHOLE />
                    <Route path=path!("keys/new") view=keys::create ssr=WHOLE />
                    <Route path=path!("keys/:id") view=keys::detail ssr=WHOLE />
                    <Route path=path!("limits") view=limits ssr=WHOLE />
                    <Route path=path!("usage") view=usage ssr=WHOLE />
                    <Route path=path!("explorer") view=explorer ssr=WHOLE />
                    <Route path=path!("settings") view=settings ssr=WHOLE />
                </ParentRoute>
            </Routes>
        </Router>
        {region(toasts)}
    }
}

/// The answer to a plain post belongs to the page that was posted to.
fn forget_flash_on_leaving(page: Page) -> AnyView {
    let pathname = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let path = pathname.get();
        if before.is_some_and(|before| before != path) {
            page.forget_flash();
        }
        path
    });
    ().into_any()
}
