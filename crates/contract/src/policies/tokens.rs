//! Counting the tokens of language models.

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::FieldError;

/// Counts the tokens that an upstream says a call used: in JSON and in streams of events of the
/// APIs of OpenAI, Anthropic, Google, Amazon, Ollama, and of what speaks like them.
///
/// The upstream is asked for answers without a content coding, as others cannot be read in passing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokensPolicy {
    /// False: tokens are not counted below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
}

impl TokensPolicy {
    /// # Errors
    /// None.
    pub const fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        Ok(())
    }
}
