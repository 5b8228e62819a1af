//! The application: what is at which address.

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::{Lazy, SsrMode, path};

use crate::ambient;
use crate::areas::{
    self, AlertCreate, AlertEdit, Alerts, ApiCreate, ApiDetail, ApiList, AuditLog, BudgetCreate,
    ConfirmEmail, Costs, Explain, Explorer, ForgotPassword, Insights, Join, KeyCreate, KeyDetail,
    KeyList, Landing, Limits, Live, Login, Members, Message, Notifications, OneCall, Organization,
    OrganizationCreate, Outbox, Plan, Policies, Policy, Register, ReportScheduleCreate,
    ReportScheduleEdit, Reports, ResetPassword, RouteCreate, RouteDetail, RuleCreate, Security,
    ServiceAccounts, Settings, SloCreate, Slos, Targets, Templates, VerifyEmail, VersionCreate,
    VersionDetail,
};
use crate::page_context::{Page, PageSeed};
use crate::pages::console::{layout, overview, usage};
use crate::pages::not_found::not_found;
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
    let seed = PageSeed::shared();
    ambient::set_zone(seed.zone.clone());
    let page = Page::new(seed);
    provide_context(page);
    let toasts = Toasts::new();
    provide_context(toasts);

    areas::load_ahead();
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
                <Route path=path!("/") view={Lazy::<Landing>::new()} ssr=WHOLE />
                <Route path=path!("/login") view={Lazy::<Login>::new()} ssr=WHOLE />
                <Route path=path!("/register") view={Lazy::<Register>::new()} ssr=WHOLE />
                <Route path=path!("/forgot-password") view={Lazy::<ForgotPassword>::new()} ssr=WHOLE />
                <Route path=path!("/verify-email") view={Lazy::<VerifyEmail>::new()} ssr=WHOLE />
                <Route path=path!("/confirm-email") view={Lazy::<ConfirmEmail>::new()} ssr=WHOLE />
                <Route path=path!("/reset-password") view={Lazy::<ResetPassword>::new()} ssr=WHOLE />
                <Route path=path!("/join") view={Lazy::<Join>::new()} ssr=WHOLE />
                <ParentRoute path=path!("/console") view=layout ssr=WHOLE>
                    <Route path=path!("") view=overview ssr=WHOLE />
                    <Route path=path!("apis") view={Lazy::<ApiList>::new()} ssr=WHOLE />
                    <Route path=path!("apis/new") view={Lazy::<ApiCreate>::new()} ssr=WHOLE />
                    <Route path=path!("apis/:id") view={Lazy::<ApiDetail>::new()} ssr=WHOLE />
                    <Route path=path!("apis/:id/routes/new") view={Lazy::<RouteCreate>::new()} ssr=WHOLE />
                    <Route path=path!("apis/:id/routes/:route") view={Lazy::<RouteDetail>::new()} ssr=WHOLE />
                    <Route path=path!("apis/:id/versions/new") view={Lazy::<VersionCreate>::new()} ssr=WHOLE />
                    <Route path=path!("apis/:id/versions/:version") view={Lazy::<VersionDetail>::new()} ssr=WHOLE />
                    <Route path=path!("keys") view={Lazy::<KeyList>::new()} ssr=WHOLE />
                    <Route path=path!("keys/new") view={Lazy::<KeyCreate>::new()} ssr=WHOLE />
                    <Route path=path!("keys/:id") view={Lazy::<KeyDetail>::new()} ssr=WHOLE />
                    <Route path=path!("limits") view={Lazy::<Limits>::new()} ssr=WHOLE />
                    <Route path=path!("policies") view={Lazy::<Policies>::new()} ssr=WHOLE />
                    <Route path=path!("policies/:kind") view={Lazy::<Policy>::new()} ssr=WHOLE />
                    <Route path=path!("usage") view=usage ssr=WHOLE />
                    <Route path=path!("live") view={Lazy::<Live>::new()} ssr=WHOLE />
                    <Route path=path!("costs") view={Lazy::<Costs>::new()} ssr=WHOLE />
                    <Route path=path!("costs/rules/new") view={Lazy::<RuleCreate>::new()} ssr=WHOLE />
                    <Route path=path!("costs/budgets/new") view={Lazy::<BudgetCreate>::new()} ssr=WHOLE />
                    <Route path=path!("alerts") view={Lazy::<Alerts>::new()} ssr=WHOLE />
                    <Route path=path!("alerts/new") view={Lazy::<AlertCreate>::new()} ssr=WHOLE />
                    <Route path=path!("alerts/:id/edit") view={Lazy::<AlertEdit>::new()} ssr=WHOLE />
                    <Route path=path!("slos") view={Lazy::<Slos>::new()} ssr=WHOLE />
                    <Route path=path!("slos/new") view={Lazy::<SloCreate>::new()} ssr=WHOLE />
                    <Route path=path!("reports") view={Lazy::<Reports>::new()} ssr=WHOLE />
                    <Route path=path!("reports/new") view={Lazy::<ReportScheduleCreate>::new()} ssr=WHOLE />
                    <Route path=path!("reports/schedules/:id") view={Lazy::<ReportScheduleEdit>::new()} ssr=WHOLE />
                    <Route path=path!("insights") view={Lazy::<Insights>::new()} ssr=WHOLE />
                    <Route path=path!("explorer") view={Lazy::<Explorer>::new()} ssr=WHOLE />
                    <Route path=path!("explain") view={Lazy::<Explain>::new()} ssr=WHOLE />
                    <Route path=path!("calls/:id") view={Lazy::<OneCall>::new()} ssr=WHOLE />
                    <Route path=path!("plan") view={Lazy::<Plan>::new()} ssr=WHOLE />
                    <Route path=path!("targets/:id") view={Lazy::<Targets>::new()} ssr=WHOLE />
                    <Route path=path!("members") view={Lazy::<Members>::new()} ssr=WHOLE />
                    <Route path=path!("organization") view={Lazy::<Organization>::new()} ssr=WHOLE />
                    <Route path=path!("organization/new") view={Lazy::<OrganizationCreate>::new()} ssr=WHOLE />
                    <Route path=path!("audit") view={Lazy::<AuditLog>::new()} ssr=WHOLE />
                    <Route path=path!("outbox") view={Lazy::<Outbox>::new()} ssr=WHOLE />
                    <Route path=path!("outbox/templates") view={Lazy::<Templates>::new()} ssr=WHOLE />
                    <Route path=path!("outbox/:id") view={Lazy::<Message>::new()} ssr=WHOLE />
                    <Route path=path!("service-accounts") view={Lazy::<ServiceAccounts>::new()} ssr=WHOLE />
                    <Route path=path!("notifications") view={Lazy::<Notifications>::new()} ssr=WHOLE />
                    <Route path=path!("settings") view={Lazy::<Settings>::new()} ssr=WHOLE />
                    <Route path=path!("settings/security") view={Lazy::<Security>::new()} ssr=WHOLE />
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
