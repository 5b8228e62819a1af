//! What the forms of alerts and objectives offer.

use super::call::{Member, fail};
use super::views;
use crate::rpc::alerts::AlertChoices;
use crate::rpc::{Named, Rpc};

/// What a rule or objective can be for, and whom it can tell.
///
/// # Errors
/// What the platform refuses.
pub async fn choices(member: &Member) -> Rpc<AlertChoices> {
    let Member { platform, actor } = member;
    let slos = platform.slos_list(actor).await.map_err(fail)?.data;
    let webhooks = platform.alert_webhooks_list(actor).await.map_err(fail)?;
    let named = |id: String, name: String| Named { id, name };
    Ok(AlertChoices {
        apis: views::api_names_seen(member).await?,
        keys: views::key_names_seen(member).await?,
        slos: (slos.into_iter())
            .map(|slo| named(slo.id.to_string(), slo.slo.name))
            .collect(),
        webhooks: (webhooks.data.into_iter())
            .map(|webhook| named(webhook.id.to_string(), webhook.name))
            .collect(),
    })
}
