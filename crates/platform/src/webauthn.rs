//! What this installation is to authenticators, and the judging of what they answer (W3C Web
//! Authentication, level 3). Knows no store and no accounts.
//!
//! User verification is always required: a passkey is two factors, what one has and what one is or
//! knows, and is good for signing in without a password.

use apiverse_contract::UserId;
use serde_json::Value;
use url::Url;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::{
    AllowedCredential, AllowedCredentials, AuthenticationVerificationOptions,
    DiscoverableAuthenticationServerState, DiscoverableCredentialRequestOptions,
    NonDiscoverableAuthenticationServerState, NonDiscoverableCredentialRequestOptions,
};
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions,
    UserHandle16, Username,
};
use webauthn_rp::request::{
    AsciiDomain, Credentials, ExtensionInfo, PublicKeyCredentialDescriptor, RpId,
    UserVerificationRequirement,
};
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::auth::{DiscoverableAuthentication, NonDiscoverableAuthentication};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, PublicKeyCredentialCreationOptions, RegistrationServerState,
};

/// A user's id is their handle, which authenticators keep.
const HANDLE: usize = 16;

type StoredKey = StaticState<CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>>;
type Authentication<const DISCOVERABLE: bool> =
    webauthn_rp::response::auth::Authentication<HANDLE, DISCOVERABLE>;

/// Something of ours that cannot be: what was stored cannot be read, or there is no such option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    fn of(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// Why an answer was not believed.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// It is no answer to what was asked, or not signed by the passkey.
    #[error("{0}")]
    Wrong(String),
    /// The signature counter did not move on: there is a copy of the authenticator.
    #[error("the signature counter did not move on")]
    Copied,
}

/// A passkey as it is stored.
pub struct Stored<'a> {
    pub user_id: UserId,
    pub credential_id: &'a [u8],
    pub transports: i32,
    pub public_key: &'a [u8],
    pub state: &'a [u8],
}

/// What is kept of a new passkey.
pub struct Registered {
    pub credential_id: Vec<u8>,
    pub transports: i32,
    pub public_key: Vec<u8>,
    pub state: Vec<u8>,
}

/// What was asked: for the store, and for the browser.
pub struct Asked {
    pub state: Vec<u8>,
    pub options: Value,
}

/// This installation, as authenticators know it.
pub struct RelyingParty {
    id: RpId,
    origin: String,
}

impl RelyingParty {
    /// `None` for an installation that people reach by an IP address: browsers refuse those.
    pub fn new(base_url: &str) -> Option<Self> {
        let url = Url::parse(base_url).ok()?;
        let Some(url::Host::Domain(domain)) = url.host() else {
            return None;
        };
        let id = AsciiDomain::try_from(domain.to_owned()).ok()?;
        Some(Self {
            id: RpId::Domain(id),
            origin: url.origin().ascii_serialization(),
        })
    }

    /// Asks for a new passkey, on another authenticator than those of `existing`.
    pub fn ask_to_register(
        &self,
        user_id: UserId,
        (email, name): (&str, &str),
        existing: &[Stored<'_>],
    ) -> Result<Asked, Unusable> {
        let handle = handle(user_id)?;
        let mut exclude = Vec::with_capacity(existing.len());
        for stored in existing {
            exclude.push(descriptor(stored)?);
        }
        // What both allow is narrower than what addresses and names are made of.
        let user = PublicKeyCredentialUserEntity {
            name: Username::try_from(email.to_owned())
                .or_else(|_| Username::try_from(user_id.to_string()))
                .map_err(|error| Unusable::of("a user name", error))?,
            id: &handle,
            display_name: Nickname::try_from(name.to_owned()).ok(),
        };
        let mut options = PublicKeyCredentialCreationOptions::passkey(&self.id, user, exclude);
        // Asked for, not insisted on: browsers refuse authenticators that do not know the extension,
        // and the user is verified at each use anyway.
        options.extensions.cred_protect =
            CredProtect::UserVerificationRequired(ExtensionInfo::AllowDontEnforceValue);
        let (state, client) = options
            .start_ceremony()
            .map_err(|error| Unusable::of("a ceremony", error))?;
        let state = state.encode();
        Ok(Asked {
            state: state.map_err(|error| Unusable::of("a ceremony's state", error))?,
            options: to_json(&client)?,
        })
    }

    /// Judges the answer to `ask_to_register`.
    pub fn register(&self, state: &[u8], credential: &Value) -> Result<Registered, Doubt> {
        let wrong = |error: &dyn std::fmt::Display| Doubt::Wrong(error.to_string());
        let state = RegistrationServerState::<HANDLE>::decode(state).map_err(|e| wrong(&e))?;
        let json = credential.to_string();
        let response =
            webauthn_rp::Registration::from_json_relaxed(json.as_bytes()).map_err(|e| wrong(&e))?;
        let origins = [self.origin.as_str()];
        let options = RegistrationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..RegistrationVerificationOptions::default()
        };
        let made = state
            .verify(&self.id, &response, &options)
            .map_err(|e| wrong(&e))?;
        let (Ok(key), Ok(state), Ok(transports)) = (
            made.static_state().encode(),
            made.dynamic_state().encode(),
            made.transports().encode(),
        );
        Ok(Registered {
            credential_id: made.id().as_ref().to_vec(),
            transports: i32::from(transports),
            public_key: key,
            state: state.to_vec(),
        })
    }

    /// Asks for any passkey of this installation: it tells whose it is.
    pub fn ask_who(&self) -> Result<Asked, Unusable> {
        let (state, client) = DiscoverableCredentialRequestOptions::passkey(&self.id)
            .start_ceremony()
            .map_err(|error| Unusable::of("a ceremony", error))?;
        let state = state.encode();
        Ok(Asked {
            state: state.map_err(|error| Unusable::of("a ceremony's state", error))?,
            options: to_json(&client)?,
        })
    }

    /// Asks for one of a user's passkeys.
    pub fn ask_for(&self, passkeys: &[Stored<'_>]) -> Result<Asked, Unusable> {
        let mut allowed = AllowedCredentials::with_capacity(passkeys.len());
        for stored in passkeys {
            allowed.push(AllowedCredential::from(descriptor(stored)?));
        }
        let mut options = NonDiscoverableCredentialRequestOptions::second_factor(&self.id, allowed)
            .map_err(|error| Unusable::of("a ceremony", error))?;
        options.options().user_verification = UserVerificationRequirement::Required;
        let (state, client) = options
            .start_ceremony()
            .map_err(|error| Unusable::of("a ceremony", error))?;
        let state = state.encode();
        Ok(Asked {
            state: state.map_err(|error| Unusable::of("a ceremony's state", error))?,
            options: to_json(&client)?,
        })
    }

    /// The authenticator's id of the passkey an answer to `ask_who` or `ask_for` is of, to look it
    /// up by.
    pub fn credential_of(credential: &Value) -> Result<Vec<u8>, Doubt> {
        let json = credential.to_string();
        Authentication::<false>::from_json_relaxed(json.as_bytes())
            .map(|response| response.raw_id().as_ref().to_vec())
            .map_err(|error| Doubt::Wrong(error.to_string()))
    }

    /// Judges the answer to `ask_who`; what the passkey's state is from now on.
    pub fn sign_in(
        &self,
        state: &[u8],
        credential: &Value,
        stored: &Stored<'_>,
    ) -> Result<Vec<u8>, Doubt> {
        let wrong = |error: &dyn std::fmt::Display| Doubt::Wrong(error.to_string());
        let state = DiscoverableAuthenticationServerState::decode(state).map_err(|e| wrong(&e))?;
        let json = credential.to_string();
        let response = DiscoverableAuthentication::<HANDLE>::from_json_relaxed(json.as_bytes())
            .map_err(|e| wrong(&e))?;
        let handle = handle(stored.user_id).map_err(|e| wrong(&e))?;
        let mut known = known(stored, &handle)?;
        let origins = [self.origin.as_str()];
        state
            .verify(&self.id, &response, &mut known, &options(&origins))
            .map_err(doubt)?;
        let Ok(state) = known.dynamic_state().encode();
        Ok(state.to_vec())
    }

    /// Judges the answer to `ask_for`; what the passkey's state is from now on.
    pub fn prove(
        &self,
        state: &[u8],
        credential: &Value,
        stored: &Stored<'_>,
    ) -> Result<Vec<u8>, Doubt> {
        let wrong = |error: &dyn std::fmt::Display| Doubt::Wrong(error.to_string());
        let state =
            NonDiscoverableAuthenticationServerState::decode(state).map_err(|e| wrong(&e))?;
        let json = credential.to_string();
        let response = NonDiscoverableAuthentication::<HANDLE>::from_json_relaxed(json.as_bytes())
            .map_err(|e| wrong(&e))?;
        let handle = handle(stored.user_id).map_err(|e| wrong(&e))?;
        let mut known = known(stored, &handle)?;
        let origins = [self.origin.as_str()];
        state
            .verify(&self.id, &response, &mut known, &options(&origins))
            .map_err(doubt)?;
        let Ok(state) = known.dynamic_state().encode();
        Ok(state.to_vec())
    }
}

fn options<'o>(
    origins: &'o [&'o str],
) -> AuthenticationVerificationOptions<'o, 'static, &'o str, &'static str> {
    AuthenticationVerificationOptions {
        allowed_origins: origins,
        error_on_unsolicited_extensions: false,
        ..AuthenticationVerificationOptions::default()
    }
}

fn handle(user_id: UserId) -> Result<UserHandle16, Unusable> {
    UserHandle16::decode(user_id.0.into_bytes())
        .map_err(|error| Unusable::of("a user's handle", error))
}

fn descriptor(stored: &Stored<'_>) -> Result<PublicKeyCredentialDescriptor<Vec<u8>>, Unusable> {
    let transports = u8::try_from(stored.transports).unwrap_or_default();
    Ok(PublicKeyCredentialDescriptor {
        id: CredentialId::<Vec<u8>>::decode(stored.credential_id.to_vec())
            .map_err(|error| Unusable::of("a passkey's id", error))?,
        transports: AuthTransports::decode(transports)
            .map_err(|error| Unusable::of("a passkey's transports", error))?,
    })
}

/// A stored passkey as the library checks an answer against.
type Known<'a> = AuthenticatedCredential<
    'a,
    'a,
    HANDLE,
    CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>,
>;

fn known<'a>(stored: &Stored<'a>, handle: &'a UserHandle16) -> Result<Known<'a>, Doubt> {
    let wrong = |error: &dyn std::fmt::Display| Doubt::Wrong(error.to_string());
    let state: [u8; 7] = stored
        .state
        .try_into()
        .map_err(|_| Doubt::Wrong("a passkey's state has another length".to_owned()))?;
    AuthenticatedCredential::new(
        CredentialId::<&[u8]>::decode(stored.credential_id).map_err(|e| wrong(&e))?,
        handle,
        StoredKey::decode(stored.public_key).map_err(|e| wrong(&e))?,
        DynamicState::decode(state).map_err(|e| wrong(&e))?,
    )
    .map_err(|e| wrong(&e))
}

fn doubt(error: AuthCeremonyErr) -> Doubt {
    match error {
        AuthCeremonyErr::SignatureCounter => Doubt::Copied,
        other => Doubt::Wrong(other.to_string()),
    }
}

fn to_json(client: &impl serde::Serialize) -> Result<Value, Unusable> {
    serde_json::to_value(client).map_err(|error| Unusable::of("a ceremony's options", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_has_passkeys_where_it_has_a_name() {
        for (url, origin) in [
            ("https://api.example.com/", Some("https://api.example.com")),
            ("http://localhost:8000", Some("http://localhost:8000")),
            ("http://127.0.0.1:8000", None),
            ("https://[::1]", None),
            ("nonsense", None),
        ] {
            let found = RelyingParty::new(url);
            assert_eq!(found.map(|party| party.origin).as_deref(), origin, "{url}");
        }
    }

    #[test]
    fn what_is_asked_names_the_installation_and_wants_the_user_verified() {
        let party = RelyingParty::new("https://api.example.com").expect("a name");
        let user = UserId::from_parts(1, [7; 10]);
        let asked = party
            .ask_to_register(user, ("ada@example.com", "Ada"), &[])
            .expect("asks");
        assert_eq!(asked.options["rp"]["id"], "api.example.com");
        assert_eq!(asked.options["user"]["name"], "ada@example.com");
        let selection = &asked.options["authenticatorSelection"];
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(
            asked.options["extensions"]["enforceCredentialProtectionPolicy"],
            false
        );
        let asked = party.ask_who().expect("asks");
        assert_eq!(asked.options["rpId"], "api.example.com");
        assert_eq!(asked.options["userVerification"], "required");
        let other = party.ask_who().expect("asks");
        assert_ne!(asked.options["challenge"], other.options["challenge"]);
    }

    #[test]
    fn nonsense_is_doubted() {
        let party = RelyingParty::new("https://api.example.com").expect("a name");
        let asked = party.ask_who().expect("asks");
        for credential in [Value::Null, serde_json::json!({ "id": "AAAA" })] {
            assert!(RelyingParty::credential_of(&credential).is_err());
            assert!(party.register(&asked.state, &credential).is_err());
        }
    }
}
