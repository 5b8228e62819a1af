//! Demo data: weeks of believable traffic, for whoever looks at APIverse for the first time.
//!
//! It belongs to APIs and keys of its own, which are named so, and can be taken away again with
//! all that was counted for them. It is imported past the quotas' sums.

mod story;

use std::time::{Duration, Instant};

use apiverse_contract::apis::CreateApi;
use apiverse_contract::keys::CreateApiKey;
use apiverse_contract::{ApiId, KeyId, UsageEventId};
use apiverse_store::{DemoRow, Ingested, RollupHorizon, UsageEvent, UsageMark};
use uuid::Uuid;

use crate::actor::Actor;
use crate::apis::ApiCreateError;
use crate::fault::{DemoPart, DemoThere, NoDemo, WritersBusy, operation_error};
use crate::keys::KeyCreateError;
use crate::permissions::Permission;
use crate::platform::Platform;
use crate::{ApiDeleteError, KeyRevokeError};
use story::{APIS, KEYS, Story};

operation_error! {
    /// Why there is no demo data now.
    DemoError { Forbidden, DemoThere, NoDemo, WritersBusy, DemoPart }
}

macro_rules! parts {
    ($($error:ident),*) => {$(
        impl From<$error> for DemoError {
            fn from(error: $error) -> Self {
                Self::DemoPart(DemoPart(Box::new(error)))
            }
        }
    )*};
}
parts!(
    ApiCreateError,
    ApiDeleteError,
    KeyCreateError,
    KeyRevokeError
);

/// Calls that are stored together.
const BATCH: usize = 8192;
/// Tries to store a batch while others write.
const TRIES: u32 = 20;

/// How much demo data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// Days until now.
    pub days: u32,
    /// Calls, about.
    pub calls: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            days: 28,
            calls: 800_000,
        }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demo {
    pub apis: usize,
    pub keys: usize,
    pub calls: u64,
}

impl Platform {
    /// Makes APIs, keys and their calls of the last days.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn demo_create(
        &self,
        actor: &Actor,
        options: DemoOptions,
    ) -> Result<Demo, DemoError> {
        let permit = actor.require(Permission::OrganizationWrite)?;
        let organization_id = permit.organization_id();
        if self.store().demo_get(organization_id).await?.is_some() {
            return Err(DemoThere.into());
        }
        let mut made = DemoRow {
            apis: Vec::new(),
            keys: Vec::new(),
        };
        for api in &APIS {
            let input = CreateApi {
                name: format!("{} (demo)", api.name),
                slug: Some(format!("demo-{}", api.name.to_lowercase())),
                description: Some("Demo data; `apiverse demo --remove` takes it away.".to_owned()),
                base_url: format!("https://{}.example.com", api.name.to_lowercase()),
                is_active: true,
                ..CreateApi::default()
            };
            made.apis.push(self.api_create(actor, input).await?.id);
            // Noted at once, so that what is there can be taken away if this breaks off.
            self.store().demo_put(organization_id, &made).await?;
        }
        for key in &KEYS {
            let input = CreateApiKey {
                name: format!("{} (demo)", key.name),
                api_ids: made.apis.clone(),
                ..CreateApiKey::default()
            };
            made.keys.push(self.key_create(actor, input).await?.view.id);
            self.store().demo_put(organization_id, &made).await?;
        }
        let now_us = self.now().timestamp_micros();
        let mut story = Story::new(options.days, options.calls, now_us);
        let journal = Uuid::from_bytes(self.inner.clock.random());
        let mut stored = 0;
        loop {
            let calls = story.next(BATCH);
            if calls.is_empty() {
                break;
            }
            let texts: Vec<String> = (0..calls.len() as u64)
                .map(|n| format!("demo-{}", stored + n))
                .collect();
            let events: Vec<UsageEvent<'_>> = calls
                .iter()
                .zip(&texts)
                .map(|(call, request_id)| UsageEvent {
                    id: UsageEventId::from_parts(
                        u64::try_from(call.at_us / 1000).unwrap_or(0),
                        self.inner.clock.random(),
                    ),
                    organization_id,
                    api_id: made.apis.get(call.api).copied(),
                    key_id: call.key.and_then(|key| made.keys.get(key).copied()),
                    request_id,
                    started_at_us: call.at_us,
                    method: call.method,
                    path: &call.path,
                    status: call.status,
                    error_code: call.error,
                    latency_us: call.latency_us,
                    upstream_us: (!call.refused).then_some(call.latency_us * 9 / 10),
                    bytes_in: call.bytes_in,
                    bytes_out: call.bytes_out,
                    refused: call.refused,
                    route_id: None,
                    verified: None,
                    version_id: None,
                    cache: call.cache,
                    tokens: apiverse_contract::usage::Tokens::default(),
                })
                .collect();
            let mark = UsageMark {
                journal,
                from: stored,
                to: stored + events.len() as u64,
            };
            let begun = Instant::now();
            self.import(&events, mark, now_us).await?;
            let_others_write(begun).await;
            stored = mark.to;
        }
        self.store().usage_forget_journals(&[journal]).await?;
        self.roll_now().await?;
        // Found at once, and not in a few minutes.
        self.look_for_findings(organization_id)
            .await
            .map_err(|error| DemoPart(Box::new(error)))?;
        Ok(Demo {
            apis: made.apis.len(),
            keys: made.keys.len(),
            calls: stored,
        })
    }

    /// Stores a batch; while others write to SQLite, in a moment.
    async fn import(
        &self,
        events: &[UsageEvent<'_>],
        mark: UsageMark,
        now_us: i64,
    ) -> Result<(), DemoError> {
        for _ in 0..TRIES {
            match self.store().usage_import(events, &[mark], now_us).await {
                // Elsewhere: an earlier try was stored though its answer was lost.
                Ok(Ingested::Stored | Ingested::Elsewhere(_)) => return Ok(()),
                Err(error) if error.is_transient() => {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(WritersBusy.into())
    }

    async fn roll_now(&self) -> Result<(), DemoError> {
        let horizon = RollupHorizon {
            minutes_us: i64::MIN,
            hours_us: i64::MIN,
        };
        loop {
            let begun = Instant::now();
            if self.store().usage_roll(horizon).await? == 0 {
                break;
            }
            let_others_write(begun).await;
        }
        let now_us = self.now().timestamp_micros();
        self.store().usage_lengthen(now_us, horizon).await?;
        Ok(())
    }

    /// Takes demo data away: APIs, keys, and all that was counted for them.
    ///
    /// # Errors
    /// See [`DemoError`]; it can be tried again.
    pub async fn demo_remove(&self, actor: &Actor) -> Result<(), DemoError> {
        let permit = actor.require(Permission::OrganizationWrite)?;
        let organization_id = permit.organization_id();
        let made = self
            .store()
            .demo_get(organization_id)
            .await?
            .ok_or(NoDemo)?;
        for key in &made.keys {
            self.revoke_demo_key(actor, *key).await?;
        }
        self.roll_now().await?;
        for api in &made.apis {
            self.delete_demo_api(actor, *api).await?;
            self.store().usage_erase_api(organization_id, *api).await?;
        }
        self.store().demo_delete(organization_id, &made).await?;
        self.store().vacuum().await?;
        Ok(())
    }

    /// One that is gone already is as good.
    async fn revoke_demo_key(&self, actor: &Actor, key: KeyId) -> Result<(), DemoError> {
        match self.key_revoke(actor, key).await {
            Ok(()) | Err(KeyRevokeError::KeyGone(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete_demo_api(&self, actor: &Actor, api: ApiId) -> Result<(), DemoError> {
        match self.api_delete(actor, api).await {
            Ok(()) | Err(ApiDeleteError::ApiGone(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits a third of the time since `begun`. In SQLite those who wait for the one writer look again
/// every 100 ms at the latest, and give up after ten seconds: a server at work while demo data is
/// made would never find the moment between two batches.
async fn let_others_write(begun: Instant) {
    tokio::time::sleep(begun.elapsed() / 3).await;
}
