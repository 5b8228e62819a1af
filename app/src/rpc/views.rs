//! Saved views.

use apiverse_contract::SavedViewId;
use apiverse_contract::saved_views::{CreateSavedView, SavedView, UpdateSavedView};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::Rpc;

/// The views of the page Usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Views {
    /// By name.
    pub views: Vec<SavedView>,
    /// Whether the one who asks may share any.
    pub may_share: bool,
}

/// Which view is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ViewRef {
    pub id: SavedViewId,
}

/// What a view is to be from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeView {
    pub id: SavedViewId,
    pub change: UpdateSavedView,
}

/// The views of the page Usage.
#[server(ViewsFn, prefix = "/api/fn", endpoint = "usage/views", input = Json)]
pub async fn views() -> Rpc<Views> {
    use apiverse_contract::saved_views::{SavedViewsQuery, ViewPage};
    use apiverse_platform::Permission;

    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let (platform, actor) = (&member.platform, &member.actor);
    let query = SavedViewsQuery {
        page: Some(ViewPage::Usage),
    };
    let found = platform
        .saved_views_list(actor, query)
        .await
        .map_err(fail)?;
    Ok(Views {
        views: found.data,
        may_share: actor.require(Permission::UsageWrite).is_ok(),
    })
}

/// Saves a view.
#[server(AddViewFn, prefix = "/api/fn", endpoint = "usage/views/add", input = Json)]
pub async fn add_view(input: CreateSavedView) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let made = member.platform.saved_view_create(&member.actor, input);
    made.await.map(|_| ()).map_err(fail)
}

/// Changes a view, or whether the page opens with it.
#[server(ChangeViewFn, prefix = "/api/fn", endpoint = "usage/views/change", input = Json)]
pub async fn change_view(input: ChangeView) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let ChangeView { id, change } = input;
    let member = member().await?;
    let made = member.platform.saved_view_update(&member.actor, id, change);
    made.await.map(|_| ()).map_err(fail)
}

/// Deletes a view.
#[server(RemoveViewFn, prefix = "/api/fn", endpoint = "usage/views/remove", input = Json)]
pub async fn remove_view(input: ViewRef) -> Rpc<()> {
    use crate::ssr::call::{fail, member};
    let member = member().await?;
    let gone = member.platform.saved_view_delete(&member.actor, input.id);
    gone.await.map_err(fail)
}
