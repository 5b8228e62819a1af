//! What is seen without signing in.

mod elsewhere;
mod join;
mod landing;
mod links;
mod login;
mod register;

use leptos::prelude::*;
use leptos_meta::Title;

pub use elsewhere::problem_notice;
pub use join::join;
pub use landing::landing;
pub use links::{confirm_email, forgot_password, reset_password, verify_email};
pub use login::login;
pub use register::register;

use crate::ui::icon::sized;
use crate::ui::theme::theme_toggle;

/// The mark and the name.
pub fn brand() -> AnyView {
    view! {
        <span class="flex items-center gap-2 font-semibold tracking-tight">
            <span class="flex size-6 items-center justify-center rounded-md bg-accent text-on-accent">
                {sized(icondata_lu::LuWaypoints.data, "size-4")}
            </span>
            "APIverse"
        </span>
    }
    .into_any()
}

/// A small page with one form in its middle.
fn gate(title: &'static str, lead: AnyView, body: AnyView) -> AnyView {
    view! {
        <Title text=title />
        <div class="flex min-h-dvh flex-col">
            <header class="flex h-14 items-center justify-between px-4 md:px-6">
                <a href="/" rel="external" aria-label="APIverse, front page">
                    {brand()}
                </a>
                {theme_toggle()}
            </header>
            <main id="main" class="flex grow items-start justify-center px-4 pt-[8vh] pb-16">
                <div class="flex w-full max-w-sm flex-col gap-4">
                    <div class="flex flex-col gap-1">
                        <h1>{title}</h1>
                        <p class="text-muted">{lead}</p>
                    </div>
                    <div class="panel p-5">{body}</div>
                </div>
            </main>
        </div>
    }
    .into_any()
}
