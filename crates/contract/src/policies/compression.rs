//! Which codings answers are sent in.

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::{FieldError, Validation};

/// A content coding (RFC 9110, 8.4.1) the gateway can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// All, the one that is taken first of those a caller likes as well.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

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
    /// The codings to use, the preferred one first; zstd, br and gzip when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codings: Vec<Coding>,
    /// Content types to compress beside text, JSON, XML, JavaScript and the like; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
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
        v.check(self.codings.len() <= 3, "codings", "must be at most 3");
        let is_type = |text: &String| {
            text.len() <= 128
                && text.split('/').count() == 2
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        v.check(
            self.types.len() <= 50 && self.types.iter().all(is_type),
            "types",
            "must be at most 50 types such as application/wasm",
        );
        v.finish()
    }
}
