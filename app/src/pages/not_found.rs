//! An address where nothing is.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::ambient;
use crate::ui::icon::icon;

pub fn not_found() -> AnyView {
    ambient::set_status(404);
    view! {
        <Title text="Not found" />
        <main id="main" class="flex min-h-dvh items-center justify-center p-6">
            <div class="empty">
                {icon(icondata_lu::LuCompass.data)}
                <h1>"There is nothing at this address"</h1>
                <p>"It may have been moved or deleted, or the address was mistyped."</p>
                <div class="flex gap-2 pt-2">
                    <a class="btn btn-primary btn-sm" href="/console" rel="external">
                        "Open the console"
                    </a>
                    <a class="btn btn-outline btn-sm" href="/" rel="external">
                        "Front page"
                    </a>
                </div>
            </div>
        </main>
    }
    .into_any()
}
