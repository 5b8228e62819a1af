//! What Clerk reports, signed in Svix' way.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::api::ClerkUser;
use super::{Clerk, ClerkMembership};

/// Largest difference between a report's time and ours, seconds, either way.
const TOLERANCE: i64 = 5 * 60;

/// A report as it came: the body's very bytes, and three headers.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `svix-id`: the same for every attempt to deliver one report.
    pub id: &'a str,
    /// `svix-timestamp`, seconds since 1970.
    pub timestamp: &'a str,
    /// `svix-signature`: `v1,` and base64, several with spaces between them.
    pub signature: &'a str,
    pub body: &'a [u8],
}

/// Why a report is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("no secret is set for reports")]
    NoSecret,
    #[error("the report is malformed")]
    Malformed,
    /// It was signed too long ago, or is not signed yet.
    #[error("the report is not of this time")]
    Stale,
    #[error("the signature does not fit")]
    Wrong,
}

/// What happened at Clerk.
#[derive(Clone, Debug)]
pub enum ClerkEvent {
    /// Somebody is there, or is described anew.
    User(Box<ClerkUser>),
    UserDeleted {
        id: String,
    },
    /// A session there is over.
    SessionEnded {
        id: String,
    },
    Organization {
        id: String,
        name: String,
        /// Milliseconds since 1970.
        updated_at: i64,
    },
    OrganizationDeleted {
        id: String,
    },
    Membership(Box<MembershipEvent>),
    MembershipDeleted(Box<MembershipEvent>),
    /// Nothing that matters here.
    Other,
}

/// Somebody's place in an organization there.
#[derive(Clone, Debug)]
pub struct MembershipEvent {
    /// `orgmem_…`: another one when they leave and join again.
    pub id: String,
    pub user_id: String,
    pub organization_name: String,
    pub membership: ClerkMembership,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

#[derive(Deserialize)]
struct WithId {
    id: String,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    updated_at: i64,
}

#[derive(Deserialize)]
struct Membership {
    id: String,
    organization: Organization,
    public_user_data: Member,
    #[serde(default)]
    role: String,
    #[serde(default)]
    updated_at: i64,
}

#[derive(Deserialize)]
struct Member {
    user_id: String,
}

impl Clerk {
    /// Reads a report that is signed with our secret, at this time.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn read_report(
        &self,
        delivery: &Delivery<'_>,
        now: DateTime<Utc>,
    ) -> Result<ClerkEvent, WebhookError> {
        let secret = self.config.webhook_secret.as_ref();
        let secret = secret.ok_or(WebhookError::NoSecret)?;
        verify(secret.expose(), delivery, now)?;
        let envelope: Envelope =
            serde_json::from_slice(delivery.body).map_err(|_| WebhookError::Malformed)?;
        event(envelope).map_err(|_| WebhookError::Malformed)
    }
}

fn verify(secret: &str, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<(), WebhookError> {
    if delivery.id.is_empty() || delivery.signature.is_empty() {
        return Err(WebhookError::Malformed);
    }
    let timestamp: i64 = delivery
        .timestamp
        .parse()
        .map_err(|_| WebhookError::Malformed)?;
    let apart = now.timestamp().saturating_sub(timestamp).saturating_abs();
    if apart > TOLERANCE {
        return Err(WebhookError::Stale);
    }
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .map_err(|_| WebhookError::NoSecret)?;
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(&key).map_err(|_| WebhookError::NoSecret)?;
    mac.update(delivery.id.as_bytes());
    mac.update(b".");
    mac.update(delivery.timestamp.as_bytes());
    mac.update(b".");
    mac.update(delivery.body);
    // While a secret rotates, a report has a signature of each.
    for signature in delivery.signature.split(' ') {
        let Some(("v1", coded)) = signature.split_once(',') else {
            continue;
        };
        let Ok(bytes) = STANDARD.decode(coded) else {
            continue;
        };
        if mac.clone().verify_slice(&bytes).is_ok() {
            return Ok(());
        }
    }
    Err(WebhookError::Wrong)
}

fn event(envelope: Envelope) -> Result<ClerkEvent, serde_json::Error> {
    let data = envelope.data;
    let event = match envelope.kind.as_str() {
        "user.created" | "user.updated" => ClerkEvent::User(Box::new(from(data)?)),
        "user.deleted" => ClerkEvent::UserDeleted { id: id(data)? },
        "session.ended" | "session.removed" | "session.revoked" => {
            ClerkEvent::SessionEnded { id: id(data)? }
        }
        "organization.created" | "organization.updated" => {
            let organization: Organization = from(data)?;
            ClerkEvent::Organization {
                id: organization.id,
                name: organization.name,
                updated_at: organization.updated_at,
            }
        }
        "organization.deleted" => ClerkEvent::OrganizationDeleted { id: id(data)? },
        "organizationMembership.created" | "organizationMembership.updated" => {
            ClerkEvent::Membership(Box::new(membership(data)?))
        }
        "organizationMembership.deleted" => {
            ClerkEvent::MembershipDeleted(Box::new(membership(data)?))
        }
        _ => ClerkEvent::Other,
    };
    Ok(event)
}

fn from<T: serde::de::DeserializeOwned>(data: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(data)
}

fn id(data: Value) -> Result<String, serde_json::Error> {
    from::<WithId>(data).map(|found| found.id)
}

fn membership(data: Value) -> Result<MembershipEvent, serde_json::Error> {
    let found: Membership = from(data)?;
    let role = found.role.strip_prefix("org:").unwrap_or(&found.role);
    Ok(MembershipEvent {
        id: found.id,
        user_id: found.public_user_data.user_id,
        organization_name: found.organization.name,
        membership: ClerkMembership {
            organization_id: found.organization.id,
            slug: found.organization.slug,
            role: role.to_owned(),
        },
        updated_at: found.updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: i64 = 1_614_265_330;

    fn judge(id: &str, at: i64, signature: &str, body: &str) -> Result<(), WebhookError> {
        let delivery = Delivery {
            id,
            timestamp: &at.to_string(),
            signature,
            body: body.as_bytes(),
        };
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        verify(SECRET, &delivery, now)
    }

    #[test]
    fn the_example_of_svix_is_believed_and_nothing_else() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = r#"{"test": 2432232314}"#;
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(judge(id, NOW, right, body), Ok(()));
        let several = format!("v1,AAAA v2,{} {right}", &right[3..]);
        assert_eq!(judge(id, NOW, &several, body), Ok(()));
        assert_eq!(judge(id, NOW, right, "{}"), Err(WebhookError::Wrong));
        assert_eq!(judge("msg_x", NOW, right, body), Err(WebhookError::Wrong));
        let other_version = right.replace("v1,", "v2,");
        assert_eq!(
            judge(id, NOW, &other_version, body),
            Err(WebhookError::Wrong)
        );
        assert_eq!(judge(id, NOW + 60, right, body), Err(WebhookError::Wrong));
        for apart in [-301, 301] {
            assert_eq!(
                judge(id, NOW + apart, right, body),
                Err(WebhookError::Stale)
            );
        }
        assert_eq!(judge("", NOW, right, body), Err(WebhookError::Malformed));
        assert_eq!(judge(id, NOW, "", body), Err(WebhookError::Malformed));
    }

    #[test]
    fn reports_are_told_apart() {
        let read = |text: &str| event(serde_json::from_str(text).unwrap());
        let user = read(
            r#"{"type":"user.updated","data":{"id":"user_1","updated_at":7,"first_name":"Ada",
               "last_name":null,"primary_email_address_id":"idn_2","email_addresses":[
               {"id":"idn_1","email_address":"x@example.com","verification":{"status":"verified"}},
               {"id":"idn_2","email_address":"ada@example.com","verification":null}]}}"#,
        );
        let Ok(ClerkEvent::User(user)) = user else {
            panic!("{user:?}");
        };
        let external = user.external("https://clerk.example.com", false);
        assert_eq!(external.email.as_deref(), Some("ada@example.com"));
        assert!(!external.email_verified);
        assert_eq!(external.name.as_deref(), Some("Ada"));
        let member = read(
            r#"{"type":"organizationMembership.created","data":{"id":"orgmem_1","role":"org:admin",
               "updated_at":3,"organization":{"id":"org_1","name":"Acme","slug":"acme"},
               "public_user_data":{"user_id":"user_1"}}}"#,
        );
        let Ok(ClerkEvent::Membership(member)) = member else {
            panic!("{member:?}");
        };
        assert_eq!(member.membership.role, "admin");
        assert!(matches!(
            read(r#"{"type":"session.revoked","data":{"id":"sess_1"}}"#),
            Ok(ClerkEvent::SessionEnded { .. })
        ));
        assert!(matches!(
            read(r#"{"type":"sms.created","data":{}}"#),
            Ok(ClerkEvent::Other)
        ));
        assert!(read(r#"{"type":"user.created","data":{}}"#).is_err());
    }
}
