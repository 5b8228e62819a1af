//! A form that narrows a page: its fields are the page's address.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::web_sys;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;

use super::dynamic::on;
use super::icon::icon;
use crate::browser;
use crate::rpc::Named;
use crate::urlencoded;

/// A plain GET form: it works without a script, and with one it applies at every choice, without
/// loading the page anew. A menu (`<details>`) inside it waits for its button.
pub fn filter_form(path: &'static str, fields: AnyView) -> AnyView {
    let navigate = use_navigate();
    let apply = move |form: Option<web_sys::HtmlFormElement>| {
        let Some(form) = form else { return };
        let fields = browser::form_fields(&form);
        let pairs: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let options = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&format!("{path}{}", urlencoded::query(&pairs)), options);
    };
    let on_submit = {
        let apply = apply.clone();
        move |ev: SubmitEvent| {
            ev.prevent_default();
            let form = ev.target();
            apply(form.and_then(|form| form.dyn_into::<web_sys::HtmlFormElement>().ok()));
        }
    };
    let on_change = move |ev: leptos::ev::Event| {
        let Some(field) = ev.target() else { return };
        // The ends of a range are chosen one after the other.
        let waits = field
            .dyn_ref::<web_sys::Element>()
            .and_then(|field| field.closest("details").ok().flatten());
        if waits.is_none() {
            let form = ev.current_target();
            apply(form.and_then(|form| form.dyn_into::<web_sys::HtmlFormElement>().ok()));
        }
    };
    view! {
        <form
            method="get"
            action=path
            class="flex flex-wrap items-end gap-x-3 gap-y-2"
            on:submit=on(on_submit)
            on:change=on(on_change)
        >
            {fields}
            <noscript inner_html=r#"<button type="submit" class="btn btn-outline btn-sm">Apply</button>"#></noscript>
        </form>
    }
    .into_any()
}

/// A choice of such a form; the empty one means all.
pub fn choice(
    name: &'static str,
    label: &'static str,
    all: &'static str,
    options: Vec<(String, String)>,
    current: &str,
) -> AnyView {
    let options = options
        .into_iter()
        .map(|(value, text)| {
            let selected = value == current;
            view! {
                <option value=value selected=selected>
                    {text}
                </option>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <label class="flex w-full flex-col gap-1 sm:w-auto">
            <span class="text-xs text-muted">{label}</span>
            <select name=name class="select select-sm w-full sm:w-44">
                <option value="">{all}</option>
                {options}
            </select>
        </label>
    }
    .into_any()
}

/// From when to when, in a menu with its own button: its ends are chosen one after the other.
pub fn range(words: String, from: String, to: String) -> AnyView {
    let zone = crate::zone::name();
    view! {
        <details class="dropdown" data-menu="">
            <summary class="btn btn-outline btn-sm font-normal">
                {icon(icondata_lu::LuCalendarRange.data)} {words}
            </summary>
            <div class="dropdown-content z-20 mt-1 flex w-64 flex-col gap-3 p-3">
                {minute("from", format!("From ({zone})"), from)} {minute("to", format!("To ({zone})"), to)}
                <button type="submit" class="btn btn-primary btn-sm">
                    "Show this range"
                </button>
            </div>
        </details>
    }
    .into_any()
}

fn minute(name: &'static str, label: String, value: String) -> AnyView {
    view! {
        <label class="flex flex-col gap-1">
            <span class="text-xs text-muted">{label}</span>
            <input type="datetime-local" name=name class="input input-sm w-full" value=value />
        </label>
    }
    .into_any()
}

/// Text that a part of what is shown has.
pub fn search_field(name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <label class="flex w-full flex-col gap-1 sm:w-auto">
            <span class="text-xs text-muted">{label}</span>
            <input
                type="search"
                name=name
                class="input input-sm w-full sm:w-56"
                value=value.to_owned()
                spellcheck="false"
            />
        </label>
    }
    .into_any()
}

/// `id` and name of what a choice offers.
pub fn named(all: &[Named]) -> Vec<(String, String)> {
    all.iter()
        .map(|named| (named.id.clone(), named.name.clone()))
        .collect()
}
