//! What can only be found out by compiling a document.

use apiverse_contract::FieldError;
use apiverse_contract::policies::PolicyDocument;

use crate::{RequestChange, RequestSchema, ResponseChange};

/// Compiles the parts of a policy that have a language of their own: templates, expressions,
/// schemas. Documents of other kinds have none.
///
/// # Errors
/// Every field that cannot be compiled.
pub fn check(document: &PolicyDocument) -> Result<(), Vec<FieldError>> {
    if !document.is_enabled() {
        return Ok(());
    }
    match document {
        PolicyDocument::RequestTransform(policy) => RequestChange::new(policy).map(drop),
        PolicyDocument::ResponseTransform(policy) => ResponseChange::new(policy.clone()).map(drop),
        PolicyDocument::Validation(policy) => RequestSchema::new(policy).map(drop),
        PolicyDocument::Cors(_)
        | PolicyDocument::Mock(_)
        | PolicyDocument::Cache(_)
        | PolicyDocument::Upstream(_)
        | PolicyDocument::Compression(_)
        | PolicyDocument::Tokens(_) => Ok(()),
    }
}
