//! Signing in.

use apiverse_contract::auth::LoginRequest;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::gate;
use crate::browser;
use crate::rpc::account::SignIn;
use crate::rpc::{Private, send};
use crate::ui::field::Input;
use crate::ui::form::FormState;
use crate::urlencoded::query;

pub fn login() -> AnyView {
    let form = FormState::new("login");
    let next = next_page();
    let after = next.clone();
    let sign_in = move |fields: crate::forms::Fields| -> crate::ui::form::Sent {
        let input = LoginRequest {
            email: fields.text("email"),
            password: fields.raw("password").to_owned(),
        };
        let after = after.clone();
        Box::pin(async move {
            send(SignIn {
                input: Private(input),
            })
            .await?;
            // A new session: everything on the page is made anew for it.
            browser::go(&after);
            Ok(())
        })
    };
    let register = format!("/register{}", query(&[("next", &next)]));
    gate(
        "Sign in",
        view! {
            "No account yet? "
            <a class="link-quiet" href=register>
                "Create one"
            </a>
        }
        .into_any(),
        view! {
            <form
                method="post"
                action="/login"
                novalidate
                class="flex flex-col gap-4"
                on:submit=form.on_submit(sign_in)
            >
                {form.head()}
                <input type="hidden" name="next" value=next />
                {Input::text("email", "E-mail").kind("email").autocomplete("username").required().show(form, "")}
                {Input::password("password", "Password", "current-password").required().show(form, "")}
                {form.button_with_class("Sign in", "btn btn-primary")}
            </form>
        }
        .into_any(),
    )
}

/// Where to go afterwards; the server accepts paths of the console only, and so does this.
pub fn next_page() -> String {
    let next = use_query_map().with_untracked(|map| map.get("next"));
    next.filter(|next| crate::forms::is_local_path(next))
        .unwrap_or_else(|| "/console".to_owned())
}
