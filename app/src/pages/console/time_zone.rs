//! Choosing the time zone that times are shown in.

use apiverse_contract::auth::UpdateProfile;
use apiverse_contract::patch::Patch;
use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser;
use crate::forms::Fields;
use crate::rpc::account::{ProfileFn, Zones, ZonesFn};
use crate::rpc::{RpcError, load_with, send};
use crate::ui::dynamic::{dynamic, on, when};
use crate::ui::field::select;
use crate::ui::form::{FormState, Sent};
use crate::ui::load::load;
use crate::ui::skeleton;

const ZONE: &str = "/console/settings?done=zone";

/// What times are shown in.
pub fn time_zone() -> AnyView {
    let zones = load_with(|| Some(ZonesFn {}));
    view! {
        <section class="panel" id="time-zone">
            <div class="panel-head">
                <h2>"Time zone"</h2>
                <span class="text-sm text-muted">"Of all times in the console; files stay in UTC"</span>
            </div>
            {load(zones, skeleton::form, zone_form)}
        </section>
    }
    .into_any()
}

/// Chooses a zone; `None` takes the choice back. The page comes anew: it knows the zone's offsets.
fn choose_zone(name: Option<String>) -> Sent {
    let input = UpdateProfile {
        time_zone: name.map_or(Patch::Null, Patch::Value),
        ..UpdateProfile::default()
    };
    Box::pin(async move {
        send(ProfileFn { input }).await?;
        browser::go(ZONE);
        Ok(())
    })
}

fn zone_form(zones: Zones) -> AnyView {
    let form = FormState::new("zone");
    let chosen = zones.chosen.unwrap_or_default();
    let is_open = chosen.is_empty();
    let options = std::iter::once((String::new(), "UTC (nothing chosen)".to_owned()))
        .chain(zones.names.into_iter().map(|name| (name.clone(), name)))
        .collect();
    let save = move |fields: Fields| choose_zone(fields.optional("time_zone"));
    view! {
        <form
            method="post"
            action="/console/settings"
            novalidate
            aria-label="Time zone"
            on:submit=form.on_submit(save)
        >
            <div class="panel-body flex flex-col gap-4">
                {form.head()} {when(is_open, suggestion)}
                {select(form, "time_zone", "Time zone", "", options, &chosen)}
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save time zone")}
            </div>
        </form>
    }
    .into_any()
}

/// The browser's own zone, which only a script can tell.
fn suggestion() -> AnyView {
    let own = RwSignal::new(String::new());
    Effect::new(move |_| {
        own.set(
            browser::time_zone()
                .filter(|name| name != "UTC")
                .unwrap_or_default(),
        );
    });
    dynamic(move || {
        let name = own.get();
        let words = format!("Your browser is in {name}.");
        when(!name.is_empty(), || {
            let form = FormState::new("zone-suggested");
            let choose = move |_: MouseEvent| {
                let sent = choose_zone(Some(name.clone()));
                spawn_local(async move {
                    let problem = sent.await.err().map(|RpcError(problem)| problem);
                    form.problem.try_set(problem);
                });
            };
            view! {
                <div class="flex flex-wrap items-center gap-3">
                    <p>{words}</p>
                    <button type="button" class="btn btn-outline btn-sm" on:click=on(choose)>
                        "Use this time zone"
                    </button>
                    {dynamic(move || {
                        let problem = form.problem.get();
                        problem.map_or_else(|| ().into_any(), |problem| problem.detail.into_any())
                    })}
                </div>
            }
            .into_any()
        })
    })
}
