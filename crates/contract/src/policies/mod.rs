//! Policies: what happens to a call beside forwarding it.
//!
//! A policy is a document of one [`PolicyKind`], attached to a [`PolicyScope`]: the organization,
//! an API, a version or a route of it, or a key. Of each kind the nearest scope that has one
//! decides, as a whole: key before route before version before API before organization. A document
//! with `"enabled": false` switches its kind off below the scope it is attached to. Limits are not
//! of these kinds: they add up, and have rules of their own ([`crate::limits`]).

pub mod cache;
pub mod compression;
pub mod cors;
pub mod mock;
pub mod preview;
pub mod tokens;
pub mod transform;
pub mod upstream;
pub mod validation;
mod views;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ApiId, FieldError, KeyId, OrganizationId, RouteId, VersionId};

pub use cache::{CachePolicy, CachePurge, CachePurged};
pub use compression::CompressionPolicy;
pub use cors::CorsPolicy;
pub use mock::MockPolicy;
pub use tokens::TokensPolicy;
pub use transform::{RequestTransformPolicy, ResponseTransformPolicy};
pub use upstream::UpstreamPolicy;
pub use validation::ValidationPolicy;
pub use views::{
    AttachedPolicy, EffectivePolicies, EffectivePoliciesQuery, EffectivePolicy, PolicyListQuery,
    PolicyOrigin, PolicyRevision, RollBack,
};

/// What kind of thing a policy is attached to, from the farthest to the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyLevel {
    /// Every call to the organization's APIs.
    Organization,
    /// Every call to one API.
    Api,
    /// The calls to one version of an API.
    Version,
    /// The calls to one API that a route matches.
    Route,
    /// Every call with one key.
    Key,
}

impl PolicyLevel {
    pub const ALL: [Self; 5] = [
        Self::Organization,
        Self::Api,
        Self::Version,
        Self::Route,
        Self::Key,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Api => "api",
            Self::Version => "version",
            Self::Route => "route",
            Self::Key => "key",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

impl fmt::Display for PolicyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a policy is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyScope {
    /// The organization that is asked for.
    Organization,
    Api(ApiId),
    Version(VersionId),
    Route(RouteId),
    Key(KeyId),
}

impl PolicyScope {
    #[must_use]
    pub const fn new(level: PolicyLevel, target_id: Uuid) -> Self {
        match level {
            PolicyLevel::Organization => Self::Organization,
            PolicyLevel::Api => Self::Api(ApiId(target_id)),
            PolicyLevel::Version => Self::Version(VersionId(target_id)),
            PolicyLevel::Route => Self::Route(RouteId(target_id)),
            PolicyLevel::Key => Self::Key(KeyId(target_id)),
        }
    }

    #[must_use]
    pub const fn level(self) -> PolicyLevel {
        match self {
            Self::Organization => PolicyLevel::Organization,
            Self::Api(_) => PolicyLevel::Api,
            Self::Version(_) => PolicyLevel::Version,
            Self::Route(_) => PolicyLevel::Route,
            Self::Key(_) => PolicyLevel::Key,
        }
    }

    /// The id of what it is attached to, within an organization.
    #[must_use]
    pub const fn target_id(self, organization_id: OrganizationId) -> Uuid {
        match self {
            Self::Organization => organization_id.0,
            Self::Api(id) => id.0,
            Self::Version(id) => id.0,
            Self::Route(id) => id.0,
            Self::Key(id) => id.0,
        }
    }
}

/// The table of the kinds, in the order in which calls meet them.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($document:ty) $name:literal $levels:expr;)*) => {
        /// What a policy does.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum PolicyKind {
            $($(#[$doc])* $kind,)*
        }

        impl PolicyKind {
            /// All kinds, in the order in which a call meets them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it can be attached to.
            #[must_use]
            pub const fn levels(self) -> &'static [PolicyLevel] {
                match self { $(Self::$kind => $levels,)* }
            }
        }

        /// The document of a policy. In JSON it is the document alone: its kind stands beside it.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(untagged)]
        pub enum PolicyDocument {
            $($kind($document),)*
        }

        impl PolicyDocument {
            #[must_use]
            pub const fn kind(&self) -> PolicyKind {
                match self { $(Self::$kind(_) => PolicyKind::$kind,)* }
            }

            /// False: the kind is switched off below.
            #[must_use]
            pub const fn is_enabled(&self) -> bool {
                match self { $(Self::$kind(document) => document.enabled,)* }
            }

            /// Reads a document as it is stored.
            ///
            /// # Errors
            /// When it is not one of this kind.
            pub fn from_value(kind: PolicyKind, value: Value) -> serde_json::Result<Self> {
                Ok(match kind {
                    $(PolicyKind::$kind => Self::$kind(serde_json::from_value(value)?),)*
                })
            }

            /// Checks a document that is to be attached to a thing of `level`. One that only
            /// switches its kind off needs nothing else.
            ///
            /// # Errors
            /// Every field that is not acceptable.
            pub fn validate(&self, level: PolicyLevel) -> Result<(), Vec<FieldError>> {
                if !self.kind().levels().contains(&level) {
                    let message = format!("cannot be attached to this: not a policy for `{level}`");
                    return Err(vec![FieldError::new(self.kind().as_str(), message)]);
                }
                if !self.is_enabled() {
                    return Ok(());
                }
                match self { $(Self::$kind(document) => document.validate(level),)* }
            }
        }
    };
}

const EVERYWHERE: &[PolicyLevel] = &PolicyLevel::ALL;
/// Where it takes effect before the key is known.
const NOT_BY_KEY: &[PolicyLevel] = &[
    PolicyLevel::Organization,
    PolicyLevel::Api,
    PolicyLevel::Version,
    PolicyLevel::Route,
];

kinds! {
    /// Which pages of other sites may call, and read the answers.
    Cors(CorsPolicy) "cors" NOT_BY_KEY;
    /// What a request must look like.
    Validation(ValidationPolicy) "validation" EVERYWHERE;
    /// Changes to the request.
    RequestTransform(RequestTransformPolicy) "request_transform" EVERYWHERE;
    /// An answer without the upstream.
    Mock(MockPolicy) "mock" EVERYWHERE;
    /// Answers that are kept and given again.
    Cache(CachePolicy) "cache" EVERYWHERE;
    /// Where calls go, and what happens when that fails.
    Upstream(Box<UpstreamPolicy>) "upstream" EVERYWHERE;
    /// Counts what language models say they used.
    Tokens(TokensPolicy) "tokens" EVERYWHERE;
    /// Changes to the answer.
    ResponseTransform(ResponseTransformPolicy) "response_transform" EVERYWHERE;
    /// Which codings the answer is sent in.
    Compression(CompressionPolicy) "compression" EVERYWHERE;
}

impl PolicyKind {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The default of `enabled`.
const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
