//! The passkeys and the telephone on `/console/settings/security`.

use apiverse_contract::passkeys::PasskeyView;
use apiverse_contract::two_factor::TwoFactorView;
use leptos::prelude::*;

use super::security::ADDRESS;
use crate::rpc::account::PasskeysShown;
use crate::ui::badge::pill;
use crate::ui::code::code_block;
use crate::ui::dynamic::when;
use crate::ui::field::Input;
use crate::ui::form::FormState;
use crate::ui::passkey::passkey_button;
use crate::ui::time::maybe_ago;

pub fn panels(shown: PasskeysShown) -> AnyView {
    let PasskeysShown { passkeys, stands } = shown;
    let recent = stands.recently_proved;
    let phone = phone_panel(&stands);
    let proof = (!recent).then(|| proof(&stands));
    view! {
        {proof}
        <section class="panel">
            <div class="panel-head">
                <h2>"Passkeys"</h2>
                <span class="text-sm text-muted">"Signing in with a fingerprint, a face or a security key"</span>
            </div>
            {passkeys_panel(passkeys, recent, stands.passkeys_offered)}
        </section>
        {phone}
    }
    .into_any()
}

/// What is asked for before something dangerous, when it was not proved lately.
fn proof(stands: &TwoFactorView) -> AnyView {
    let form = FormState::new("prove");
    let sent = !form.value("sent", "").is_empty();
    let has_code = stands.totp || stands.phone.is_some();
    let has_factor = has_code || stands.passkeys > 0;
    let method = if sent || (!stands.totp && stands.phone.is_some()) {
        "sms"
    } else {
        ""
    };
    let field = if has_factor {
        Input::mono("proof_code", "Code")
            .autocomplete("one-time-code")
            .required()
            .help("Of your authenticator app or your telephone, or a recovery code.")
            .show(form, "")
    } else {
        Input::password("proof_password", "Your password", "current-password")
            .required()
            .show(form, "")
    };
    let has_passkey = stands.passkeys > 0;
    view! {
        <section class="panel" id="prove">
            <div class="panel-head">
                <h2>"Confirm that it is you"</h2>
                <span class="text-sm text-muted">"For ten minutes, to change what protects your account"</span>
            </div>
            <div class="panel-body flex flex-col gap-4">
                <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
                    {form.head()}
                    <input type="hidden" name="method" value=method />
                    {field}
                    <div>{form.button("Confirm")}</div>
                </form>
                {when(
                    has_passkey,
                    || {
                        view! {
                            <form method="post" action=ADDRESS class="flex flex-col gap-2">
                                <input type="hidden" name="form" value="prove" />
                                <div>
                                    {passkey_button(
                                        "Use a passkey",
                                        "btn btn-outline btn-sm",
                                        "get",
                                        "/api/v1/auth/step-up/passkey",
                                    )}
                                </div>
                            </form>
                        }
                            .into_any()
                    },
                )}
                {stands
                    .phone
                    .clone()
                    .map(|phone| {
                        view! {
                            <form method="post" action=ADDRESS>
                                <input type="hidden" name="form" value="prove-sms" />
                                <button type="submit" class="btn btn-ghost btn-sm">
                                    {format!("Send a code to {phone}")}
                                </button>
                            </form>
                        }
                            .into_any()
                    })}
            </div>
        </section>
    }
    .into_any()
}

fn passkeys_panel(passkeys: Vec<PasskeyView>, recent: bool, offered: bool) -> AnyView {
    let form = FormState::new("passkeys");
    let codes = form.value("codes", "");
    let any = !passkeys.is_empty();
    let rows = passkeys
        .into_iter()
        .map(|passkey| row(passkey, recent))
        .collect_view();
    view! {
        {when(
            !codes.is_empty(),
            || {
                view! {
                    <div class="panel-body flex flex-col gap-4" role="status">
                        <p>
                            "Keep these recovery codes where only you find them. Each is good once, when \
                             the device is lost. They are not shown again."
                        </p>
                        {code_block(codes.clone(), "recovery codes")}
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
                                    <th scope="col">"Last used"</th>
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
        {if !offered {
            view! {
                <p class="panel-body">
                    "Passkeys need a name people reach this installation by, not an IP address."
                </p>
            }
                .into_any()
        } else if recent {
            add(form)
        } else {
            view! {
                <p class="panel-body text-sm text-muted">"Confirm that it is you, above, to add or remove one."</p>
            }
                .into_any()
        }}
    }
    .into_any()
}

fn add(form: FormState) -> AnyView {
    view! {
        <form method="post" action=ADDRESS novalidate class="panel-body flex max-w-sm flex-col gap-4">
            {form.head()}
            {Input::text("passkey_name", "Name of the passkey").required().placeholder("Telephone").show(form, "")}
            <div>
                {passkey_button(
                    "Add a passkey",
                    "btn btn-primary btn-sm",
                    "create",
                    "/api/v1/auth/passkeys/register",
                )}
            </div>
        </form>
    }
    .into_any()
}

fn row(passkey: PasskeyView, recent: bool) -> AnyView {
    let id = passkey.id.to_string();
    let label = format!("Name of {}", passkey.name);
    view! {
        <tr>
            <td>
                <form method="post" action=ADDRESS class="flex flex-wrap items-center gap-2">
                    <input type="hidden" name="form" value="passkeys" />
                    <input type="hidden" name="id" value=id.clone() />
                    <input
                        type="text"
                        name="passkey_name"
                        class="input input-sm w-44"
                        maxlength="60"
                        aria-label=label
                        value=passkey.name
                    />
                    <button type="submit" name="do" value="rename" class="btn btn-ghost btn-xs">
                        "Rename"
                    </button>
                </form>
            </td>
            <td>{maybe_ago(passkey.last_used_at, "Never")}</td>
            <td class="text-right">
                {when(
                    recent,
                    || {
                        view! {
                            <form method="post" action=ADDRESS class="flex justify-end">
                                <input type="hidden" name="form" value="passkeys" />
                                <input type="hidden" name="id" value=id.clone() />
                                <button type="submit" name="do" value="remove" class="btn btn-ghost btn-xs text-bad">
                                    "Remove"
                                </button>
                            </form>
                        }
                            .into_any()
                    },
                )}
            </td>
        </tr>
    }
    .into_any()
}

fn phone_panel(stands: &TwoFactorView) -> Option<AnyView> {
    if !stands.sms_offered && stands.phone.is_none() {
        return None;
    }
    let begun = FormState::new("phone-add");
    let confirm = FormState::new("phone-confirm");
    let codes = confirm.value("codes", "");
    let waits = !begun.value("sent", &confirm.value("sent", "")).is_empty();
    let body = match (&stands.phone, stands.recently_proved) {
        (Some(phone), recent) => {
            let phone = phone.clone();
            view! {
                <p class="flex items-center gap-2">{pill("pill pill-ok", "On")} {phone}</p>
                {when(
                    recent,
                    || {
                        view! {
                            <form method="post" action=ADDRESS>
                                <input type="hidden" name="form" value="phone-remove" />
                                <button type="submit" class="btn btn-ghost btn-sm text-bad">
                                    "Remove the telephone"
                                </button>
                            </form>
                        }
                            .into_any()
                    },
                )}
            }
            .into_any()
        }
        (None, _) if waits => view! {
            <p>"A code is on its way to your telephone. It is good for five minutes."</p>
            <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
                {confirm.head()}
                <input type="hidden" name="sent" value="yes" />
                {Input::mono("sms_code", "Code of the message")
                    .autocomplete("one-time-code")
                    .required()
                    .show(confirm, "")}
                <div>{confirm.button("Confirm the telephone")}</div>
            </form>
        }
        .into_any(),
        (None, true) => view! {
            <p class="text-sm text-muted">
                "A passkey or an authenticator app protects better: numbers can be taken over."
            </p>
            <form method="post" action=ADDRESS novalidate class="flex max-w-sm flex-col gap-4">
                {begun.head()}
                {Input::text("phone", "Telephone")
                    .kind("tel")
                    .autocomplete("tel")
                    .required()
                    .placeholder("+49 151 12345678")
                    .show(begun, "")}
                <div>{begun.button("Send a code")}</div>
            </form>
        }
        .into_any(),
        (None, false) => view! {
            <p class="text-sm text-muted">"Confirm that it is you, above, to set one up."</p>
        }
        .into_any(),
    };
    Some(
        view! {
            <section class="panel">
                <div class="panel-head">
                    <h2>"Codes by text message"</h2>
                    <span class="text-sm text-muted">"A second factor on your telephone"</span>
                </div>
                <div class="panel-body flex flex-col gap-4">
                    {when(
                        !codes.is_empty(),
                        || {
                            view! {
                                <p role="status">"Keep these recovery codes. They are not shown again."</p>
                                {code_block(codes.clone(), "recovery codes")}
                            }
                                .into_any()
                        },
                    )} {body}
                </div>
            </section>
        }
        .into_any(),
    )
}
