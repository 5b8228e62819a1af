//! Trying a transform on a call that is not made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PolicyKind;
use crate::validation::is_token;
use crate::{FieldError, Validation};

/// Largest body that is tried, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// `POST /policies/preview`: a document, and the call to try it on. Nothing is sent or kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// `request_transform` or `response_transform`.
    pub kind: PolicyKind,
    /// The policy's document.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub document: Value,
    pub request: PreviewMessage,
    /// The upstream's answer, which a `response_transform` changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<PreviewMessage>,
    /// What a route's template would capture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub captured: BTreeMap<String, String>,
    /// The variables of the key and the API: `key.id`, `key.name`, `key.environment`, `api.id`,
    /// `api.slug`; examples where they are absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// A request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PreviewMessage {
    /// Of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Of a request: below the API, with the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "/orders?page=2"))]
    pub path: Option<String>,
    /// Of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// As text, at most 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl PreviewRequest {
    /// # Errors
    /// Every field that is not acceptable; the document is looked at on its own.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let is_answer = self.kind == PolicyKind::ResponseTransform;
        v.check(
            is_answer || self.kind == PolicyKind::RequestTransform,
            "kind",
            "must be request_transform or response_transform",
        );
        v.check(
            !is_answer || self.response.is_some(),
            "response",
            "must be there for a response_transform",
        );
        for (field, message) in [
            ("request", Some(&self.request)),
            ("response", self.response.as_ref()),
        ] {
            let Some(message) = message else { continue };
            v.check(
                message.method.as_deref().is_none_or(is_token),
                &format!("{field}.method"),
                "must be a method",
            );
            v.check(
                message.path.as_deref().is_none_or(|path| {
                    (path.is_empty() || path.starts_with(['/', '?'])) && path.len() <= 8192
                }),
                &format!("{field}.path"),
                "must be a path below the API, at most 8192 bytes",
            );
            v.check(
                message
                    .status
                    .is_none_or(|status| (200..=599).contains(&status)),
                &format!("{field}.status"),
                "must be between 200 and 599",
            );
            v.check(
                message.headers.len() <= 100
                    && message.headers.iter().all(|(name, value)| {
                        is_token(name)
                            && value.len() <= 8192
                            && !value.chars().any(char::is_control)
                    }),
                &format!("{field}.headers"),
                "must be at most 100 fields",
            );
            v.check(
                message
                    .body
                    .as_ref()
                    .is_none_or(|body| body.len() <= LARGEST_BODY),
                &format!("{field}.body"),
                "must have at most 1048576 bytes",
            );
        }
        v.finish()
    }
}

/// What a transform makes of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// The request, or the answer, as it would go on; as it came when the transform fails.
    pub message: PreviewMessage,
    /// Why the call would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PreviewError>,
    /// What is different, heads first, then the bodies' lines; JSON bodies are compared as they
    /// are laid out over lines.
    pub diff: Vec<DiffLine>,
}

/// The refusal that a call would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewError {
    pub code: crate::ErrorCode,
    /// What happened. Unlike the caller of the gateway, who tries it is told what the expression
    /// said.
    pub detail: String,
}

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiffLine {
    pub change: DiffChange,
    pub text: String,
}

/// Whether a line was there before, and is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    Same,
    Removed,
    Added,
}
