//! Short notices that go away by themselves.

use std::time::Duration;

use leptos::prelude::*;

use super::dynamic::dynamic;
use super::icon::icon;

const SHOWN_FOR: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<(u32, String)>>,
    next: StoredValue<u32>,
}

impl Toasts {
    pub fn new() -> Self {
        Self {
            shown: RwSignal::new(Vec::new()),
            next: StoredValue::new(0),
        }
    }

    /// Tells what was done. Called in the browser only.
    pub fn show(self, text: impl Into<String>) {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        self.shown.update(|shown| shown.push((id, text.into())));
        set_timeout(
            move || {
                self.shown
                    .try_update(|shown| shown.retain(|(other, _)| *other != id));
            },
            SHOWN_FOR,
        );
    }
}

/// Where notices appear; one a page.
pub fn region(toasts: Toasts) -> AnyView {
    view! {
        <div
            role="status"
            aria-live="polite"
            class="pointer-events-none fixed right-4 bottom-4 z-50 flex flex-col gap-2"
        >
            {dynamic(move || {
                let shown = toasts.shown.get();
                shown.into_iter().map(|(_, text)| notice(text)).collect_view().into_any()
            })}
        </div>
    }
    .into_any()
}

fn notice(text: String) -> AnyView {
    view! {
        <div class="flex items-center gap-2 rounded-box bg-ink px-3 py-2 text-sm text-surface shadow-float">
            {icon(icondata_lu::LuCheck.data)} {text}
        </div>
    }
    .into_any()
}
