//! What the cache did for a call, as usage tells it.

use apiverse_cache::{Forwarded, StatusLine};
use apiverse_contract::usage::CacheState;

/// In the words of usage.
pub(crate) fn state(line: &StatusLine) -> CacheState {
    match line.forwarded {
        None if line.ttl_s.is_some_and(|ttl| ttl < 0) => CacheState::Stale,
        None => CacheState::Hit,
        // Another's exchange answered it.
        Some(_) if line.collapsed => CacheState::Hit,
        Some(Forwarded::Stale) if line.forwarded_status == Some(304) => CacheState::Revalidated,
        Some(Forwarded::Stale | Forwarded::UriMiss | Forwarded::VaryMiss | Forwarded::Partial) => {
            CacheState::Miss
        }
        Some(Forwarded::Bypass | Forwarded::Method | Forwarded::Request) => CacheState::Bypass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_got() {
        let revalidated = StatusLine {
            forwarded_status: Some(304),
            ..StatusLine::forwarded(Forwarded::Stale)
        };
        let collapsed = StatusLine {
            collapsed: true,
            ..StatusLine::forwarded(Forwarded::UriMiss)
        };
        for (line, expected) in [
            (StatusLine::hit(10), CacheState::Hit),
            (StatusLine::hit(-1), CacheState::Stale),
            (StatusLine::forwarded(Forwarded::UriMiss), CacheState::Miss),
            (StatusLine::forwarded(Forwarded::Stale), CacheState::Miss),
            (StatusLine::forwarded(Forwarded::Method), CacheState::Bypass),
            (revalidated, CacheState::Revalidated),
            (collapsed, CacheState::Hit),
        ] {
            assert_eq!(state(&line), expected, "{line:?}");
        }
    }
}
