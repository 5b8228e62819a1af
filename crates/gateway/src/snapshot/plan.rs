//! Policies as the snapshot carries them.
//!
//! Everything that can have policies holds a [`Layer`] of its own, compiled when it is read: a
//! change of an organization's policies touches none of its APIs. What holds for one call, its
//! [`Plan`], is put together from the layers that it meets; most calls meet none, and find that
//! out by a comparison each.

use std::fmt::Display;
use std::sync::Arc;

use apiverse_contract::OrganizationId;
use apiverse_contract::policies::{PolicyDocument, PolicyKind, PolicyLevel};
use apiverse_settings::vault::Vault;
use apiverse_store::AttachedRow;
use apiverse_transform::coding::Compression;
use apiverse_transform::{Cors, Mock, RequestChange, RequestSchema, ResponseChange};
use uuid::Uuid;

use crate::cache::CompiledCache;
use crate::config::GatewayConfig;
use crate::targets::{Upstreaming, compile};
use crate::transform::{self, Ready};

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) organization_id: OrganizationId,
    pub(crate) level: PolicyLevel,
    pub(crate) target_id: Uuid,
    /// The policy's own count of its changes.
    pub(crate) version: i32,
}

/// What compiling may need beside the document.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) vault: &'a Vault,
    #[expect(dead_code, reason = "for the first kind whose compiler needs it")]
    pub(crate) config: &'a GatewayConfig,
}

/// What one thing says about one kind.
#[derive(Debug, Default)]
enum Slot<T> {
    /// Nothing: what is attached farther away counts.
    #[default]
    Unsaid,
    Off,
    On(Arc<T>),
}

/// The table of the kinds: field, variant of the document, what it compiles to, and by what.
///
/// A compiler takes the document, its [`Origin`] and the [`Tools`]. What it refuses is left out
/// with a warning: a document that was good when it was set must not take the others with it.
macro_rules! kinds {
    ($($field:ident: $kind:ident => $compiled:ty, $compile:path;)*) => {
        /// The policies of one organization, API, version, route or key.
        #[derive(Debug, Default)]
        pub(crate) struct Layer {
            $($field: Slot<$compiled>,)*
        }

        /// The policies of one call; `None`: it has none of the kind.
        #[derive(Debug, Default)]
        pub(crate) struct Plan {
            $(pub(crate) $field: Option<Arc<$compiled>>,)*
        }

        impl Layer {
            fn put(&mut self, document: PolicyDocument, origin: Origin, tools: Tools<'_>) {
                match document {
                    $(PolicyDocument::$kind(document) => {
                        self.$field = if !document.enabled {
                            Slot::Off
                        } else {
                            match $compile(document, origin, tools) {
                                Ok(compiled) => Slot::On(Arc::new(compiled)),
                                Err(error) => {
                                    unusable(PolicyKind::$kind.as_str(), origin.target_id, &error);
                                    Slot::Unsaid
                                }
                            }
                        };
                    })*
                }
            }
        }

        impl Plan {
            /// Of each kind the nearest layer that says something; `layers` begins with it.
            pub(crate) fn of(layers: &[&Layer]) -> Self {
                Self {
                    $($field: layers
                        .iter()
                        .find_map(|layer| match &layer.$field {
                            Slot::Unsaid => None,
                            Slot::Off => Some(None),
                            Slot::On(compiled) => Some(Some(Arc::clone(compiled))),
                        })
                        .flatten(),)*
                }
            }

            /// How many kinds have something to do.
            const fn count(&self) -> usize {
                0 $(+ self.$field.is_some() as usize)*
            }

            /// Whether nothing but forwarding happens to the call.
            pub(crate) const fn is_plain(&self) -> bool {
                $(self.$field.is_none())&&*
            }
        }
    };
}

kinds! {
    cors: Cors => Ready<Cors>, transform::cors;
    validation: Validation => Ready<RequestSchema>, transform::schema;
    request_transform: RequestTransform => Ready<RequestChange>, transform::request_change;
    mock: Mock => Ready<Mock>, transform::mock;
    cache: Cache => CompiledCache, CompiledCache::new;
    upstream: Upstream => Upstreaming, compile;
    tokens: Tokens => Ready<()>, transform::tokens;
    response_transform: ResponseTransform => Ready<ResponseChange>, transform::response_change;
    compression: Compression => Ready<Compression>, transform::compression;
}

/// What [`Plan::marks`] says of one policy.
const MARK: usize = 21;

impl Plan {
    /// Whether nothing but caching happens to the call.
    pub(crate) const fn is_cache_only(&self) -> bool {
        self.cache.is_some() && self.count() == 1
    }

    /// Whether the call, or its answer, is looked at or changed on its way.
    pub(crate) const fn changes_calls(&self) -> bool {
        self.cors.is_some()
            || self.validation.is_some()
            || self.request_transform.is_some()
            || self.mock.is_some()
            || self.response_transform.is_some()
            || self.compression.is_some()
            || self.tokens.is_some()
    }

    /// Unlike for any other policies that change what upstreams are asked, or which.
    pub(crate) fn marks(&self) -> [u8; 2 * MARK] {
        let origins = [
            self.request_transform.as_ref().map(|policy| policy.origin),
            self.upstream.as_ref().map(|policy| policy.place),
        ];
        let mut marks = [0; 2 * MARK];
        for (mark, origin) in marks.chunks_exact_mut(MARK).zip(origins) {
            if let Some(origin) = origin {
                mark[0] = 1;
                mark[1..17].copy_from_slice(origin.target_id.as_bytes());
                mark[17..].copy_from_slice(&origin.version.to_le_bytes());
            }
        }
        marks
    }
}

/// Policies that say something.
pub(crate) type Policies = Option<Arc<Layer>>;

/// The policies of `target_id` among `rows`, which may hold those of others too.
pub(super) fn policies(
    rows: &[AttachedRow],
    organization_id: OrganizationId,
    level: PolicyLevel,
    target_id: Uuid,
    tools: Tools<'_>,
) -> Policies {
    let mut layer = Layer::default();
    let mut says_something = false;
    for row in rows {
        let (Some(value), true) = (
            &row.document,
            row.target_id == target_id && row.level == level.as_str(),
        ) else {
            continue;
        };
        let Some(kind) = PolicyKind::parse(&row.kind) else {
            unusable(&row.kind, target_id, &"the kind is not known here");
            continue;
        };
        let origin = Origin {
            organization_id,
            level,
            target_id,
            version: row.version,
        };
        match PolicyDocument::from_value(kind, value.clone()) {
            Ok(document) => {
                layer.put(document, origin, tools);
                says_something = true;
            }
            Err(error) => unusable(&row.kind, target_id, &error),
        }
    }
    says_something.then(|| Arc::new(layer))
}

fn unusable(kind: &str, target_id: Uuid, error: &dyn Display) {
    tracing::warn!(kind, %target_id, %error, "a policy cannot be used");
}

#[cfg(test)]
mod tests {
    use apiverse_settings::Secret as Phrase;
    use chrono::{DateTime, Utc};
    use serde_json::{Value, json};

    use super::*;

    fn row(level: PolicyLevel, target: u128, kind: &str, document: Value) -> AttachedRow {
        AttachedRow {
            level: level.to_string(),
            target_id: Uuid::from_u128(target),
            kind: kind.to_owned(),
            api_id: None,
            version: 7,
            document: Some(document),
            updated_at: DateTime::<Utc>::UNIX_EPOCH,
            updated_by: String::new(),
        }
    }

    fn layer(rows: &[AttachedRow], level: PolicyLevel) -> Policies {
        let vault = Vault::new(&Phrase::from("x"), &[]);
        let tools = Tools {
            vault: &vault,
            config: &GatewayConfig::default(),
        };
        let organization = OrganizationId(Uuid::from_u128(1));
        policies(rows, organization, level, Uuid::from_u128(5), tools)
    }

    #[test]
    fn the_nearest_document_counts_as_a_whole() {
        let mock = |status: u16| json!({ "status": status });
        let far = [
            row(PolicyLevel::Api, 5, "mock", mock(201)),
            row(PolicyLevel::Api, 5, "cache", json!({})),
            row(
                PolicyLevel::Api,
                5,
                "cors",
                json!({ "allow_origins": ["*"] }),
            ),
        ];
        let near = [
            row(PolicyLevel::Key, 5, "mock", mock(202)),
            row(PolicyLevel::Key, 5, "cache", json!({ "enabled": false })),
        ];
        let (far, near) = (
            layer(&far, PolicyLevel::Api),
            layer(&near, PolicyLevel::Key),
        );
        let (far, near) = (far.expect("says something"), near.expect("says something"));
        let plan = Plan::of(&[&near, &far]);
        let mock = plan.mock.as_deref().expect("is on");
        assert_eq!(mock.policy.choose(&http::HeaderMap::new()).status, 202);
        assert_eq!(
            (mock.origin.level, mock.origin.version),
            (PolicyLevel::Key, 7)
        );
        assert!(plan.cache.is_none(), "switched off");
        assert_eq!(
            plan.cors.as_deref().expect("is on").origin.level,
            PolicyLevel::Api
        );
        assert!(plan.upstream.is_none() && !plan.is_plain());
        assert!(Plan::of(&[]).is_plain());
    }

    #[test]
    fn what_cannot_be_read_and_what_is_another_things_is_left_out() {
        let rows = [
            row(PolicyLevel::Api, 5, "of the future", json!({})),
            row(PolicyLevel::Api, 5, "cache", json!({ "unknown": 1 })),
            row(PolicyLevel::Api, 6, "mock", json!({})),
            row(PolicyLevel::Route, 5, "mock", json!({})),
        ];
        assert!(layer(&rows, PolicyLevel::Api).is_none());
        let route = layer(&rows, PolicyLevel::Route).expect("says something");
        assert!(Plan::of(&[&route]).mock.is_some());
    }
}
