//! Keeping a page up to date while somebody looks at it.

use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser;
use crate::rpc::call;
use crate::rpc::usage::{Pulse, PulseFn};

const EVERY: Duration = Duration::from_millis(2500);

/// Asks for the latest call again and again, and runs `refresh` when it is another one. A page
/// nobody sees does not ask.
pub fn on_new_calls(refresh: impl Fn() + 'static) {
    watch(Rc::new(refresh));
}

fn watch(refresh: Rc<dyn Fn()>) {
    Effect::new(move |_| {
        let refresh = Rc::clone(&refresh);
        let last = StoredValue::new(None::<Pulse>);
        let tick = move || {
            if !browser::is_visible() {
                return;
            }
            let refresh = Rc::clone(&refresh);
            spawn_local(async move {
                // An error is the page's to show when it loads; a lost pulse is not worth a word.
                let Ok(pulse) = call::<PulseFn, Pulse>(PulseFn {}).await else {
                    return;
                };
                let Some(before) = last.try_get_value() else {
                    return;
                };
                last.try_set_value(Some(pulse.clone()));
                if before.is_some_and(|before| before != pulse) {
                    refresh();
                }
            });
        };
        tick();
        if let Ok(handle) = set_interval_with_handle(tick, EVERY) {
            on_cleanup(move || handle.clear());
        }
    });
}
