//! What Clerk reports of people, sessions and organizations.
//!
//! Reports come late, twice, and in any order. Each is taken to its end before it is remembered, so
//! one that failed half-way is taken again; what each describes carries the time of its change, and
//! nothing older than what is known changes anything.

use apiverse_connectors::clerk::{
    Clerk, ClerkEvent, ClerkUser, Delivery, MembershipEvent, WebhookError,
};
use apiverse_store::{ExternalMark, StoreError, UserRow};

use super::clerk::{MEMBERSHIP, ORGANIZATION, PLACE, SESSION, USER};
use super::identities::RecogniseError;
use crate::actor::RequestInfo;
use crate::fault::{NothingThere, ProviderAway, SignatureWrong, StoreFault, operation_error};
use crate::platform::Platform;

operation_error! {
    /// Why a report of Clerk was not believed, or not taken.
    ClerkReportError { NothingThere, SignatureWrong, ProviderAway }
}

const PROVIDER: &str = "clerk";

impl From<WebhookError> for ClerkReportError {
    fn from(error: WebhookError) -> Self {
        tracing::warn!(%error, "a report of clerk was refused");
        SignatureWrong.into()
    }
}

impl Platform {
    /// Takes a report. One that was taken before changes nothing.
    ///
    /// # Errors
    /// See [`ClerkReportError`].
    pub async fn clerk_report(
        &self,
        request: &RequestInfo,
        delivery: &Delivery<'_>,
    ) -> Result<(), ClerkReportError> {
        let clerk = self.clerk().ok_or(NothingThere)?;
        let event = clerk.read_report(delivery, self.now())?;
        let receipt = blake3::hash(delivery.id.as_bytes());
        if self
            .store()
            .webhook_seen(PROVIDER, receipt.as_bytes())
            .await?
        {
            return Ok(());
        }
        let issuer = clerk.config().issuer.clone();
        let at: i64 = delivery.timestamp.parse().unwrap_or_default();
        let report = Report {
            platform: self,
            clerk,
            issuer: &issuer,
            at_ms: at.saturating_mul(1000),
            request,
        };
        report.take(event).await?;
        self.store()
            .webhook_note(PROVIDER, receipt.as_bytes(), self.now())
            .await?;
        Ok(())
    }
}

struct Report<'a> {
    platform: &'a Platform,
    clerk: &'a Clerk,
    issuer: &'a str,
    /// When it was sent.
    at_ms: i64,
    request: &'a RequestInfo,
}

impl Report<'_> {
    async fn take(&self, event: ClerkEvent) -> Result<(), ClerkReportError> {
        let store = self.platform.store();
        match event {
            ClerkEvent::User(user) => Ok(self.user(&user).await?),
            ClerkEvent::UserDeleted { id } => {
                store
                    .external_mark(&self.mark(USER, &id, self.at_ms, true))
                    .await?;
                let line = self.line("identity.ended", id.clone());
                let now = self.platform.now();
                store.identity_end((self.issuer, &id), &line, now).await?;
                Ok(())
            }
            ClerkEvent::SessionEnded { id } => {
                store
                    .external_mark(&self.mark(SESSION, &id, self.at_ms, true))
                    .await?;
                store.sessions_end_of_origin(self.issuer, &id).await?;
                Ok(())
            }
            ClerkEvent::Organization {
                id,
                name,
                updated_at,
            } => Ok(self.organization(&id, &name, updated_at).await?),
            ClerkEvent::OrganizationDeleted { id } => {
                store
                    .external_mark(&self.mark(ORGANIZATION, &id, self.at_ms, true))
                    .await?;
                // What it has here was built here: its owner deletes it, no report does.
                let line = self.line("organization.unlinked", id.clone());
                store
                    .external_organization_unlink(self.issuer, &id, &line)
                    .await?;
                Ok(())
            }
            ClerkEvent::Membership(event) => self.membership(&event).await,
            ClerkEvent::MembershipDeleted(event) => Ok(self.left(&event).await?),
            ClerkEvent::Other => Ok(()),
        }
    }

    /// Somebody new gets an account; of others the name is taken over. Addresses are not: the one
    /// here is changed here.
    async fn user(&self, user: &ClerkUser) -> Result<(), StoreError> {
        let store = self.platform.store();
        let mark = self.mark(USER, &user.id, user.updated_at, false);
        if !store.external_mark(&mark).await? {
            return Ok(());
        }
        if self.person(user).await?.is_none() {
            return Ok(());
        }
        let line = self.line("user.updated", user.id.clone());
        let name = user.name();
        store
            .external_user_named(&mark, name.as_deref(), &line)
            .await?;
        Ok(())
    }

    /// The account of somebody; `None` when they have none and get none.
    async fn person(&self, user: &ClerkUser) -> Result<Option<UserRow>, StoreError> {
        if let Some(known) = self.member(&user.id).await? {
            return Ok(Some(known));
        }
        let external = user.external(self.issuer, false);
        match self.platform.recognise(self.request, &external).await {
            Ok(user) => Ok(Some(user)),
            Err(RecogniseError::Store(StoreFault(error))) => Err(error),
            Err(error) => {
                tracing::info!(%error, "somebody at clerk has no account here");
                Ok(None)
            }
        }
    }

    async fn organization(&self, id: &str, name: &str, updated_at: i64) -> Result<(), StoreError> {
        let store = self.platform.store();
        let mark = self.mark(ORGANIZATION, id, updated_at, false);
        if name.is_empty() || !store.external_mark(&mark).await? {
            return Ok(());
        }
        // It is made here with its first member.
        let Some(ours) = store.external_organization(self.issuer, id).await? else {
            return Ok(());
        };
        let Some(mut row) = store.organization_get(ours).await? else {
            return Ok(());
        };
        let name: String = name.chars().take(100).collect();
        if row.name == name {
            return Ok(());
        }
        row.name = name;
        row.updated_at = self.platform.now();
        let line = self.platform.clerk_line(
            self.request,
            "organization.updated",
            ours.to_string(),
            Some(ours),
        );
        store.organization_update(&row, &line).await?;
        Ok(())
    }

    async fn membership(&self, event: &MembershipEvent) -> Result<(), ClerkReportError> {
        let store = self.platform.store();
        let theirs = &event.membership.organization_id;
        let mark = self.mark(MEMBERSHIP, &event.id, event.updated_at, false);
        let is_gone = store
            .external_is_gone(self.issuer, ORGANIZATION, theirs)
            .await?;
        if is_gone || !store.external_mark(&mark).await? {
            return Ok(());
        }
        // The report of the user may come later.
        let user = match self.member(&event.user_id).await? {
            Some(user) => Some(user),
            None => self.stranger(&event.user_id).await?,
        };
        let Some(user) = user else {
            return Ok(());
        };
        let name = Some(event.organization_name.as_str());
        let ours = self
            .platform
            .clerk_organization(self.issuer, (&event.membership, name), &user, self.request)
            .await?;
        self.platform
            .clerk_member(ours, &event.membership, &user, self.request)
            .await?;
        Ok(())
    }

    /// Asks Clerk for somebody nothing was reported of yet.
    async fn stranger(&self, id: &str) -> Result<Option<UserRow>, ClerkReportError> {
        let store = self.platform.store();
        if store.external_is_gone(self.issuer, USER, id).await? {
            return Ok(None);
        }
        let found = self.clerk.user(id).await.map_err(|error| {
            tracing::warn!(%error, "a report waits for clerk to tell who is meant");
            ProviderAway
        })?;
        match found {
            Some(user) => Ok(self.person(&user).await?),
            None => Ok(None),
        }
    }

    async fn left(&self, event: &MembershipEvent) -> Result<(), StoreError> {
        let store = self.platform.store();
        store
            .external_mark(&self.mark(MEMBERSHIP, &event.id, self.at_ms, true))
            .await?;
        let theirs = &event.membership.organization_id;
        let place = format!("{theirs}/{}", event.user_id);
        // Times in tokens are whole seconds: one of the same second is no later.
        store
            .external_mark(&self.mark(PLACE, &place, self.at_ms + 999, false))
            .await?;
        let Some(ours) = store.external_organization(self.issuer, theirs).await? else {
            return Ok(());
        };
        let Some(user) = self.member(&event.user_id).await? else {
            return Ok(());
        };
        let line = self.platform.clerk_line(
            self.request,
            "member.removed",
            user.id.to_string(),
            Some(ours),
        );
        // An owner stays: what is here would be nobody's.
        store
            .member_remove((ours, user.id), false, &line, &[])
            .await?;
        Ok(())
    }

    /// The account of somebody at Clerk who has been heard of.
    async fn member(&self, id: &str) -> Result<Option<UserRow>, StoreError> {
        let store = self.platform.store();
        let found = store.identity_find(self.issuer, id).await?;
        match found {
            Some(found) => store.user_get(found.user_id).await,
            None => Ok(None),
        }
    }

    fn mark<'a>(
        &'a self,
        kind: &'a str,
        external_id: &'a str,
        version: i64,
        is_gone: bool,
    ) -> ExternalMark<'a> {
        ExternalMark {
            issuer: self.issuer,
            kind,
            external_id,
            version,
            is_gone,
            now: self.platform.now(),
        }
    }

    fn line(&self, action: &str, target_id: String) -> apiverse_store::AuditRow {
        self.platform
            .clerk_line(self.request, action, target_id, None)
    }
}
