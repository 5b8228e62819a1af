//! Forms behind the links in messages, and asking for one.

use apiverse_contract::Problem;
use apiverse_contract::auth::{EmailRequest, LinkRequest, ResetPassword};
use apiverse_contract::organizations::InvitationToken;
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, problem_of, to};
use crate::ssr::ConsoleState;

pub async fn forgot_password(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = EmailRequest {
        email: posted.fields.text("email"),
    };
    let outcome = async {
        readable?;
        let asked = state.platform.password_forgot(&posted.info(), input).await;
        asked.map_err(problem_of)
    }
    .await;
    answer(posted, &state, outcome, "forgot-password", "sent").await
}

pub async fn verify_email(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = link(&posted);
    let outcome = async {
        readable?;
        let verified = state.platform.email_verify(&posted.info(), input).await;
        verified.map_err(problem_of)
    }
    .await;
    answer(posted, &state, outcome, "verify-email", "verified").await
}

pub async fn confirm_email(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = link(&posted);
    let outcome = async {
        readable?;
        let confirmed = state.platform.email_confirm(&posted.info(), input).await;
        confirmed.map_err(problem_of)
    }
    .await;
    answer(posted, &state, outcome, "confirm-email", "moved").await
}

pub async fn reset_password(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = ResetPassword {
        token: posted.fields.text("token"),
        new_password: posted.fields.raw("new_password").to_owned(),
    };
    let outcome = async {
        readable?;
        let info = posted.info();
        let reset = state.platform.password_reset_by_link(&info, input).await;
        reset.map_err(problem_of)
    }
    .await;
    answer(posted, &state, outcome, "reset-password", "reset").await
}

/// Joins the organization of an invitation, and opens the console there.
pub async fn join(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = InvitationToken {
        token: posted.fields.text("token"),
    };
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        let joined = state.platform.invitation_accept(&actor, &input).await;
        joined.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to("/console"),
        Err(problem) => posted.refuse(&state, "join", problem).await,
    }
}

fn link(posted: &Posted) -> LinkRequest {
    LinkRequest {
        token: posted.fields.text("token"),
    }
}

/// The form's own page, with what was done or what is wrong.
async fn answer(
    posted: Posted,
    state: &ConsoleState,
    outcome: Result<(), Problem>,
    form: &str,
    done: &str,
) -> Response {
    match outcome {
        Ok(()) => to(&format!("/{form}?done={done}")),
        Err(problem) => posted.refuse(state, form, problem).await,
    }
}
