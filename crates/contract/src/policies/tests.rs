use serde_json::json;

use super::*;

#[test]
fn every_kind_is_read_by_its_name() {
    for &kind in PolicyKind::ALL {
        assert_eq!(PolicyKind::parse(kind.as_str()), Some(kind));
        let name = serde_json::to_value(kind).unwrap();
        assert_eq!(name, kind.as_str());
        let off = PolicyDocument::from_value(kind, json!({ "enabled": false })).unwrap();
        assert_eq!(off.kind(), kind);
        assert!(!off.is_enabled());
        for &level in kind.levels() {
            assert_eq!(off.validate(level), Ok(()), "{kind} can be switched off");
        }
        let unknown = json!({ "enabled": false, "no such field": 1 });
        assert!(PolicyDocument::from_value(kind, unknown).is_err(), "{kind}");
    }
    assert_eq!(PolicyKind::parse("nothing"), None);
}

#[test]
fn a_document_is_checked_for_its_place() {
    let document = json!({ "allow_origins": ["*"] });
    let cors = PolicyDocument::from_value(PolicyKind::Cors, document.clone()).unwrap();
    assert_eq!(cors.validate(PolicyLevel::Api), Ok(()));
    assert_eq!(
        cors.validate(PolicyLevel::Key).unwrap_err()[0].field,
        "cors"
    );
    let written = serde_json::to_value(&cors).unwrap();
    assert_eq!(written["allow_origins"], document["allow_origins"]);
}

#[test]
fn levels_and_scopes_fit() {
    let organization = OrganizationId(Uuid::from_u128(1));
    for level in PolicyLevel::ALL {
        assert_eq!(PolicyLevel::parse(level.as_str()), Some(level));
        let scope = PolicyScope::new(level, Uuid::from_u128(1));
        assert_eq!(scope.level(), level);
        assert_eq!(scope.target_id(organization), Uuid::from_u128(1));
    }
}
