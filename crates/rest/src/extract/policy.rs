//! Which policy is meant, and its document.

use apiverse_contract::ErrorCode;
use apiverse_contract::policies::{PolicyDocument, PolicyKind, PolicyLevel};
use apiverse_platform::PolicyPlace;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::request::Parts;
use uuid::Uuid;

use super::json::{BODY_LIMIT, check_content_type};
use crate::ApiProblem;
use crate::body::{parse, read};
use crate::routes::policies::PolicyPlaceOf;

/// Stands for the id of the caller's own organization.
const OWN: &str = "current";

/// The parts of the path, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub struct PolicyPath {
    level: PolicyLevel,
    /// Id of the organization (or `current`), API, version, route or key.
    target_id: String,
    kind: PolicyKind,
}

impl<S: Send + Sync> FromRequestParts<S> for PolicyPlaceOf {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let texts = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let place = texts.ok().and_then(|Path((level, target, kind))| {
            let level = PolicyLevel::parse(&level)?;
            let target_id = match (level, target.as_str()) {
                (PolicyLevel::Organization, OWN) => None,
                (_, id) => Some(Uuid::try_parse(id).ok()?),
            };
            Some(PolicyPlace {
                level,
                target_id,
                kind: PolicyKind::parse(&kind)?,
            })
        });
        place.map(Self).ok_or_else(|| {
            let kinds: Vec<&str> = PolicyKind::ALL.iter().map(|kind| kind.as_str()).collect();
            ApiProblem::new(
                ErrorCode::PolicyNotFound,
                format!(
                    "the address must be /policies/{{level}}/{{id}}/{{kind}}: a level is \
                     organization, api, version, route or key, a kind {}",
                    kinds.join(", ")
                ),
            )
        })
    }
}

/// A JSON body that is understood once the kind is known.
pub struct PolicyBody(pub Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for PolicyBody {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiProblem> {
        check_content_type(request.headers())?;
        read::within_limit(request, BODY_LIMIT).await.map(Self)
    }
}

impl PolicyBody {
    /// # Errors
    /// As for every JSON body: 400 `malformed_json`, 422 `validation_failed`.
    pub fn read(kind: PolicyKind, bytes: &[u8]) -> Result<PolicyDocument, ApiProblem> {
        Ok(match kind {
            PolicyKind::Cors => PolicyDocument::Cors(parse::object(bytes)?),
            PolicyKind::Validation => PolicyDocument::Validation(parse::object(bytes)?),
            PolicyKind::RequestTransform => PolicyDocument::RequestTransform(parse::object(bytes)?),
            PolicyKind::Mock => PolicyDocument::Mock(parse::object(bytes)?),
            PolicyKind::Cache => PolicyDocument::Cache(parse::object(bytes)?),
            PolicyKind::Upstream => PolicyDocument::Upstream(parse::object(bytes)?),
            PolicyKind::Tokens => PolicyDocument::Tokens(parse::object(bytes)?),
            PolicyKind::ResponseTransform => {
                PolicyDocument::ResponseTransform(parse::object(bytes)?)
            }
            PolicyKind::Compression => PolicyDocument::Compression(parse::object(bytes)?),
        })
    }
}
