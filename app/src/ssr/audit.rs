//! The audit log in the words a person reads: what was changed, field by field.

use apiverse_contract::audit::{AuditQuery, AuditView};
use apiverse_platform::Permission;
use serde_json::{Map, Value};

use super::call::{Member, fail};
use crate::rpc::Rpc;
use crate::rpc::team::{AuditChange, AuditEntry, AuditFact, AuditPage, ChainShown};

/// Lines of the log that fit.
///
/// # Errors
/// What the platform refuses.
pub async fn search(member: &Member, query: AuditQuery) -> Rpc<AuditPage> {
    let found = member.platform.audit_search(&member.actor, query).await;
    let found = found.map_err(fail)?;
    Ok(AuditPage {
        entries: found.data.into_iter().map(entry).collect(),
        next_cursor: found.next_cursor,
    })
}

/// Checks the organization's chain, when asked.
///
/// # Errors
/// What the platform refuses.
pub async fn verify(member: &Member, check: bool) -> Rpc<Option<ChainShown>> {
    if !check {
        member.actor.require(Permission::AuditRead).map_err(fail)?;
        return Ok(None);
    }
    let report = member.platform.audit_check(&member.actor).await;
    let report = report.map_err(fail)?;
    Ok(Some(ChainShown {
        checked_at: member.platform.now(),
        lines: report.lines,
        unchained: report.unchained,
        head: report.head,
        fault: report.fault.map(|fault| fault.to_string()),
    }))
}

fn entry(line: AuditView) -> AuditEntry {
    let (changes, facts) = read(&line.details);
    AuditEntry {
        at: line.created_at,
        actor: line.actor,
        action: line.action,
        target_type: line.target_type,
        target_id: line.target_id,
        ip: line.ip,
        request_id: line.request_id,
        changes,
        facts,
    }
}

/// Takes a line's details apart: `{"before": {…}, "after": {…}}`, `{"name": {"before": …, "after":
/// …}}`, and whatever else is said.
fn read(details: &Value) -> (Vec<AuditChange>, Vec<AuditFact>) {
    let mut changes = Vec::new();
    let mut facts = Vec::new();
    let Value::Object(details) = details else {
        if !details.is_null() {
            facts.push(fact("details", details));
        }
        return (changes, facts);
    };
    compare(
        "",
        details.get("before"),
        details.get("after"),
        &mut changes,
    );
    for (name, value) in details {
        match value {
            _ if name == "before" || name == "after" => {}
            Value::Object(inner) if is_change(inner) => {
                compare(name, inner.get("before"), inner.get("after"), &mut changes);
            }
            _ => facts.push(fact(name, value)),
        }
    }
    (changes, facts)
}

fn is_change(map: &Map<String, Value>) -> bool {
    !map.is_empty() && map.keys().all(|name| name == "before" || name == "after")
}

/// Adds what differs, going down as long as one of the two has fields.
fn compare(
    field: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<AuditChange>,
) {
    let before = before.filter(|value| !value.is_null());
    let after = after.filter(|value| !value.is_null());
    if before == after {
        return;
    }
    let fields = |value: Option<&Value>| match value {
        None => Some(Map::new()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(_) => None,
    };
    if let (Some(old), Some(new)) = (fields(before), fields(after)) {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let path = if field.is_empty() {
                name.clone()
            } else {
                format!("{field}.{name}")
            };
            compare(&path, old.get(name), new.get(name), changes);
        }
        return;
    }
    changes.push(AuditChange {
        field: if field.is_empty() { "value" } else { field }.to_owned(),
        before: before.map(text),
        after: after.map(text),
    });
}

fn fact(name: &str, value: &Value) -> AuditFact {
    AuditFact {
        name: name.replace('_', " "),
        value: text(value),
    }
}

/// A value as a person writes it: texts without quotes, lists with commas.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) if all.iter().all(|one| !one.is_object() && !one.is_array()) => {
            let all: Vec<String> = all.iter().map(text).collect();
            if all.is_empty() {
                "none".to_owned()
            } else {
                all.join(", ")
            }
        }
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(field: &str, before: Option<&str>, after: Option<&str>) -> AuditChange {
        AuditChange {
            field: field.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let (changes, facts) = read(&json!({
            "before": { "name": "A", "slug": "a", "limits": { "burst": 1, "tags": [] } },
            "after": { "name": "B", "slug": "a", "limits": { "burst": 2, "tags": ["x", "y"] } },
            "kind": "cache",
        }));
        assert_eq!(
            changes,
            [
                change("limits.burst", Some("1"), Some("2")),
                change("limits.tags", Some("none"), Some("x, y")),
                change("name", Some("A"), Some("B")),
            ]
        );
        assert_eq!(
            (facts[0].name.as_str(), facts[0].value.as_str()),
            ("kind", "cache")
        );
    }

    #[test]
    fn fields_say_themselves_what_they_were() {
        let (changes, facts) = read(&json!({
            "email": "bob@example.org",
            "role": { "before": "viewer", "after": "admin" },
        }));
        assert_eq!(changes, [change("role", Some("viewer"), Some("admin"))]);
        assert_eq!(facts.len(), 1);
    }

    #[test]
    fn what_is_gone_or_new_has_one_side() {
        let (changes, _) = read(&json!({ "before": { "name": "A", "note": null } }));
        assert_eq!(changes, [change("name", Some("A"), None)]);
        let (changes, _) = read(&json!({ "before": null, "after": { "name": "A" } }));
        assert_eq!(changes, [change("name", None, Some("A"))]);
        assert_eq!(read(&json!({})), (Vec::new(), Vec::new()));
    }
}
