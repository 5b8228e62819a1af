//! The limits of one thing: what holds, what is its own, and the form that changes it.

use apiverse_contract::limits::{LimitPolicy, PolicyScope};
use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{edit, rows};
use crate::forms::{Fields, limit};
use crate::rpc::limits::{LimitRow, LimitsRef, LimitsView, SaveFn, SaveLimits};
use crate::rpc::send;
use crate::ui::dynamic::{dynamic, on};
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;
use crate::ui::toast::Toasts;
use crate::urlencoded::query;

/// What the panel is about, and how it is changed.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub target: StoredValue<LimitsRef>,
    /// The page's own address, which forms are posted to.
    pub path: StoredValue<String>,
    /// Loads what the page shows again.
    pub reload: Callback<()>,
    /// Name of the limit whose form is open; empty for a new one.
    pub open: RwSignal<Option<String>>,
}

impl Limits {
    pub fn save(self, policy: LimitPolicy) -> Sent {
        let target = self.target.get_value();
        let toasts = use_context::<Toasts>();
        Box::pin(async move {
            let input = SaveLimits { target, policy };
            send(SaveFn { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            self.open.try_set(None);
            self.reload.try_run(());
            Ok(())
        })
    }
}

/// The panel of an API, a key or the organization, on the page at `path`.
pub fn panel(target: LimitsRef, path: String, view: LimitsView, reload: Callback<()>) -> AnyView {
    // Without a script the form is opened by the address.
    let open = use_query_map().with_untracked(|map| map.get("limit"));
    let target_scope = target.scope;
    let limits = Limits {
        target: StoredValue::new(target),
        path: StoredValue::new(path),
        reload,
        open: RwSignal::new(open),
    };
    // The page of the organization's is called "Limits" itself.
    let title = match target_scope {
        PolicyScope::Organization => "For every call",
        _ => "Limits",
    };
    view! {
        <section class="panel overflow-hidden" id="limits" aria-label="Limits">
            <div class="panel-head">
                <h2>{title}</h2>
                {opener(limits, String::new(), "Add limit", "btn btn-outline btn-sm")}
            </div>
            {content(limits, view)}
        </section>
    }
    .into_any()
}

/// A link that opens a form, at once where there is a script.
fn opener(limits: Limits, name: String, text: &'static str, class: &'static str) -> AnyView {
    let href = opened(limits, &name);
    let is_new = name.is_empty();
    view! {
        <a
            class=class
            href=href
            rel="external"
            on:click=on(move |ev: MouseEvent| {
                ev.prevent_default();
                limits.open.set(Some(name.clone()));
            })
        >
            {is_new.then(|| icon(icondata_lu::LuPlus.data))}
            {text}
        </a>
    }
    .into_any()
}

/// The page with the form of this limit.
pub(super) fn opened(limits: Limits, name: &str) -> String {
    let pairs = query(&[("limit", name)]);
    // Of a new limit there is no name, and the query would be left out.
    let pairs = if pairs.is_empty() { "?limit=" } else { &pairs };
    format!("{}{pairs}#limits", limits.path.get_value())
}

fn content(limits: Limits, view: LimitsView) -> AnyView {
    let LimitsView { policy, rows } = view;
    let scope = limits.target.with_value(|target| target.scope);
    let list = if rows.is_empty() {
        let text = match scope {
            PolicyScope::Key => {
                "Calls with this key are limited by nothing but what the APIs have."
            }
            PolicyScope::Route => {
                "Calls of this route are limited by nothing but what the keys have."
            }
            PolicyScope::Api => "Calls to this API are limited by nothing but what the keys have.",
            _ => {
                "Nothing is limited for the organization as a whole. APIs and keys can have limits of their own."
            }
        };
        view! { <p class="panel-body text-muted">{text}</p> }.into_any()
    } else {
        let policy = policy.clone();
        rows::table(rows, &move |row| {
            if row.scope == scope {
                actions(limits, &policy, row)
            } else {
                ().into_any()
            }
        })
    };
    let form = dynamic(move || match limits.open.get() {
        Some(name) => edit::form(limits, &policy, name),
        None => ().into_any(),
    });
    view! {
        {list}
        {form}
    }
    .into_any()
}

fn actions(limits: Limits, policy: &LimitPolicy, row: &LimitRow) -> AnyView {
    let form = FormState::new("limit-remove");
    let rest = limit::without(policy, &row.name);
    let remove = move |_: Fields| limits.save(rest.clone());
    view! {
        <div class="flex items-center justify-end gap-1">
            {opener(limits, row.name.clone(), "Edit", "btn btn-ghost btn-xs")}
            <form
                method="post"
                action=limits.path.get_value()
                on:submit=form.on_submit(remove)
            >
                <input type="hidden" name="form" value="limit-remove" />
                <input type="hidden" name="name" value=row.name.clone() />
                {form.button_with_class("Remove", "btn btn-ghost btn-xs text-bad")}
            </form>
        </div>
    }
    .into_any()
}
