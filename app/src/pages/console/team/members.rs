//! `/console/members`: who is in the organization, who is invited, and what each role may do.

use apiverse_contract::ListQuery;
use apiverse_contract::auth::Role;
use apiverse_contract::organizations::{InvitationStatus, InvitationView, MemberView};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{about, notice, problems, role_name, role_words, roles};
use crate::rpc::load_with;
use crate::rpc::team::{MembersFn, MembersShown, RoleRight};
use crate::ui::badge::pill;
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::{Input, select};
use crate::ui::form::FormState;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::time::{ago, maybe_ago, until};
use crate::urlencoded::query;

const PATH: &str = "/console/members";

pub fn members() -> AnyView {
    let map = use_query_map();
    let asked = Memo::new(move |_| {
        map.with(|map| {
            (
                map.get("cursor").unwrap_or_default(),
                map.get("member").unwrap_or_default(),
            )
        })
    });
    let data = load_with(move || {
        let cursor = Some(asked.get().0).filter(|cursor| !cursor.is_empty());
        let input = ListQuery {
            cursor,
            ..ListQuery::default()
        };
        Some(MembersFn { input })
    });
    view! {
        <div class="page">
            {page_head("Members", ().into_any())} {notice()}
            {problems(&["member-role", "member-remove", "invitation-resend", "invitation-revoke"])}
            {load(data, skeleton::table, move |shown| content(shown, asked))}
        </div>
    }
    .into_any()
}

fn content(shown: MembersShown, asked: Memo<(String, String)>) -> AnyView {
    let MembersShown {
        members,
        invitations,
        rights,
        may_change,
        is_owner,
    } = shown;
    let next = members.next_cursor;
    let cursor = asked.with_untracked(|(cursor, _)| cursor.clone());
    let cursor = Some(cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let all = members.data.clone();
    let one = move || {
        let chosen = asked.get().1;
        let found = all.iter().find(|one| one.user_id.to_string() == chosen);
        match found.filter(|_| may_change) {
            Some(member) => change(member, is_owner),
            None => ().into_any(),
        }
    };
    let rows = members
        .data
        .into_iter()
        .map(|member| row(member, may_change, is_owner))
        .collect_view();
    view! {
        <div class="flex flex-col gap-4">
            {dynamic(one)}
            <section class="panel" aria-label="Members">
                <div class="table-scroll" tabindex="0">
                    <table class="data-table">
                        <thead>
                            <tr>
                                <th scope="col">"Member"</th>
                                <th scope="col">"Role"</th>
                                {when(may_change, || {
                                    view! {
                                        <th scope="col">"Second factor"</th>
                                        <th scope="col">"Last seen"</th>
                                    }
                                        .into_any()
                                })}
                                <th scope="col">"Joined"</th>
                                {when(may_change, || {
                                    view! {
                                        <th scope="col">
                                            <span class="sr-only">"Actions"</span>
                                        </th>
                                    }
                                        .into_any()
                                })}
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(PATH, &[], cursor, next.as_deref())}
            </section>
            {when(may_change, || invited(invitations))} {table(rights)}
        </div>
    }
    .into_any()
}

fn row(member: MemberView, may_change: bool, is_owner: bool) -> AnyView {
    let id = member.user_id.to_string();
    let href = format!("{PATH}{}", query(&[("member", &id)]));
    let label = format!("Change {}", member.email);
    let is_reachable = is_owner || member.role != Role::Owner;
    let more = when(may_change, || {
        view! {
            <td>
                {if member.two_factor == Some(true) {
                    pill("pill pill-ok", "On")
                } else {
                    pill("pill", "Off")
                }}
            </td>
            <td>{maybe_ago(member.last_seen_at, "Signed out")}</td>
        }
        .into_any()
    });
    let action = when(may_change, || {
        view! {
            <td class="text-right">
                {when(is_reachable && !member.is_self, || {
                    view! {
                        <a class="btn btn-ghost btn-xs" href=href aria-label=label>
                            "Change"
                        </a>
                    }
                        .into_any()
                })}
            </td>
        }
        .into_any()
    });
    let name = member.full_name.filter(|name| !name.is_empty());
    view! {
        <tr>
            <th scope="row" class="max-w-80 truncate font-normal">
                <span class="font-medium">{name.clone().unwrap_or_else(|| member.email.clone())}</span>
                {name.map(|_| view! { <span class="ml-2 text-muted">{member.email}</span> }.into_any())}
                {when(member.is_self, || view! { <span class="ml-2 pill pill-accent">"You"</span> }.into_any())}
            </th>
            <td>{role_name(member.role)}</td>
            {more}
            <td>{ago(member.joined_at)}</td>
            {action}
        </tr>
    }
    .into_any()
}

/// The role of one member, and taking them out.
fn change(member: &MemberView, is_owner: bool) -> AnyView {
    let form = FormState::new("member-role");
    let id = member.user_id.to_string();
    let who = member
        .full_name
        .clone()
        .unwrap_or_else(|| member.email.clone());
    let title = format!("Change {who}");
    view! {
        <section class="panel" aria-label=title.clone()>
            <div class="panel-head">
                <h2>{title.clone()}</h2>
                <a class="btn btn-ghost btn-sm" href=PATH>
                    "Close"
                </a>
            </div>
            <div class="grid gap-6 p-4 md:grid-cols-2">
                <form method="post" action=PATH class="flex flex-col gap-4">
                    {about("member-role", id.clone())}
                    {select(
                        form,
                        "new_role",
                        "Role",
                        "Holds from their next request on, here only. They are told by e-mail.",
                        roles(is_owner),
                        member.role.as_str(),
                    )}
                    <div>
                        <button type="submit" class="btn btn-primary btn-sm">
                            "Save role"
                        </button>
                    </div>
                </form>
                <form method="post" action=PATH class="flex flex-col gap-4">
                    {about("member-remove", id)}
                    <div>
                        <p class="label mb-1">"Take out"</p>
                        <p class="text-sm text-muted">
                            {format!(
                                "{} loses access to this organization at once, and their access tokens for it \
                                 end. What they made stays: APIs, keys, policies. They can be invited again.",
                                member.email,
                            )}
                        </p>
                    </div>
                    <div>
                        <button type="submit" class="btn btn-outline btn-error btn-sm">
                            "Take out of the organization"
                        </button>
                    </div>
                </form>
            </div>
        </section>
    }
    .into_any()
}

/// Inviting, and who has not come yet.
fn invited(invitations: Vec<InvitationView>) -> AnyView {
    let form = FormState::new("invite");
    let is_empty = invitations.is_empty();
    let rows = invitations.into_iter().map(invitation).collect_view();
    let list = if is_empty {
        view! { <p class="px-4 py-3 text-sm text-muted">"Nobody is invited right now."</p> }
            .into_any()
    } else {
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Invited"</th>
                            <th scope="col">"As"</th>
                            <th scope="col">"Sent"</th>
                            <th scope="col">"Link ends"</th>
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
    };
    view! {
        <section class="panel" aria-label="Invitations" id="invite">
            <div class="panel-head">
                <h2>"Invitations"</h2>
                <span class="text-sm text-muted">"A link by e-mail, good for seven days"</span>
            </div>
            <form
                method="post"
                action=PATH
                novalidate
                class="flex flex-col gap-4 border-b border-line p-4"
                aria-label="Invite"
            >
                {form.head()}
                <div class="grid items-start gap-4 sm:grid-cols-2 lg:grid-cols-[1fr_1fr_auto]">
                    {Input::text("email", "E-mail address")
                        .kind("email")
                        .placeholder("grace@example.com")
                        .required()
                        .show(form, "")} {select(form, "role", "Role", "", roles(false), "developer")}
                    <div class="lg:pt-7">{form.button("Invite")}</div>
                </div>
            </form>
            {list}
        </section>
    }
    .into_any()
}

fn invitation(one: InvitationView) -> AnyView {
    let id = one.id.to_string();
    let ends = if one.status == InvitationStatus::Expired {
        pill("pill pill-warn", "Expired")
    } else {
        until(one.expires_at)
    };
    let resend = format!("Send the invitation of {} again", one.email);
    let revoke = format!("Take the invitation of {} back", one.email);
    view! {
        <tr>
            <td class="max-w-72 truncate">{one.email}</td>
            <td>{role_name(one.role)}</td>
            <td>{ago(one.sent_at)}</td>
            <td>{ends}</td>
            <td>
                <div class="flex justify-end gap-1">
                    <form method="post" action=PATH>
                        {about("invitation-resend", id.clone())}
                        <button type="submit" class="btn btn-ghost btn-xs" aria-label=resend>
                            "Send again"
                        </button>
                    </form>
                    <form method="post" action=PATH>
                        {about("invitation-revoke", id)}
                        <button type="submit" class="btn btn-ghost btn-xs text-bad" aria-label=revoke>
                            "Take back"
                        </button>
                    </form>
                </div>
            </td>
        </tr>
    }
    .into_any()
}

/// The table the code goes by, for people.
fn table(rights: Vec<RoleRight>) -> AnyView {
    let heads = Role::ALL
        .into_iter()
        .map(|role| {
            view! {
                <th scope="col" class="text-center" title=role_words(role)>
                    {role_name(role)}
                </th>
            }
            .into_any()
        })
        .collect_view();
    let rows = rights
        .into_iter()
        .map(|right| {
            let cells = Role::ALL
                .into_iter()
                .map(|role| {
                    let mark = if right.roles.contains(&role) {
                        view! {
                            <span class="inline-flex text-ok">
                                {icon(icondata_lu::LuCheck.data)} <span class="sr-only">"yes"</span>
                            </span>
                        }
                        .into_any()
                    } else {
                        view! {
                            <span class="text-muted" aria-hidden="true">
                                "–"
                            </span>
                            <span class="sr-only">"no"</span>
                        }
                        .into_any()
                    };
                    view! { <td class="text-center">{mark}</td> }.into_any()
                })
                .collect_view();
            view! {
                <tr>
                    <th scope="row" class="min-w-40 py-1.5 font-normal whitespace-normal">
                        {right.words}
                        <span class="ml-2 mono text-muted max-lg:hidden">{right.scope}</span>
                    </th>
                    {cells}
                </tr>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="What roles may do">
            <div class="panel-head">
                <h2>"What roles may do"</h2>
                <span class="text-sm text-muted">"Only owners make owners, change one, or take one out"</span>
            </div>
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"May"</th>
                            {heads}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}
