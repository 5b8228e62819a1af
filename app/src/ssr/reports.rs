//! What the pages of reports show, and the files of reports.

use apiverse_contract::{ErrorCode, ListQuery, Problem, ReportId};
use apiverse_platform::{Actor, ReportFile};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::ConsoleState;
use super::call::{Member, SignedIn, fail, problem_of};
use super::messages::{framed, refused};
use super::views;
use crate::rpc::reports::ReportChoices;
use crate::rpc::{Named, Rpc};

/// Members a form names.
const MEMBERS: u32 = 200;

/// What a schedule can be about, and whom it can tell.
///
/// # Errors
/// What the platform refuses.
pub async fn choices(member: &Member) -> Rpc<ReportChoices> {
    let query = ListQuery {
        limit: Some(MEMBERS),
        ..ListQuery::default()
    };
    let members = member.platform.members(&member.actor, query).await;
    let members = members.map_err(fail)?.data.into_iter();
    Ok(ReportChoices {
        apis: views::api_names_seen(member).await?,
        members: members
            .map(|member| Named {
                id: member.user_id.to_string(),
                name: match member.full_name {
                    Some(name) => format!("{name} ({})", member.email),
                    None => member.email,
                },
            })
            .collect(),
        me: member.actor.user_id.map(|id| id.to_string()),
    })
}

pub fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/reports/{id}/html", get(html))
        .route("/console/reports/{id}/csv", get(csv))
}

/// The page of a report, to be looked at: it is as shut as the HTML of a message.
async fn html(
    State(state): State<ConsoleState>,
    Extension(SignedIn(actor)): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match file(&state, &actor, &id, ReportFile::Html).await {
        Ok((_, bytes)) => framed(bytes),
        Err(problem) => refused(&problem),
    }
}

async fn csv(
    State(state): State<ConsoleState>,
    Extension(SignedIn(actor)): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match file(&state, &actor, &id, ReportFile::Csv).await {
        Ok((name, bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (
                    header::CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}\""),
                ),
            ];
            (headers, bytes).into_response()
        }
        Err(problem) => refused(&problem),
    }
}

async fn file(
    state: &ConsoleState,
    actor: &Actor,
    id: &str,
    file: ReportFile,
) -> Result<(String, Bytes), Problem> {
    let nothing = || Problem::new(ErrorCode::ReportNotFound, "there is no such report");
    let id: ReportId = id.parse().map_err(|_| nothing())?;
    let found = state.platform.report_file(actor, id, file).await;
    found.map_err(problem_of)
}
