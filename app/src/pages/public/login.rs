//! Signing in, and the second factor where there is one.

use apiverse_contract::auth::LoginRequest;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::gate;
use crate::browser;
use crate::forms::Fields;
use crate::rpc::account::SignIn;
use crate::rpc::{Private, RpcError, send};
use crate::ui::dynamic::dynamic;
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::notice::done_notice;
use crate::urlencoded::query;

pub fn login() -> AnyView {
    let form = FormState::new("login");
    let codes = FormState::new("login-code");
    let next = form.value("next", &codes.value("next", &next_page()));
    let waiting = RwSignal::new(waiting(form, codes));
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
            {done_notice(use_query_map())}
            {dynamic(move || match waiting.get() {
                Some(token) => code_form(codes, token, next.clone()),
                None => password_form(form, waiting, next.clone()),
            })}
        }
        .into_any(),
    )
}

/// What a sign-in whose password was right goes on with: the page may be the answer to its post, or
/// to that of a code that was wrong.
fn waiting(form: FormState, codes: FormState) -> Option<String> {
    let of_password = form
        .problem
        .with_untracked(|problem| problem.as_ref()?.mfa_token.clone());
    let is_over = codes.problem.with_untracked(|problem| {
        let code = problem.as_ref().map(|problem| problem.code.as_str());
        code == Some("invalid_credentials")
    });
    if is_over {
        form.problem.set(codes.problem.get_untracked());
    }
    let typed = codes.value("mfa_token", "");
    of_password.or_else(|| Some(typed).filter(|token| !token.is_empty() && !is_over))
}

fn password_form(form: FormState, waiting: RwSignal<Option<String>>, next: String) -> AnyView {
    let after = next.clone();
    let sign_in = move |fields: Fields| -> Sent {
        let input = LoginRequest {
            email: fields.text("email"),
            password: fields.raw("password").to_owned(),
        };
        let after = after.clone();
        Box::pin(async move {
            let input = Private(input);
            match send(SignIn { input }).await {
                Err(RpcError(problem)) if problem.mfa_token.is_some() => {
                    waiting.set(problem.mfa_token);
                    return Ok(());
                }
                outcome => outcome?,
            }
            // A new session: everything on the page is made anew for it.
            browser::go(&after);
            Ok(())
        })
    };
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
            <a class="link-quiet text-sm" href="/forgot-password">
                "Forgot the password?"
            </a>
        </form>
    }
    .into_any()
}

/// Posted as it is: whoever is here has typed a code by hand.
fn code_form(form: FormState, token: String, next: String) -> AnyView {
    view! {
        <form method="post" action="/login" novalidate class="flex flex-col gap-4">
            {form.head()}
            <input type="hidden" name="next" value=next />
            <input type="hidden" name="mfa_token" value=token />
            {Input::mono("code", "Code")
                .autocomplete("one-time-code")
                .required()
                .help("The six digits your authenticator app shows, or one of your recovery codes.")
                .show(form, "")}
            {form.button_with_class("Continue", "btn btn-primary")}
            <a class="link-quiet text-sm" href="/login" rel="external">
                "Start again"
            </a>
        </form>
    }
    .into_any()
}

/// Where to go afterwards; the server accepts paths of the console only, and so does this.
pub fn next_page() -> String {
    let next = use_query_map().with_untracked(|map| map.get("next"));
    next.filter(|next| crate::forms::is_local_path(next))
        .unwrap_or_else(|| "/console".to_owned())
}
