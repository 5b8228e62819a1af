//! Creating an account.

use apiverse_contract::auth::RegisterRequest;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::elsewhere::other_ways;
use super::gate;
use super::login::next_page;
use crate::browser;
use crate::forms::Fields;
use crate::rpc::account::Register;
use crate::rpc::{Private, call};
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::notice::done_notice;
use crate::urlencoded::query;

/// Whoever registered, of whom no more is needed.
#[derive(serde::Deserialize)]
struct Known {}

pub fn register() -> AnyView {
    let form = FormState::new("register");
    let next = form.value("next", &next_page());
    let after = next.clone();
    let create = move |fields: Fields| -> Sent {
        let input = RegisterRequest {
            email: fields.text("email"),
            password: fields.raw("password").to_owned(),
            full_name: fields.optional("full_name"),
        };
        let after = after.clone();
        Box::pin(async move {
            let input = Private(input);
            // Nobody is signed in where accounts begin with a link.
            let user: Option<Known> = call(Register { input }).await?;
            browser::go(match user {
                Some(Known {}) => &after,
                None => "/register?done=sent",
            });
            Ok(())
        })
    };
    let login = format!("/login{}", query(&[("next", &next)]));
    gate(
        "Create account",
        view! {
            "Already have one? "
            <a class="link-quiet" href=login>
                "Sign in"
            </a>
        }
        .into_any(),
        view! {
            {done_notice(use_query_map())}
            <form
                method="post"
                action="/register"
                novalidate
                class="flex flex-col gap-4"
                on:submit=form.on_submit(create)
            >
                {form.head()}
                <input type="hidden" name="next" value=next.clone() />
                {Input::text("full_name", "Full name").autocomplete("name").show(form, "")}
                {Input::text("email", "E-mail").kind("email").autocomplete("username").required().show(form, "")}
                {Input::password("password", "Password", "new-password")
                    .required()
                    .help("At least 10 characters.")
                    .show(form, "")}
                {form.button_with_class("Create account", "btn btn-primary")}
            </form>
            {other_ways(&next)}
        }
        .into_any(),
    )
}
