//! The same calls, summed by more or by less.

use uuid::Uuid;

use crate::dims::{Dims, Route};
use crate::templates::OTHER;

/// Which of the dimensions sums are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// All but keys.
    Routes,
    /// Keys, and of the others only API, status, error and cache.
    Keys,
    /// Everything: the largest, for what the others do not know.
    Full,
    /// API, status, error and cache: the smallest, for series that are read from many blocks.
    Apis,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Routes, Self::Keys, Self::Full, Self::Apis];

    /// As it is stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Routes => 0,
            Self::Keys => 1,
            Self::Full => 2,
            Self::Apis => 3,
        }
    }

    /// Whether blocks are split by key.
    #[must_use]
    pub const fn has_keys(self) -> bool {
        matches!(self, Self::Keys | Self::Full)
    }

    /// Most rows of a block, beyond which new ones are counted as "(other)".
    #[must_use]
    pub const fn cap(self) -> usize {
        match self {
            Self::Routes | Self::Full | Self::Apis => 20_000,
            Self::Keys => 50_000,
        }
    }

    /// What this view keeps of a call.
    #[must_use]
    pub fn of(self, mut dims: Dims) -> Dims {
        match self {
            Self::Routes => dims.key = None,
            Self::Keys | Self::Apis => {
                if self == Self::Apis {
                    dims.key = None;
                }
                dims.version = None;
                dims.route = Route::None;
                dims.method = crate::dims::Method::default();
            }
            Self::Full => {}
        }
        dims
    }

    /// Where a call counts in a block that is full: first its route is let go, then its key.
    pub(crate) fn coarser(self, dims: &Dims) -> [Dims; 2] {
        let other = || Route::Learned(OTHER.into());
        let mut first = dims.clone();
        first.version = None;
        first.method = crate::dims::Method::of("");
        first.cache = None;
        if matches!(self, Self::Routes | Self::Full) {
            first.route = other();
        }
        let mut second = first.clone();
        if dims.key.is_some() {
            second.key = Some(Uuid::max());
        }
        [first, second]
    }
}
