//! Forms posted without JavaScript, each at its page's own address.
//!
//! They do what the server functions do and answer with a page: another one when it worked, the same
//! with what was typed when it did not.

mod account;
mod alerts;
mod apis;
mod costs;
pub mod external;
mod insights;
mod keys;
mod limits;
mod links;
mod plan;
mod policies;
mod reports;
mod routes;
mod security;
mod team;
mod versions;
mod views;

pub use limits::changed as changed_limits;

use apiverse_contract::{ErrorCode, Problem};
use apiverse_platform::{Actor, RequestInfo};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header;
use http::request::Parts;

use super::ConsoleState;
use super::call::{SignedIn, invalid, problem_of};
use super::gate;
use super::render::{Outcome, Shown, answer_post};
use crate::forms::Fields;
use crate::urlencoded::decode;

pub fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/register", post(account::register))
        .route("/login", post(account::login))
        .route("/login/with/{slug}", get(external::begin))
        .route("/login/with/{slug}/callback", get(external::callback))
        .route("/forgot-password", post(links::forgot_password))
        .route("/verify-email", post(links::verify_email))
        .route("/confirm-email", post(links::confirm_email))
        .route("/reset-password", post(links::reset_password))
        .route("/join", post(links::join))
        .route("/sign-out", post(account::sign_out))
        .route("/theme", post(account::theme))
        .route("/console", post(team::change))
        .route("/console/members", post(team::change))
        .route("/console/notifications", post(team::change))
        .route("/console/organization", post(team::change))
        .route("/console/organization/new", post(team::change))
        .route("/console/service-accounts", post(team::change))
        .route("/console/settings", post(account::settings))
        .route("/console/settings/security", post(security::change))
        .route("/console/apis/new", post(apis::create))
        .route("/console/apis/{id}", post(apis::change))
        .route("/console/apis/{id}/routes/new", post(routes::create))
        .route("/console/apis/{id}/routes/{route}", post(routes::change))
        .route("/console/apis/{id}/versions/new", post(versions::create))
        .route(
            "/console/apis/{id}/versions/{version}",
            post(versions::change),
        )
        .route("/console/alerts", post(alerts::change))
        .route("/console/alerts/new", post(alerts::create_rule))
        .route("/console/reports", post(reports::change))
        .route("/console/reports/new", post(reports::create))
        .route("/console/reports/schedules/{id}", post(reports::replace))
        .route("/console/alerts/{id}/edit", post(alerts::replace_rule))
        .route("/console/slos", post(alerts::change))
        .route("/console/slos/new", post(alerts::create_slo))
        .route("/console/costs", post(costs::change))
        .route("/console/costs/rules/new", post(costs::create_rule))
        .route("/console/costs/budgets/new", post(costs::create_budget))
        .route("/console/insights", post(insights::change))
        .route("/console/limits", post(limits::organization))
        .route("/console/policies/{kind}", post(policies::change))
        .route("/console/usage", post(views::change))
        .route("/console/keys/new", post(keys::create))
        .route("/console/keys/{id}", post(keys::change))
}

/// A posted form, taken apart.
struct Posted {
    parts: Parts,
    fields: Fields,
}

impl Posted {
    /// Reads the form. What cannot be read leaves no fields and says why.
    async fn read(request: Request) -> (Self, Result<(), Problem>) {
        let (parts, body) = request.into_parts();
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut fields = Fields::default();
        let outcome = if is_form {
            match gate::read(body).await {
                Ok(bytes) => {
                    fields = Fields(decode(&String::from_utf8_lossy(&bytes)));
                    Ok(())
                }
                Err(problem) => Err(problem),
            }
        } else {
            Err(Problem::new(
                ErrorCode::UnsupportedMediaType,
                "send a form (application/x-www-form-urlencoded)",
            ))
        };
        (Self { parts, fields }, outcome)
    }

    /// Which of a page's forms it is.
    fn form(&self) -> String {
        self.fields.text("form")
    }

    fn info(&self) -> RequestInfo {
        self.parts
            .extensions
            .get::<RequestInfo>()
            .cloned()
            .unwrap_or_else(|| RequestInfo {
                request_id: String::new(),
                ip: None,
                user_agent: None,
            })
    }

    /// Path and query of the page that was posted from, by its `Referer`; empty when unknown. The
    /// host is ours, or the post would not have been let in.
    fn came_from(&self) -> String {
        let referer = self.parts.headers.get(header::REFERER);
        let referer = referer.and_then(|value| value.to_str().ok());
        let path = referer
            .and_then(|referer| referer.split_once("://"))
            .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
        path.unwrap_or_default()
    }

    /// Who posts; the gate lets nobody else into the console.
    fn actor(&self) -> Result<Actor, Problem> {
        self.parts
            .extensions
            .get::<SignedIn>()
            .map(|SignedIn(actor)| actor.clone())
            .ok_or_else(|| Problem::new(ErrorCode::AuthenticationRequired, "sign in first"))
    }

    /// Shows the page again with something that is shown once.
    async fn show(
        self,
        state: &ConsoleState,
        form: &str,
        values: Vec<(String, String)>,
    ) -> Response {
        let outcome = Outcome {
            form: form.to_owned(),
            fields: self.fields,
            result: Ok(Shown::Values(values)),
        };
        answer_post(state, self.parts, outcome).await
    }

    /// Shows the page again with what is wrong.
    async fn refuse(self, state: &ConsoleState, form: &str, mut problem: Problem) -> Response {
        problem.request_id = Some(self.info().request_id).filter(|id| !id.is_empty());
        let outcome = Outcome {
            form: form.to_owned(),
            fields: self.fields,
            result: Err(problem),
        };
        answer_post(state, self.parts, outcome).await
    }
}

/// The id in the last segment of the address.
fn id_of<T: std::str::FromStr>(parts: &Parts) -> Result<T, Problem> {
    id_of_path(parts.uri.path())
}

fn id_of_path<T: std::str::FromStr>(path: &str) -> Result<T, Problem> {
    let text = path.rsplit('/').next().unwrap_or_default();
    text.parse()
        .map_err(|_| Problem::new(ErrorCode::NotFound, "the address holds no id"))
}

/// The id that a form of a list holds.
fn id_in<T: std::str::FromStr>(posted: &Posted) -> Result<T, Problem> {
    let id = posted.fields.text("id").parse();
    id.map_err(|_| Problem::new(ErrorCode::InvalidRequest, "the form holds no id"))
}

fn unknown_form() -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "the form is not known here")
}

fn to(path: &str) -> Response {
    Redirect::to(path).into_response()
}
