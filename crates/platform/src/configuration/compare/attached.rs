//! What is attached to things: limits and policies.

use apiverse_cluster::Change;
use apiverse_contract::configuration::{KeyConfiguration, PolicyDocuments};
use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::{PolicyDocument, PolicyScope};
use apiverse_contract::{FieldError, KeyId};
use apiverse_store::{ConfigurationStep, PolicyTarget};

use super::Comparing;
use crate::fault::Invalid;

impl Comparing<'_> {
    pub(super) fn key(
        &mut self,
        path: &str,
        id: KeyId,
        old_limits: Option<&LimitPolicy>,
        old_policies: Option<&PolicyDocuments>,
        wanted: &KeyConfiguration,
    ) {
        let (target, change) = (PolicyTarget::Key(id), Change::Key(id));
        let limits = format!("{path}.limits");
        self.limits(&limits, target, old_limits, wanted.limits.as_ref(), change);
        let (policies, scope) = (format!("{path}.policies"), PolicyScope::Key(id));
        self.policies(&policies, scope, old_policies, &wanted.policies, change);
    }

    pub(super) fn limits(
        &mut self,
        path: &str,
        target: PolicyTarget,
        old: Option<&LimitPolicy>,
        new: Option<&LimitPolicy>,
        change: Change,
    ) {
        let empty = LimitPolicy::default();
        let new = match new {
            Some(limits) => limits,
            None if self.prune => &empty,
            None => return,
        };
        if let Err(errors) = new.validate() {
            self.invalid(path, errors);
        }
        if new != old.unwrap_or(&empty) {
            let step = ConfigurationStep::Limits(target, new.clone());
            let after = (!new.is_empty()).then_some(new);
            self.push(path, old, after, step, change);
        }
    }

    pub(super) fn policies(
        &mut self,
        path: &str,
        scope: PolicyScope,
        old: Option<&PolicyDocuments>,
        new: &PolicyDocuments,
        change: Change,
    ) {
        for (&kind, value) in new {
            let path = format!("{path}.{kind}");
            let document = match PolicyDocument::from_value(kind, value.clone()) {
                Ok(document) => document,
                Err(error) => {
                    self.errors.push(FieldError::new(path, error.to_string()));
                    continue;
                }
            };
            let before = old.and_then(|old| old.get(&kind));
            let platform = self.platform;
            let sealed = platform.seal(self.organization_id, document, before);
            match sealed.and_then(|document| platform.checked(scope.level(), &document)) {
                Err(Invalid(errors)) => self.invalid(&path, errors),
                Ok(value) => {
                    if before != Some(&value) {
                        let step = ConfigurationStep::Policy {
                            scope,
                            kind,
                            document: Some(value.clone()),
                        };
                        self.push(&path, before, Some(&value), step, change);
                    }
                }
            }
        }
        for (&kind, before) in old.into_iter().flatten() {
            if self.prune && !new.contains_key(&kind) {
                let step = ConfigurationStep::Policy {
                    scope,
                    kind,
                    document: None,
                };
                let path = format!("{path}.{kind}");
                self.push(&path, Some(before), None::<&()>, step, change);
            }
        }
    }
}
