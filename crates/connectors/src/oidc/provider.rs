//! One provider: what it publishes, sending a browser there, and believing what comes back.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims,
    CoreJwsSigningAlgorithm, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse, UserInfoError,
};
use parking_lot::Mutex;
use url::Url;

use super::{Attempt, ExternalUser, Metadata, OidcError, ProviderConfig, Redirected};
use crate::fetch::{self, FetchError};
use crate::refetch::Refetch;

/// Signatures that are believed: those of a key pair. One made with the client secret (HS256)
/// proves less, and mixing the two has been the fault of many.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// How far the provider's clock may be behind ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// A provider that people sign in at.
pub struct Provider {
    config: ProviderConfig,
    client: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<Arc<Metadata>>,
    refetch: Refetch,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// Asks nothing yet. `client` must be one of [`crate::http::client`].
    #[must_use]
    pub fn new(config: ProviderConfig, client: reqwest::Client) -> Self {
        Self {
            config,
            client,
            known: Mutex::default(),
        }
    }

    #[must_use]
    pub const fn config(&self) -> &ProviderConfig {
        &self.config
    }

    /// Where the browser is to go. The provider sends it back to `redirect_url`.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub async fn begin(
        &self,
        attempt: &Attempt,
        redirect_url: &str,
        now: DateTime<Utc>,
    ) -> Result<Url, OidcError> {
        let metadata = self.metadata(now).await?;
        let client = CoreClient::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(self.config.client_id.clone()),
            None,
        )
        .set_redirect_uri(redirect(redirect_url)?);
        let (state, nonce) = (attempt.state.clone(), attempt.nonce.clone());
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Who came back from the provider. `attempt` is what the same browser began.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub async fn finish(
        &self,
        attempt: &Attempt,
        answer: &Redirected,
        redirect_url: &str,
        now: DateTime<Utc>,
    ) -> Result<ExternalUser, OidcError> {
        if answer.state.as_deref() != Some(&attempt.state) {
            return Err(not_accepted("it has another state than what was begun"));
        }
        let metadata = self.metadata(now).await?;
        self.check_issuer(&metadata, answer)?;
        if let Some(error) = &answer.error {
            let said = error.chars().filter(char::is_ascii_graphic).take(60);
            return Err(OidcError::Refused(said.collect()));
        }
        let code = answer.code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| not_accepted("there is no code in it"))?;
        let (id_token, access_token) = self
            .exchange(&metadata, attempt, code, redirect_url)
            .await?;
        let claims = match self.claims(&metadata, &id_token, attempt, now) {
            Err(Unverified::UnknownKey) => {
                let metadata = self.refresh(now).await?;
                let metadata = metadata.ok_or_else(|| not_accepted("its key is not known"))?;
                self.claims(&metadata, &id_token, attempt, now)
            }
            outcome => outcome,
        };
        let claims = claims.map_err(|reason| not_accepted(&reason.text()))?;
        let mut user = self.user(&claims);
        if user.email.is_none() && metadata.userinfo_endpoint().is_some() {
            self.add_userinfo(&metadata, access_token, &mut user)
                .await?;
        }
        Ok(user)
    }

    /// RFC 9207: an answer names its sender where the provider says it does; another's name is
    /// refused always.
    fn check_issuer(&self, metadata: &Metadata, answer: &Redirected) -> Result<(), OidcError> {
        let is_promised = metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported;
        match &answer.iss {
            Some(iss) if *iss == self.config.issuer => Ok(()),
            Some(_) => Err(not_accepted("it is from another issuer")),
            None if is_promised => Err(not_accepted("it does not name its issuer")),
            None => Ok(()),
        }
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        attempt: &Attempt,
        code: &str,
        redirect_url: &str,
    ) -> Result<(CoreIdToken, AccessToken), OidcError> {
        let secret = self.config.client_secret.as_ref();
        let client = CoreClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.config.client_id.clone()),
            secret.map(|secret| ClientSecret::new(secret.expose().to_owned())),
        )
        .set_auth_type(auth_type(metadata))
        .set_redirect_uri(redirect(redirect_url)?);
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| OidcError::Discovery(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
        let http = |request| call(self.client.clone(), request);
        let tokens = request
            .request_async(&http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(error) => OidcError::Unavailable(error),
                // What it says beside the code of the error may hold anything.
                RequestTokenError::ServerResponse(said) => {
                    OidcError::Refused(said.error().to_string())
                }
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    not_accepted("its tokens are not understood")
                }
            })?;
        let id_token = tokens.id_token().cloned();
        let id_token = id_token.ok_or_else(|| not_accepted("there is no id token"))?;
        Ok((id_token, tokens.access_token().clone()))
    }

    fn claims(
        &self,
        metadata: &Metadata,
        id_token: &CoreIdToken,
        attempt: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<CoreIdTokenClaims, Unverified> {
        let client = CoreClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.config.client_id.clone()),
            None,
        );
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now - LEEWAY);
        id_token
            .claims(&verifier, &Nonce::new(attempt.nonce.clone()))
            .cloned()
            .map_err(Unverified::from)
    }

    fn user(&self, claims: &CoreIdTokenClaims) -> ExternalUser {
        let methods = claims.auth_method_refs();
        ExternalUser {
            issuer: self.config.issuer.clone(),
            subject: claims.subject().as_str().to_owned(),
            email: claims.email().map(|email| email.as_str().to_owned()),
            email_verified: claims.email_verified() == Some(true),
            name: claims
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.as_str().to_owned()),
            second_factor: methods
                .is_some_and(|methods| methods.iter().any(|method| method.as_str() == "mfa")),
        }
    }

    /// Some providers tell of people only here (OpenID Connect Core 1.0, 5.3).
    async fn add_userinfo(
        &self,
        metadata: &Metadata,
        access_token: AccessToken,
        user: &mut ExternalUser,
    ) -> Result<(), OidcError> {
        let client = CoreClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.config.client_id.clone()),
            None,
        );
        let subject = openidconnect::SubjectIdentifier::new(user.subject.clone());
        let request = client
            .user_info(access_token, Some(subject))
            .map_err(|error| OidcError::Discovery(error.to_string()))?;
        let http = |request| call(self.client.clone(), request);
        let said: Result<CoreUserInfoClaims, _> = request.request_async(&http).await;
        let said = said.map_err(|error| match error {
            UserInfoError::Request(error) => OidcError::Unavailable(error),
            _ => not_accepted("what it tells of the person is not understood"),
        })?;
        user.email = said.email().map(|email| email.as_str().to_owned());
        user.email_verified = said.email_verified() == Some(true);
        if user.name.is_none() {
            user.name = said
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.as_str().to_owned());
        }
        Ok(())
    }

    /// What the provider publishes, fetched anew when that is an hour old. One that does not answer
    /// then is taken at its former word.
    async fn metadata(&self, now: DateTime<Utc>) -> Result<Arc<Metadata>, OidcError> {
        let known = {
            let known = self.known.lock();
            let stale = known.refetch.is_stale(now);
            known.metadata.clone().filter(|_| !stale)
        };
        if let Some(known) = known {
            return Ok(known);
        }
        match self.refresh(now).await {
            Ok(Some(metadata)) => Ok(metadata),
            Ok(None) => self.former(OidcError::Unavailable(FetchError::Unreachable)),
            Err(error) => self.former(error),
        }
    }

    fn former(&self, error: OidcError) -> Result<Arc<Metadata>, OidcError> {
        let metadata = self.known.lock().metadata.clone();
        if metadata.is_some() {
            tracing::warn!(provider = %self.config.slug, %error, "a provider's metadata is old");
        }
        metadata.ok_or(error)
    }

    /// Fetches it now; `None` when that was done too often lately.
    async fn refresh(&self, now: DateTime<Utc>) -> Result<Option<Arc<Metadata>>, OidcError> {
        if !self.known.lock().refetch.begin(now) {
            return Ok(None);
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone())
            .map_err(|error| OidcError::Discovery(error.to_string()))?;
        let http = |request| call(self.client.clone(), request);
        // The library sees to it that it is the issuer's own (OpenID Connect Discovery 1.0, 4.3).
        let metadata =
            Metadata::discover_async(issuer, &http)
                .await
                .map_err(|error| match error {
                    DiscoveryError::Request(error) => OidcError::Unavailable(error),
                    DiscoveryError::Response(status, ..) => {
                        OidcError::Unavailable(FetchError::Status(status.as_u16()))
                    }
                    DiscoveryError::Validation(reason) => OidcError::Discovery(reason),
                    _ => OidcError::Discovery("it is not understood".to_owned()),
                })?;
        let metadata = Arc::new(metadata);
        self.known.lock().metadata = Some(Arc::clone(&metadata));
        Ok(Some(metadata))
    }
}

/// Why an id token is not believed.
enum Unverified {
    /// Signed with a key that was not published when the keys were fetched.
    UnknownKey,
    Other(ClaimsVerificationError),
}

impl Unverified {
    fn text(&self) -> String {
        match self {
            Self::UnknownKey => "its key is not known".to_owned(),
            Self::Other(error) => error.to_string(),
        }
    }
}

impl From<ClaimsVerificationError> for Unverified {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            // Without a key id a rolled key looks like a wrong signature.
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey
                | SignatureVerificationError::CryptoError(_),
            ) => Self::UnknownKey,
            error => Self::Other(error),
        }
    }
}

fn not_accepted(reason: &str) -> OidcError {
    OidcError::NotAccepted(reason.to_owned())
}

fn redirect(url: &str) -> Result<RedirectUrl, OidcError> {
    RedirectUrl::new(url.to_owned()).map_err(|error| OidcError::Discovery(error.to_string()))
}

/// `client_secret_basic` unless the provider takes the other way only (Discovery 1.0, section 3).
fn auth_type(metadata: &Metadata) -> AuthType {
    let Some(methods) = metadata.token_endpoint_auth_methods_supported() else {
        return AuthType::BasicAuth;
    };
    let takes = |method: &CoreClientAuthMethod| methods.contains(method);
    if !takes(&CoreClientAuthMethod::ClientSecretBasic)
        && takes(&CoreClientAuthMethod::ClientSecretPost)
    {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

/// The library's requests through our client, which sees to addresses and time limits.
async fn call(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let request = reqwest::Request::try_from(request)?;
    let response = client.execute(request).await?;
    let mut answer = HttpResponse::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = fetch::read(response).await?;
    Ok(answer)
}
