//! Parts of the console whose code is fetched when they are first gone to, so that a visitor
//! downloads what they look at and not the whole console (docs/decisions/0006).
//!
//! What a first visit shows (the frame, Overview, Usage) stays in the main module. The rest is split
//! by area and not by page: the splitter makes a file for every combination of areas that share
//! code, and a file for every page would be hundreds of them.

use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_router::LazyRoute;
use leptos_router::hooks::use_url;

use crate::browser;
use crate::pages::console::{
    alerts, apis, costs, explain, explorer, insights, keys, limits, live, plan, policies, reports,
    security, settings, targets, team,
};
use crate::pages::public::{
    confirm_email, forgot_password, join, landing, login, register, reset_password, verify_email,
};

/// Declares an area: its pages, what draws each, and a route type for each.
macro_rules! area {
    ($(#[$doc:meta])* $show:ident, $load:ident, $area:ident { $($page:ident => $draw:path,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        enum $area {
            $($page,)*
        }

        // One function for an area: all that it draws is in its file.
        #[wasm_split($area, wasm_split_path = ::leptos::wasm_split, preload($load), fallible)]
        fn $show(page: $area) -> Result<AnyView, SplitLoaderError> {
            Ok(match page {
                $($area::$page => $draw(),)*
            })
        }

        $(
            pub struct $page;

            impl LazyRoute for $page {
                fn data() -> Self {
                    Self
                }

                async fn preload() {
                    let url = use_url().get_untracked();
                    if $load().await.is_err() {
                        go_there_anew(&format!("{}{}", url.path(), query(url.search()))).await;
                    }
                }

                async fn view(_: Self) -> AnyView {
                    match $show($area::$page).await {
                        Ok(view) => view,
                        // It was loaded before the route was entered.
                        Err(_) => ().into_any(),
                    }
                }
            }
        )*
    };
}

area! {
    /// What is seen without signing in.
    show_public, load_public, Public {
        Landing => landing,
        Login => login,
        Register => register,
        ForgotPassword => forgot_password,
        VerifyEmail => verify_email,
        ConfirmEmail => confirm_email,
        ResetPassword => reset_password,
        Join => join,
    }
}

area! {
    /// What is registered and handed out, and what is allowed.
    show_catalogue, load_catalogue, Catalogue {
        ApiList => apis::list,
        ApiCreate => apis::create,
        ApiDetail => apis::detail,
        RouteCreate => apis::create_route,
        RouteDetail => apis::route,
        VersionCreate => apis::create_version,
        VersionDetail => apis::version,
        KeyList => keys::list,
        KeyCreate => keys::create,
        KeyDetail => keys::detail,
        Limits => limits,
        Policies => policies::policies,
        Policy => policies::policy,
    }
}

area! {
    /// Trying out and setting up.
    show_bench, load_bench, Bench {
        Explorer => explorer,
        Explain => explain::ask,
        OneCall => explain::one,
        Plan => plan::plan,
        Targets => targets::targets,
        Settings => settings,
        Security => security,
    }
}

area! {
    /// Watching what goes on.
    show_watch, load_watch, Watch {
        Live => live::live,
        Insights => insights::insights,
        Costs => costs::costs,
        RuleCreate => costs::create_rule,
        BudgetCreate => costs::create_budget,
    }
}

area! {
    /// Who works in the organization, and what was done.
    show_team, load_team, Team {
        Members => team::members,
        Organization => team::organization,
        OrganizationCreate => team::create,
        AuditLog => team::audit,
        Outbox => team::outbox,
        Message => team::message,
        Templates => team::templates,
        ServiceAccounts => team::service_accounts,
        Notifications => team::preferences,
    }
}

area! {
    /// What is promised, and when somebody is told.
    show_promises, load_promises, Promises {
        Alerts => alerts::alerts,
        AlertCreate => alerts::create_rule,
        AlertEdit => alerts::edit_rule,
        Slos => alerts::slos,
        SloCreate => alerts::create_slo,
        Reports => reports::reports,
        ReportScheduleCreate => reports::create,
        ReportScheduleEdit => reports::edit,
    }
}

/// The area that the page at `path` is in, by the name of its file; `None` for what is in the main
/// module.
pub fn of(path: &str) -> Option<&'static str> {
    let Some(below) = path.strip_prefix("/console") else {
        return Some("Public");
    };
    let first = below.trim_start_matches('/').split('/').next();
    match first.unwrap_or_default() {
        "apis" | "keys" | "limits" | "policies" => Some("Catalogue"),
        "explorer" | "explain" | "calls" | "plan" | "targets" | "settings" => Some("Bench"),
        "live" | "insights" | "costs" => Some("Watch"),
        "members" | "organization" | "audit" | "outbox" | "service-accounts" | "notifications" => {
            Some("Team")
        }
        "alerts" | "slos" | "reports" => Some("Promises"),
        _ => None,
    }
}

/// Fetches what the page at `path` is made of. True when it is there: the page can then be hydrated
/// in one go, or gone to without a wait.
pub async fn load(path: &str) -> bool {
    let loaded = match of(path) {
        None => Ok(()),
        Some("Public") => load_public().await,
        Some("Catalogue") => load_catalogue().await,
        Some("Watch") => load_watch().await,
        Some("Team") => load_team().await,
        Some("Promises") => load_promises().await,
        Some(_) => load_bench().await,
    };
    loaded.is_ok()
}

/// Fetches the code of a page when a link to it is pointed at or focused: it is there at the click.
pub fn load_ahead() {
    Effect::new(|_| {
        let pointed = window_event_listener(leptos::ev::pointerover, |ev| ahead(ev.target()));
        let focused = window_event_listener(leptos::ev::focusin, |ev| ahead(ev.target()));
        on_cleanup(move || {
            pointed.remove();
            focused.remove();
        });
    });
}

fn ahead(target: Option<leptos::web_sys::EventTarget>) {
    let Some(path) = browser::link_at(target) else {
        return;
    };
    if path.starts_with("/console") && of(&path).is_some() {
        leptos::task::spawn_local(async move {
            // The click tries again, and says so when it fails.
            let _ = load(&path).await;
        });
    }
}

/// After a deployment the files of the page that is open are gone: the server knows the new ones.
async fn go_there_anew(address: &str) {
    browser::go(address);
    std::future::pending().await
}

fn query(search: &str) -> String {
    if search.is_empty() {
        String::new()
    } else {
        format!("?{search}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_one_area() {
        assert_eq!(of("/"), Some("Public"));
        assert_eq!(of("/login"), Some("Public"));
        assert_eq!(of("/console"), None);
        assert_eq!(of("/console/"), None);
        assert_eq!(of("/console/usage"), None);
        assert_eq!(of("/console/apis/new"), Some("Catalogue"));
        assert_eq!(of("/console/settings/"), Some("Bench"));
        assert_eq!(of("/console/calls/0193-a"), Some("Bench"));
        assert_eq!(of("/console/live"), Some("Watch"));
        assert_eq!(of("/console/plan"), Some("Bench"));
        assert_eq!(of("/console/targets/0193-a"), Some("Bench"));
        assert_eq!(of("/console/organization/new"), Some("Team"));
        assert_eq!(of("/console/alerts/0193-a/edit"), Some("Promises"));
        assert_eq!(of("/console/slos/new"), Some("Promises"));
        assert_eq!(of("/console/apismith"), None);
    }
}
