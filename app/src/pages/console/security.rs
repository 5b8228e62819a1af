//! `/console/settings/security`: the second factor, access tokens, sessions elsewhere, the address.
//! Its forms are posted as they are, with a script or without: what they show is shown once, and
//! is never kept in the browser.

use apiverse_contract::access_tokens::AccessTokenView;
use apiverse_contract::two_factor::TwoFactorView;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::identities::identities;
use crate::pages::public::problem_notice;
use crate::rpc::account::{AccessTokens, Passkeys, TokensShown, TwoFactor};
use crate::rpc::load_with;
use crate::ui::badge::pill;
use crate::ui::code::code_block;
use crate::ui::dynamic::when;
use crate::ui::field::{Input, check, select};
use crate::ui::form::FormState;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::ui::time::{maybe_ago, until};

pub(super) const ADDRESS: &str = "/console/settings/security";

pub fn security() -> AnyView {
    let two_factor = load_with(|| Some(TwoFactor {}));
    let passkeys = load_with(|| Some(Passkeys {}));
    let tokens = load_with(|| Some(AccessTokens {}));
    view! {
        <div class="page">
            {page_head(
                "Security",
                view! {
                    <form method="post" action=ADDRESS>
                        <input type="hidden" name="form" value="sessions" />
                        <button type="submit" class="btn btn-outline btn-sm">
                            "Sign out everywhere else"
                        </button>
                    </form>
                }
                    .into_any(),
            )}
            <div class="flex w-full max-w-3xl flex-col gap-4">
                {done_notice(use_query_map())}
                {problem_notice(use_query_map())}
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Two-factor authentication"</h2>
                        <span class="text-sm text-muted">"A code beside the password"</span>
                    </div>
                    {load(two_factor, skeleton::rows, two_factor_panel)}
                </section>
                {load(passkeys, skeleton::rows, super::passkeys::panels)}
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Access tokens"</h2>
                        <span class="text-sm text-muted">"For automation, in your name"</span>
                    </div>
                    {load(tokens, skeleton::rows, tokens_panel)}
                </section>
                {identities()}
                {email()}
            </div>
        </div>
    }
    .into_any()
}

fn two_factor_panel(stands: TwoFactorView) -> AnyView {
    let begun = FormState::new("totp-begin");
    let confirm = FormState::new("totp-confirm");
    let on = FormState::new("two-factor");
    let codes = confirm.value("codes", &on.value("codes", ""));
    let secret = begun.value("secret", &confirm.value("secret", ""));
    let body = if stands.totp {
        switched_on(on, stands.recovery_codes_left)
    } else if secret.is_empty() {
        let wants_password = stands.passkeys == 0 && stands.phone.is_none();
        switched_off(begun, stands.required, wants_password)
    } else {
        confirmation(confirm, secret, begun.value("qr_svg", ""))
    };
    view! {
        <div class="panel-body flex flex-col gap-4">
            {when(
                !codes.is_empty(),
                || {
                    view! {
                        <div class="alert alert-success items-start" role="status">
                            <p>
                                "Keep these recovery codes where only you find them. Each is good once, when \
                                 the app is lost. They are not shown again."
                            </p>
                        </div>
                        {code_block(codes.clone(), "recovery codes")}
                    }
                        .into_any()
                },
            )} {body}
        </div>
    }
    .into_any()
}

/// The password, until there is a second factor that proves more.
fn switched_off(form: FormState, required: bool, wants_password: bool) -> AnyView {
    let text = if required {
        "Your organization wants one: set it up to go on working in it."
    } else {
        "No authenticator app. With one on your telephone, a stolen password is not enough."
    };
    view! {
        <p>{text}</p>
        <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
            {form.head()}
            {when(
                wants_password,
                || Input::password("password", "Your password", "current-password").required().show(form, ""),
            )}
            <div>{form.button("Set up")}</div>
        </form>
    }
    .into_any()
}

fn confirmation(form: FormState, secret: String, qr: String) -> AnyView {
    let hidden = secret.clone();
    view! {
        {when(
            !qr.is_empty(),
            || {
                view! {
                    <p>"Scan this with your authenticator app."</p>
                    <div
                        class="w-fit rounded-box bg-white p-3"
                        role="img"
                        aria-label="QR code for the authenticator app"
                        inner_html=qr.clone()
                    ></div>
                }
                    .into_any()
            },
        )}
        <p>"Without a camera, type this secret into it:"</p>
        {code_block(secret, "secret")}
        <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
            {form.head()}
            <input type="hidden" name="secret" value=hidden />
            {Input::mono("code", "Code")
                .autocomplete("one-time-code")
                .required()
                .help("The six digits the app shows now.")
                .show(form, "")}
            <div>{form.button("Switch on")}</div>
        </form>
    }
    .into_any()
}

fn switched_on(form: FormState, left: u32) -> AnyView {
    let left = match left {
        1 => "One recovery code is left.".to_owned(),
        left => format!("{left} recovery codes are left."),
    };
    view! {
        <p class="flex items-center gap-2">{pill("pill pill-ok", "On")} {left}</p>
        <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
            {form.head()}
            {Input::mono("code", "Code")
                .autocomplete("one-time-code")
                .required()
                .help("Of the app, or a recovery code.")
                .show(form, "")}
            <div class="flex flex-wrap gap-2">
                <button type="submit" name="do" value="codes" class="btn btn-outline btn-sm">
                    "New recovery codes"
                </button>
                <button type="submit" name="do" value="off" class="btn btn-ghost btn-sm text-bad">
                    "Switch off"
                </button>
            </div>
        </form>
    }
    .into_any()
}

fn tokens_panel(shown: TokensShown) -> AnyView {
    let form = FormState::new("token");
    let token = form.value("token", "");
    let scopes = shown
        .scopes
        .iter()
        .map(|scope| check(form, "scopes", scope, scope, "", false))
        .collect_view();
    let any = !shown.tokens.is_empty();
    let rows = shown.tokens.into_iter().map(row).collect_view();
    view! {
        {when(
            !token.is_empty(),
            || {
                view! {
                    <div class="panel-body flex flex-col gap-2" role="status">
                        <p>"The token. Copy it now: it is not shown again."</p>
                        {code_block(token.clone(), "token")}
                    </div>
                }
                    .into_any()
            },
        )}
        {when(
            any,
            || {
                view! {
                    <div class="table-scroll" tabindex="0">
                        <table class="data-table">
                            <thead>
                                <tr>
                                    <th scope="col">"Name"</th>
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
            },
        )}
        <form method="post" action=ADDRESS novalidate class="panel-body flex flex-col gap-4">
            {form.head()}
            <div class="grid gap-4 sm:grid-cols-2">
                {Input::text("name", "Name").required().placeholder("deploy script").show(form, "")}
                {select(form, "expires_days", "Expires", "", lifetimes(), "90")}
            </div>
            <fieldset class="flex flex-col gap-2">
                <legend class="label mb-1">"What it may do"</legend>
                <div class="grid gap-2 sm:grid-cols-3">{scopes}</div>
            </fieldset>
            <div>{form.button("Create token")}</div>
        </form>
    }
    .into_any()
}

fn lifetimes() -> Vec<(String, String)> {
    [
        ("30", "in 30 days"),
        ("90", "in 90 days"),
        ("365", "in a year"),
        ("", "never"),
    ]
    .map(|(days, text)| (days.to_owned(), text.to_owned()))
    .to_vec()
}

fn row(token: AccessTokenView) -> AnyView {
    let action = if token.revoked_at.is_some() {
        pill("pill", "Revoked")
    } else {
        view! {
            <form method="post" action=ADDRESS class="flex justify-end">
                <input type="hidden" name="form" value="token-revoke" />
                <input type="hidden" name="id" value=token.id.to_string() />
                <button type="submit" class="btn btn-ghost btn-xs text-bad">
                    "Revoke"
                </button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr>
            <td class="max-w-48 truncate">{token.name}</td>
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

fn email() -> AnyView {
    let form = FormState::new("email");
    view! {
        <form method="post" action=ADDRESS novalidate class="panel">
            <div class="panel-head">
                <h2>"E-mail address"</h2>
                <span class="text-sm text-muted">"Takes effect once the link sent there is followed"</span>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::text("new_email", "New address").kind("email").autocomplete("email").required().show(form, "")}
                    {Input::password("current_password", "Your password", "current-password")
                        .required()
                        .show(form, "")}
                </div>
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Send the link")}
            </div>
        </form>
    }
    .into_any()
}
