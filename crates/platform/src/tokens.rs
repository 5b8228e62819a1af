//! Access tokens (JWT, RFC 7519) and refresh tokens.

use apiverse_contract::key_format;
use apiverse_contract::keys::Environment;
use apiverse_contract::{SessionId, UserId};
use apiverse_settings::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fault::{Broken, TokenInvalid};

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: Uuid,
    /// The family of refresh tokens it belongs to; when that ends, so does the token.
    pub sid: Uuid,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
}

pub struct Tokens {
    header: Header,
    encoding: EncodingKey,
    /// By key id, the present one first: tokens of former secrets are good until they expire.
    decoding: Vec<(String, DecodingKey)>,
    validation: Validation,
    refresh_key: [u8; 32],
    link_key: [u8; 32],
    access_token_key: [u8; 32],
}

/// What a refresh token begins with, so that a scanner's find is recognised.
const REFRESH_TAG: &str = "apvr_";
/// 32 bytes in base62. The checksum of an API key is left out: nobody types a refresh token.
const REFRESH_DIGITS: usize = 43;

impl Tokens {
    pub fn new(jwt_secret: &Secret, former: &[Secret], refresh_secret: &Secret) -> Self {
        let decoding: Vec<(String, DecodingKey)> = std::iter::once(jwt_secret)
            .chain(former)
            .map(|secret| {
                let key = DecodingKey::from_secret(secret.expose().as_bytes());
                (key_id(secret), key)
            })
            .collect();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(key_id(jwt_secret));
        // The algorithm is ours to choose, never the token's.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        // Expiry is checked against the services' clock.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["sub", "exp"]);
        Self {
            header,
            encoding: EncodingKey::from_secret(jwt_secret.expose().as_bytes()),
            decoding,
            validation,
            refresh_key: blake3::derive_key(
                "apiverse 2026 refresh tokens",
                refresh_secret.expose().as_bytes(),
            ),
            access_token_key: blake3::derive_key(
                "apiverse 2026 access tokens",
                refresh_secret.expose().as_bytes(),
            ),
            link_key: blake3::derive_key("apiverse 2026 links", refresh_secret.expose().as_bytes()),
        }
    }

    pub fn access(
        &self,
        user_id: UserId,
        session_id: SessionId,
        now: DateTime<Utc>,
        lifetime: std::time::Duration,
        random: [u8; 16],
    ) -> Result<String, Broken> {
        let iat = now.timestamp();
        let claims = Claims {
            sub: user_id.0,
            sid: session_id.0,
            iat,
            exp: iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)),
            jti: URL_SAFE_NO_PAD.encode(random),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding).map_err(|_| Broken)
    }

    pub fn read_access(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenInvalid> {
        let kid = jsonwebtoken::decode_header(token)
            .map_err(|_| TokenInvalid)?
            .kid;
        // Tokens had no key id once; those are of the present secret or of none.
        let key = self
            .decoding
            .iter()
            .find(|(id, _)| kid.as_ref().is_none_or(|kid| kid == id));
        let (_, key) = key.ok_or(TokenInvalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|_| TokenInvalid)?
            .claims;
        if claims.exp <= now.timestamp() {
            return Err(TokenInvalid);
        }
        Ok(claims)
    }

    /// `apvr_` and 43 characters of base62, the very ones an API key of these bytes would have.
    pub fn refresh(random: [u8; 32]) -> String {
        format!("{REFRESH_TAG}{}", digits(random))
    }

    /// The secret of a link that is sent by e-mail: 43 characters of base62.
    pub fn link(random: [u8; 32]) -> String {
        digits(random)
    }

    /// What is stored of a personal access token.
    pub fn access_token_hash(&self, token: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.access_token_key, token.as_bytes()).as_bytes()
    }

    /// What is stored of a link.
    pub fn link_hash(&self, secret: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.link_key, secret.as_bytes()).as_bytes()
    }

    /// What is stored of a refresh token; `None` when it is none of ours.
    pub fn refresh_hash(&self, token: &str) -> Option<[u8; 32]> {
        let is_ours = token.starts_with(REFRESH_TAG) && token.len() < 100;
        is_ours.then(|| *blake3::keyed_hash(&self.refresh_key, token.as_bytes()).as_bytes())
    }
}

/// Tells secrets apart and nothing about them.
fn key_id(secret: &Secret) -> String {
    let hash = blake3::derive_key("apiverse 2026 jwt key ids", secret.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(&hash[..6])
}

/// 32 bytes in base62.
fn digits(random: [u8; 32]) -> String {
    let key = key_format::compose(Environment::Live, random);
    key[Environment::Live.key_tag().len()..][..REFRESH_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).expect("a moment")
    }

    #[test]
    fn access_tokens_are_read_until_they_expire() {
        let tokens = Tokens::new(&Secret::new("one"), &[], &Secret::new("two"));
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let token = tokens
            .access(user, session, at(0), Duration::from_secs(60), [3; 16])
            .expect("encodes");
        let claims = tokens.read_access(&token, at(59)).expect("valid");
        assert_eq!((claims.sub, claims.sid), (user.0, session.0));
        assert_eq!(claims.exp - claims.iat, 60);
        assert_eq!(tokens.read_access(&token, at(60)), Err(TokenInvalid));

        let other = Tokens::new(&Secret::new("another"), &[], &Secret::new("two"));
        assert_eq!(other.read_access(&token, at(0)), Err(TokenInvalid));
        let (head, rest) = token.split_once('.').expect("three parts");
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let unsigned = rest
            .rsplit_once('.')
            .map(|(body, _)| body)
            .expect("three parts");
        for forged in [
            format!("{none}.{unsigned}."),
            format!("{head}.{unsigned}."),
            format!("{head}x.{rest}"),
            format!("{token}x"),
            String::new(),
        ] {
            assert_eq!(
                tokens.read_access(&forged, at(0)),
                Err(TokenInvalid),
                "{forged}"
            );
        }
    }

    #[test]
    fn tokens_of_a_former_secret_are_read_until_they_expire() {
        let (old, new) = (Secret::new("one"), Secret::new("another"));
        let refresh = Secret::new("two");
        let before = Tokens::new(&old, &[], &refresh);
        let after = Tokens::new(&new, std::slice::from_ref(&old), &refresh);
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let make = |tokens: &Tokens| {
            tokens
                .access(user, session, at(0), Duration::from_secs(60), [3; 16])
                .expect("encodes")
        };
        let (former, present) = (make(&before), make(&after));
        assert!(after.read_access(&former, at(59)).is_ok());
        assert_eq!(after.read_access(&former, at(60)), Err(TokenInvalid));
        assert!(after.read_access(&present, at(0)).is_ok());
        assert_eq!(before.read_access(&present, at(0)), Err(TokenInvalid));
        // A key id does not choose the key for another's signature.
        let head = |token: &str| token.split_once('.').expect("three parts").0.to_owned();
        let (_, rest) = former.split_once('.').expect("three parts");
        let mixed = format!("{}.{rest}", head(&present));
        assert_eq!(after.read_access(&mixed, at(0)), Err(TokenInvalid));
    }

    #[test]
    fn refresh_tokens_have_their_shape() {
        let tokens = Tokens::new(&Secret::new("one"), &[], &Secret::new("two"));
        for random in [[0; 32], [7; 32], [0xff; 32]] {
            let token = Tokens::refresh(random);
            let digits = token.strip_prefix("apvr_").expect("is tagged");
            assert_eq!(digits.len(), 43, "{token}");
            assert!(digits.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
            assert!(tokens.refresh_hash(&token).is_some());
        }
        assert_ne!(Tokens::refresh([7; 32]), Tokens::refresh([8; 32]));
        assert_eq!(tokens.refresh_hash("apv_live_x"), None);
        let other = Tokens::new(&Secret::new("one"), &[], &Secret::new("three"));
        let token = Tokens::refresh([7; 32]);
        assert_ne!(tokens.refresh_hash(&token), other.refresh_hash(&token));
    }

    #[test]
    fn another_algorithm_is_refused_even_with_the_right_key() {
        let secret = Secret::new("one");
        let tokens = Tokens::new(&secret, &[], &Secret::new("two"));
        let claims = Claims {
            sub: Uuid::nil(),
            sid: Uuid::nil(),
            iat: at(0).timestamp(),
            exp: at(60).timestamp(),
            jti: String::new(),
        };
        let key = EncodingKey::from_secret(secret.expose().as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key);
        assert_eq!(
            tokens.read_access(&token.expect("encodes"), at(0)),
            Err(TokenInvalid)
        );
    }
}
