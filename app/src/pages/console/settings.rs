//! The user's own settings: particulars, password, sessions, looks.

use apiverse_contract::auth::{ChangePassword, SessionKind, SessionView, UpdateProfile};
use apiverse_contract::patch::Patch;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::time_zone::time_zone;
use crate::forms::Fields;
use crate::page_context::Page;
use crate::rpc::account::{PasswordFn, ProfileFn, SessionRef, SessionRevoke, Sessions};
use crate::rpc::{Loaded, Private, load_with, send};
use crate::ui::badge::pill;
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::ui::theme::theme_choice;
use crate::ui::time::ago;
use crate::ui::toast::Toasts;

type Data = Loaded<Vec<SessionView>>;

pub fn settings() -> AnyView {
    let sessions = load_with(|| Some(Sessions {}));
    view! {
        <div class="page">
            {page_head(
                "Settings",
                view! {
                    <form method="post" action="/sign-out">
                        <button type="submit" class="btn btn-outline btn-sm">
                            {icon(icondata_lu::LuLogOut.data)}
                            "Sign out"
                        </button>
                    </form>
                }
                    .into_any(),
            )}
            <div class="flex w-full max-w-3xl flex-col gap-4">
                {done_notice(use_query_map())} {profile()} {time_zone()} {password(sessions)}
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Sessions"</h2>
                        <span class="text-sm text-muted">"Where you are signed in"</span>
                    </div>
                    {load(sessions, skeleton::rows, move |all| session_table(all, sessions))}
                </section>
                <section class="panel flex flex-wrap items-center justify-between gap-3 p-4">
                    <div class="min-w-0">
                        <h2>"Security"</h2>
                        <p class="text-muted">"Second factor, access tokens, another e-mail address."</p>
                    </div>
                    <a class="btn btn-outline btn-sm" href="/console/settings/security">
                        "Open"
                    </a>
                </section>
                <section class="panel flex flex-wrap items-center justify-between gap-3 p-4">
                    <div class="min-w-0">
                        <h2>"Notifications"</h2>
                        <p class="text-muted">"What you hear of by e-mail."</p>
                    </div>
                    <a class="btn btn-outline btn-sm" href="/console/notifications">
                        "Open"
                    </a>
                </section>
                <section class="panel flex flex-wrap items-center justify-between gap-3 p-4">
                    <div class="min-w-0">
                        <h2>"Appearance"</h2>
                        <p class="text-muted">"Kept in this browser."</p>
                    </div>
                    {theme_choice()}
                </section>
            </div>
        </div>
    }
    .into_any()
}

fn profile() -> AnyView {
    let form = FormState::new("profile");
    let me = Page::get().me;
    let toasts = use_context::<Toasts>();
    let (name, email, organization, role) = me.with_untracked(|me| match me {
        Some(me) => (
            me.full_name.clone().unwrap_or_default(),
            me.email.clone(),
            me.organization.clone(),
            me.role.clone(),
        ),
        None => Default::default(),
    });
    let save = move |fields: Fields| -> Sent {
        let name = fields.optional("full_name");
        Box::pin(async move {
            let full_name = name.clone().map_or(Patch::Null, Patch::Value);
            let input = UpdateProfile {
                full_name,
                ..UpdateProfile::default()
            };
            send(ProfileFn { input }).await?;
            me.update(|me| {
                if let Some(me) = me {
                    me.full_name = name;
                }
            });
            if let Some(toasts) = toasts {
                toasts.show("Saved");
            }
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action="/console/settings"
            novalidate
            class="panel"
            on:submit=form.on_submit(save)
        >
            <div class="panel-head">
                <h2>"Profile"</h2>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::text("full_name", "Full name").autocomplete("name").show(form, &name)}
                    <div class="flex min-w-0 flex-col gap-1">
                        <label class="label" for="own-email">
                            "E-mail"
                        </label>
                        <input
                            id="own-email"
                            class="input w-full bg-sunken"
                            type="email"
                            value=email
                            readonly
                        />
                    </div>
                </div>
                <p class="help">{format!("You are {role} of {organization}.")}</p>
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save changes")}
            </div>
        </form>
    }
    .into_any()
}

fn password(sessions: Data) -> AnyView {
    let form = FormState::new("password");
    let toasts = use_context::<Toasts>();
    let change = move |fields: Fields| -> Sent {
        let input = ChangePassword {
            current_password: fields.raw("current_password").to_owned(),
            new_password: fields.raw("new_password").to_owned(),
        };
        Box::pin(async move {
            let input = Private(input);
            send(PasswordFn { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Password changed");
            }
            sessions.refetch();
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action="/console/settings"
            novalidate
            class="panel"
            on:submit=form.on_submit_then_empty(change)
        >
            <div class="panel-head">
                <h2>"Password"</h2>
                <span class="text-sm text-muted">"A change ends your other sessions"</span>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::password("current_password", "Current password", "current-password")
                        .required()
                        .show(form, "")}
                    {Input::password("new_password", "New password", "new-password")
                        .required()
                        .help("At least 10 characters.")
                        .show(form, "")}
                </div>
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Change password")}
            </div>
        </form>
    }
    .into_any()
}

fn session_table(all: Vec<SessionView>, sessions: Data) -> AnyView {
    let rows = all
        .into_iter()
        .map(|session| session_row(session, sessions))
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Where"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Last seen"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">
                            <span class="sr-only">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn session_row(session: SessionView, sessions: Data) -> AnyView {
    let form = FormState::new("session");
    let id = session.id;
    let toasts = use_context::<Toasts>();
    let revoke = move |_: Fields| -> Sent {
        Box::pin(async move {
            let input = SessionRef { id };
            send(SessionRevoke { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("The session has ended");
            }
            sessions.refetch();
            Ok(())
        })
    };
    let agent = session
        .user_agent
        .unwrap_or_else(|| "Unknown client".to_owned());
    let where_from = match session.kind {
        SessionKind::Browser => device(&agent),
        SessionKind::Token => format!("Access token, {}", device(&agent)),
    };
    let action = if session.current {
        pill("pill pill-ok", "This one")
    } else {
        view! {
            <form
                method="post"
                action="/console/settings"
                class="flex justify-end"
                on:submit=form.on_submit(revoke)
            >
                <input type="hidden" name="form" value="session" />
                <input type="hidden" name="id" value=id.to_string() />
                {form.button_with_class("Revoke", "btn btn-ghost btn-xs text-bad")}
            </form>
        }
        .into_any()
    };
    view! {
        <tr>
            <td class="max-w-72 truncate" title=agent>
                {where_from}
            </td>
            <td class="mono">{session.ip.unwrap_or_else(|| "–".to_owned())}</td>
            <td>{ago(session.last_seen_at)}</td>
            <td>{ago(session.created_at)}</td>
            <td class="text-right">{action}</td>
        </tr>
    }
    .into_any()
}

/// A user agent in words a person knows; what is not recognised is shown as it came.
fn device(agent: &str) -> String {
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]
    .into_iter()
    .find(|(mark, _)| agent.contains(mark));
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(mark, _)| agent.contains(mark));
    match (browser, system) {
        (Some((_, browser)), Some((_, system))) => format!("{browser} on {system}"),
        (Some((_, browser)), None) => browser.to_owned(),
        _ => agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn user_agents_in_words() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome on Linux");
        assert_eq!(device(&format!("{chrome} Edg/130.0")), "Edge on Linux");
        assert_eq!(device("Elsewhere/1.0"), "Elsewhere/1.0");
    }
}
