//! Creating an account.

use apiverse_contract::auth::RegisterRequest;
use leptos::prelude::*;

use super::gate;
use super::login::next_page;
use crate::browser;
use crate::forms::Fields;
use crate::rpc::account::Register;
use crate::rpc::{Private, send};
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::urlencoded::query;

pub fn register() -> AnyView {
    let form = FormState::new("register");
    let next = next_page();
    let after = next.clone();
    let create = move |fields: Fields| -> Sent {
        let input = RegisterRequest {
            email: fields.text("email"),
            password: fields.raw("password").to_owned(),
            full_name: fields.optional("full_name"),
        };
        let after = after.clone();
        Box::pin(async move {
            send(Register {
                input: Private(input),
            })
            .await?;
            browser::go(&after);
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
            <form
                method="post"
                action="/register"
                novalidate
                class="flex flex-col gap-4"
                on:submit=form.on_submit(create)
            >
                {form.head()}
                <input type="hidden" name="next" value=next />
                {Input::text("full_name", "Full name").autocomplete("name").show(form, "")}
                {Input::text("email", "E-mail").kind("email").autocomplete("username").required().show(form, "")}
                {Input::password("password", "Password", "new-password")
                    .required()
                    .help("At least 10 characters.")
                    .show(form, "")}
                {form.button_with_class("Create account", "btn btn-primary")}
            </form>
        }
        .into_any(),
    )
}
