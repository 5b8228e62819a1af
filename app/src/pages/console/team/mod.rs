//! The organization: its settings, who is in it, what was changed, what was sent. Forms here are
//! posted as they are, with a script or without.

mod audit;
mod members;
mod organization;
mod outbox;
mod preferences;
mod service_accounts;

use apiverse_contract::auth::Role;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

pub use audit::audit;
pub use members::members;
pub use organization::{create, organization};
pub use outbox::{message, outbox, templates};
pub use preferences::preferences;
pub use service_accounts::service_accounts;

use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::Input;
use crate::ui::form::FormState;
use crate::ui::icon::icon;

/// What a post did, told on the page it led to; only words known here are shown.
fn notice() -> AnyView {
    let query = use_query_map();
    dynamic(move || {
        let text = query.with(|map| match map.get_str("done") {
            Some("saved") => Some("Saved."),
            Some("transferred") => {
                Some("The organization has a new owner. You are an admin of it now.")
            }
            Some("invited") => Some("The invitation is on its way."),
            Some("invitation-revoked") => {
                Some("The invitation was taken back: its link ends here.")
            }
            Some("role") => Some("The role was changed. It holds from the next request on."),
            Some("removed") => Some("They are not a member any more."),
            Some("account") => Some("The service account is there. Make a token for it below."),
            Some("account-deleted") => Some("The service account is gone, and its tokens with it."),
            Some("token-revoked") => Some("The token was revoked: it is refused from now on."),
            _ => None,
        });
        when(text.is_some(), || {
            view! {
                <div class="alert alert-success" role="status">
                    {icon(icondata_lu::LuCheck.data)}
                    <p>{text.unwrap_or_default()}</p>
                </div>
            }
            .into_any()
        })
    })
}

/// What is wrong with forms that are too small to say it themselves.
fn problems(forms: &[&'static str]) -> AnyView {
    forms
        .iter()
        .map(|name| FormState::new(name))
        .filter(|form| form.problem.with_untracked(Option::is_some))
        .map(FormState::head)
        .collect_view()
        .into_any()
}

/// The form's name, and the id of what it is about.
fn about(form: &'static str, id: String) -> AnyView {
    view! {
        <input type="hidden" name="form" value=form />
        <input type="hidden" name="id" value=id />
    }
    .into_any()
}

/// Proof of who one is: a code of the second factor, or without one the password, in a field of
/// this name.
fn proof(
    form: FormState,
    has_two_factor: bool,
    (code, password): (&'static str, &'static str),
) -> AnyView {
    let input = if has_two_factor {
        Input::mono(code, "Code of your authenticator app, or a recovery code")
            .autocomplete("one-time-code")
    } else {
        Input::password(password, "Your password", "current-password")
    };
    input.required().show(form, "")
}

/// Roles to choose from, with what each is for.
fn roles(with_owner: bool) -> Vec<(String, String)> {
    Role::ALL
        .into_iter()
        .filter(|role| with_owner || *role != Role::Owner)
        .map(|role| {
            let name = role_name(role);
            (
                role.as_str().to_owned(),
                format!("{name}: {}", role_words(role)),
            )
        })
        .collect()
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Developer => "Developer",
        Role::Billing => "Billing",
        Role::Viewer => "Viewer",
    }
}

const fn role_words(role: Role) -> &'static str {
    match role {
        Role::Owner => "everything",
        Role::Admin => "everything but owners",
        Role::Developer => "APIs, keys, policies, usage",
        Role::Billing => "usage, costs, budgets",
        Role::Viewer => "looks at APIs, keys, usage",
    }
}
