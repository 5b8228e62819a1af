//! Versions of an API: where each goes, how callers choose one, and how one ends.

use apiverse_contract::versions::{VersionCaller, VersionView, Versioning};
use apiverse_contract::{ApiId, VersionId};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::Rpc;
use super::apis::ApiRef;

/// Which version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VersionRef {
    pub api_id: ApiId,
    pub id: VersionId,
}

/// An API's versions, and how callers choose one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Versions {
    pub versions: Vec<VersionView>,
    pub versioning: Versioning,
}

/// A version and who calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct VersionDetail {
    pub api_name: String,
    pub api_slug: String,
    pub version: VersionView,
    pub versioning: Versioning,
    /// Of the last 30 days, the most calls first.
    pub callers: Vec<VersionCaller>,
}

/// A version that is made, or changed when it has an `id`. The fields are those of the form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SaveVersion {
    pub api_id: ApiId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<VersionId>,
    /// `name`, `base_url`, `deprecated_at`, `sunset_at` (`2026-06-01T00:00`, UTC), `link`,
    /// `refuse_after_sunset`: names and values.
    pub fields: Vec<(String, String)>,
}

/// How an API's callers choose a version from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SaveVersioning {
    pub api_id: ApiId,
    pub versioning: Versioning,
}

/// The versions of an API.
#[server(ListFn, prefix = "/api/fn", endpoint = "versions/list", input = Json)]
pub async fn list(input: ApiRef) -> Rpc<Versions> {
    use crate::ssr::call::member;
    use crate::ssr::versions;
    versions::list(&member().await?, input.id).await
}

/// One version.
#[server(OneFn, prefix = "/api/fn", endpoint = "versions/one", input = Json)]
pub async fn one(input: VersionRef) -> Rpc<VersionDetail> {
    use crate::ssr::call::member;
    use crate::ssr::versions;
    versions::one(&member().await?, input).await
}

/// Makes or changes a version. The gateway follows at once.
#[server(SaveFn, prefix = "/api/fn", endpoint = "versions/save", input = Json)]
pub async fn save(input: SaveVersion) -> Rpc<VersionRef> {
    use crate::ssr::call::{answer, member};
    use crate::ssr::versions;
    versions::save(&member().await?, input)
        .await
        .map_err(|problem| answer(problem, None))
}

/// Deletes a version, and its policies with it.
#[server(DeleteFn, prefix = "/api/fn", endpoint = "versions/delete", input = Json)]
pub async fn delete(input: VersionRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .version_delete(&member.actor, input.api_id, input.id)
        .await
        .map_err(fail)
}

/// Sets how callers choose a version. The gateway follows at once.
#[server(ChooseFn, prefix = "/api/fn", endpoint = "versions/choose", input = Json)]
pub async fn choose(input: SaveVersioning) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    member
        .platform
        .versioning_put(&member.actor, input.api_id, input.versioning)
        .await
        .map(|_| ())
        .map_err(fail)
}
