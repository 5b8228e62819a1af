//! `Cache-Status` (RFC 9211): what became of a request here.

use std::fmt::Write;

/// Why a request went to the upstream (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Request,
    Stale,
    Partial,
}

impl Forwarded {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// The member of this cache in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// `None`: answered from what is stored.
    pub forwarded: Option<Forwarded>,
    /// The upstream's status, where it is not the answer's.
    pub forwarded_status: Option<u16>,
    pub stored: bool,
    /// Answered by another's exchange.
    pub collapsed: bool,
    /// Seconds of freshness left; below 0 it is stale.
    pub ttl_s: Option<i64>,
    pub detail: Option<&'static str>,
}

impl StatusLine {
    /// An answer from what is stored.
    #[must_use]
    pub const fn hit(ttl_s: i64) -> Self {
        Self {
            forwarded: None,
            forwarded_status: None,
            stored: false,
            collapsed: false,
            ttl_s: Some(ttl_s),
            detail: None,
        }
    }

    /// A request that went to the upstream.
    #[must_use]
    pub const fn forwarded(why: Forwarded) -> Self {
        Self {
            forwarded: Some(why),
            forwarded_status: None,
            stored: false,
            collapsed: false,
            ttl_s: None,
            detail: None,
        }
    }

    /// Writes the field's value behind what is there.
    pub fn write(&self, out: &mut String) {
        out.push_str("apiverse");
        match self.forwarded {
            None => out.push_str("; hit"),
            Some(why) => {
                out.push_str("; fwd=");
                out.push_str(why.as_str());
            }
        }
        // Writing into a text does not fail.
        if let Some(status) = self.forwarded_status {
            let _ = write!(out, "; fwd-status={status}");
        }
        if self.stored {
            out.push_str("; stored");
        }
        if self.collapsed {
            out.push_str("; collapsed");
        }
        if let Some(ttl) = self.ttl_s {
            let _ = write!(out, "; ttl={ttl}");
        }
        if let Some(detail) = self.detail {
            out.push_str("; detail=");
            out.push_str(detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use sfv::{List, Parser};

    use super::*;

    #[test]
    fn the_text_is_a_structured_field() {
        let all = StatusLine {
            forwarded_status: Some(304),
            stored: true,
            collapsed: true,
            ttl_s: Some(-7),
            detail: Some("not-fresh"),
            ..StatusLine::forwarded(Forwarded::Stale)
        };
        let mut text = String::new();
        all.write(&mut text);
        assert_eq!(
            text,
            "apiverse; fwd=stale; fwd-status=304; stored; collapsed; ttl=-7; detail=not-fresh"
        );
        assert_eq!(Parser::new(&text).parse::<List>().unwrap().len(), 1);
        text.clear();
        StatusLine::hit(30).write(&mut text);
        assert_eq!(text, "apiverse; hit; ttl=30");
    }
}
