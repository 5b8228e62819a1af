//! Transforms tried on calls that are not made.

use std::time::Duration;

use apiverse_contract::policies::preview::{Preview, PreviewRequest};
use apiverse_contract::policies::{PolicyDocument, PolicyLevel};
use apiverse_transform::jq::Cancel;
use tokio::sync::Semaphore;

use crate::actor::Actor;
use crate::fault::{Broken, Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why a transform was not tried.
    PolicyPreviewError { Forbidden, Invalid, Broken }
}

/// Tries at a time: each may keep a core busy.
static TRIES: Semaphore = Semaphore::const_new(2);
/// Longest time of one; the steps of an expression are bounded too.
const LONGEST: Duration = Duration::from_secs(5);

impl Platform {
    /// What a transform would make of a call. Nothing is sent or kept.
    ///
    /// # Errors
    /// See [`PolicyPreviewError`].
    pub async fn policy_preview(
        &self,
        actor: &Actor,
        asked: PreviewRequest,
    ) -> Result<Preview, PolicyPreviewError> {
        actor.require(Permission::ApisRead)?;
        asked.validate().map_err(Invalid)?;
        let document = PolicyDocument::from_value(asked.kind, asked.document.clone())
            .map_err(|error| Invalid::one("document", error.to_string()))?;
        let within = |mut errors: Vec<apiverse_contract::FieldError>| {
            for error in &mut errors {
                error.field = format!("document.{}", error.field);
            }
            Invalid(errors)
        };
        document.validate(PolicyLevel::Api).map_err(within)?;
        let permit = TRIES.acquire().await.map_err(|_| Broken)?;
        let cancel = Cancel::default();
        let told = cancel.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let made = apiverse_transform::check(&document)
                .map(|()| apiverse_transform::preview(&document, &asked, &told));
            // Until it is really over.
            drop(permit);
            made
        });
        let ended = tokio::time::timeout(LONGEST, tried).await;
        cancel.cancel();
        match ended {
            Ok(Ok(Ok(Some(preview)))) => Ok(preview),
            Ok(Ok(Err(errors))) => Err(within(errors).into()),
            Ok(Ok(Ok(None)) | Err(_)) => Err(Broken.into()),
            Err(_) => Err(Invalid::one("document.body.jq", "takes too long").into()),
        }
    }
}
