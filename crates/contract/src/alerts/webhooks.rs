//! Addresses that are told of alerts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AlertWebhookId, FieldError, Validation};

/// What an address is told of beside the rules that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookTopic {
    /// Budgets that are spent so far, and those that block.
    Budgets,
    /// What is unusual.
    Findings,
}

impl WebhookTopic {
    pub const ALL: [Self; 2] = [Self::Budgets, Self::Findings];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budgets => "budgets",
            Self::Findings => "findings",
        }
    }
}

/// `POST /alerts/webhooks`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateAlertWebhook {
    pub name: String,
    /// Where to; `https` unless the installation allows the address otherwise.
    pub url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<WebhookTopic>,
}

impl CreateAlertWebhook {
    /// # Errors
    /// Every field that is not acceptable, as far as the address can be judged without a look-up.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let length = self.name.trim().chars().count();
        v.check(
            (1..=100).contains(&length),
            "name",
            "must have 1 to 100 characters",
        );
        v.check(
            (1..=2000).contains(&self.url.len()),
            "url",
            "must have 1 to 2000 characters",
        );
        v.check(
            self.topics.len() <= WebhookTopic::ALL.len(),
            "topics",
            "must name each topic once",
        );
        v.finish()
    }
}

/// An address that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertWebhookView {
    pub id: AlertWebhookId,
    pub name: String,
    pub url: String,
    pub topics: Vec<WebhookTopic>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// An address with the secret that signs what it is sent: shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedAlertWebhook {
    #[serde(flatten)]
    pub webhook: AlertWebhookView,
    /// As Standard Webhooks write it: `whsec_` and 32 bytes in base64.
    pub secret: String,
}

impl std::fmt::Debug for CreatedAlertWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedAlertWebhook")
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}
