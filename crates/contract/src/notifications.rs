//! Messages to people: what they are about, the outbox, and what each user wants to hear of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FieldError, NotificationId, Validation};

/// How a message reaches somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    /// A text message to a telephone.
    Sms,
    /// A signed call to an address of the organization.
    Webhook,
}

impl Channel {
    /// Those that reach a person, who may choose.
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms, Self::Webhook]
            .into_iter()
            .find(|channel| channel.as_str() == text)
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident $name:literal $required:literal $meaning:literal;)*) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum NotificationEvent {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl NotificationEvent {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it is sent whatever the user chose: without it an account could not be
            /// used, or be stolen unnoticed.
            #[must_use]
            pub const fn is_required(self) -> bool {
                match self { $(Self::$variant => $required,)* }
            }

            /// When it is sent, in a few words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

events! {
    EmailVerification "email_verification" true "Confirm the e-mail address of a new account";
    AccountExists "account_exists" true "Somebody registered with the address of an account";
    PasswordReset "password_reset" true "A new password was asked for";
    PasswordChanged "password_changed" true "The password was changed";
    EmailChange "email_change" true "Confirm a new e-mail address";
    EmailChanged "email_changed" true "The e-mail address was changed; sent to the former one";
    AccountDeleted "account_deleted" true "The account was deleted";
    SignInFromNewPlace "sign_in_from_new_place" false "A sign-in from a device and address not seen before";
    RefreshTokenReused "refresh_token_reused" true "A refresh token was used twice, and its session was ended";
    TwoFactorChanged "two_factor_changed" true "Two-factor authentication was switched on or off";
    IdentityChanged "identity_changed" true "Signing in through another provider was linked, or taken away";
    SecondFactorCode "second_factor_code" true "A code for signing in, or to confirm a telephone; a text message";
    Invitation "invitation" true "An invitation to an organization";
    InvitationAccepted "invitation_accepted" false "Somebody you invited joined the organization";
    RoleChanged "role_changed" false "Your role in an organization was changed, or you were removed";
    Alert "alert" false "An alert of your organization fires, or is resolved";
    BudgetReached "budget_reached" false "A budget is spent so far as it says, or blocks calls";
    Finding "finding" false "Something unusual is in your organization's traffic";
    ReportReady "report_ready" false "A report of your organization's usage that you get is made";
}

impl NotificationEvent {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|event| event.as_str() == text)
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NotificationStatus {
    /// Waits for its first or next attempt.
    Pending,
    /// Is being sent now.
    Sending,
    /// An attempt broke off: the provider is asked whether it took the message before it is sent
    /// again.
    Uncertain,
    /// No provider is set up for the channel: the outbox is where it ends.
    Kept,
    /// The provider took it.
    Sent,
    /// The provider says that it arrived.
    Delivered,
    /// Given up, or it came back.
    Failed,
    /// The address bounced or complained before.
    Suppressed,
}

impl NotificationStatus {
    /// Reads what the database holds; `requested` is a message whose text is not made yet.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "sending" => Self::Sending,
            "uncertain" => Self::Uncertain,
            "kept" => Self::Kept,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "failed" => Self::Failed,
            "suppressed" => Self::Suppressed,
            _ => Self::Pending,
        }
    }
}

/// One message of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationView {
    pub id: NotificationId,
    pub event: String,
    pub channel: Channel,
    /// E-mail address, or telephone number in E.164.
    pub recipient: String,
    pub subject: String,
    pub status: NotificationStatus,
    pub attempts: u32,
    /// When it is tried again, while it waits.
    pub due_at: Option<DateTime<Utc>>,
    /// `mailgun` or `twilio`, once one took it.
    pub provider: Option<String>,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One message with its text, where that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationContent {
    #[serde(flatten)]
    pub message: NotificationView,
    /// Plain text. `null` outside development: its links open accounts.
    pub text: Option<String>,
    /// HTML of an e-mail; `null` outside development, and of text messages.
    pub html: Option<String>,
    /// The link in it, if there is one.
    pub link: Option<String>,
}

/// Whether a user hears of an event over a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreferenceView {
    pub event: NotificationEvent,
    pub channel: Channel,
    pub enabled: bool,
    /// It cannot be switched off.
    pub required: bool,
    /// When it is sent.
    pub meaning: String,
}

/// `PUT /notifications/preferences`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdatePreferences {
    pub preferences: Vec<PreferenceChoice>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PreferenceChoice {
    pub event: NotificationEvent,
    pub channel: Channel,
    pub enabled: bool,
}

impl UpdatePreferences {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            self.preferences.len() <= NotificationEvent::ALL.len() * Channel::ALL.len(),
            "preferences",
            "has more entries than there are events",
        );
        for (n, choice) in self.preferences.iter().enumerate() {
            v.check(
                choice.enabled || !choice.event.is_required(),
                &format!("preferences.{n}.enabled"),
                "this message cannot be switched off",
            );
            v.check(
                Channel::ALL.contains(&choice.channel),
                &format!("preferences.{n}.channel"),
                "must be `email` or `sms`",
            );
        }
        v.finish()
    }
}

/// An address nothing is sent to, because it bounced or complained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SuppressionView {
    pub channel: Channel,
    pub recipient: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_of_the_wire() {
        for event in NotificationEvent::ALL {
            let text = serde_json::to_value(event).expect("a text");
            assert_eq!(text, event.as_str());
            assert_eq!(NotificationEvent::parse(event.as_str()), Some(*event));
        }
        for channel in Channel::ALL {
            assert_eq!(
                serde_json::to_value(channel).expect("a text"),
                channel.as_str()
            );
        }
    }

    #[test]
    fn what_guards_an_account_cannot_be_switched_off() {
        let choice = |event, enabled| PreferenceChoice {
            event,
            channel: Channel::Email,
            enabled,
        };
        let of = |preferences| UpdatePreferences { preferences }.validate();
        assert!(of(vec![choice(NotificationEvent::InvitationAccepted, false)]).is_ok());
        assert!(of(vec![choice(NotificationEvent::PasswordReset, true)]).is_ok());
        let refused = of(vec![choice(NotificationEvent::PasswordReset, false)]);
        assert_eq!(
            refused.expect_err("is required")[0].field,
            "preferences.0.enabled"
        );
    }
}
