//! The forms of `/console/settings/security`: second factor, access tokens, sessions, address.

use apiverse_contract::access_tokens::CreateAccessToken;
use apiverse_contract::auth::ChangeEmail;
use apiverse_contract::passkeys::{CreatePasskey, PasskeyAnswer, RenamePasskey};
use apiverse_contract::two_factor::{AddPhone, StepUpRequest, TotpCode};
use apiverse_contract::{AccessTokenId, FieldError, IdentityId, PasskeyId, Problem};
use apiverse_platform::{Actor, Departure, Platform};
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::TimeDelta;

use super::account::{method_of, passkey_of};
use super::external::{away, link};
use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::Fields;
use crate::ssr::ConsoleState;

/// What a form led to.
enum Done {
    /// A word of the notice on the page.
    Word(&'static str),
    /// Something that is shown once.
    Shown(Vec<(String, String)>),
    /// The same, at another form than the posted one.
    ShownAs(&'static str, Vec<(String, String)>),
    /// On to another service.
    Away(Departure),
}

pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        act(&state, actor, &form, &posted.fields).await
    }
    .await;
    match outcome {
        Ok(Done::Word(word)) => to(&format!("/console/settings/security?done={word}")),
        Ok(Done::Away(departure)) => away(&state, &departure),
        Ok(Done::Shown(values)) => posted.show(&state, &form, values).await,
        Ok(Done::ShownAs(form, values)) => posted.show(&state, form, values).await,
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn act(
    state: &ConsoleState,
    mut actor: Actor,
    form: &str,
    fields: &Fields,
) -> Result<Done, Problem> {
    let platform = &state.platform;
    match form {
        "totp-begin" => {
            let password = fields.raw("password").to_owned();
            // With another second factor the password proves nothing: that was done before.
            if !password.is_empty() {
                let input = StepUpRequest {
                    password: Some(password),
                    ..StepUpRequest::default()
                };
                prove(platform, &mut actor, input).await?;
            }
            let setup = platform.totp_begin(&actor).await.map_err(problem_of)?;
            Ok(Done::Shown(vec![
                pair("secret", setup.secret),
                pair("qr_svg", without_prolog(&setup.qr_svg)),
            ]))
        }
        "totp-confirm" => {
            let input = TotpCode {
                code: fields.text("code"),
            };
            let codes = platform.totp_confirm(&actor, input).await;
            let codes = codes.map_err(problem_of)?.codes;
            Ok(Done::Shown(vec![pair("codes", codes.join("\n"))]))
        }
        "two-factor" => {
            let code = fields.text("code");
            let input = StepUpRequest {
                method: Some(method_of(&code, "")),
                code: Some(code),
                ..StepUpRequest::default()
            };
            prove(platform, &mut actor, input).await?;
            if fields.raw("do") == "codes" {
                let codes = platform.recovery_codes(&actor).await;
                let codes = codes.map_err(problem_of)?.codes;
                return Ok(Done::Shown(vec![pair("codes", codes.join("\n"))]));
            }
            platform.totp_remove(&actor).await.map_err(problem_of)?;
            Ok(Done::Word("two-factor-off"))
        }
        "prove" => {
            let proved = prove(platform, &mut actor, proof_of(fields)).await;
            proved.map_err(|problem| at_field(problem, "password", "proof_password"))?;
            Ok(Done::Word("proved"))
        }
        "prove-sms" => {
            let sent = platform.phone_step_up_code(&actor).await;
            sent.map_err(problem_of)?;
            Ok(Done::ShownAs("prove", vec![pair("sent", "yes".to_owned())]))
        }
        "passkeys" => passkeys(platform, &actor, fields).await,
        "phone-add" => {
            let input = AddPhone {
                phone: fields.text("phone"),
            };
            let sent = platform.phone_add(&actor, input).await;
            sent.map_err(problem_of)?;
            Ok(Done::Shown(vec![pair("sent", "yes".to_owned())]))
        }
        "phone-confirm" => {
            let input = TotpCode {
                code: fields.text("sms_code"),
            };
            let codes = platform.phone_confirm(&actor, input).await;
            let codes = codes.map_err(problem_of)?.codes;
            if codes.is_empty() {
                return Ok(Done::Word("phone-added"));
            }
            Ok(Done::Shown(vec![pair("codes", codes.join("\n"))]))
        }
        "phone-remove" => {
            platform.phone_remove(&actor).await.map_err(problem_of)?;
            Ok(Done::Word("phone-removed"))
        }
        "token" => {
            let days = fields.number::<u16>("expires_days");
            let days = days.map_err(|error| invalid(vec![error]))?;
            let input = CreateAccessToken {
                name: fields.text("name"),
                scopes: fields.all("scopes").map(str::to_owned).collect(),
                expires_at: days.map(|days| platform.now() + TimeDelta::days(days.into())),
                service_account_id: None,
            };
            let created = platform.access_token_create(&actor, input).await;
            let created = created.map_err(problem_of)?;
            Ok(Done::Shown(vec![pair("token", created.token)]))
        }
        "token-revoke" => {
            let id: AccessTokenId = fields
                .text("id")
                .parse()
                .map_err(|_| invalid(vec![FieldError::new("id", "must be an id")]))?;
            let revoked = platform.access_token_revoke(&actor, id).await;
            revoked.map_err(problem_of)?;
            Ok(Done::Word("token-revoked"))
        }
        "identity-link" => {
            let proof = fields.raw("proof_password").to_owned();
            if !proof.is_empty() {
                let input = StepUpRequest {
                    method: Some(method_of(&proof, "")),
                    code: Some(proof.clone()),
                    password: Some(proof),
                    passkey: None,
                };
                prove(platform, &mut actor, input).await?;
            }
            let departure = link(state, &actor, &fields.text("slug")).await?;
            Ok(Done::Away(departure))
        }
        "identity-remove" => {
            let id: IdentityId = fields
                .text("id")
                .parse()
                .map_err(|_| invalid(vec![FieldError::new("id", "must be an id")]))?;
            let removed = platform.identity_remove(&actor, id).await;
            removed.map_err(problem_of)?;
            Ok(Done::Word("unlinked"))
        }
        "sessions" => {
            let ended = platform.sessions_revoke_others(&actor).await;
            ended.map_err(problem_of)?;
            Ok(Done::Word("sessions"))
        }
        "email" => {
            let input = ChangeEmail {
                new_email: fields.text("new_email"),
                current_password: fields.raw("current_password").to_owned(),
            };
            let asked = platform.email_change(&actor, input).await;
            asked.map_err(problem_of)?;
            Ok(Done::Word("sent"))
        }
        _ => Err(unknown_form()),
    }
}

/// The proof of a form for something dangerous, in fields that begin with `prefix`: a code of the
/// second factor, or the password.
pub(super) fn step_up(fields: &Fields, prefix: &str) -> StepUpRequest {
    let code = fields.optional(&format!("{prefix}code"));
    StepUpRequest {
        password: Some(fields.raw(&format!("{prefix}password")).to_owned()),
        method: code
            .as_deref()
            .map(|code| method_of(code, fields.raw("method"))),
        code,
        passkey: passkey_of(fields),
    }
}

/// Adds, renames or removes a passkey.
async fn passkeys(platform: &Platform, actor: &Actor, fields: &Fields) -> Result<Done, Problem> {
    let name = fields.text("passkey_name");
    let id = || {
        let id = fields.text("id").parse::<PasskeyId>();
        id.map_err(|_| invalid(vec![FieldError::new("id", "must be an id")]))
    };
    match fields.raw("do") {
        "rename" => {
            let renamed = platform
                .passkey_rename(actor, id()?, RenamePasskey { name })
                .await;
            renamed.map_err(problem_of)?;
            Ok(Done::Word("passkey-renamed"))
        }
        "remove" => {
            let removed = platform.passkey_remove(actor, id()?).await;
            removed.map_err(problem_of)?;
            Ok(Done::Word("passkey-removed"))
        }
        _ => {
            let PasskeyAnswer {
                ceremony,
                credential,
            } = passkey_of(fields).unwrap_or_else(nothing_answered);
            let input = CreatePasskey {
                name,
                ceremony,
                credential,
            };
            let made = platform.passkey_create(actor, input).await;
            let made = made.map_err(|error| at_field(problem_of(error), "name", "passkey_name"));
            let codes = made?.recovery_codes;
            if codes.is_empty() {
                return Ok(Done::Word("passkey-added"));
            }
            Ok(Done::Shown(vec![pair("codes", codes.join("\n"))]))
        }
    }
}

/// Says what is wrong at the field as the page names it.
fn at_field(mut problem: Problem, name: &str, here: &str) -> Problem {
    for error in &mut problem.errors {
        if error.field == name {
            error.field = here.to_owned();
        }
    }
    problem
}

fn nothing_answered() -> PasskeyAnswer {
    PasskeyAnswer {
        ceremony: String::new(),
        credential: serde_json::Value::Null,
    }
}

/// What a form proves its sender with: a password, a code, or a passkey.
fn proof_of(fields: &Fields) -> StepUpRequest {
    let code = fields.text("proof_code");
    let password = fields.raw("proof_password").to_owned();
    StepUpRequest {
        password: (!password.is_empty()).then_some(password),
        method: (!code.is_empty()).then(|| method_of(&code, fields.raw("method"))),
        code: (!code.is_empty()).then_some(code),
        passkey: passkey_of(fields),
    }
}

/// Proves who the actor is, unless they did a moment ago with the same form.
pub(super) async fn prove(
    platform: &Platform,
    actor: &mut Actor,
    input: StepUpRequest,
) -> Result<(), Problem> {
    platform.step_up(actor, input).await.map_err(problem_of)?;
    actor.authenticated_at = Some(platform.now());
    Ok(())
}

fn pair(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

/// A picture within a page begins with its element.
fn without_prolog(svg: &str) -> String {
    svg.find("<svg").map_or("", |at| &svg[at..]).to_owned()
}
