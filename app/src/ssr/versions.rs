//! Versions as the pages show them, and making them.

use apiverse_contract::versions::CallersQuery;
use apiverse_contract::{ApiId, ErrorCode, FieldError, Problem};
use apiverse_platform::Fault;

use super::call::{Member, fail, log};
use crate::forms::{Fields, version};
use crate::rpc::Rpc;
use crate::rpc::versions::{SaveVersion, VersionDetail, VersionRef, Versions};

/// # Errors
/// What the platform refuses.
pub async fn list(member: &Member, api_id: ApiId) -> Rpc<Versions> {
    let Member { platform, actor } = member;
    let versions = platform.version_list(actor, api_id).await.map_err(fail)?;
    let versioning = platform.versioning_get(actor, api_id).await.map_err(fail)?;
    Ok(Versions {
        versions,
        versioning,
    })
}

/// # Errors
/// What the platform refuses.
pub async fn one(member: &Member, which: VersionRef) -> Rpc<VersionDetail> {
    let Member { platform, actor } = member;
    let VersionRef { api_id, id } = which;
    let api = platform.api_get(actor, api_id).await.map_err(fail)?;
    let version = platform
        .version_get(actor, api_id, id)
        .await
        .map_err(fail)?;
    let versioning = platform.versioning_get(actor, api_id).await.map_err(fail)?;
    let callers = platform
        .version_callers(actor, api_id, id, CallersQuery::default())
        .await
        .map_err(fail)?;
    Ok(VersionDetail {
        api_name: api.name,
        api_slug: api.slug,
        version,
        versioning,
        callers,
    })
}

/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn save(member: &Member, input: SaveVersion) -> Result<VersionRef, Problem> {
    let Member { platform, actor } = member;
    let SaveVersion { api_id, id, fields } = input;
    let fields = Fields(fields);
    let saved = match id {
        Some(id) => {
            let patch = version::patch(&fields).map_err(invalid)?;
            let patched = platform.version_patch(actor, api_id, id, patch).await;
            patched.map_err(problem_of)?
        }
        None => {
            let version = version::create(&fields).map_err(invalid)?;
            let created = platform.version_create(actor, api_id, version).await;
            created.map_err(problem_of)?
        }
    };
    Ok(VersionRef {
        api_id,
        id: saved.id,
    })
}

fn invalid(errors: Vec<FieldError>) -> Problem {
    Problem::new(ErrorCode::ValidationFailed, "some fields are not valid").with_errors(errors)
}

fn problem_of(fault: impl Fault + 'static) -> Problem {
    log(&fault);
    fault.problem()
}
