//! On the page Security: the services the user signs in with beside their password.

use apiverse_contract::sign_in::IdentityView;
use leptos::prelude::*;

use crate::rpc::account::{Identities, SignIns};
use crate::rpc::load_with;
use crate::ui::dynamic::when;
use crate::ui::field::Input;
use crate::ui::form::FormState;
use crate::ui::load::load;
use crate::ui::skeleton;
use crate::ui::time::ago;

const ADDRESS: &str = "/console/settings/security";

pub fn identities() -> AnyView {
    let found = load_with(|| Some(Identities {}));
    view! {
        <section class="panel">
            <div class="panel-head">
                <h2>"Linked sign-ins"</h2>
                <span class="text-sm text-muted">"Other services you sign in with"</span>
            </div>
            {load(found, skeleton::rows, panel)}
        </section>
    }
    .into_any()
}

fn panel(found: SignIns) -> AnyView {
    let link = FormState::new("identity-link");
    let unlink = FormState::new("identity-remove");
    let rows: Vec<AnyView> = found.linked.iter().cloned().map(row).collect();
    let buttons: Vec<AnyView> = found
        .options
        .iter()
        .map(|option| {
            let text = format!("Link {}", option.name);
            view! {
                <button
                    type="submit"
                    name="slug"
                    value=option.slug.clone()
                    class="btn btn-outline btn-sm"
                >
                    {text}
                </button>
            }
            .into_any()
        })
        .collect();
    let none = found.options.is_empty() && rows.is_empty();
    view! {
        {unlink.head()}
        {when(
            !rows.is_empty(),
            || view! { <ul class="divide-y divide-line">{rows}</ul> }.into_any(),
        )}
        {when(
            none,
            || {
                view! {
                    <p class="panel-body text-muted">
                        "No other service is set up on this installation."
                    </p>
                }
                    .into_any()
            },
        )}
        {when(
            !buttons.is_empty(),
            || {
                view! {
                    <form
                        method="post"
                        action=ADDRESS
                        novalidate
                        class="panel-body flex max-w-sm flex-col gap-4"
                    >
                        {link.head()}
                        {Input::password("proof_password", "Your password", "current-password")
                            .help(
                                "With a second factor its code. Not needed within ten minutes of signing in.",
                            )
                            .show(link, "")}
                        <div class="flex flex-wrap gap-2">{buttons}</div>
                    </form>
                }
                    .into_any()
            },
        )}
    }
    .into_any()
}

fn row(identity: IdentityView) -> AnyView {
    let name = identity.provider.clone();
    view! {
        <li class="flex items-center justify-between gap-4 px-4 py-3">
            <div class="min-w-0">
                <p class="truncate font-medium">{identity.provider}</p>
                <p class="truncate text-sm text-muted">
                    {identity.email.unwrap_or(identity.issuer)} " · used " {ago(identity.last_used_at)}
                </p>
            </div>
            <form method="post" action=ADDRESS>
                <input type="hidden" name="form" value="identity-remove" />
                <input type="hidden" name="id" value=identity.id.to_string() />
                <button
                    type="submit"
                    class="btn btn-ghost btn-xs text-bad"
                    aria-label=format!("Unlink {name}")
                >
                    "Unlink"
                </button>
            </form>
        </li>
    }
    .into_any()
}
