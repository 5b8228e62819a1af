//! The first account, the sample, and accounts from the command line.

use apiverse_contract::apis::ApiLimits;
use apiverse_contract::auth::{RegisterRequest, Role};
use apiverse_contract::keys::CreateApiKey;
use apiverse_store::{ApiRow, PasswordChange};
use serde_json::{Value, json};

use crate::SAMPLE_BASE_URL;
use crate::accounts::{RegisterError, normal_email, user_event};
use crate::actor::{Actor, RequestInfo, Via};
use crate::apis::ApiCreateError;
use crate::clock::new_id;
use crate::fault::{Invalid, NoSuchOrganization, NoSuchUser, operation_error};
use crate::keys::KeyCreateError;
use crate::platform::Platform;

/// Why the first start did not go through.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    #[error("the first account could not be created")]
    Account(#[from] RegisterError),
    #[error("the sample API could not be registered")]
    Api(#[from] ApiCreateError),
    #[error("the sample's key could not be created")]
    Key(#[from] KeyCreateError),
    #[error("the database could not be read")]
    Store(#[from] apiverse_store::StoreError),
}

/// Why an account was not created.
pub type UserCreateError = RegisterError;

operation_error! {
    /// Why a password was not reset.
    PasswordResetError { NoSuchUser, Busy, Broken }
}

operation_error! {
    /// Why nobody can act for an organization.
    OperatorError { NoSuchOrganization }
}

/// An account and its password, to be told once.
pub struct FirstAccount {
    pub email: String,
    pub password: String,
    /// Nobody chose the password: it has to be shown.
    pub generated: bool,
}

/// The registered sample, and a key to call it with.
pub struct Sample {
    pub slug: String,
    pub key: String,
}

/// The first account's address when nobody names one.
const DEFAULT_EMAIL: &str = "admin@localhost";
/// No characters that look alike.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

impl Platform {
    /// Whoever runs the command line, for the organization with a slug, or the oldest one.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn operator(&self, slug: Option<&str>) -> Result<Actor, OperatorError> {
        let organization = match slug {
            Some(slug) => self.store().organization_by_slug(slug).await?,
            None => self.store().organization_first().await?,
        };
        let organization = organization.ok_or(NoSuchOrganization)?;
        Ok(Actor::system(organization.id))
    }

    /// Creates an account when there is none at all.
    ///
    /// # Errors
    /// See [`FirstStartError`].
    pub async fn ensure_first_account(
        &self,
        email: Option<&str>,
        password: Option<&str>,
    ) -> Result<Option<FirstAccount>, FirstStartError> {
        if self.store().user_count().await? > 0 {
            return Ok(None);
        }
        Ok(Some(
            self.user_create(email.unwrap_or(DEFAULT_EMAIL), password)
                .await?,
        ))
    }

    /// Creates an account; a password is generated when none is given.
    ///
    /// # Errors
    /// See [`UserCreateError`].
    pub async fn user_create(
        &self,
        email: &str,
        password: Option<&str>,
    ) -> Result<FirstAccount, UserCreateError> {
        let generated = password.is_none();
        let password = password.map_or_else(|| self.generate_password(), str::to_owned);
        let input = RegisterRequest {
            email: normal_email(email),
            password: password.clone(),
            full_name: None,
        };
        input.validate().map_err(Invalid)?;
        let newcomer = self.newcomer(input).await?;
        let user = self
            .add_user(&RequestInfo::default(), newcomer, true)
            .await?;
        Ok(FirstAccount {
            email: user.email,
            password,
            generated,
        })
    }

    /// Registers the built-in sample with a key, unless the oldest organization has APIs already.
    ///
    /// # Errors
    /// See [`FirstStartError`].
    pub async fn ensure_sample(&self) -> Result<Option<Sample>, FirstStartError> {
        if !self.inner.config.sample_enabled {
            return Ok(None);
        }
        let Some(organization) = self.store().organization_first().await? else {
            return Ok(None);
        };
        if self.store().api_count(organization.id).await? > 0 {
            return Ok(None);
        }
        let actor = Actor {
            user_id: None,
            name: "system".to_owned(),
            organization_id: organization.id,
            role: Role::Owner,
            via: Via::System,
            request: RequestInfo::default(),
            grant: None,
            needs_two_factor: false,
            authenticated_at: None,
        };
        let now = self.now();
        let row = ApiRow {
            id: new_id!(self.inner.clock, ApiId),
            organization_id: organization.id,
            created_by: None,
            name: "Sample".to_owned(),
            slug: "sample".to_owned(),
            description: Some(
                "The built-in echo API: it answers with what reached it. \
                 Try /status/404, /delay/250 and /bytes/100000 as well."
                    .to_owned(),
            ),
            base_url: SAMPLE_BASE_URL.to_owned(),
            auth_type: "none".to_owned(),
            auth_public: Value::Null,
            auth_sealed: None,
            is_active: true,
            allow_query_key: false,
            limits: ApiLimits::default(),
            is_sample: true,
            created_at: now,
            updated_at: now,
        };
        let details = json!({ "after": crate::apis::shown(&row) });
        let api = self.api_store_new(&actor, row, true, details).await?;
        let input = CreateApiKey {
            name: "Sample key".to_owned(),
            ..CreateApiKey::default()
        };
        let created = self.key_create(&actor, input).await?;
        Ok(Some(Sample {
            slug: api.slug,
            key: created.key,
        }))
    }

    /// Gives an account a new, generated password and ends all its sessions.
    ///
    /// # Errors
    /// See [`PasswordResetError`].
    pub async fn password_reset(&self, email: &str) -> Result<String, PasswordResetError> {
        let user = self
            .store()
            .user_by_email(&normal_email(email))
            .await?
            .ok_or(NoSuchUser)?;
        let password = self.generate_password();
        let password_hash = self
            .inner
            .passwords
            .hash(password.clone(), self.inner.clock.random())
            .await?;
        let organization_id = self
            .store()
            .membership_first(user.id)
            .await?
            .map(|(organization, _)| organization.id);
        let line = self.audit_line(
            organization_id,
            (None, "system".to_owned()),
            &RequestInfo::default(),
            user_event("user.password_reset", &user),
        );
        let cause = line.id.to_string();
        let message = self.password_changed_message(&user, &RequestInfo::default(), &cause)?;
        let change = PasswordChange {
            user_id: user.id,
            password_hash: &password_hash,
            keep: None,
            token_hash: None,
            now: self.now(),
        };
        self.store()
            .user_set_password(&change, &line, &[message])
            .await?;
        Ok(password)
    }

    /// 20 characters out of 56: 116 bits.
    fn generate_password(&self) -> String {
        let mut password = String::with_capacity(20);
        while password.len() < 20 {
            let random: [u8; 32] = self.inner.clock.random();
            for byte in random {
                // Only whole multiples of the alphabet, or its first characters came up more.
                let usable = 256 / ALPHABET.len() * ALPHABET.len();
                if usize::from(byte) < usable && password.len() < 20 {
                    password.push(ALPHABET[usize::from(byte) % ALPHABET.len()] as char);
                }
            }
        }
        password
    }
}
