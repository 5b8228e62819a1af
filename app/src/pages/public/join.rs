//! `/join`: where an invitation's link leads.

use apiverse_contract::organizations::{InvitationOffer, InvitationToken};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::gate;
use crate::page_context::Page;
use crate::rpc::account::Invitation;
use crate::rpc::{Private, load_with};
use crate::ui::form::FormState;
use crate::ui::load::load;
use crate::ui::skeleton;
use crate::urlencoded::query;

pub fn join() -> AnyView {
    let form = FormState::new("join");
    let token = use_query_map().with_untracked(|map| map.get("token"));
    let token = form.value("token", &token.unwrap_or_default());
    let asked = token.clone();
    let offer = load_with(move || {
        let token = asked.clone();
        Some(Invitation {
            input: Private(InvitationToken { token }),
        })
    });
    gate(
        "Join an organization",
        "You were invited by e-mail.".into_any(),
        load(offer, skeleton::rows, move |offer| {
            show(form, offer, token.clone())
        }),
    )
}

fn show(form: FormState, offer: InvitationOffer, token: String) -> AnyView {
    let own = Page::get()
        .me
        .with_untracked(|me| me.as_ref().map(|me| me.email.clone()));
    let article = match offer.role.as_str() {
        "admin" => "an",
        _ => "a",
    };
    let text = format!(
        "{} invites {} as {article} {}.",
        offer.organization_name,
        offer.email,
        offer.role.as_str()
    );
    let next = query(&[("next", &format!("/join{}", query(&[("token", &token)])))]);
    let action = match own {
        Some(own) if own == offer.email => view! {
            <form method="post" action="/join" class="flex flex-col gap-4">
                {form.head()}
                <input type="hidden" name="token" value=token />
                {form.button_with_class("Join", "btn btn-primary")}
            </form>
        }
        .into_any(),
        Some(own) => view! {
            <p>{format!("You are signed in as {own}. Sign out, and open the link again.")}</p>
            <form method="post" action="/sign-out">
                <button type="submit" class="btn btn-outline">
                    "Sign out"
                </button>
            </form>
        }
        .into_any(),
        None => view! {
            <div class="flex flex-wrap gap-2">
                <a class="btn btn-primary" href=format!("/login{next}") rel="external">
                    "Sign in"
                </a>
                <a class="btn btn-outline" href=format!("/register{next}") rel="external">
                    "Create account"
                </a>
            </div>
            <p class="help">"With this e-mail address; then you are back here."</p>
        }
        .into_any(),
    };
    view! { <div class="flex flex-col gap-4"><p>{text}</p>{action}</div> }.into_any()
}
