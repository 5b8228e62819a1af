//! What nodes tell each other: which thing changed, not how.

use std::fmt;
use std::str::FromStr;

use apiverse_contract::{ApiId, KeyId, OrganizationId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something changed in the database. Whoever keeps a copy of it reads it again.
///
/// It travels as a line of text, in JSON as a string: `api:{id}`, `key:{id}`,
/// `organization:{id}`, `purge:{number}`, `failure:{number}`, `forgiven:{number}`, `resync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// An API was created, changed or deleted.
    Api(ApiId),
    /// An API key was created, changed, rotated or revoked.
    Key(KeyId),
    /// An organization, or anything of it that has no change of its own.
    Organization(OrganizationId),
    /// Stored answers are to be forgotten; which, the gateway's cache knows by this number.
    Purge(u64),
    /// Somebody's attempt failed at a place that only its counter knows; nothing is stored of it.
    Failure(u128),
    /// The attempts at such a place are forgiven.
    Forgiven(u128),
    /// Changes may have been missed: read everything again.
    Resync,
}

/// The text is not that of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a change: expected its kind, a colon and an id, or resync")]
pub struct ParseChangeError;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(id) => write!(f, "api:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Organization(id) => write!(f, "organization:{id}"),
            Self::Purge(sign) => write!(f, "purge:{sign}"),
            Self::Failure(place) => write!(f, "failure:{place}"),
            Self::Forgiven(place) => write!(f, "forgiven:{place}"),
            Self::Resync => f.write_str("resync"),
        }
    }
}

impl FromStr for Change {
    type Err = ParseChangeError;

    fn from_str(text: &str) -> Result<Self, ParseChangeError> {
        if text == "resync" {
            return Ok(Self::Resync);
        }
        let (kind, id) = text.split_once(':').ok_or(ParseChangeError)?;
        let change = match kind {
            "api" => id.parse().map(Self::Api),
            "key" => id.parse().map(Self::Key),
            "organization" => id.parse().map(Self::Organization),
            "purge" => return id.parse().map(Self::Purge).map_err(|_| ParseChangeError),
            "failure" => return id.parse().map(Self::Failure).map_err(|_| ParseChangeError),
            "forgiven" => return id.parse().map(Self::Forgiven).map_err(|_| ParseChangeError),
            _ => return Err(ParseChangeError),
        };
        change.map_err(|_| ParseChangeError)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_text_is_stable() {
        let id = Uuid::from_u128(0x0190_1234_5678_7abc_8def_0123_4567_89ab);
        let text = "01901234-5678-7abc-8def-0123456789ab";
        for (change, line) in [
            (Change::Api(ApiId(id)), format!("api:{text}")),
            (Change::Key(KeyId(id)), format!("key:{text}")),
            (
                Change::Organization(OrganizationId(id)),
                format!("organization:{text}"),
            ),
            (
                Change::Purge(u64::MAX),
                "purge:18446744073709551615".to_owned(),
            ),
            (Change::Failure(7), "failure:7".to_owned()),
            (Change::Forgiven(0), "forgiven:0".to_owned()),
            (Change::Resync, "resync".to_owned()),
        ] {
            assert_eq!(change.to_string(), line);
            assert_eq!(line.parse(), Ok(change));
            let json = serde_json::to_string(&change).unwrap();
            assert_eq!(json, format!("\"{line}\""));
            assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change);
        }
    }

    #[test]
    fn other_text_is_an_error() {
        for text in [
            "", ":", "api", "api:", "api:7", "resync ", "Resync", "user:", "resync:x",
        ] {
            assert_eq!(text.parse::<Change>(), Err(ParseChangeError), "{text:?}");
        }
        assert!(serde_json::from_str::<Change>("7").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(api|key|organization|purge|failure|forgiven)?:?\\PC*") {
            if let Ok(change) = text.parse::<Change>() {
                prop_assert_eq!(change.to_string().parse(), Ok(change));
            }
        }
    }
}
