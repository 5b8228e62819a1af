//! Policies: their names, and addresses of their pages.

use apiverse_contract::policies::{PolicyKind, PolicyLevel};

use crate::rpc::policies::{PlaceRef, PolicyRef};
use crate::urlencoded::query;

/// How a kind is called.
#[must_use]
pub const fn title(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Cors => "Calls from other sites",
        PolicyKind::Validation => "Validation",
        PolicyKind::RequestTransform => "Request transform",
        PolicyKind::Mock => "Mock",
        PolicyKind::Cache => "Cache",
        PolicyKind::Upstream => "Upstream",
        PolicyKind::Tokens => "Tokens",
        PolicyKind::ResponseTransform => "Response transform",
        PolicyKind::Compression => "Compression",
    }
}

/// The page of a policy: `/console/policies/cache?on=api&id=…`.
#[must_use]
pub fn address(which: &PolicyRef) -> String {
    let id = which.place.id.as_deref().unwrap_or_default();
    let pairs = query(&[("on", which.place.level.as_str()), ("id", id)]);
    format!("/console/policies/{}{pairs}", which.kind)
}

/// What the page at `/console/policies/{kind}?on={level}&id={id}` is about. Without `on` it is the
/// organization.
#[must_use]
pub fn read(kind: &str, on: Option<&str>, id: Option<&str>) -> Option<PolicyRef> {
    let level = match on {
        None | Some("") => PolicyLevel::Organization,
        Some(level) => PolicyLevel::parse(level)?,
    };
    Some(PolicyRef {
        kind: PolicyKind::parse(kind)?,
        place: PlaceRef {
            level,
            id: id.filter(|id| !id.is_empty()).map(str::to_owned),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_back() {
        for (level, id) in [
            (PolicyLevel::Organization, None),
            (PolicyLevel::Route, Some("1f")),
        ] {
            let which = PolicyRef {
                kind: PolicyKind::RequestTransform,
                place: PlaceRef {
                    level,
                    id: id.map(str::to_owned),
                },
            };
            let address = address(&which);
            assert!(address.starts_with("/console/policies/request_transform?on="));
            let on = level.as_str();
            assert_eq!(read("request_transform", Some(on), id), Some(which));
        }
        assert_eq!(read("sorcery", None, None), None);
        assert_eq!(read("cache", Some("planet"), None), None);
    }
}
