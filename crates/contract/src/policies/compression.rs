//! Which codings answers are sent in.

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// Compression of answers that the upstream sent as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CompressionPolicy {
    /// False switches compression off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Bytes below which an answer is sent as it is, up to 1 MiB; 1024 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<u32>,
}

impl CompressionPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.min_bytes.is_none_or(|bytes| bytes <= 1 << 20),
            "min_bytes",
            "must be at most 1048576",
        );
        v.finish()
    }
}
