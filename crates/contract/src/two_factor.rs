//! The second factor, and proving who one is again before something dangerous.

use serde::{Deserialize, Serialize};

use crate::passkeys::PasskeyAnswer;
use crate::redacted::redacted_debug;

redacted_debug! {
    MfaRequest {}
    StepUpRequest {}
    TotpCode {}
    TotpSetup {}
    RecoveryCodes {}
}

/// How a second factor, or oneself, is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MfaMethod {
    /// The code an authenticator app shows (RFC 6238).
    Totp,
    /// A passkey (WebAuthn).
    Passkey,
    /// A code sent to the telephone: `POST /auth/mfa/sms`, or `/auth/step-up/sms`, sends one.
    Sms,
    /// One of the codes that were shown when the second factor was switched on.
    RecoveryCode,
}

impl MfaMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Sms => "sms",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

/// `POST /auth/mfa`: the second half of a sign-in.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MfaRequest {
    /// From the answer `mfa_required`; good for five minutes and five attempts.
    pub mfa_token: String,
    pub method: MfaMethod,
    /// Of every method but `passkey`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// Of the method `passkey`: the answer to `POST /auth/mfa/passkey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyAnswer>,
}

/// `POST /auth/step-up`. With a second factor `code` counts, else `password`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(format = Password))]
    pub password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<MfaMethod>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of the method `passkey`: the answer to `POST /auth/step-up/passkey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyAnswer>,
}

/// How the caller's second factor stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwoFactorView {
    /// An authenticator app is set up.
    pub totp: bool,
    /// How many passkeys there are.
    pub passkeys: u32,
    /// The end of the number codes are sent to; null when they are sent to none.
    pub phone: Option<String>,
    /// Unused recovery codes.
    pub recovery_codes_left: u32,
    /// The organization this request acts in wants one.
    pub required: bool,
    /// Who one is was proved within the last ten minutes.
    pub recently_proved: bool,
    /// Passkeys can be used here: people reach this installation by a name, not an IP address.
    pub passkeys_offered: bool,
    /// Text messages can be sent.
    pub sms_offered: bool,
}

/// `POST /auth/two-factor/sms`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddPhone {
    /// E.164: `+4915112345678`. Blanks, dashes, dots and brackets are left out.
    pub phone: String,
}

impl AddPhone {
    /// The number in E.164; `None` when it is none.
    #[must_use]
    pub fn normal(&self) -> Option<String> {
        let number: String = self
            .phone
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | '(' | ')' | '/'))
            .collect();
        let digits = number.strip_prefix('+')?;
        let is_number = (8..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        is_number.then_some(number)
    }
}

/// What an authenticator app is set up with. Shown once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpSetup {
    /// Base32, for typing.
    pub secret: String,
    /// `otpauth://totp/…`
    pub url: String,
    /// The same as a QR code.
    pub qr_svg: String,
}

/// A code of the authenticator app.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    pub code: String,
}

/// Codes for when the authenticator app is lost, each good once. Shown once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    pub codes: Vec<String>,
}

/// `PUT /organization/two-factor`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RequireTwoFactor {
    /// Whether members need a second factor to act in the organization.
    pub required: bool,
}
