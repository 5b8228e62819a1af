//! Passkeys: registering them, signing in with one, and one as the second factor.

use apiverse_contract::auth::{TokenResponse, UserView};
use apiverse_contract::passkeys::{
    CreatePasskey, MfaToken, PasskeyAnswer, PasskeyCeremony, PasskeyCreated, PasskeyView,
    RenamePasskey,
};
use apiverse_contract::{PasskeyId, UserId};
use apiverse_store::{CeremonyRow, PasskeyRow, StoreError, UserRow};
use chrono::TimeDelta;
use serde_json::json;
use tower_sessions::Session;

use crate::accounts::{LoginError, user_event};
use crate::actor::{Actor, RequestInfo};
use crate::clock::new_id;
use crate::fault::{
    Broken, Invalid, PasskeyGone, PasskeyWrong, PasskeysOff, TooMany, UserGone, WrongCredentials,
    operation_error,
};
use crate::platform::Platform;
use crate::tokens::Tokens;
use crate::webauthn::{Doubt, RelyingParty, Stored, Unusable};

operation_error! {
    /// Why an authenticator is not asked.
    PasskeyAskError { Forbidden, PasskeysOff, PasskeyGone, TooMany, SlowDown, WrongCredentials, UserGone, Broken }
}
operation_error! {
    /// Why there is no new passkey.
    PasskeyCreateError { Invalid, PasskeysOff, UserGone, Broken }
}
operation_error! {
    /// Why passkeys were not listed.
    PasskeyListError { UserGone }
}
operation_error! {
    /// Why a passkey was not renamed.
    PasskeyRenameError { Invalid, PasskeyGone, UserGone }
}
operation_error! {
    /// Why a passkey was not removed.
    PasskeyRemoveError { Forbidden, PasskeyGone, UserGone, Broken }
}

/// How long an authenticator may take.
const CEREMONY_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Passkeys of one user.
const MOST: usize = 200;

const REGISTER: &str = "register";
const SIGN_IN: &str = "sign_in";
const SECOND_FACTOR: &str = "second_factor";

impl Platform {
    /// What authenticators know this installation as; `None` where there are no passkeys.
    pub(crate) fn relying_party(&self) -> Option<RelyingParty> {
        RelyingParty::new(self.base_url())
    }

    /// Keeps what was asked, for five minutes and one answer.
    async fn ceremony(
        &self,
        purpose: &str,
        user_id: Option<UserId>,
        asked: crate::webauthn::Asked,
    ) -> Result<PasskeyCeremony, StoreError> {
        let token = Tokens::link(self.inner.clock.random());
        let row = CeremonyRow {
            token_hash: self.inner.tokens.link_hash(&token).to_vec(),
            purpose: purpose.to_owned(),
            user_id,
            state: asked.state,
            expires_at: self.now() + CEREMONY_LIFETIME,
        };
        self.store().ceremony_insert(&row).await?;
        Ok(PasskeyCeremony {
            ceremony: token,
            options: asked.options,
        })
    }

    async fn take_ceremony(
        &self,
        token: &str,
        purpose: &str,
    ) -> Result<Option<CeremonyRow>, StoreError> {
        let hash = self.inner.tokens.link_hash(token);
        self.store().ceremony_take(&hash, purpose, self.now()).await
    }

    /// Begins a new passkey of the actor.
    ///
    /// # Errors
    /// See [`PasskeyAskError`].
    pub async fn passkey_begin(&self, actor: &Actor) -> Result<PasskeyCeremony, PasskeyAskError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let party = self.relying_party().ok_or(PasskeysOff)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let rows = self.store().passkeys_of(user_id).await?;
        if rows.len() >= MOST {
            return Err(TooMany.into());
        }
        let existing: Vec<Stored<'_>> = rows.iter().map(stored).collect();
        let name = user.full_name.as_deref().unwrap_or_default();
        let asked = party
            .ask_to_register(user_id, (&user.email, name), &existing)
            .map_err(unusable)?;
        Ok(self.ceremony(REGISTER, Some(user_id), asked).await?)
    }

    /// Adds the passkey that an authenticator made. With the first second factor come recovery
    /// codes.
    ///
    /// # Errors
    /// See [`PasskeyCreateError`].
    pub async fn passkey_create(
        &self,
        actor: &Actor,
        input: CreatePasskey,
    ) -> Result<PasskeyCreated, PasskeyCreateError> {
        let user_id = actor.account()?;
        input.validate().map_err(Invalid)?;
        let party = self.relying_party().ok_or(PasskeysOff)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let refused = || {
            Invalid::one(
                "credential",
                "is not what the authenticator was asked for, or came too late; begin again",
            )
        };
        // That the ceremony is there shows that its user had proved who they are.
        let ceremony = self.take_ceremony(&input.ceremony, REGISTER).await?;
        let ceremony = ceremony
            .filter(|ceremony| ceremony.user_id == Some(user_id))
            .ok_or_else(refused)?;
        let made = party
            .register(&ceremony.state, &input.credential)
            .map_err(|doubt| {
                tracing::info!(%doubt, "a new passkey was not believed");
                refused()
            })?;
        let row = PasskeyRow {
            id: new_id!(self.inner.clock, PasskeyId),
            user_id,
            name: input.name.trim().to_owned(),
            credential_id: made.credential_id,
            transports: made.transports,
            public_key: made.public_key,
            state: made.state,
            created_at: self.now(),
            last_used_at: None,
        };
        let (codes, hashes) = self.first_codes(user_id).await?;
        let mut event = user_event("user.passkey_added", &user);
        event.details = json!({ "passkey": row.name, "passkey_id": row.id });
        let line = self.audit(actor, event);
        let message = if hashes.is_empty() {
            None
        } else {
            Some(self.two_factor_message(&user, actor, "on", &line.id.to_string())?)
        };
        let added = self
            .store()
            .passkey_insert(&row, &hashes, &line, message.as_slice())
            .await?;
        if !added {
            return Err(Invalid::one("credential", "is a passkey that is known already").into());
        }
        self.wake_outbox();
        Ok(PasskeyCreated {
            passkey: view(row),
            recovery_codes: codes,
        })
    }

    /// The actor's passkeys, oldest first.
    ///
    /// # Errors
    /// See [`PasskeyListError`].
    pub async fn passkeys(&self, actor: &Actor) -> Result<Vec<PasskeyView>, PasskeyListError> {
        let user_id = actor.account()?;
        let rows = self.store().passkeys_of(user_id).await?;
        Ok(rows.into_iter().map(view).collect())
    }

    /// Names a passkey anew.
    ///
    /// # Errors
    /// See [`PasskeyRenameError`].
    pub async fn passkey_rename(
        &self,
        actor: &Actor,
        id: PasskeyId,
        input: RenamePasskey,
    ) -> Result<(), PasskeyRenameError> {
        let user_id = actor.account()?;
        input.validate().map_err(Invalid)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let name = input.name.trim();
        let mut event = user_event("user.passkey_renamed", &user);
        event.details = json!({ "passkey": name, "passkey_id": id });
        let line = self.audit(actor, event);
        if !self
            .store()
            .passkey_rename(user_id, id, name, &line)
            .await?
        {
            return Err(PasskeyGone.into());
        }
        Ok(())
    }

    /// Takes a passkey away.
    ///
    /// # Errors
    /// See [`PasskeyRemoveError`].
    pub async fn passkey_remove(
        &self,
        actor: &Actor,
        id: PasskeyId,
    ) -> Result<(), PasskeyRemoveError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let factors = self.store().second_factors(user_id).await?;
        let mut event = user_event("user.passkey_removed", &user);
        event.details = json!({ "passkey_id": id });
        let line = self.audit(actor, event);
        let is_last = factors.totp + factors.passkeys + factors.phones == 1;
        let message = if is_last {
            Some(self.two_factor_message(&user, actor, "off", &line.id.to_string())?)
        } else {
            None
        };
        let removed = self
            .store()
            .passkey_remove(user_id, id, &line, message.as_slice())
            .await?;
        if !removed {
            return Err(PasskeyGone.into());
        }
        self.wake_outbox();
        Ok(())
    }

    /// Asks whoever is there for a passkey to sign in with.
    ///
    /// # Errors
    /// See [`PasskeyAskError`].
    pub async fn passkey_sign_in_begin(
        &self,
        request: &RequestInfo,
    ) -> Result<PasskeyCeremony, PasskeyAskError> {
        let party = self.relying_party().ok_or(PasskeysOff)?;
        self.inner.throttle.ceremony(request.ip, self.now())?;
        let asked = party.ask_who().map_err(unusable)?;
        Ok(self.ceremony(SIGN_IN, None, asked).await?)
    }

    /// Signs in with a passkey alone, for automation of a browser.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login_passkey(
        &self,
        request: &RequestInfo,
        input: PasskeyAnswer,
    ) -> Result<TokenResponse, LoginError> {
        let user = self.passkey_user(request, input).await?;
        self.tokens_for(&user, request).await
    }

    /// Signs a browser in with a passkey alone.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn sign_in_passkey(
        &self,
        session: &Session,
        request: &RequestInfo,
        input: PasskeyAnswer,
    ) -> Result<UserView, LoginError> {
        let user = self.passkey_user(request, input).await?;
        self.session_for(&user, session, request).await
    }

    async fn passkey_user(
        &self,
        request: &RequestInfo,
        input: PasskeyAnswer,
    ) -> Result<UserRow, LoginError> {
        let party = self.relying_party().ok_or(PasskeyWrong)?;
        let ceremony = self.take_ceremony(&input.ceremony, SIGN_IN).await?;
        let ceremony = ceremony.ok_or(PasskeyWrong)?;
        let id = RelyingParty::credential_of(&input.credential).map_err(|_| PasskeyWrong)?;
        let row = self.store().passkey_by_credential(&id).await?;
        let row = row.ok_or(PasskeyWrong)?;
        let judged = party.sign_in(&ceremony.state, &input.credential, &stored(&row));
        let user = self.store().user_get(row.user_id).await?;
        let user = user.filter(|user| user.is_active).ok_or(PasskeyWrong)?;
        if !self.believe(&user, request, &row, judged).await? {
            return Err(PasskeyWrong.into());
        }
        let mut event = user_event("user.signed_in", &user);
        event.details = json!({ "passkey": row.name });
        let who = (Some(user.id), user.email.clone());
        let organization_id = self.first_organization(user.id).await?;
        let line = self.audit_line(organization_id, who, request, event);
        self.store().audit_insert(&line).await?;
        Ok(user)
    }

    /// Asks for a passkey in the middle of a sign-in.
    ///
    /// # Errors
    /// See [`PasskeyAskError`].
    pub async fn passkey_mfa_begin(
        &self,
        input: MfaToken,
    ) -> Result<PasskeyCeremony, PasskeyAskError> {
        let hash = self.inner.tokens.link_hash(&input.mfa_token);
        let waiting = self.store().challenge_get(&hash, self.now()).await?;
        let waiting = waiting.ok_or(WrongCredentials)?;
        self.passkey_ask(waiting.user_id).await
    }

    /// Asks the actor for a passkey, to prove who they are again.
    ///
    /// # Errors
    /// See [`PasskeyAskError`].
    pub async fn passkey_step_up_begin(
        &self,
        actor: &Actor,
    ) -> Result<PasskeyCeremony, PasskeyAskError> {
        let user_id = actor.account()?;
        self.passkey_ask(user_id).await
    }

    async fn passkey_ask(&self, user_id: UserId) -> Result<PasskeyCeremony, PasskeyAskError> {
        let party = self.relying_party().ok_or(PasskeysOff)?;
        let rows = self.store().passkeys_of(user_id).await?;
        if rows.is_empty() {
            return Err(PasskeyGone.into());
        }
        let known: Vec<Stored<'_>> = rows.iter().map(stored).collect();
        let asked = party.ask_for(&known).map_err(unusable)?;
        Ok(self.ceremony(SECOND_FACTOR, Some(user_id), asked).await?)
    }

    /// Whether the answer is that of one of the user's passkeys, and uses the question up.
    pub(crate) async fn is_right_passkey(
        &self,
        user: &UserRow,
        request: &RequestInfo,
        answer: &PasskeyAnswer,
    ) -> Result<bool, StoreError> {
        let Some(party) = self.relying_party() else {
            return Ok(false);
        };
        let ceremony = self.take_ceremony(&answer.ceremony, SECOND_FACTOR).await?;
        let Some(ceremony) = ceremony.filter(|ceremony| ceremony.user_id == Some(user.id)) else {
            return Ok(false);
        };
        let Ok(id) = RelyingParty::credential_of(&answer.credential) else {
            return Ok(false);
        };
        let row = self.store().passkey_by_credential(&id).await?;
        let Some(row) = row.filter(|row| row.user_id == user.id) else {
            return Ok(false);
        };
        let judged = party.prove(&ceremony.state, &answer.credential, &stored(&row));
        self.believe(user, request, &row, judged).await
    }

    /// Notes the use of a passkey; false when it is not to be believed. A copied authenticator
    /// leaves a line its owner sees.
    async fn believe(
        &self,
        user: &UserRow,
        request: &RequestInfo,
        row: &PasskeyRow,
        judged: Result<Vec<u8>, Doubt>,
    ) -> Result<bool, StoreError> {
        let action = match judged {
            Ok(state) => {
                return self
                    .store()
                    .passkey_used(row.id, (&row.state, &state), self.now())
                    .await;
            }
            Err(Doubt::Wrong(reason)) => {
                tracing::info!(reason, "an answer of a passkey was not believed");
                "user.passkey_failed"
            }
            Err(Doubt::Copied) => {
                tracing::warn!(passkey = %row.id, "there is a copy of a passkey");
                "user.passkey_copied"
            }
        };
        let mut event = user_event(action, user);
        event.details = json!({ "passkey": row.name, "passkey_id": row.id });
        let organization_id = self.first_organization(user.id).await?;
        let who = (None, "unknown".to_owned());
        let line = self.audit_line(organization_id, who, request, event);
        self.store().audit_insert(&line).await?;
        Ok(false)
    }
}

fn stored(row: &PasskeyRow) -> Stored<'_> {
    Stored {
        user_id: row.user_id,
        credential_id: &row.credential_id,
        transports: row.transports,
        public_key: &row.public_key,
        state: &row.state,
    }
}

fn unusable(error: Unusable) -> Broken {
    tracing::error!(%error, "an authenticator could not be asked");
    Broken
}

pub(crate) fn view(row: PasskeyRow) -> PasskeyView {
    PasskeyView {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    }
}
