//! A new key.

use apiverse_contract::keys::Environment;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::fields::limits;
use super::reveal::reveal;
use crate::forms::{Fields, key};
use crate::page_context::{NewKey, Page};
use crate::rpc::keys::{Choices, Create, KeyChoices};
use crate::rpc::{call, load_with};
use crate::ui::field::{Input, radios, select};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;

pub fn create() -> AnyView {
    let choices = load_with(|| Some(Choices {}));
    let flash = Page::get().flash("key-new");
    let created = RwSignal::new(flash.and_then(|flash| flash.created));
    let navigate = use_navigate();
    view! {
        <div class="page">
            {page_head_below(("/console/keys", "Keys"), "New key".to_owned(), ().into_any(), ().into_any())}
            {reveal(created, move |href| navigate(&href, NavigateOptions::default()))}
            {load(choices, skeleton::form, move |choices: KeyChoices| {
                let form = FormState::new("key-new");
                let now = Page::get().now;
                let make = move |fields: Fields| -> Sent {
                    Box::pin(async move {
                        let input = key::create(&fields, now.get_untracked()).map_err(unreadable)?;
                        let new: NewKey = call(Create { input }).await?;
                        created.set(Some(new));
                        Ok(())
                    })
                };
                view! {
                    <form
                        method="post"
                        action="/console/keys/new"
                        novalidate
                        class="panel w-full max-w-3xl"
                        on:submit=form.on_submit(make)
                    >
                        <div class="panel-body flex flex-col gap-5">
                            {form.head()} {identity(form)} {limits(form, None, &choices.apis)}
                        </div>
                        <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                            <a class="btn btn-ghost btn-sm" href="/console/keys">
                                "Cancel"
                            </a>
                            {form.button("Create key")}
                        </div>
                    </form>
                }
                    .into_any()
            })}
        </div>
    }
    .into_any()
}

fn identity(form: FormState) -> AnyView {
    let mut lifetimes = vec![("never".to_owned(), "Never".to_owned())];
    for (days, words) in key::LIFETIMES {
        lifetimes.push((days.to_owned(), format!("In {words}")));
    }
    lifetimes.push(("custom".to_owned(), "At a time of my own".to_owned()));
    view! {
        {Input::text("name", "Name")
            .required()
            .placeholder("Mobile app")
            .help("Who or what will use it.")
            .show(form, "")}
        {radios(
            form,
            "environment",
            "Environment",
            &[("live", "Live"), ("test", "Test")],
            Environment::default().as_str(),
        )}
        <div class="group grid gap-4 sm:grid-cols-2">
            {select(form, "lifetime", "Expires", "", lifetimes, "never")}
            <div class="hidden group-has-[option[value=custom]:checked]:block">
                {Input::text("expires_at", "Expires at (UTC)").kind("datetime-local").show(form, "")}
            </div>
        </div>
    }
    .into_any()
}
