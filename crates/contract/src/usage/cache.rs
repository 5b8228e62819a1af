//! What the response cache did for a call.

use serde::{Deserialize, Serialize};

/// What the response cache did for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CacheState {
    /// Answered from the cache.
    Hit,
    /// Answered from the cache though too old, as the policy allows.
    Stale,
    /// The upstream said that the stored answer is still good.
    Revalidated,
    /// The cache had nothing to answer with.
    Miss,
    /// The call or its answer was not for the cache.
    Bypass,
}

impl CacheState {
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::Stale,
        Self::Revalidated,
        Self::Miss,
        Self::Bypass,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// As it is stored, 1 to 5; 0 stands for a call that has nothing to do with the cache.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Hit => 1,
            Self::Stale => 2,
            Self::Revalidated => 3,
            Self::Miss => 4,
            Self::Bypass => 5,
        }
    }

    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The caller got what the cache had.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::Stale | Self::Revalidated)
    }

    /// The cache was looked into: what a hit ratio is a ratio of.
    #[must_use]
    pub const fn is_lookup(self) -> bool {
        !matches!(self, Self::Bypass)
    }
}
