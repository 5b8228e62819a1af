//! `/console/organization`: what it is called, what its members need, handing it over, leaving and
//! deleting it; and `/console/organization/new`.

use leptos::prelude::*;

use super::{notice, proof};
use crate::format;
use crate::rpc::load_with;
use crate::rpc::team::{OrganizationFn, OrganizationShown};
use crate::ui::code::mono_copy;
use crate::ui::dynamic::when;
use crate::ui::field::{Input, check, select};
use crate::ui::form::FormState;
use crate::ui::load::load;
use crate::ui::page_head::{page_head, page_head_below};
use crate::ui::skeleton;

const PATH: &str = "/console/organization";

pub fn organization() -> AnyView {
    let data = load_with(|| Some(OrganizationFn {}));
    let new = view! {
        <a class="btn btn-outline btn-sm" href="/console/organization/new">
            "New organization"
        </a>
    }
    .into_any();
    view! {
        <div class="page">
            {page_head("Organization", new)}
            <div class="flex w-full max-w-3xl flex-col gap-4">
                {notice()} {load(data, skeleton::form, content)}
            </div>
        </div>
    }
    .into_any()
}

fn content(shown: OrganizationShown) -> AnyView {
    view! {
        <div class="flex flex-col gap-4">
            {names(&shown)} {when(shown.may_change, || two_factor(&shown))}
            {when(shown.may_delete, || transfer(&shown))} {leave(&shown)}
            {when(shown.may_delete, || delete(&shown))}
        </div>
    }
    .into_any()
}

fn names(shown: &OrganizationShown) -> AnyView {
    let form = FormState::new("organization");
    let OrganizationShown { organization, .. } = shown;
    let id = organization.id.to_string();
    let role = organization.role.as_str();
    let id_line = view! {
        <p class="help flex flex-wrap items-center gap-x-3">
            {format!("You are {role} here.")}
            <span class="flex items-center gap-1">"Id " {mono_copy(id.clone(), format::middle(&id, 8, 4), "id")}</span>
        </p>
    }
    .into_any();
    if !shown.may_change {
        return view! {
            <section class="panel">
                <div class="panel-head">
                    <h2>{organization.name.clone()}</h2>
                </div>
                <div class="panel-body flex flex-col gap-2">
                    {id_line} <p class="text-muted">"Owners and admins change its name."</p>
                </div>
            </section>
        }
        .into_any();
    }
    view! {
        <form method="post" action=PATH novalidate class="panel" aria-label="Name">
            <div class="panel-head">
                <h2>"Name"</h2>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::text("name", "Name").required().show(form, &organization.name)}
                    {Input::mono("slug", "Slug")
                        .required()
                        .help("Tells it apart in links and in deleting; lower-case letters, digits, dashes.")
                        .show(form, &organization.slug)}
                </div>
                {id_line}
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save")}
            </div>
        </form>
    }
    .into_any()
}

fn two_factor(shown: &OrganizationShown) -> AnyView {
    let form = FormState::new("organization-two-factor");
    let lacks = !shown.has_two_factor;
    view! {
        <form method="post" action=PATH class="panel" aria-label="Second factor">
            <div class="panel-head">
                <h2>"Second factor"</h2>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                {check(
                    form,
                    "required",
                    "true",
                    "Members need a second factor",
                    "Who has none can only set one up, until they did. Service accounts go on as before.",
                    shown.two_factor_required,
                )}
                {when(lacks, || {
                    view! {
                        <p class="text-sm text-muted">
                            "You have none yourself: "
                            <a class="link-quiet" href="/console/settings/security">
                                "set one up first"
                            </a> "."
                        </p>
                    }
                        .into_any()
                })}
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save")}
            </div>
        </form>
    }
    .into_any()
}

fn transfer(shown: &OrganizationShown) -> AnyView {
    let form = FormState::new("organization-transfer");
    let mut heirs = vec![(String::new(), "Choose a member".to_owned())];
    heirs.extend(
        shown
            .heirs
            .iter()
            .map(|one| (one.id.clone(), one.name.clone())),
    );
    let body = if shown.heirs.is_empty() {
        view! {
            <p class="panel-body text-muted">
                "Nobody else is in it. " <a class="link-quiet" href="/console/members#invite">
                    "Invite"
                </a> " whom you want to hand it over to."
            </p>
        }
        .into_any()
    } else {
        view! {
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <p class="text-muted">"They become owner, and you an admin. Only they can undo it."</p>
                <div class="grid gap-4 sm:grid-cols-2">
                    {select(form, "user_id", "New owner", "", heirs, "")} {proof(form, shown.has_two_factor, ("code", "password"))}
                </div>
                <div>{form.button_with_class("Hand it over", "btn btn-outline btn-error btn-sm")}</div>
            </div>
        }
        .into_any()
    };
    view! {
        <form method="post" action=PATH novalidate class="panel" aria-label="Hand over">
            <div class="panel-head">
                <h2>"Hand over"</h2>
            </div>
            {body}
        </form>
    }
    .into_any()
}

fn leave(shown: &OrganizationShown) -> AnyView {
    let form = FormState::new("organization-leave");
    let name = &shown.organization.name;
    view! {
        <form method="post" action=PATH class="panel" aria-label="Leave">
            <div class="panel-head">
                <h2>"Leave"</h2>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="flex flex-wrap items-center justify-between gap-3">
                    <p class="max-w-xl text-muted">
                        {format!(
                            "You lose access to {name} at once. What you made stays. An organization always has \
                             an owner: the last one cannot leave.",
                        )}
                    </p>
                    {form.button_with_class("Leave the organization", "btn btn-outline btn-error btn-sm")}
                </div>
            </div>
        </form>
    }
    .into_any()
}

fn delete(shown: &OrganizationShown) -> AnyView {
    let form = FormState::new("organization-delete");
    let apis = format::plural(shown.apis as u64, "API", "APIs");
    let keys = format::plural(shown.keys as u64, "key", "keys");
    let slug = shown.organization.slug.clone();
    view! {
        <form method="post" action=PATH novalidate class="panel border-bad" aria-label="Delete">
            <div class="panel-head">
                <h2>"Delete"</h2>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <p class="text-muted">
                    {format!(
                        "{apis} and {keys} stop working at once, for every consumer. Usage, members and the audit \
                         log go too. Nothing of it can be brought back.",
                    )}
                </p>
                <p>"To confirm, type its slug: " <code class="mono">{slug}</code></p>
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::mono("delete_slug", "Slug of the organization").required().show(form, "")}
                    {proof(form, shown.has_two_factor, ("delete_code", "delete_password"))}
                </div>
                <div>{form.button_with_class("Delete for good", "btn btn-error btn-sm")}</div>
            </div>
        </form>
    }
    .into_any()
}

/// Another organization.
pub fn create() -> AnyView {
    let form = FormState::new("organization-new");
    view! {
        <div class="page">
            {page_head_below(
                (PATH, "Organization"),
                "New organization".to_owned(),
                ().into_any(),
                ().into_any(),
            )}
            <form
                method="post"
                action="/console/organization/new"
                novalidate
                class="panel w-full max-w-3xl"
                aria-label="New organization"
            >
                <div class="panel-body flex flex-col gap-4">
                    {form.head()}
                    <p class="text-muted">
                        "It has its own APIs, keys, members, usage and audit log, and you own it. You switch between \
                         organizations in the bar on top."
                    </p>
                    <div class="grid gap-4 sm:grid-cols-2">
                        {Input::text("name", "Name").required().placeholder("Acme Weather").show(form, "")}
                        {Input::mono("slug", "Slug").help("Made from the name when empty.").show(form, "")}
                    </div>
                </div>
                <div class="flex items-center justify-end border-t border-line px-4 py-3">
                    {form.button("Create and switch to it")}
                </div>
            </form>
        </div>
    }
    .into_any()
}
