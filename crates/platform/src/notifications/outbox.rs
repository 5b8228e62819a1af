//! Reading the outbox, and what each user wants to hear of.

use apiverse_contract::notifications::{
    Channel, NotificationContent, NotificationEvent, NotificationStatus, NotificationView,
    PreferenceView, SuppressionView, UpdatePreferences,
};
use apiverse_contract::{ListQuery, NotificationId, Page};
use apiverse_store::{NotificationRow, OutboxScope, PreferenceRow, StoreError};
use serde_json::json;

use super::Content;
use super::templates::samples;
use crate::actor::Actor;
use crate::cursor;
use crate::fault::{
    Broken, Forbidden, Invalid, MessageGone, NothingThere, UserGone, operation_error,
};
use crate::permissions::{Permission, Permit};
use crate::platform::{Event, Platform};

operation_error! {
    /// Why the outbox was not shown.
    OutboxListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a message was not shown.
    OutboxGetError { Forbidden, MessageGone }
}
operation_error! {
    /// Why a template was not shown.
    TemplateError { Forbidden, Broken }
}
operation_error! {
    /// Why preferences were not shown.
    PreferencesError { UserGone }
}
operation_error! {
    /// Why preferences were not changed.
    PreferencesPutError { Invalid, UserGone }
}
operation_error! {
    /// Why the addresses nothing is sent to were not shown.
    SuppressionListError { Forbidden, Invalid }
}
operation_error! {
    /// Why an address was not taken off.
    SuppressionRemoveError { Forbidden, NothingThere }
}

/// What a message looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePreview {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Platform {
    /// The messages of the organization and to the actor, newest first. In development whoever
    /// runs the installation sees all there are.
    ///
    /// # Errors
    /// See [`OutboxListError`].
    pub async fn outbox_list(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<NotificationView>, OutboxListError> {
        let permit = actor.require(Permission::OutboxRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(NotificationId);
        let scope = self.scope(actor, permit).await?;
        let rows = self
            .store()
            .notification_list(scope, after, limit + 1)
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(|row| view(&row)))
    }

    /// One message; its text only in development.
    ///
    /// # Errors
    /// See [`OutboxGetError`].
    pub async fn outbox_get(
        &self,
        actor: &Actor,
        id: NotificationId,
    ) -> Result<NotificationContent, OutboxGetError> {
        let permit = actor.require(Permission::OutboxRead)?;
        let scope = self.scope(actor, permit).await?;
        let row = self.store().notification_get(scope, id).await?;
        let row = row.ok_or(MessageGone)?;
        let content = if self.inner.config.messages.show_content {
            self.open_content::<Content>(&row)
        } else {
            None
        };
        let (text, html, link) = match content {
            Some(content) => (Some(content.text), content.html, content.link),
            None => (None, None, None),
        };
        Ok(NotificationContent {
            message: view(&row),
            text,
            html,
            link,
        })
    }

    /// What a message of an event looks like, with made-up values and a link that leads nowhere.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn template_preview(
        &self,
        actor: &Actor,
        event: NotificationEvent,
    ) -> Result<MessagePreview, TemplateError> {
        actor.require(Permission::OutboxRead)?;
        let link = format!("{}/example?token=…", self.base_url());
        let templates = &self.inner.messages.templates;
        let written = templates.render(event, self.base_url(), Some(&link), samples());
        let written = written.map_err(|error| {
            tracing::error!(%error, event = event.as_str(), "a message could not be written");
            Broken
        })?;
        Ok(MessagePreview {
            subject: written.subject,
            text: written.text,
            html: written.html,
        })
    }

    async fn scope(&self, actor: &Actor, permit: Permit) -> Result<OutboxScope, StoreError> {
        let all =
            self.inner.config.messages.show_content && self.runs_the_installation(permit).await?;
        Ok(if all {
            OutboxScope::All
        } else {
            OutboxScope::Of(permit.organization_id(), actor.user_id)
        })
    }

    /// Whether a permit is for the oldest organization: that of whoever set the installation up.
    pub(crate) async fn runs_the_installation(&self, permit: Permit) -> Result<bool, StoreError> {
        let first = self.store().organization_first().await?;
        Ok(first.is_some_and(|first| first.id == permit.organization_id()))
    }

    /// What the actor hears of, event by event.
    ///
    /// # Errors
    /// See [`PreferencesError`].
    pub async fn preferences(
        &self,
        actor: &Actor,
    ) -> Result<Vec<PreferenceView>, PreferencesError> {
        let user_id = actor.user_id.ok_or(UserGone)?;
        let chosen = self.store().preferences_of(user_id).await?;
        Ok(preference_views(&chosen))
    }

    /// Changes what the actor hears of; what is not named stays.
    ///
    /// # Errors
    /// See [`PreferencesPutError`].
    pub async fn preferences_put(
        &self,
        actor: &Actor,
        input: UpdatePreferences,
    ) -> Result<Vec<PreferenceView>, PreferencesPutError> {
        let user_id = actor.user_id.ok_or(UserGone)?;
        input.validate().map_err(Invalid)?;
        let rows: Vec<PreferenceRow> = input
            .preferences
            .iter()
            .map(|choice| PreferenceRow {
                event: choice.event.as_str().to_owned(),
                channel: choice.channel.as_str().to_owned(),
                enabled: choice.enabled,
            })
            .collect();
        self.store().preferences_put(user_id, &rows).await?;
        let chosen = self.store().preferences_of(user_id).await?;
        Ok(preference_views(&chosen))
    }

    /// Addresses that bounced or complained. They are the installation's, not an organization's.
    ///
    /// # Errors
    /// See [`SuppressionListError`].
    pub async fn suppressions(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<SuppressionView>, SuppressionListError> {
        let permit = actor.require(Permission::OutboxRead)?;
        if !self.runs_the_installation(permit).await? {
            return Err(Forbidden::Role.into());
        }
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_pair(query.cursor.as_deref())?;
        let after = after.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
        let rows = self.store().suppression_list(after, limit + 1).await?;
        let page = Page::from_rows(rows, limit, |row| {
            cursor::of_pair(&row.recipient, &row.channel)
        });
        Ok(page.map(|row| SuppressionView {
            channel: Channel::parse(&row.channel).unwrap_or(Channel::Email),
            recipient: row.recipient,
            reason: row.reason,
            created_at: row.created_at,
        }))
    }

    /// Lets messages through to an address again.
    ///
    /// # Errors
    /// See [`SuppressionRemoveError`].
    pub async fn suppression_remove(
        &self,
        actor: &Actor,
        channel: Channel,
        recipient: &str,
    ) -> Result<(), SuppressionRemoveError> {
        let permit = actor.require(Permission::OutboxWrite)?;
        if !self.runs_the_installation(permit).await? {
            return Err(Forbidden::Role.into());
        }
        if !self
            .store()
            .suppression_remove(channel.as_str(), recipient)
            .await?
        {
            return Err(NothingThere.into());
        }
        let line = self.audit(
            actor,
            Event {
                action: "suppression.removed",
                target_type: "suppression",
                target_id: recipient.to_owned(),
                details: json!({ "channel": channel.as_str() }),
            },
        );
        self.store().audit_insert(&line).await?;
        Ok(())
    }
}

pub(crate) fn preference_views(chosen: &[PreferenceRow]) -> Vec<PreferenceView> {
    let channel = Channel::Email;
    NotificationEvent::ALL
        .iter()
        .map(|event| {
            let choice = chosen.iter().find(|choice| {
                choice.event == event.as_str() && choice.channel == channel.as_str()
            });
            PreferenceView {
                event: *event,
                channel,
                enabled: event.is_required() || choice.is_none_or(|choice| choice.enabled),
                required: event.is_required(),
                meaning: event.meaning().to_owned(),
            }
        })
        .collect()
}

fn view(row: &NotificationRow) -> NotificationView {
    let status = NotificationStatus::parse(&row.status);
    let waits = matches!(
        status,
        NotificationStatus::Pending | NotificationStatus::Sending | NotificationStatus::Uncertain
    );
    NotificationView {
        id: row.id,
        event: row.event.clone(),
        channel: Channel::parse(&row.channel).unwrap_or(Channel::Email),
        recipient: row.recipient.clone(),
        subject: row.subject.clone(),
        status,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        due_at: waits.then_some(row.due_at),
        provider: row.provider.clone(),
        provider_id: row.provider_id.clone(),
        last_error: row.last_error.clone(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
