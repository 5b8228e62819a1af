//! Session tokens: what a browser or an application sends to show who signed in at Clerk.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Clerk, ClerkError};

/// How far clocks may be apart, as in Clerk's own packages.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);
/// Longer than any token of theirs: cookies end at 4 KiB.
const LONGEST: usize = 8192;

/// Somebody who signed in at Clerk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClerkSession {
    /// `user_…`.
    pub user_id: String,
    /// `sess_…`.
    pub session_id: String,
    /// The organization they act in there.
    pub organization: Option<ClerkMembership>,
    /// Whether more than one factor was used.
    pub second_factor: bool,
    /// When the token was made, seconds since 1970.
    pub issued_at: i64,
    /// When they last proved who they are.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// Somebody's place in an organization at Clerk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClerkMembership {
    /// `org_…`.
    pub organization_id: String,
    pub slug: Option<String>,
    /// `admin`, `member`, or one of the instance's own, without `org:`.
    pub role: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    sid: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    azp: Option<String>,
    /// `pending` while something is still asked of them.
    sts: Option<String>,
    /// Minutes since each factor was proved; -1: it was not.
    #[serde(default)]
    fva: Vec<i64>,
    /// Version 2.
    o: Option<OrganizationClaim>,
    /// Version 1.
    org_id: Option<String>,
    org_slug: Option<String>,
    org_role: Option<String>,
}

#[derive(Deserialize)]
struct OrganizationClaim {
    id: String,
    slg: Option<String>,
    rol: Option<String>,
}

impl Clerk {
    /// Whether a token may be Clerk's: ours are signed otherwise.
    #[must_use]
    pub fn is_token(token: &str) -> bool {
        token.len() <= LONGEST
            && token.bytes().filter(|b| *b == b'.').count() == 2
            && jsonwebtoken::decode_header(token)
                .is_ok_and(|header| header.alg == Algorithm::RS256 && header.kid.is_some())
    }

    /// Who a session token is of. `own_origin` is where we are reached.
    ///
    /// # Errors
    /// See [`ClerkError`].
    pub async fn session(
        &self,
        token: &str,
        own_origin: &str,
        now: DateTime<Utc>,
    ) -> Result<ClerkSession, ClerkError> {
        let claims: Claims = self.signed(token, now).await?;
        self.judge(&claims, own_origin, now)?;
        let ages = &claims.fva;
        let authenticated_at = match (claims.iat, ages.first()) {
            (Some(iat), Some(minutes)) if *minutes >= 0 => {
                DateTime::from_timestamp(iat.saturating_sub(minutes.saturating_mul(60)), 0)
            }
            _ => None,
        };
        Ok(ClerkSession {
            organization: membership(&claims),
            second_factor: ages.get(1).is_some_and(|minutes| *minutes >= 0),
            issued_at: claims.iat.unwrap_or_default(),
            authenticated_at,
            user_id: claims.sub,
            session_id: claims.sid,
        })
    }

    /// The claims of something Clerk signed, whatever they are.
    pub(super) async fn signed<T: DeserializeOwned>(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<T, ClerkError> {
        if token.len() > LONGEST {
            return Err(ClerkError::NotAccepted("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| ClerkError::NotAccepted("it is no token"))?;
        // The algorithm is ours to choose, never the token's.
        if header.alg != Algorithm::RS256 {
            return Err(ClerkError::NotAccepted("it is signed in another way"));
        }
        let id = header
            .kid
            .ok_or(ClerkError::NotAccepted("it names no key"))?;
        let key = self.key(&id, now).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are judged by our clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<T>(token, &key, &validation)
            .map_err(|_| ClerkError::NotAccepted("its signature does not fit"))?;
        Ok(decoded.claims)
    }

    fn judge(
        &self,
        claims: &Claims,
        own_origin: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ClerkError> {
        let at = now.timestamp();
        let leeway = LEEWAY.num_seconds();
        let reason = if claims.iss != self.config.issuer {
            "another issuer signed it"
        } else if !self.is_for_us(claims.azp.as_deref(), own_origin) {
            "it was made for another origin"
        } else if claims.exp.saturating_add(leeway) <= at {
            "it has expired"
        } else if claims.nbf.is_some_and(|nbf| nbf > at + leeway)
            || claims.iat.is_some_and(|iat| iat > at + leeway)
        {
            "it is not valid yet"
        } else if claims.sts.as_deref() == Some("pending") {
            "the sign-in is not finished"
        } else if claims.sub.is_empty() || claims.sid.is_empty() {
            "it names nobody"
        } else {
            return Ok(());
        };
        Err(ClerkError::NotAccepted(reason))
    }

    fn is_for_us(&self, azp: Option<&str>, own_origin: &str) -> bool {
        let named = self.config.authorized_parties.as_ref();
        match azp {
            Some(azp) => {
                azp == own_origin
                    || named.is_some_and(|parties| parties.iter().any(|party| party == azp))
            }
            None => named.is_none(),
        }
    }
}

fn membership(claims: &Claims) -> Option<ClerkMembership> {
    let (id, slug, role) = match (&claims.o, &claims.org_id) {
        (Some(o), _) => (&o.id, &o.slg, &o.rol),
        (None, Some(id)) => (id, &claims.org_slug, &claims.org_role),
        (None, None) => return None,
    };
    let role = role.as_deref().unwrap_or("member");
    Some(ClerkMembership {
        organization_id: id.clone(),
        slug: slug.clone(),
        role: role.strip_prefix("org:").unwrap_or(role).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::SecretString;
    use crate::clerk::ClerkConfig;

    const NOW: i64 = 1_790_000_000;

    fn judge(parties: Option<&[&str]>, changes: &Value) -> Option<&'static str> {
        let config = ClerkConfig {
            issuer: "https://clerk.example.com".to_owned(),
            api: "https://api.clerk.com".parse().unwrap(),
            secret_key: SecretString::from("sk_test_x"),
            webhook_secret: None,
            authorized_parties: parties
                .map(|all| all.iter().map(|party| (*party).to_owned()).collect()),
            sign_in_url: "https://accounts.example.com/sign-in".parse().unwrap(),
        };
        let mut claims = json!({
            "iss": "https://clerk.example.com", "sub": "user_1", "sid": "sess_1",
            "azp": "https://api.example.com", "iat": NOW, "nbf": NOW, "exp": NOW + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims: Claims = serde_json::from_value(claims).unwrap();
        let client = crate::http::client(
            crate::EgressPolicy::default(),
            std::time::Duration::from_secs(1),
        );
        let clerk = Clerk::new(config, client.unwrap());
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        match clerk.judge(&claims, "https://api.example.com", now) {
            Ok(()) => None,
            Err(ClerkError::NotAccepted(reason)) => Some(reason),
            Err(ClerkError::Unavailable(_)) => panic!("nobody is asked"),
        }
    }

    #[test]
    fn times_have_a_few_seconds_of_leeway() {
        for (changes, is_good) in [
            (json!({}), true),
            (json!({ "exp": NOW - 4 }), true),
            (json!({ "exp": NOW - 5 }), false),
            (json!({ "nbf": NOW + 5 }), true),
            (json!({ "nbf": NOW + 6 }), false),
            (json!({ "iat": NOW + 6 }), false),
            (json!({ "nbf": null, "iat": null }), true),
            (json!({ "exp": i64::MIN }), false),
            (json!({ "exp": i64::MAX }), true),
        ] {
            assert_eq!(judge(None, &changes).is_none(), is_good, "{changes}");
        }
    }

    #[test]
    fn parties_are_compared_letter_by_letter() {
        let other = "https://app.example.com";
        for (parties, azp, is_good) in [
            (None, json!("https://api.example.com"), true),
            (None, json!(other), false),
            (None, json!(null), true),
            (Some(&[other][..]), json!(other), true),
            (Some(&[other][..]), json!("https://api.example.com"), true),
            (
                Some(&[other][..]),
                json!("https://app.example.com.evil.example"),
                false,
            ),
            (Some(&[other][..]), json!(null), false),
        ] {
            let reason = judge(parties, &json!({ "azp": azp }));
            assert_eq!(reason.is_none(), is_good, "{parties:?} {azp}");
        }
    }
}
