//! Signing in elsewhere: the ways there, and what went wrong on the way back.

use leptos::prelude::*;
use leptos_router::params::ParamsMap;

use crate::page_context::Page;
use crate::ui::dynamic::when;
use crate::ui::icon::icon;
use crate::urlencoded::query;

/// `Continue with …` for each service that is set up.
pub fn other_ways(next: &str) -> AnyView {
    let options = Page::get().sign_in();
    when(!options.is_empty(), || {
        let links: Vec<AnyView> = options
            .iter()
            .map(|option| {
                let href = format!("/login/with/{}{}", option.slug, query(&[("next", next)]));
                let text = format!("Continue with {}", option.name);
                view! {
                    <a class="btn btn-outline" href=href rel="external">
                        {text}
                    </a>
                }
                .into_any()
            })
            .collect();
        view! {
            <div class="mt-4 flex flex-col gap-3 border-t border-line pt-4">{links}</div>
        }
        .into_any()
    })
}

/// Reads `?problem=…&with=…`; only words known here are shown.
pub fn problem_notice(map: Memo<ParamsMap>) -> AnyView {
    let (word, with) = map.with_untracked(|map| {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        (text("problem"), text("with"))
    });
    let options = Page::get().sign_in();
    let name = options.into_iter().find(|option| option.slug == with);
    let name = name.map_or_else(|| "The service".to_owned(), |option| option.name);
    let text = match word.as_str() {
        "away" => format!("{name} does not answer right now. Try again in a moment."),
        "refused" => format!("{name} did not sign you in. Perhaps you went back, or it knows you but may not let you in here."),
        "untrusted" => format!("What {name} answered could not be trusted, so nobody was signed in. Try again."),
        "stale" => "That took too long, or was begun in another browser. Begin again.".to_owned(),
        "unconfirmed" => format!("{name} does not say that your e-mail address is yours. Confirm it there, then come back."),
        "exists" => "There is an account with your e-mail address already. Sign in to it, then link the other sign-in under Settings, Security.".to_owned(),
        "off" => "Your account is switched off. Ask an owner of your organization.".to_owned(),
        "taken" => "This sign-in belongs to another account.".to_owned(),
        "step-up" => "Prove who you are first: give your password, or sign in again.".to_owned(),
        "unknown" => "There is no such way to sign in.".to_owned(),
        "failed" | "signed-out" => "That did not work. Try again.".to_owned(),
        _ => String::new(),
    };
    when(!text.is_empty(), || {
        view! {
            <div class="alert alert-error mb-4" role="alert">
                {icon(icondata_lu::LuCircleAlert.data)}
                <p>{text.clone()}</p>
            </div>
        }
        .into_any()
    })
}
