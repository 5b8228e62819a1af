//! One route: which calls it has, and its limits; and a new one.

use apiverse_contract::limits::PolicyScope;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::{ApiId, RouteId};
use leptos::ev::Event;
use leptos::prelude::*;
use leptos::web_sys;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};
use wasm_bindgen::JsCast;

use crate::browser;
use crate::forms::{Fields, route as route_form};
use crate::pages::console::limits::panel;
use crate::pages::console::policies;
use crate::rpc::limits::LimitsRef;
use crate::rpc::policies::PlaceRef;
use crate::rpc::routes::{DeleteFn, OneFn, RouteDetail, RouteLine, RouteRef, SaveFn, SaveRoute};
use crate::rpc::{Loaded, call, load_with, send};
use crate::ui::dynamic::{on, text};
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::load::load_page;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

type Data = Loaded<RouteDetail>;

pub fn create_route() -> AnyView {
    let params = use_params_map();
    let api = params.with_untracked(|map| map.get_str("id").unwrap_or_default().to_owned());
    let path = format!("/console/apis/{api}/routes/new");
    let form = match api.parse::<ApiId>() {
        Ok(api) => fields(api, None, path, None),
        Err(_) => view! { <p class="text-muted">"There is no API with this id."</p> }.into_any(),
    };
    view! {
        <div class="page">
            {page_head_below(("/console/apis", "APIs"), "New route".to_owned(), ().into_any(), ().into_any())}
            {form}
        </div>
    }
    .into_any()
}

pub fn route() -> AnyView {
    let params = use_params_map();
    let which = Memo::new(move |_| {
        params.with(|map| {
            Some(RouteRef {
                api_id: map.get_str("id")?.parse().ok()?,
                id: map.get_str("route")?.parse().ok()?,
            })
        })
    });
    let data = load_with(move || {
        let input = which.get()?;
        Some(OneFn { input })
    });
    view! {
        <div class="page">
            {load_page(data, skeleton::dashboard, move |found| match which.get_untracked() {
                Some(which) => content(found, which, data),
                None => ().into_any(),
            })}
        </div>
    }
    .into_any()
}

fn content(found: RouteDetail, which: RouteRef, data: Data) -> AnyView {
    let RouteDetail {
        api_name,
        route,
        limits,
    } = found;
    let RouteRef { api_id, id } = which;
    let path = format!("/console/apis/{api_id}/routes/{id}");
    let api = format!("/console/apis/{api_id}");
    let target = LimitsRef {
        scope: PolicyScope::Route,
        id: Some(id.to_string()),
        api_id: Some(api_id.to_string()),
    };
    let place = PlaceRef {
        level: PolicyLevel::Route,
        id: Some(id.to_string()),
    };
    let reload = Callback::new(move |()| data.refetch());
    let calls = route_form::words_of(&route.methods, &route.path);
    view! {
        {page_head_below(("/console/apis", "APIs"), route.name.clone(), ().into_any(), ().into_any())}
        {done_notice(use_query_map())}
        <p class="text-muted">
            "A route of "
            <a class="link-quiet" href=api>
                {api_name}
            </a>
            {format!(": {calls}. Of several routes that match a call, the most specific is the call's.")}
        </p>
        {panel(target, path.clone(), limits, reload)}
        {policies::panel(place)}
        {fields(api_id, Some(id), path.clone(), Some((route, data)))} {delete(which, path)}
    }
    .into_any()
}

/// The form of a route; `id` and `old` are there when one is changed.
fn fields(
    api_id: ApiId,
    id: Option<RouteId>,
    path: String,
    old: Option<(RouteLine, Data)>,
) -> AnyView {
    let form = FormState::new("route");
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let (old, data) = match old {
        Some((route, data)) => (Some(route), Some(data)),
        None => (None, None),
    };
    let save = move |fields: Fields| -> Sent {
        let navigate = navigate.clone();
        Box::pin(async move {
            let route = route_form::read(&fields);
            let input = SaveRoute {
                api_id,
                id,
                name: route.name,
                methods: route.methods,
                path: route.path,
            };
            let saved: RouteRef = call(SaveFn { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            match data {
                Some(data) => data.refetch(),
                None => {
                    let path = format!("/console/apis/{api_id}/routes/{}", saved.id);
                    navigate(&path, NavigateOptions::default());
                }
            }
            Ok(())
        })
    };
    let (name, methods, template) = old.map_or_else(Default::default, |route| {
        (route.name, route.methods.join(", "), route.path)
    });
    let words = RwSignal::new(words(&methods, &template));
    let read = move |ev: Event| {
        let form = ev
            .current_target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        if let Some(form) = form {
            let fields = Fields(browser::form_fields(&form));
            words.set(self::words(fields.raw("methods"), fields.raw("path")));
        }
    };
    let button = if id.is_some() {
        "Save route"
    } else {
        "Create route"
    };
    view! {
        <form
            method="post"
            action=path
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Route"
            on:input=on(read)
            on:submit=form.on_submit(save)
        >
            <div class="panel-head">
                <h2>"Which calls"</h2>
            </div>
            <div class="panel-body flex flex-col gap-5">
                {form.head()}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("name", "Name").required().placeholder("Search").show(form, &name)}
                    {Input::mono("methods", "Methods")
                        .placeholder("GET, POST")
                        .help("Separated by commas. Empty means all.")
                        .show(form, &methods)}
                </div>
                {Input::mono("path", "Path")
                    .required()
                    .placeholder("/users/{id}/*")
                    .help("Below the API. {name} stands for any one segment, * at the end for everything below.")
                    .show(form, &template)}
                <p class="help" aria-live="polite">
                    {text(move || words.get())}
                </p>
            </div>
            <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                <a class="btn btn-ghost btn-sm" href=format!("/console/apis/{api_id}")>
                    "Back to the API"
                </a>
                {form.button(button)}
            </div>
        </form>
    }
    .into_any()
}

/// The preview.
fn words(methods: &str, path: &str) -> String {
    if path.trim().is_empty() {
        return "Which calls it has is said here once there is a path.".to_owned();
    }
    let fields = Fields(vec![
        ("methods".to_owned(), methods.to_owned()),
        ("path".to_owned(), path.to_owned()),
    ]);
    let route = route_form::read(&fields);
    format!("Has {}.", route_form::words_of(&route.methods, &route.path))
}

fn delete(which: RouteRef, path: String) -> AnyView {
    let form = FormState::new("route-delete");
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let end = move |_: Fields| -> Sent {
        let navigate = navigate.clone();
        Box::pin(async move {
            send(DeleteFn { input: which }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Deleted");
            }
            navigate(
                &format!("/console/apis/{}", which.api_id),
                NavigateOptions::default(),
            );
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action=path
            class="panel flex w-full max-w-3xl flex-wrap items-center justify-between gap-3 p-4"
            on:submit=form.on_submit(end)
        >
            <div class="flex flex-col gap-1">
                <h2>"Delete"</h2>
                <p class="text-muted">
                    "Its limits go with it; calls are then bounded by those of the API and the key."
                </p>
                {form.head()}
            </div>
            {form.button_with_class("Delete route", "btn btn-outline btn-error btn-sm")}
        </form>
    }
    .into_any()
}
