//! Signing in, and the second factor where there is one.

use apiverse_contract::Problem;
use apiverse_contract::auth::LoginRequest;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::elsewhere::{other_ways, problem_notice};
use super::gate;
use crate::browser;
use crate::forms::Fields;
use crate::rpc::account::SignIn;
use crate::rpc::{Private, RpcError, send};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::notice::done_notice;
use crate::ui::passkey::passkey_button;
use crate::urlencoded::query;

pub fn login() -> AnyView {
    let form = FormState::new("login");
    let codes = FormState::new("login-code");
    let passkey = FormState::new("login-passkey");
    let next = passkey.value("next", &next_page());
    let next = form.value("next", &codes.value("next", &next));
    let waiting = RwSignal::new(waiting(form, codes));
    let register = format!("/register{}", query(&[("next", &next)]));
    gate(
        "Sign in",
        view! {
            "No account yet? "
            <a class="link-quiet" href=register>
                "Create one"
            </a>
        }
        .into_any(),
        view! {
            {done_notice(use_query_map())}
            {problem_notice(use_query_map())}
            {dynamic(move || match waiting.get() {
                Some(half) => code_form(codes, half, next.clone()),
                None => {
                    view! {
                        {password_form(form, waiting, next.clone())}
                        {passkey_form(passkey, next.clone())}
                        {other_ways(&next)}
                    }
                        .into_any()
                }
            })}
        }
        .into_any(),
    )
}

/// A sign-in whose password was right.
#[derive(Clone)]
struct Half {
    token: String,
    /// How it can go on, with blanks between.
    methods: String,
}

impl Half {
    fn can(&self, method: &str) -> bool {
        self.methods.split(' ').any(|other| other == method)
    }

    fn of(problem: &Problem) -> Option<Self> {
        Some(Self {
            token: problem.mfa_token.clone()?,
            methods: problem.methods.join(" "),
        })
    }
}

/// What a sign-in whose password was right goes on with: the page may be the answer to its post, or
/// to that of a code that was wrong.
fn waiting(form: FormState, codes: FormState) -> Option<Half> {
    let of_password = form
        .problem
        .with_untracked(|problem| problem.as_ref().and_then(Half::of));
    let is_over = codes.problem.with_untracked(|problem| {
        let code = problem.as_ref().map(|problem| problem.code.as_str());
        code == Some("invalid_credentials")
    });
    if is_over {
        form.problem.set(codes.problem.get_untracked());
    }
    let typed = Half {
        token: codes.value("mfa_token", ""),
        methods: codes.value("methods", ""),
    };
    of_password.or_else(|| Some(typed).filter(|half| !half.token.is_empty() && !is_over))
}

fn password_form(form: FormState, waiting: RwSignal<Option<Half>>, next: String) -> AnyView {
    let after = next.clone();
    let sign_in = move |fields: Fields| -> Sent {
        let input = LoginRequest {
            email: fields.text("email"),
            password: fields.raw("password").to_owned(),
        };
        let after = after.clone();
        Box::pin(async move {
            let input = Private(input);
            match send(SignIn { input }).await {
                Err(RpcError(problem)) if problem.mfa_token.is_some() => {
                    waiting.set(Half::of(&problem));
                    return Ok(());
                }
                outcome => outcome?,
            }
            // A new session: everything on the page is made anew for it.
            browser::go(&after);
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action="/login"
            novalidate
            class="flex flex-col gap-4"
            on:submit=form.on_submit(sign_in)
        >
            {form.head()}
            <input type="hidden" name="next" value=next />
            {Input::text("email", "E-mail").kind("email").autocomplete("username").required().show(form, "")}
            {Input::password("password", "Password", "current-password").required().show(form, "")}
            {form.button_with_class("Sign in", "btn btn-primary")}
            <a class="link-quiet text-sm" href="/forgot-password">
                "Forgot the password?"
            </a>
        </form>
    }
    .into_any()
}

/// Signing in without a password. Posted as it is, with what the authenticator answered.
fn passkey_form(form: FormState, next: String) -> AnyView {
    view! {
        <form method="post" action="/login" class="mt-4 flex flex-col gap-2">
            {form.head()}
            <input type="hidden" name="next" value=next />
            {passkey_button(
                "Sign in with a passkey",
                "btn btn-outline",
                "get",
                "/api/v1/auth/login/passkey/begin",
            )}
        </form>
    }
    .into_any()
}

/// Posted as it is: whoever is here has typed a code by hand.
fn code_form(form: FormState, half: Half, next: String) -> AnyView {
    let was_sent = !form.value("sent", "").is_empty();
    let is_sms = half.can("sms") && (was_sent || !half.can("totp"));
    let help = match (half.can("totp"), half.can("sms")) {
        _ if was_sent => "A message is on its way to your telephone.",
        (true, false) => {
            "The six digits your authenticator app shows, or one of your recovery codes."
        }
        (true, true) => "Of your authenticator app, or one of your recovery codes.",
        (false, true) => "Of a message to your telephone, or one of your recovery codes.",
        (false, false) => "One of your recovery codes.",
    };
    let hidden = half.clone();
    let also = (next.clone(), half.clone());
    let fields = move |next: String, half: Half| {
        view! {
            <input type="hidden" name="next" value=next />
            <input type="hidden" name="mfa_token" value=half.token />
            <input type="hidden" name="methods" value=half.methods />
        }
        .into_any()
    };
    view! {
        {when(
            half.can("passkey"),
            || {
                let (next, half) = also.clone();
                view! {
                    <form method="post" action="/login" class="mb-4 flex flex-col gap-2">
                        <input type="hidden" name="form" value="login-code" />
                        {fields(next, half)}
                        {passkey_button(
                            "Use a passkey",
                            "btn btn-primary",
                            "get",
                            "/api/v1/auth/mfa/passkey",
                        )}
                    </form>
                }
                    .into_any()
            },
        )}
        <form method="post" action="/login" novalidate class="flex flex-col gap-4">
            {form.head()}
            {fields(next.clone(), hidden)}
            <input type="hidden" name="method" value=if is_sms { "sms" } else { "" } />
            {Input::mono("code", "Code").autocomplete("one-time-code").required().help(help).show(form, "")}
            {form.button_with_class("Continue", "btn btn-primary")}
        </form>
        {when(
            half.can("sms"),
            || {
                let (next, half) = also.clone();
                view! {
                    <form method="post" action="/login" class="mt-2 flex flex-col">
                        <input type="hidden" name="form" value="login-sms" />
                        {fields(next, half)}
                        <button type="submit" class="btn btn-ghost btn-sm">
                            "Send a code to my telephone"
                        </button>
                    </form>
                }
                    .into_any()
            },
        )}
        <a class="link-quiet mt-4 text-sm" href="/login" rel="external">
            "Start again"
        </a>
    }
    .into_any()
}

/// Where to go afterwards; the server accepts paths of the console only, and so does this.
pub fn next_page() -> String {
    let next = use_query_map().with_untracked(|map| map.get("next"));
    next.filter(|next| crate::forms::is_local_path(next))
        .unwrap_or_else(|| "/console".to_owned())
}
