//! Where links in messages lead: proving an address, a new password, a new address; and asking for
//! one. Opening a page changes nothing, since mail programs open links by themselves: its form does.
//! The forms are posted as they are, with a script or without.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::gate;
use crate::ui::dynamic::when;
use crate::ui::field::Input;
use crate::ui::form::FormState;
use crate::ui::notice::done_notice;

/// `/verify-email`
pub fn verify_email() -> AnyView {
    let form = FormState::new("verify-email");
    link_page(
        "Confirm your e-mail address",
        "Confirm that the address the message came to is yours.",
        form,
        "/verify-email",
        ().into_any(),
        "Confirm the address",
    )
}

/// `/confirm-email`
pub fn confirm_email() -> AnyView {
    let form = FormState::new("confirm-email");
    link_page(
        "Confirm your new address",
        "Your account moves to the address the message came to.",
        form,
        "/confirm-email",
        ().into_any(),
        "Take the new address",
    )
}

/// `/reset-password`
pub fn reset_password() -> AnyView {
    let form = FormState::new("reset-password");
    let field = Input::password("new_password", "New password", "new-password")
        .required()
        .help("At least 10 characters, and not easy to guess.")
        .show(form, "");
    link_page(
        "Choose a new password",
        "All your sessions end, on every device.",
        form,
        "/reset-password",
        field,
        "Set the password",
    )
}

/// `/forgot-password`
pub fn forgot_password() -> AnyView {
    let form = FormState::new("forgot-password");
    let is_done = is_done();
    gate(
        "Forgot the password?",
        "A message with a link to a new one goes to the address of your account.".into_any(),
        view! {
            {done_notice(use_query_map())}
            {when(
                !is_done,
                || {
                    view! {
                        <form method="post" action="/forgot-password" novalidate class="flex flex-col gap-4">
                            {form.head()}
                            {Input::text("email", "E-mail")
                                .kind("email")
                                .autocomplete("username")
                                .required()
                                .show(form, "")}
                            {form.button_with_class("Send the link", "btn btn-primary")}
                        </form>
                    }
                        .into_any()
                },
            )}
            {back()}
        }
        .into_any(),
    )
}

fn link_page(
    title: &'static str,
    lead: &'static str,
    form: FormState,
    action: &'static str,
    fields: AnyView,
    button: &'static str,
) -> AnyView {
    let token = use_query_map().with_untracked(|map| map.get("token"));
    let token = form.value("token", &token.unwrap_or_default());
    let is_done = is_done();
    gate(
        title,
        lead.into_any(),
        view! {
            {done_notice(use_query_map())}
            {when(
                !is_done,
                || {
                    view! {
                        <form method="post" action=action novalidate class="flex flex-col gap-4">
                            {form.head()}
                            <input type="hidden" name="token" value=token />
                            {fields}
                            {form.button_with_class(button, "btn btn-primary")}
                        </form>
                    }
                        .into_any()
                },
            )}
            {back()}
        }
        .into_any(),
    )
}

fn is_done() -> bool {
    use_query_map().with_untracked(|map| map.get_str("done").is_some())
}

fn back() -> AnyView {
    view! {
        <p class="mt-4 text-sm">
            <a class="link-quiet" href="/login" rel="external">
                "To sign in"
            </a>
        </p>
    }
    .into_any()
}
