//! Light, dark, or what the system says.

use leptos::ev::{MouseEvent, SubmitEvent};
use leptos::prelude::*;

use super::dynamic::on;
use super::icon::icon;
use crate::browser;

/// One button that turns to the other theme. Which of the two it offers is decided by CSS, so the
/// server need not know what the system prefers.
pub fn theme_toggle() -> AnyView {
    view! {
        <form method="post" action="/theme" class="flex">
            <button
                type="submit"
                name="theme"
                value="dark"
                class="btn btn-ghost btn-sm btn-square dark:hidden"
                aria-label="Dark theme"
                title="Dark theme"
                on:click=choose("dark")
            >
                {icon(icondata_lu::LuMoon.data)}
            </button>
            <button
                type="submit"
                name="theme"
                value="light"
                class="btn btn-ghost btn-sm btn-square hidden dark:inline-flex"
                aria-label="Light theme"
                title="Light theme"
                on:click=choose("light")
            >
                {icon(icondata_lu::LuSun.data)}
            </button>
        </form>
    }
    .into_any()
}

/// All three choices, for the settings.
pub fn theme_choice() -> AnyView {
    let button = |value: &'static str, text: &'static str, data: &'static str| {
        view! {
            <button
                type="submit"
                name="theme"
                value=value
                class="btn btn-outline btn-sm join-item"
                on:click=choose(value)
            >
                {icon(data)}
                {text}
            </button>
        }
    };
    view! {
        <form
            method="post"
            action="/theme"
            class="join"
            on:submit=on(|ev: SubmitEvent| ev.prevent_default())
        >
            {button("system", "System", icondata_lu::LuMonitor.data)}
            {button("light", "Light", icondata_lu::LuSun.data)}
            {button("dark", "Dark", icondata_lu::LuMoon.data)}
        </form>
    }
    .into_any()
}

fn choose(value: &'static str) -> Box<dyn FnMut(MouseEvent)> {
    on(move |ev: MouseEvent| {
        ev.prevent_default();
        browser::set_theme((value != "system").then_some(value));
    })
}
