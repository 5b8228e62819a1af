//! The forms of policies: saving, restoring, removing.

use apiverse_contract::{ErrorCode, Problem};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, to, unknown_form};
use crate::forms::policy;
use crate::rpc::policies::{PolicyRef, RollBackPolicy, SavePolicy};
use crate::ssr::call::Member;
use crate::ssr::{ConsoleState, policies};
use crate::urlencoded::decode;

/// Told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    if let Some(answer) = posted.planned() {
        return answer;
    }
    let form = posted.form();
    let outcome = async {
        readable?;
        let member = Member {
            platform: state.platform.clone(),
            actor: posted.actor()?,
        };
        let policy = which(&posted)?;
        let version = posted.fields.number("version").ok().flatten().unwrap_or(0);
        let path = policy::address(&policy);
        match form.as_str() {
            "policy" | "policy-whole" => {
                let fields = posted.fields.0.clone();
                let input = SavePolicy {
                    policy,
                    version,
                    fields,
                };
                policies::save(&member, input).await?;
            }
            "policy-restore" => {
                policies::roll_back(&member, RollBackPolicy { policy, version }).await?;
            }
            "policy-remove" => policies::remove(&member, &policy).await?,
            _ => return Err(unknown_form()),
        }
        Ok(format!("{path}&done=saved"))
    }
    .await;
    match outcome {
        Ok(path) => to(&path),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

/// The policy that the address is about.
fn which(posted: &Posted) -> Result<PolicyRef, Problem> {
    let uri = &posted.parts.uri;
    let kind = uri.path().rsplit('/').next().unwrap_or_default();
    let query = decode(uri.query().unwrap_or_default());
    let value = |name: &str| {
        let pair = query.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str())
    };
    policy::read(kind, value("on"), value("id"))
        .ok_or_else(|| Problem::new(ErrorCode::NotFound, "there is no such policy"))
}
