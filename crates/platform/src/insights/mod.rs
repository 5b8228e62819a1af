//! Insights: what was unusual in an organization's traffic.

mod view;
mod watch;

use std::collections::HashMap;

use apiverse_contract::insights::{
    AcknowledgeFinding, CreateMute, FindingView, FindingsQuery, MuteView,
};
use apiverse_contract::page::check_limit;
use apiverse_contract::{FindingId, MuteId, Page};
use apiverse_store::{FindingFilter, MuteRow};
use serde_json::json;

use crate::actor::Actor;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{FindingGone, Invalid, MuteGone, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use view::{is_muted, mute_view};

operation_error! {
    /// Why findings or mutes were not read or changed.
    InsightsError { Forbidden, Invalid, FindingGone, MuteGone }
}

/// Longest note, in characters.
const NOTE: usize = 1000;

impl Platform {
    /// What was unusual, the latest first.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn findings_list(
        &self,
        actor: &Actor,
        query: FindingsQuery,
    ) -> Result<Page<FindingView>, InsightsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let mut before = cursor::to_finding(query.cursor.as_deref())?;
        let filter = FindingFilter {
            organization_id,
            api_id: query.api_id,
            state: query.state.map(|state| state.as_str().to_owned()),
            metric: query.metric.map(|metric| metric.as_str().to_owned()),
            acknowledged: query.acknowledged,
        };
        let mutes = self.store().mutes_list(organization_id).await?;
        let now_us = self.now().timestamp_micros();
        let mut rows = Vec::new();
        // Those that are muted are passed over until the page is full.
        loop {
            let more = self
                .store()
                .findings_list(&filter, before, limit + 1)
                .await?;
            let is_last = more.len() <= limit as usize;
            before = more.last().map(|row| (row.started_us, row.id));
            rows.extend(
                more.into_iter()
                    .filter(|row| query.muted == Some(true) || !is_muted(row, &mutes, now_us)),
            );
            if is_last || rows.len() > limit as usize {
                break;
            }
        }
        let page = Page::from_rows(rows, limit, |row| {
            cursor::of_finding(row.started_us, row.id)
        });
        let mut names = HashMap::new();
        let mut data = Vec::with_capacity(page.data.len());
        for row in page.data {
            let muted = is_muted(&row, &mutes, now_us);
            data.push(
                self.finding_view(organization_id, row, muted, &mut names)
                    .await?,
            );
        }
        Ok(Page {
            data,
            next_cursor: page.next_cursor,
        })
    }

    /// One finding.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn finding_get(
        &self,
        actor: &Actor,
        id: FindingId,
    ) -> Result<FindingView, InsightsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let row = self
            .store()
            .finding_get(organization_id, id)
            .await?
            .ok_or(FindingGone)?;
        let mutes = self.store().mutes_list(organization_id).await?;
        let muted = is_muted(&row, &mutes, self.now().timestamp_micros());
        self.finding_view(organization_id, row, muted, &mut HashMap::new())
            .await
    }

    /// Takes note of a finding.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn finding_acknowledge(
        &self,
        actor: &Actor,
        id: FindingId,
        input: AcknowledgeFinding,
    ) -> Result<FindingView, InsightsError> {
        if let Some(note) = &input.note
            && note.chars().count() > NOTE
        {
            return Err(Invalid::one("note", "must have at most 1000 characters").into());
        }
        let now_us = self.now().timestamp_micros();
        let by = Some((now_us, actor.name.as_str()));
        self.acknowledge(actor, id, by, input.note.as_deref()).await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn finding_reopen(
        &self,
        actor: &Actor,
        id: FindingId,
    ) -> Result<FindingView, InsightsError> {
        self.acknowledge(actor, id, None, None).await
    }

    async fn acknowledge(
        &self,
        actor: &Actor,
        id: FindingId,
        by: Option<(i64, &str)>,
        note: Option<&str>,
    ) -> Result<FindingView, InsightsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: if by.is_some() {
                    "finding.acknowledged"
                } else {
                    "finding.reopened"
                },
                target_type: "finding",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .finding_acknowledge(permit.organization_id(), id, by, note, &audit)
            .await?;
        if !done {
            return Err(FindingGone.into());
        }
        self.finding_get(actor, id).await
    }

    /// What is not told, the latest first.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn mutes_list(&self, actor: &Actor) -> Result<Page<MuteView>, InsightsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let rows = self.store().mutes_list(permit.organization_id()).await?;
        Ok(Page {
            data: rows.into_iter().map(mute_view).collect(),
            next_cursor: None,
        })
    }

    /// Has findings of an API, a route or a metric not told.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn mute_create(
        &self,
        actor: &Actor,
        input: CreateMute,
    ) -> Result<MuteView, InsightsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let now = self.now();
        if input.until.is_some_and(|until| until <= now) {
            return Err(Invalid::one("until", "must be in the future").into());
        }
        if input
            .route
            .as_deref()
            .is_some_and(|route| route.is_empty() || route.len() > 500)
        {
            return Err(Invalid::one("route", "must have 1 to 500 characters").into());
        }
        let row = MuteRow {
            id: new_id!(self.inner.clock, MuteId),
            organization_id: permit.organization_id(),
            api_id: input.api_id,
            route: input.route,
            metric: input.metric.map(|metric| metric.as_str().to_owned()),
            until_us: input.until.map(|until| until.timestamp_micros()),
            created_by: actor.name.clone(),
            created_us: now.timestamp_micros(),
        };
        let audit = self.audit(
            actor,
            Event {
                action: "mute.created",
                target_type: "mute",
                target_id: row.id.to_string(),
                details: json!({ "api_id": row.api_id, "route": row.route, "metric": row.metric }),
            },
        );
        self.store().mute_insert(&row, &audit).await?;
        Ok(mute_view(row))
    }

    /// Has them told again.
    ///
    /// # Errors
    /// See [`InsightsError`].
    pub async fn mute_delete(&self, actor: &Actor, id: MuteId) -> Result<(), InsightsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "mute.deleted",
                target_type: "mute",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .mute_delete(permit.organization_id(), id, &audit)
            .await?;
        if done { Ok(()) } else { Err(MuteGone.into()) }
    }
}
