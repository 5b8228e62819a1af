//! The forms of `/console/settings/security`: second factor, access tokens, sessions, address.

use apiverse_contract::access_tokens::CreateAccessToken;
use apiverse_contract::auth::ChangeEmail;
use apiverse_contract::two_factor::{StepUpRequest, TotpCode};
use apiverse_contract::{AccessTokenId, FieldError, Problem};
use apiverse_platform::{Actor, Platform};
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::TimeDelta;

use super::account::method_of;
use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::Fields;
use crate::ssr::ConsoleState;

/// What a form led to.
enum Done {
    /// A word of the notice on the page.
    Word(&'static str),
    /// Something that is shown once.
    Shown(Vec<(String, String)>),
}

pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        act(&state.platform, actor, &form, &posted.fields).await
    }
    .await;
    match outcome {
        Ok(Done::Word(word)) => to(&format!("/console/settings/security?done={word}")),
        Ok(Done::Shown(values)) => posted.show(&state, &form, values).await,
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn act(
    platform: &Platform,
    mut actor: Actor,
    form: &str,
    fields: &Fields,
) -> Result<Done, Problem> {
    match form {
        "totp-begin" => {
            let input = StepUpRequest {
                password: Some(fields.raw("password").to_owned()),
                ..StepUpRequest::default()
            };
            prove(platform, &mut actor, input).await?;
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
                method: Some(method_of(&code)),
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

/// Proves who the actor is, unless they did a moment ago with the same form.
async fn prove(
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
