//! The forms of insights: taking note, muting, and taking both back.

use apiverse_contract::insights::{AcknowledgeFinding, CreateMute, FindingMetric};
use apiverse_contract::{FindingId, MuteId, Problem};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, id_in, problem_of, to, unknown_form};
use crate::pages::console::insights::until;
use crate::ssr::ConsoleState;

pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        run(&state, &posted, &form).await
    }
    .await;
    match outcome {
        Ok(()) => to("/console/insights"),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn run(state: &ConsoleState, posted: &Posted, form: &str) -> Result<(), Problem> {
    let actor = posted.actor()?;
    let platform = &state.platform;
    let fields = &posted.fields;
    match form {
        "acknowledge" => {
            let id: FindingId = id_in(posted)?;
            let note = AcknowledgeFinding {
                note: fields.optional("note"),
            };
            let found = platform.finding_acknowledge(&actor, id, note).await;
            found.map(|_| ()).map_err(problem_of)
        }
        "reopen" => {
            let id: FindingId = id_in(posted)?;
            let found = platform.finding_reopen(&actor, id).await;
            found.map(|_| ()).map_err(problem_of)
        }
        "mute" => {
            let mute = CreateMute {
                api_id: fields.text("api").parse().ok(),
                route: fields.optional("route"),
                metric: FindingMetric::parse(&fields.text("metric")),
                until: Some(until(platform.now())),
            };
            // Without one of them it would mute everything.
            if mute.api_id.is_none() && mute.route.is_none() && mute.metric.is_none() {
                return Err(unknown_form());
            }
            let made = platform.mute_create(&actor, mute).await;
            made.map(|_| ()).map_err(problem_of)
        }
        "unmute" => {
            let id: MuteId = id_in(posted)?;
            platform.mute_delete(&actor, id).await.map_err(problem_of)
        }
        _ => Err(unknown_form()),
    }
}
