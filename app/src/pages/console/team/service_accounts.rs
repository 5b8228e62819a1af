//! `/console/service-accounts`: who acts in the organization without being a person, and with what.

use apiverse_contract::access_tokens::{AccessTokenView, ServiceAccountView};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{about, notice, problems, role_name, roles};
use crate::rpc::load_with;
use crate::rpc::team::{ServiceAccountsFn, ServiceAccountsShown};
use crate::ui::badge::pill;
use crate::ui::code::code_block;
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::{Input, check, select};
use crate::ui::form::FormState;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::ui::time::{ago, maybe_ago, until};
use crate::urlencoded::query;

const PATH: &str = "/console/service-accounts";

pub fn service_accounts() -> AnyView {
    let map = use_query_map();
    let chosen = Memo::new(move |_| map.with(|map| map.get("account").unwrap_or_default()));
    let data = load_with(|| Some(ServiceAccountsFn {}));
    view! {
        <div class="page">
            {page_head("Service accounts", ().into_any())}
            <p class="max-w-3xl text-muted">
                "Deployments, monitors, scripts: what acts here without being a person has an account of its own, \
                 with a role. It does not end when somebody leaves."
            </p>
            {notice()} {problems(&["service-account-delete", "service-token-revoke"])}
            {load(data, skeleton::table, move |shown| content(shown, chosen))}
        </div>
    }
    .into_any()
}

fn content(shown: ServiceAccountsShown, chosen: Memo<String>) -> AnyView {
    let may_change = shown.may_change;
    let token = FormState::new("service-token").value("token", "");
    let all = (shown.accounts.clone(), shown.tokens.clone());
    let one = move || {
        let (accounts, tokens) = &all;
        let chosen = chosen.get();
        let found = accounts.iter().find(|one| one.id.to_string() == chosen);
        match found.filter(|_| may_change) {
            Some(account) => delete(account, tokens),
            None => ().into_any(),
        }
    };
    let accounts = shown.accounts.clone();
    view! {
        <div class="flex flex-col gap-4">
            {when(!token.is_empty(), || {
                view! {
                    <section class="panel" aria-label="New token">
                        <div class="panel-body flex flex-col gap-2" role="status">
                            <p>"The token. Copy it now: it is not shown again."</p>
                            {code_block(token, "token")}
                        </div>
                    </section>
                }
                    .into_any()
            })} {dynamic(one)} {list(shown.accounts, &shown.tokens, may_change)}
            {when(may_change, || {
                view! {
                    {tokens(&accounts, shown.tokens, &shown.scopes)}
                }
                    .into_any()
            })}
        </div>
    }
    .into_any()
}

fn list(
    accounts: Vec<ServiceAccountView>,
    tokens: &[AccessTokenView],
    may_change: bool,
) -> AnyView {
    let body = if accounts.is_empty() {
        view! {
            <div class="empty">
                {icon(icondata_lu::LuBot.data)} <p class="font-medium text-ink">"No service accounts"</p>
                <p>"Make one for each thing that acts on its own, so that each can be taken out by itself."</p>
            </div>
        }
        .into_any()
    } else {
        let rows = accounts
            .into_iter()
            .map(|account| {
                let id = account.id.to_string();
                let live = tokens.iter().filter(|token| {
                    token.service_account_id == Some(account.id) && token.revoked_at.is_none()
                });
                let live = live.count();
                let href = format!("{PATH}{}", query(&[("account", &id)]));
                let label = format!("Delete {}", account.name);
                view! {
                    <tr>
                        <th scope="row" class="max-w-72 truncate">
                            {account.name}
                        </th>
                        <td>{role_name(account.role)}</td>
                        {when(may_change, || view! { <td class="num">{live}</td> }.into_any())}
                        <td>{ago(account.created_at)}</td>
                        {when(may_change, || {
                            view! {
                                <td class="text-right">
                                    <a class="btn btn-ghost btn-xs text-bad" href=href aria-label=label>
                                        "Delete"
                                    </a>
                                </td>
                            }
                                .into_any()
                        })}
                    </tr>
                }
                .into_any()
            })
            .collect_view();
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Role"</th>
                            {when(may_change, || {
                                view! {
                                    <th scope="col" class="num">
                                        "Tokens"
                                    </th>
                                }
                                    .into_any()
                            })}
                            <th scope="col">"Made"</th>
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
        }
        .into_any()
    };
    view! {
        <section class="panel" aria-label="Service accounts">
            {body} {when(may_change, create)}
        </section>
    }
    .into_any()
}

fn create() -> AnyView {
    let form = FormState::new("service-account");
    view! {
        <form
            method="post"
            action=PATH
            novalidate
            class="flex flex-col gap-4 border-t border-line p-4"
            aria-label="New service account"
        >
            {form.head()}
            <div class="grid items-start gap-4 sm:grid-cols-2 lg:grid-cols-[1fr_1fr_auto]">
                {Input::text("name", "Name").required().placeholder("deploy").show(form, "")}
                {select(form, "role", "Role", "", roles(false), "developer")}
                <div class="lg:pt-7">{form.button("Make service account")}</div>
            </div>
        </form>
    }
    .into_any()
}

/// What ends with an account, and the button that ends it.
fn delete(account: &ServiceAccountView, tokens: &[AccessTokenView]) -> AnyView {
    let own = tokens
        .iter()
        .filter(|token| token.service_account_id == Some(account.id) && token.revoked_at.is_none());
    let last = own.clone().filter_map(|token| token.last_used_at).max();
    let count = own.count();
    let title = format!("Delete {}", account.name);
    let words = match count {
        0 => "It has no token in use.".to_owned(),
        1 => "Its token is refused from then on.".to_owned(),
        count => format!("Its {count} tokens are refused from then on."),
    };
    view! {
        <section class="panel" aria-label=title.clone()>
            <div class="panel-head">
                <h2>{title.clone()}</h2>
                <a class="btn btn-ghost btn-sm" href=PATH>
                    "Close"
                </a>
            </div>
            <form method="post" action=PATH class="panel-body flex flex-wrap items-center justify-between gap-3">
                {about("service-account-delete", account.id.to_string())}
                <p class="text-muted">{words} " Last used: " {maybe_ago(last, "never")} "."</p>
                <button type="submit" class="btn btn-error btn-sm">
                    "Delete for good"
                </button>
            </form>
        </section>
    }
    .into_any()
}

fn tokens(
    accounts: &[ServiceAccountView],
    tokens: Vec<AccessTokenView>,
    scopes: &[String],
) -> AnyView {
    if accounts.is_empty() {
        return ().into_any();
    }
    let form = FormState::new("service-token");
    let names: Vec<(String, String)> = accounts
        .iter()
        .map(|one| (one.id.to_string(), one.name.clone()))
        .collect();
    let first = names.first().map(|(id, _)| id.clone()).unwrap_or_default();
    let is_empty = tokens.is_empty();
    let rows = tokens
        .into_iter()
        .map(|token| row(token, &names))
        .collect_view();
    let table = when(!is_empty, || {
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Of"</th>
                            <th scope="col">"Begins with"</th>
                            <th scope="col">"May"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">"Expires"</th>
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
    });
    let scopes = scopes
        .iter()
        .map(|scope| check(form, "scopes", scope, scope, "", false))
        .collect_view();
    let lifetimes = [
        ("30", "in 30 days"),
        ("90", "in 90 days"),
        ("365", "in a year"),
        ("", "never"),
    ]
    .map(|(days, text)| (days.to_owned(), text.to_owned()))
    .to_vec();
    view! {
        <section class="panel" aria-label="Tokens">
            <div class="panel-head">
                <h2>"Tokens"</h2>
                <span class="text-sm text-muted">"What a service account sends as Authorization: Bearer"</span>
            </div>
            {table}
            <form
                method="post"
                action=PATH
                novalidate
                class="panel-body flex flex-col gap-4"
                aria-label="New token"
            >
                {form.head()}
                <div class="grid gap-4 sm:grid-cols-3">
                    {select(form, "account", "Service account", "", names.clone(), &first)}
                    {Input::text("token_name", "Name").required().placeholder("CI").show(form, "")}
                    {select(form, "expires_days", "Expires", "", lifetimes, "90")}
                </div>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"What it may do, within the account's role"</legend>
                    <div class="grid gap-2 sm:grid-cols-3">{scopes}</div>
                </fieldset>
                <div>{form.button("Make token")}</div>
            </form>
        </section>
    }
    .into_any()
}

fn row(token: AccessTokenView, names: &[(String, String)]) -> AnyView {
    let account = token.service_account_id.map(|id| id.to_string());
    let of = names
        .iter()
        .find(|(id, _)| Some(id) == account.as_ref())
        .map(|(_, name)| name.clone())
        .unwrap_or_default();
    let label = format!("Revoke {}", token.name);
    let action = if token.revoked_at.is_some() {
        pill("pill", "Revoked")
    } else {
        view! {
            <form method="post" action=PATH class="flex justify-end">
                {about("service-token-revoke", token.id.to_string())}
                <button type="submit" class="btn btn-ghost btn-xs text-bad" aria-label=label>
                    "Revoke"
                </button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr>
            <td class="max-w-48 truncate">{token.name}</td>
            <td class="max-w-48 truncate">{of}</td>
            <td class="mono">{token.token_prefix}</td>
            <td class="max-w-64 whitespace-normal">{token.scopes.join(", ")}</td>
            <td>{maybe_ago(token.last_used_at, "Never")}</td>
            <td>
                {match token.expires_at {
                    Some(at) => until(at),
                    None => "Never".into_any(),
                }}
            </td>
            <td class="text-right">{action}</td>
        </tr>
    }
    .into_any()
}
